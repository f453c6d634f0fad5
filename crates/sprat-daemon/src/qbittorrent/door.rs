//! Who may ask: a session that was begun with a token, or a token with each request. A user name is asked for by programs, and means
//! nothing here.

use std::sync::Arc;

use axum::RequestExt as _;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{SET_COOKIE, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};

use super::failure::Failure;
use super::params::Params;
use super::state::Web;
use crate::access::{Access, Door, Needs, Refusal};
use crate::http::Connection;

/// The name that programs know it by.
const COOKIE: &str = "SID";

/// For what needs so much. Which that is does not follow from the method: programs read by POST. That they send no `Origin` along with
/// the cookie is no gap, since browsers do.
pub(super) const fn door(needs: Access) -> Door {
    Door {
        bearer: true,
        basic: true,
        cookie: Some(COOKIE),
        cookie_without_origin: true,
        needs: Needs::AtLeast(needs),
        refuse,
    }
}

/// Programs log in when they are told 403, and know no other word for it.
pub(super) fn refuse(refusal: &Refusal) -> Response {
    let mut response = refusal.to_text();
    if matches!(refusal, Refusal::NoToken | Refusal::WrongToken | Refusal::TooMany { .. }) {
        *response.status_mut() = StatusCode::FORBIDDEN;
        response.headers_mut().remove(WWW_AUTHENTICATE);
    }
    response
}

/// `auth/login`: the password is a token, whatever the user name is.
pub(super) async fn log_in(State(web): State<Arc<Web>>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let params: Params = Request::from_parts(parts.clone(), body).extract().await?;
    let connection = connection_of(&parts)?;
    let token = params.text("password").unwrap_or_default();
    Ok(match web.around.gate.log_in(token, &parts, connection, &door(Access::ReadOnly)) {
        Ok(cookie) => ([(SET_COOKIE, cookie)], "Ok.").into_response(),
        Err(Refusal::WrongToken) => "Fails.".into_response(),
        Err(refusal) => refuse(&refusal),
    })
}

/// `auth/logout`
pub(super) fn log_out(web: &Web, request: Request) -> Result<Response, Failure> {
    let (parts, _) = request.into_parts();
    let connection = connection_of(&parts)?;
    Ok(match web.around.gate.log_out(&parts, connection, &door(Access::ReadOnly)) {
        Ok(cookie) => [(SET_COOKIE, cookie)].into_response(),
        Err(refusal) => refuse(&refusal),
    })
}

fn connection_of(parts: &Parts) -> Result<&Connection, Failure> {
    parts.extensions.get().ok_or_else(|| Failure::bad_request("no connection"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::header::RETRY_AFTER;

    use super::*;

    #[test]
    fn programs_are_told_to_log_in_and_when() {
        let answer = refuse(&Refusal::NoToken);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(!answer.headers().contains_key(WWW_AUTHENTICATE));
        let answer = refuse(&Refusal::TooMany { wait: Duration::from_secs(4) });
        assert_eq!(
            (answer.status(), &answer.headers()[RETRY_AFTER]),
            (StatusCode::FORBIDDEN, &"5".parse().unwrap())
        );
        assert_eq!(refuse(&Refusal::WrongHost).status(), StatusCode::MISDIRECTED_REQUEST);
    }
}
