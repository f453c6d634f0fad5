//! The access matrix: every way of not being allowed to, over every route.
//!
//! It knows nothing of the server but its routes, which may come from its OpenAPI document, and one token of each kind.

use data_encoding::BASE64;
use serde_json::Value;

use crate::wire::Request;

/// A route that exists.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The content type and a body that the route would take.
    pub(crate) body: Option<(String, Vec<u8>)>,
}

/// What the right way to ask is.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// The right `Host`.
    pub(crate) host: String,
    pub(crate) full: String,
    pub(crate) read_only: String,
    pub(crate) revoked: String,
    /// `name=value` of an open session with full access.
    pub(crate) session: String,
}

/// A request that must have no effect and show nothing; or, as a control, one that must.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) request: Request,
    /// What is wrong with it; nothing is a control.
    pub(crate) wrong: Vec<&'static str>,
}

/// All operations of an OpenAPI document; parameters of paths are filled with `1`.
pub(crate) fn routes_of(document: &Value) -> Vec<Route> {
    const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
    let empty = serde_json::Map::new();
    let mut routes = Vec::new();
    for (path, item) in document.get("paths").and_then(Value::as_object).unwrap_or(&empty) {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let kinds = operation.pointer("/requestBody/content").and_then(Value::as_object);
            let kind = kinds.and_then(|kinds| kinds.keys().next());
            let body = kind.map(|kind| (kind.clone(), b"{}".to_vec()));
            routes.push(Route { method: method.to_uppercase(), path: filled(path), body });
        }
    }
    routes
}

fn filled(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "1".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// One value of a dimension: what it is, whether it is wrong, and the headers that it consists of.
struct Choice {
    name: &'static str,
    wrong: bool,
    headers: Vec<(&'static str, String)>,
}

fn choice(name: &'static str, wrong: bool, headers: &[(&'static str, &str)]) -> Choice {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Choice { name, wrong, headers }
}

fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}

fn credentials(keys: &Keys, method: &str) -> Vec<Choice> {
    let stranger = format!("sprat_{}", "A".repeat(43));
    let cut = &keys.full[..keys.full.len() - 1];
    let bearer = |token: &str| format!("Bearer {token}");
    let basic = |token: &str| format!("Basic {}", BASE64.encode(format!("admin:{token}").as_bytes()));
    let user_is_token = format!("Basic {}", BASE64.encode(format!("{}:", keys.full).as_bytes()));
    let planted = format!("{0}; {0}", keys.session);
    let name = keys.session.split('=').next().unwrap_or_default();
    let token_as_session = format!("{name}={}", keys.full);
    vec![
        choice("bearer", false, &[("Authorization", &bearer(&keys.full))]),
        choice("basic", false, &[("Authorization", &basic(&keys.full))]),
        choice("session", false, &[("Cookie", &keys.session)]),
        choice("read-only", !is_safe(method), &[("Authorization", &bearer(&keys.read_only))]),
        choice("no token", true, &[]),
        choice("a stranger's token", true, &[("Authorization", &bearer(&stranger))]),
        choice("a token without its end", true, &[("Authorization", &bearer(cut))]),
        choice("a revoked token", true, &[("Authorization", &bearer(&keys.revoked))]),
        choice("an empty token", true, &[("Authorization", "Bearer ")]),
        choice("another scheme", true, &[("Authorization", &keys.full)]),
        choice("admin:admin", true, &[("Authorization", &basic("admin"))]),
        choice("the token as the user", true, &[("Authorization", &user_is_token)]),
        choice(
            "two tokens",
            true,
            &[("Authorization", &bearer(&stranger)), ("Authorization", &bearer(&keys.full))],
        ),
        choice(
            "a wrong token beside a session",
            true,
            &[("Authorization", &bearer(&stranger)), ("Cookie", &keys.session)],
        ),
        choice("a session twice", true, &[("Cookie", &planted)]),
        choice("the token as a session", true, &[("Cookie", &token_as_session)]),
        choice("claims of a proxy", true, &[("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1")]),
    ]
}

