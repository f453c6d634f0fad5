//! What a request says: in its query, in a form, or in the parts of a multipart body. Programs use all three for the same things.

use std::str::FromStr;

use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use url::form_urlencoded;

use super::failure::Failure;

/// The longest list of what a request says: of parts or of fields, not of what stands in one of them.
const MOST: usize = 1000;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Params {
    fields: Vec<(String, String)>,
    /// Files that were sent along.
    pub(super) files: Vec<Bytes>,
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let mut params = Self::default();
        params.read_form(request.uri().query().unwrap_or_default().as_bytes())?;
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/form-data")) {
            let parts = Multipart::from_request(request, state).await.map_err(Failure::bad_request)?;
            params.read_parts(parts).await?;
        } else {
            let body = Bytes::from_request(request, state).await.map_err(Failure::bad_request)?;
            params.read_form(&body)?;
        }
        Ok(params)
    }
}

impl Params {
    fn read_form(&mut self, form: &[u8]) -> Result<(), Failure> {
        for field in form_urlencoded::parse(form).into_owned() {
            self.check_count()?;
            self.fields.push(field);
        }
        Ok(())
    }

    async fn read_parts(&mut self, mut parts: Multipart) -> Result<(), Failure> {
        let unreadable = |error: MultipartError| Failure::new(error.status(), error);
        while let Some(part) = parts.next_field().await.map_err(unreadable)? {
            self.check_count()?;
            if part.file_name().is_some() {
                let bytes = part.bytes().await.map_err(unreadable)?;
                // A form in a browser sends an empty one where none was chosen.
                if !bytes.is_empty() {
                    self.files.push(bytes);
                }
            } else {
                let name = part.name().unwrap_or_default().to_owned();
                self.fields.push((name, part.text().await.map_err(unreadable)?));
            }
        }
        Ok(())
    }

    fn check_count(&self) -> Result<(), Failure> {
        if self.fields.len() + self.files.len() < MOST {
            Ok(())
        } else {
            Err(Failure::bad_request(format!("more than {MOST} fields")))
        }
    }

    /// What is said of something. What stands in the body goes before what stands in the query.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.fields.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The same, where nothing can be done without.
    pub(super) fn needed(&self, name: &str) -> Result<&str, Failure> {
        self.text(name).ok_or_else(|| Failure::bad_request(format!("{name} is missing")))
    }

    /// Yes or no. What is neither says nothing.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.text(name)?.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    /// A number. An empty field says nothing.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        match self.text(name).map(str::trim).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => {
                let number =
                    text.parse().map_err(|_| Failure::bad_request(format!("{name} is no number")))?;
                Ok(Some(number))
            }
        }
    }

    /// What is named one after the other, nothing left empty.
    pub(super) fn list(&self, name: &str, separator: char) -> Vec<&str> {
        let parts = self.text(name).unwrap_or_default().split(separator);
        parts.map(str::trim).filter(|part| !part.is_empty()).collect()
    }
}

#[cfg(test)]
impl From<&str> for Params {
    fn from(form: &str) -> Self {
        let mut params = Self::default();
        params.read_form(form.as_bytes()).unwrap();
        params
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn read(request: Request) -> Result<Params, Failure> {
        Params::from_request(request, &()).await
    }

    #[tokio::test]
    async fn fields_come_by_query_form_and_parts() {
        let form = Request::post("/?hashes=a&x=1")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from("hashes=b%7Cc&value=True&limit=&ratio=1.5&bad=x"))
            .unwrap();
        let params = read(form).await.unwrap();
        assert_eq!(params.text("hashes"), Some("b|c"));
        assert_eq!(params.list("hashes", '|'), ["b", "c"]);
        assert_eq!(
            (params.flag("value"), params.flag("x"), params.flag("bad")),
            (Some(true), Some(true), None)
        );
        assert_eq!(params.number::<i64>("limit").unwrap(), None);
        assert_eq!(params.number::<f64>("ratio").unwrap(), Some(1.5));
        assert!(params.number::<i64>("bad").is_err() && params.needed("missing").is_err());

        let parts = "--b\r\nContent-Disposition: form-data; name=\"category\"\r\n\r\ntv\r\n\
            --b\r\nContent-Disposition: form-data; name=\"torrents\"; filename=\"a\"\r\n\r\nd1:ae\r\n\
            --b\r\nContent-Disposition: form-data; name=\"none\"; filename=\"\"\r\n\r\n\r\n--b--\r\n";
        let parts = Request::post("/")
            .header(CONTENT_TYPE, "multipart/form-data; boundary=b")
            .body(Body::from(parts))
            .unwrap();
        let params = read(parts).await.unwrap();
        assert_eq!(params.text("category"), Some("tv"));
        assert_eq!(params.files, [Bytes::from_static(b"d1:ae")]);
    }

    #[tokio::test]
    async fn what_has_no_end_is_refused() {
        let many = Request::post("/").body(Body::from("a=b&".repeat(MOST + 1))).unwrap();
        assert!(read(many).await.is_err());
        let broken = Request::post("/")
            .header(CONTENT_TYPE, "multipart/form-data; boundary=b")
            .body(Body::from("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nno end"))
            .unwrap();
        assert!(read(broken).await.is_err());
        let unnamed =
            Request::post("/").header(CONTENT_TYPE, "multipart/form-data").body(Body::empty()).unwrap();
        assert!(read(unnamed).await.is_err());
    }
}
