//! The one place that decides whether a request may pass.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE, HeaderValue};
use axum::http::request::Parts;
use data_encoding::BASE64;
use tokio::time::Instant;

use super::back_off::BackOff;
use super::door::{Door, Needs};
use super::links::{self, Links, Opens};
use super::origin::{Hosts, check_origin, only, origin_of};
use super::refusal::Refusal;
use super::sessions::{SessionLife, Sessions};
use super::token::{Access, Token};
use super::tokens::{TokenError, TokenInfo, Tokens};
use crate::http::{Connection, Proxies, network};
use crate::settings::Settings;

/// What the gate goes by.
#[derive(Debug, Clone)]
pub struct GateConfig {
    /// Names under which browsers may reach us, besides addresses by number.
    pub hosts: Vec<String>,
    /// Whose word about the client is believed.
    pub proxies: Proxies,
    /// How long logins last.
    pub session_life: SessionLife,
}

impl From<&Settings> for GateConfig {
    fn from(settings: &Settings) -> Self {
        Self {
            hosts: settings.api.hosts.clone(),
            proxies: Proxies::new(settings.api.trusted_proxies.iter().copied()),
            session_life: SessionLife::from(settings),
        }
    }
}

/// Everything that access depends on.
#[derive(Debug)]
pub struct Gate {
    tokens: Tokens,
    hosts: Hosts,
    proxies: Proxies,
    sessions: Mutex<Sessions>,
    back_off: Mutex<BackOff>,
    links: Links,
}

/// How a request has shown what it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// With a token in a header.
    Token,
    /// With the cookie of a session.
    Session,
}

/// A request that may pass. It is among its extensions behind [`guard`](super::guard).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// What it may do.
    pub access: Access,
    /// Whose token it was, or whose session.
    pub token: TokenInfo,
    /// How.
    pub way: Way,
}

/// A request that was sent to us, and not by a foreign page; it may be anybody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The name that it was sent to, which is one of ours.
    pub host: String,
    /// Whether it came from a page of ours, as the browser says.
    pub from_own_page: bool,
}

impl Gate {
    /// How long a [link](Self::link) opens.
    pub const LINK_LIFE: Duration = links::LIFE;

    /// A gate with these tokens. Fails if the system has no randomness.
    pub fn new(config: GateConfig, tokens: Tokens) -> Result<Self, getrandom::Error> {
        Ok(Self {
            tokens,
            hosts: Hosts::new(&config.hosts),
            proxies: config.proxies,
            sessions: Mutex::new(Sessions::new(config.session_life)),
            back_off: Mutex::default(),
            links: Links::new(Instant::now())?,
        })
    }

    /// The tokens.
    #[must_use]
    pub const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// How long logins last from now on.
    pub fn set_session_life(&self, life: SessionLife) {
        self.sessions().life = life;
    }

    /// Whether a request was sent to us, and not by a foreign page. Enough for what anybody may see, such as the page to log
    /// in on.
    pub fn admit(&self, parts: &Parts, connection: &Connection) -> Result<Admitted, Refusal> {
        let host = self.hosts.check(parts, connection)?;
        let origin = check_origin(parts, connection, &self.proxies, &host)?;
        Ok(Admitted { host, from_own_page: origin.is_some() })
    }

    /// Whether a request may pass a door.
    pub fn judge(&self, parts: &Parts, connection: &Connection, door: &Door) -> Result<Granted, Refusal> {
        let admitted = self.admit(parts, connection)?;
        let is_safe = parts.method.is_safe();
        let granted = match only(&parts.headers, &AUTHORIZATION)? {
            // Whoever shows a wrong token is not helped by a cookie.
            Some(authorization) => {
                let token = token_of(authorization, door);
                let token = self.check(token, parts, connection)?;
                Granted { access: token.access, token, way: Way::Token }
            }
            None => {
                let cookie = door.cookie.and_then(|name| cookie(&parts.headers, name));
                let cookie = cookie.ok_or(Refusal::NoToken)?;
                // An own page that changes something says whose it is; forms of foreign pages and old browsers do not.
                if !is_safe && !admitted.from_own_page && !door.cookie_without_origin {
                    return Err(Refusal::ForeignOrigin);
                }
                let session = Token::parse(&cookie).ok();
                let token = session.and_then(|cookie| self.sessions().find(&cookie, Instant::now()));
                // It may have been opened in the moment in which the token was revoked.
                let token = token.filter(|token| self.tokens.holds(&token.id)).ok_or(Refusal::WrongToken)?;
                Granted { access: token.access, token, way: Way::Session }
            }
        };
        connection.trust();
        self.tokens.note_use(&granted.token.id);
        let needed = match door.needs {
            Needs::ByMethod if is_safe => Access::ReadOnly,
            Needs::ByMethod => Access::Full,
            Needs::AtLeast(access) => access,
        };
        if granted.access < needed { Err(Refusal::ReadOnly) } else { Ok(granted) }
    }