fn hosts(keys: &Keys) -> Vec<Choice> {
    let host = keys.host.as_str();
    let name = host.split(':').next().unwrap_or_default();
    let suffixed = format!("{name}.evil.example:{}", host.rsplit(':').next().unwrap_or_default());
    vec![
        choice("", false, &[("Host", host)]),
        choice("foreign host", true, &[("Host", "evil.example")]),
        choice("our host as a part", true, &[("Host", &suffixed)]),
        choice("another port", true, &[("Host", &format!("{name}:1"))]),
        choice("no host", true, &[]),
        choice("two hosts", true, &[("Host", host), ("Host", "evil.example")]),
        choice(
            "our host by hearsay",
            true,
            &[("Host", "evil.example"), ("X-Forwarded-Host", host), ("Forwarded", &format!("host={host}"))],
        ),
    ]
}

fn origins(keys: &Keys) -> Vec<Choice> {
    let own = format!("http://{}", keys.host);
    vec![
        choice("own page", false, &[("Origin", &own)]),
        choice("no page", false, &[]),
        choice("foreign page", true, &[("Origin", "http://evil.example")]),
        choice("hidden page", true, &[("Origin", "null")]),
        choice("another scheme", true, &[("Origin", &format!("https://{}", keys.host))]),
        choice("our page as a part", true, &[("Origin", &format!("{own}.evil.example"))]),
        choice("two pages", true, &[("Origin", &own), ("Origin", "http://evil.example")]),
    ]
}

fn content_types(route: &Route) -> Vec<Choice> {
    let Some((right, _)) = &route.body else { return vec![choice("", false, &[])] };
    let mut choices = vec![choice("", false, &[("Content-Type", right)])];
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x"] {
        choices.push(choice("wrong content type", true, &[("Content-Type", wrong)]));
    }
    choices.push(choice("no content type", true, &[]));
    let two = [("Content-Type", right.as_str()), ("Content-Type", "text/plain")];
    choices.push(choice("two content types", true, &two));
    choices
}

/// Other ways to write a path, by which a check of paths could be deceived.
fn tricks(path: &str, keys: &Keys) -> Vec<String> {
    let inner = path.trim_start_matches('/');
    let encoded = inner.replacen(|c: char| c.is_ascii_alphabetic(), "%61", 1);
    vec![
        path.to_owned(),
        format!("//{inner}"),
        format!("/./{inner}"),
        format!("/x/../{inner}"),
        format!("/x/%2e%2e/{inner}"),
        format!("/%2f{inner}"),
        format!("/{encoded}"),
        format!("{path}/"),
        format!("{path};a=b"),
        format!("{path}%00"),
        format!("{path}?token={}", keys.revoked),
        path.to_uppercase(),
        format!("/..%5c..%5c{inner}"),
        format!("http://{}{path}", keys.host),
        format!("http://evil.example{path}"),
        "/../../../../etc/passwd".to_owned(),
        "/%2e%2e/%2e%2e/%2e%2e/etc/passwd".to_owned(),
        "*".to_owned(),
    ]
}

/// Every request with at most two things wrong, and every way to write a path with no right token.
pub(crate) fn cases(routes: &[Route], keys: &Keys) -> Vec<Case> {
    let mut cases = Vec::new();
    for route in routes {
        for credential in credentials(keys, &route.method) {
            for host in hosts(keys) {
                for origin in origins(keys) {
                    for kind in content_types(route) {
                        let page_needed = credential.name == "session" && !is_safe(&route.method);
                        let pageless = page_needed && origin.name == "no page";
                        let chosen = [&credential, &host, &origin, &kind];
                        let mut wrong: Vec<_> =
                            chosen.iter().filter(|choice| choice.wrong).map(|choice| choice.name).collect();
                        wrong.extend(pageless.then_some("a session of no page"));
                        if wrong.len() > 2 {
                            continue;
                        }
                        let mut request = Request::new(&route.method, &route.path);
                        for choice in chosen {
                            request.headers.extend(choice.headers.iter().cloned());
                        }
                        request.body = route.body.as_ref().map(|(_, body)| body.clone()).unwrap_or_default();
                        cases.push(Case { request, wrong });
                    }
                }
            }
        }
        for target in tricks(&route.path, keys) {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get"] {
                let wrong = credentials(keys, method).into_iter().filter(|credential| credential.wrong);
                for credential in wrong.step_by(3) {
                    let mut request = Request::new(method, &target).header("Host", &keys.host);
                    request.headers.extend(credential.headers);
                    cases.push(Case { request, wrong: vec![credential.name] });
                }
            }
        }
    }
    cases
}
