//! The page that people look at: files that are compiled in, and served from a table of names. No path of a request ever
//! becomes one of the file system, and whoever has no token may have them: they say nothing of any torrent.

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

mod table;

use table::FILES;

/// What the page may do: load its own files and ask its own daemon. Nothing inline, nothing from elsewhere, no form is sent, and by
/// `trusted-types` no text ever becomes markup or code, whatever a torrent is called.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    media-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// A file of the page.
#[derive(Debug, Clone, Copy)]
struct File {
    /// Its path below the root, without a slash before it.
    name: &'static str,
    bytes: &'static [u8],
}

impl File {
    fn content_type(&self) -> &'static str {
        match self.name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("webmanifest") => "application/manifest+json",
            _ => "application/octet-stream",
        }
    }

    /// Follows from the content, so it is another one exactly when that is.
    fn tag(&self) -> String {
        let hash = Sha256::digest(self.bytes);
        format!("\"{}\"", HEXLOWER.encode(hash.get(..16).unwrap_or_default()))
    }
}

/// The page's routes: `/` and its files. To be merged beside the interfaces.
pub fn router() -> Router {
    FILES.iter().fold(Router::new(), |router, file| {
        let path = if file.name == "index.html" { "/".to_owned() } else { format!("/{}", file.name) };
        let tag = file.tag();
        router.route(&path, get(async move |headers: HeaderMap| answer(file, &tag, &headers)))
    })
}

fn answer(file: &'static File, tag: &str, headers: &HeaderMap) -> Response {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    let is_known =
        known.flat_map(|list| list.split(',')).any(|one| one.trim().trim_start_matches("W/") == tag);
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, file.content_type())], Body::from(file.bytes)).into_response()
    };
    let said = [
        // Files have no version in their names: a browser asks each time, and is told that nothing has changed.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ];
    let said = said.map(|(name, value)| (name, HeaderValue::from_static(value)));
    response.headers_mut().extend(said);
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use axum::http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("page")
    }

    fn served() -> BTreeSet<&'static str> {
        FILES.iter().map(|file| file.name).collect()
    }

    fn text(file: &File) -> &'static str {
        std::str::from_utf8(file.bytes).unwrap()
    }

    async fn ask(request: Request<Body>) -> Response {
        router().oneshot(request).await.unwrap()
    }

    #[test]
    fn every_file_of_the_page_is_in_the_table() {
        let in_folder =
            |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let top = in_folder(folder()).filter(|path| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            matches!(ending, Some("html" | "css" | "svg" | "webmanifest"))
        });
        let scripts = in_folder(folder().join("scripts"));
        let scripts =
            scripts.flat_map(|path| if path.is_dir() { in_folder(path).collect() } else { vec![path] });
        let name = |path: PathBuf| path.strip_prefix(folder()).unwrap().to_str().unwrap().replace('\\', "/");
        let there: BTreeSet<String> = top.chain(scripts).map(name).collect();
        assert_eq!(there.iter().map(String::as_str).collect::<BTreeSet<_>>(), served());
    }

    #[test]
    fn what_the_page_refers_to_is_served() {
        for file in FILES.iter().filter(|file| file.name.ends_with(".html")) {
            let references = ["href=\"", "src=\""].map(|before| text(file).split(before).skip(1));
            for reference in references.into_iter().flatten() {
                let name = reference.split('"').next().unwrap().trim_start_matches('/');
                assert!(name.starts_with('#') || served().contains(name), "{}: {name}", file.name);
            }
        }
        for file in FILES.iter().filter(|file| file.name.ends_with(".js")) {
            for import in text(file).split("from '").skip(1) {
                let import = import.split('\'').next().unwrap();
                if !import.starts_with('.') {
                    continue;
                }
                let mut path: Vec<&str> = file.name.split('/').collect();
                path.pop();
                for word in import.split('/') {
                    match word {
                        "." => {}
                        ".." => drop(path.pop()),
                        word => path.push(word),
                    }
                }
                let name = path.join("/");
                assert!(served().contains(name.as_str()), "{}: {name}", file.name);
            }
        }
    }

    #[test]
    fn nothing_is_inline_comes_from_elsewhere_or_turns_text_into_markup() {
        let forbidden = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "https://",
            "<style",
            " style=",
            "onclick=",
        ];
        for file in FILES {
            for word in forbidden {
                assert!(!text(file).contains(word), "{}: {word}", file.name);
            }
            let elsewhere = text(file).replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("http://"), "{}", file.name);
        }
    }

    #[tokio::test]
    async fn a_file_is_sent_once_and_is_known_then() {
        let answer = ask(Request::get("/").body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(answer.headers()[CONTENT_SECURITY_POLICY], POLICY);
        let tag = answer.headers()[ETAG].clone();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(b"<!doctype html>"));

        let again = Request::get("/").header(IF_NONE_MATCH, tag.clone()).body(Body::empty()).unwrap();
        let answer = ask(again).await;
        assert_eq!((answer.status(), &answer.headers()[ETAG]), (StatusCode::NOT_MODIFIED, &tag));
        assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
    }

    #[tokio::test]
    async fn nothing_else_is_served() {
        for path in [
            "/index.html",
            "/package.json",
            "/scripts/",
            "/scripts/../style.css",
            "/%2e%2e/Cargo.toml",
            "/tests",
        ] {
            let answer = ask(Request::get(path).body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        }
        let post = Request::post("/").body(Body::empty()).unwrap();
        assert_eq!(ask(post).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