    /// Opens a session with a token. Returns the `Set-Cookie` header.
    pub fn log_in(
        &self,
        token: &str,
        parts: &Parts,
        connection: &Connection,
        door: &Door,
    ) -> Result<HeaderValue, Refusal> {
        self.admit(parts, connection)?;
        let name = door.cookie.ok_or(Refusal::NoToken)?;
        let token = self.check(Token::parse(token.trim()).ok(), parts, connection)?;
        let (life, session) = {
            let mut sessions = self.sessions();
            (sessions.life.whole, sessions.open(token, Instant::now()))
        };
        let session = session.map_err(|_| Refusal::Malformed)?.reveal();
        let secure = if self.proxies.is_encrypted(connection, &parts.headers) { "; Secure" } else { "" };
        let seconds = life.as_secs();
        let cookie =
            format!("{name}={session}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
        HeaderValue::try_from(cookie).map_err(|_| Refusal::Malformed)
    }

    /// Ends the session of a request, if it has one. Returns the `Set-Cookie` header that removes the cookie.
    pub fn log_out(
        &self,
        parts: &Parts,
        connection: &Connection,
        door: &Door,
    ) -> Result<HeaderValue, Refusal> {
        self.admit(parts, connection)?;
        let name = door.cookie.ok_or(Refusal::NoToken)?;
        if let Some(session) = cookie(&parts.headers, name).and_then(|cookie| Token::parse(&cookie).ok()) {
            self.sessions().close(&session);
        }
        let cookie = format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
        HeaderValue::try_from(cookie).map_err(|_| Refusal::Malformed)
    }

    /// The origin under which a request has reached us: `https://nas.lan`.
    pub fn own_origin(&self, parts: &Parts, connection: &Connection) -> Result<String, Refusal> {
        let host = self.hosts.check(parts, connection)?;
        Ok(origin_of(&host, self.proxies.is_encrypted(connection, &parts.headers)))
    }

    /// What stands in the address of a file so that whoever has it may read this file, and nothing else. For programs that cannot send a
    /// token.
    #[must_use]
    pub fn link(&self, granted: &Granted, torrent: &str, file: usize) -> String {
        self.links.make(Opens { torrent, file }, &granted.token.id, Instant::now())
    }

    /// Whether a link opens this file: it was made here, its time is not over, and the token that it was made with still holds. That
    /// token.
    pub fn judge_link(&self, link: &str, torrent: &str, file: usize) -> Result<TokenInfo, Refusal> {
        let token = self.links.check(Opens { torrent, file }, link, Instant::now());
        token.and_then(|token| self.tokens.info(token)).ok_or(Refusal::WrongLink)
    }

    /// Ends a token, its sessions, its links and the streams that were opened with it, at once. That is durable when this returns.
    pub async fn revoke(&self, id: &str) -> Result<(), TokenError> {
        self.tokens.end(id)?;
        self.sessions().close_all(id);
        self.tokens.forget(id).await
    }

    /// Whose token this is. The right one is right however many wrong ones came before it.
    fn check(
        &self,
        token: Option<Token>,
        parts: &Parts,
        connection: &Connection,
    ) -> Result<TokenInfo, Refusal> {
        let found = token.and_then(|token| self.tokens.find(&token));
        let client = match connection.ip() {
            Some(remote) => Some(self.proxies.client(remote, &parts.headers).ok_or(Refusal::NoClient)?),
            None => None,
        };
        let source = client.map(network);
        let mut back_off = self.back_off.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Some(token) => {
                back_off.forgive(source);
                Ok(token)
            }
            None => match back_off.mistake(source, Instant::now()) {
                Ok(()) => {
                    tracing::warn!(?client, "a wrong token");
                    Err(Refusal::WrongToken)
                }
                Err(wait) => Err(Refusal::TooMany { wait }),
            },
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token of an `Authorization` header, if the door takes its kind.
fn token_of(authorization: &str, door: &Door) -> Option<Token> {
    let (scheme, value) = authorization.split_once(' ')?;
    let value = value.trim();
    if door.bearer && scheme.eq_ignore_ascii_case("bearer") {
        return Token::parse(value).ok();
    }
    if door.basic && scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(BASE64.decode(value.as_bytes()).ok()?).ok()?;
        return Token::parse(pair.split_once(':')?.1).ok();
    }
    None
}

/// The value of a cookie. One that stands there twice was planted by somebody: neither counts.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lists = headers.get_all(COOKIE).into_iter().filter_map(|list| list.to_str().ok());
    let pairs = lists.flat_map(|list| list.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
    let value = values.next()?;
    values.next().is_none().then_some(value)
}
