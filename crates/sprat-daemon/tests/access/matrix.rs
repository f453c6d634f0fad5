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
    /// What the route takes, and something of it that would have an effect.
    pub(crate) body: Option<Body>,
    pub(crate) needs: Needs,
    /// The cookie of a session is as good as a token.
    pub(crate) sessions: bool,
}

/// What a route takes.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    /// Media types. The first is the usual one. None: whatever type it says, also none.
    pub(crate) kinds: Vec<String>,
    pub(crate) bytes: Vec<u8>,
}

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// To be sent to us, and not by a foreign page.
    NoToken,
    /// A token that may look, and if the method changes something, one that may do everything.
    ByMethod,
    /// A token that may look.
    Looking,
    /// A token that may do everything.
    Everything,
}

impl Route {
    /// Without a body, and with a session as good as a token.
    pub(crate) fn new(method: &str, path: &str, needs: Needs) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), body: None, needs, sessions: true }
    }

    /// The same with a body of one of these kinds.
    pub(crate) fn taking(self, kinds: &[&str], bytes: impl Into<Vec<u8>>) -> Self {
        let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        Self { body: Some(Body { kinds, bytes: bytes.into() }), ..self }
    }

    /// The same where the session of another interface opens nothing.
    pub(crate) fn with_sessions_of_its_own(self) -> Self {
        Self { sessions: false, ..self }
    }

    fn is_open_to_lookers(&self) -> bool {
        match self.needs {
            Needs::NoToken | Needs::Looking => true,
            Needs::ByMethod => is_safe(&self.method),
            Needs::Everything => false,
        }
    }
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
    /// `name=value` of one that has ended.
    pub(crate) ended_session: String,
}

/// How many things are wrong at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    One,
    /// One or two, and every method for each way to write a path.
    Two,
}

/// A request that must have no effect and show nothing; or, as a control, one that must.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) request: Request,
    /// What is wrong with it; nothing is a control.
    pub(crate) wrong: Vec<&'static str>,
    /// The path is written in some other way: who answers at all says that there is nothing.
    pub(crate) is_trick: bool,
}

/// All operations of an OpenAPI document. `fill` makes a path of one of the document with parameters, and `example` what is
/// sent to a method and path of the document that take a body.
pub(crate) fn routes_of(
    document: &Value,
    fill: impl Fn(&str) -> String,
    example: impl Fn(&str, &str) -> Option<Value>,
) -> Vec<Route> {
    const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
    let empty = serde_json::Map::new();
    let mut routes = Vec::new();
    for (path, item) in document.get("paths").and_then(Value::as_object).unwrap_or(&empty) {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let kinds = operation.pointer("/requestBody/content").and_then(Value::as_object);
            let kinds: Vec<String> = kinds.into_iter().flat_map(|kinds| kinds.keys().cloned()).collect();
            let body =
                || example(method, path).unwrap_or_else(|| serde_json::json!({})).to_string().into_bytes();
            routes.push(Route {
                body: (!kinds.is_empty()).then(|| Body { kinds, bytes: body() }),
                ..Route::new(&method.to_uppercase(), &fill(path), Needs::ByMethod)
            });
        }
    }
    routes
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

fn credentials(keys: &Keys, route: &Route) -> Vec<Choice> {
    if route.needs == Needs::NoToken {
        return vec![choice("", false, &[]), choice("", false, &[("Authorization", "Bearer x")])];
    }
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
        choice("session", !route.sessions, &[("Cookie", &keys.session)]),
        choice("read-only", !route.is_open_to_lookers(), &[("Authorization", &bearer(&keys.read_only))]),
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
        choice("a session that has ended", true, &[("Cookie", &keys.ended_session)]),
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
    const STRANGE: [&str; 4] =
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x"];
    let Some(body) = &route.body else { return vec![choice("", false, &[])] };
    if body.kinds.is_empty() {
        let said = ["application/json", "text/html", "x"].map(|kind| [("Content-Type", kind)]);
        let unsaid = choice("", false, &[]);
        return said.iter().map(|header| choice("", false, header)).chain([unsaid]).collect();
    }
    let right = body.kinds.first().map(String::as_str).unwrap_or_default();
    let mut choices = vec![choice("", false, &[("Content-Type", right)])];
    for wrong in
        STRANGE.into_iter().filter(|strange| !body.kinds.iter().any(|kind| strange.starts_with(kind)))
    {
        choices.push(choice("wrong content type", true, &[("Content-Type", wrong)]));
    }
    choices.push(choice("no content type", true, &[]));
    let two = [("Content-Type", right), ("Content-Type", "text/plain")];
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

/// Every request of a route with so many things wrong, those with nothing wrong last; before them, every way to write its path
/// with no right token.
pub(crate) fn cases(route: &Route, keys: &Keys, depth: Depth) -> Vec<Case> {
    let mut cases = if route.needs == Needs::NoToken { Vec::new() } else { tricky(route, keys, depth) };
    let most = if depth == Depth::Two { 2 } else { 1 };
    for credential in credentials(keys, route) {
        for host in hosts(keys) {
            for origin in origins(keys) {
                for kind in content_types(route) {
                    let page_needed = credential.name == "session" && !is_safe(&route.method);
                    let pageless = page_needed && origin.name == "no page";
                    let chosen = [&credential, &host, &origin, &kind];
                    let mut wrong: Vec<_> =
                        chosen.iter().filter(|choice| choice.wrong).map(|choice| choice.name).collect();
                    wrong.extend(pageless.then_some("a session of no page"));
                    if wrong.len() > most {
                        continue;
                    }
                    let mut request = Request::new(&route.method, &route.path);
                    for choice in chosen {
                        request.headers.extend(choice.headers.iter().cloned());
                    }
                    request.body = route.body.as_ref().map(|body| body.bytes.clone()).unwrap_or_default();
                    cases.push(Case { request, wrong, is_trick: false });
                }
            }
        }
    }
    // What is right may remove what the others would have changed.
    cases.sort_by_key(|case| case.wrong.is_empty());
    cases
}

fn tricky(route: &Route, keys: &Keys, depth: Depth) -> Vec<Case> {
    const METHODS: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get"];
    let (methods, step) = match depth {
        Depth::One => (vec![route.method.as_str(), "PROPFIND"], 5),
        Depth::Two => (METHODS.to_vec(), 3),
    };
    let mut cases = Vec::new();
    for target in tricks(&route.path, keys) {
        for method in &methods {
            let asked = Route { method: (*method).to_owned(), ..route.clone() };
            let wrong = credentials(keys, &asked).into_iter().filter(|credential| credential.wrong);
            for credential in wrong.step_by(step) {
                let mut request = Request::new(method, &target).header("Host", &keys.host);
                request.headers.extend(credential.headers);
                cases.push(Case { request, wrong: vec![credential.name], is_trick: true });
            }
        }
    }
    cases
}
