//! Logins of browsers: a cookie instead of the token, which ends.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::token::{Fingerprint, Token};
use super::tokens::TokenInfo;
use crate::settings::Settings;

/// More are not open at a time; the one that was not used for the longest time ends.
const MOST: usize = 128;

/// How long a login lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLife {
    /// Without a request.
    pub idle: Duration,
    /// In all.
    pub whole: Duration,
}

impl From<&Settings> for SessionLife {
    fn from(settings: &Settings) -> Self {
        Self { idle: settings.api.session_idle.duration(), whole: settings.api.session_life.duration() }
    }
}

/// The open ones. They are in memory only: a restart ends them.
#[derive(Debug)]
pub(super) struct Sessions {
    pub(super) life: SessionLife,
    open: BTreeMap<Fingerprint, Session>,
}

#[derive(Debug)]
struct Session {
    token: TokenInfo,
    began: Instant,
    used: Instant,
}

impl Sessions {
    pub(super) const fn new(life: SessionLife) -> Self {
        Self { life, open: BTreeMap::new() }
    }

    /// Opens one with a token. What is returned goes into the cookie.
    pub(super) fn open(&mut self, token: TokenInfo, now: Instant) -> Result<Token, getrandom::Error> {
        let cookie = Token::random()?;
        self.expire(now);
        if self.open.len() >= MOST {
            let oldest = self.open.iter().min_by_key(|(_, session)| session.used);
            if let Some(fingerprint) = oldest.map(|(&fingerprint, _)| fingerprint) {
                self.open.remove(&fingerprint);
            }
        }
        self.open.insert(cookie.fingerprint(), Session { token, began: now, used: now });
        Ok(cookie)
    }

    /// Whose session this is. Found by its fingerprint, so how long it takes says nothing of the cookie.
    pub(super) fn find(&mut self, cookie: &Token, now: Instant) -> Option<TokenInfo> {
        self.expire(now);
        let session = self.open.get_mut(&cookie.fingerprint())?;
        session.used = now;
        Some(session.token.clone())
    }

    /// Ends one.
    pub(super) fn close(&mut self, cookie: &Token) {
        self.open.remove(&cookie.fingerprint());
    }

    /// Ends all of a token.
    pub(super) fn close_all(&mut self, token: &str) {
        self.open.retain(|_, session| session.token.id != token);
    }

    fn expire(&mut self, now: Instant) {
        let SessionLife { idle, whole } = self.life;
        self.open.retain(|_, session| now < session.used + idle && now < session.began + whole);
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::Access;
    use super::*;

    fn info(id: &str) -> TokenInfo {
        TokenInfo { id: id.to_owned(), name: String::new(), access: Access::Full, created_at: None }
    }

    fn sessions() -> (Sessions, Instant) {
        let life = SessionLife { idle: Duration::from_secs(10), whole: Duration::from_secs(25) };
        (Sessions::new(life), Instant::now())
    }

    #[test]
    fn a_session_ends_when_it_is_not_used_and_when_it_is_old() {
        let (mut sessions, start) = sessions();
        let at = |second| start + Duration::from_secs(second);
        let idle = sessions.open(info("a"), at(0)).unwrap();
        let used = sessions.open(info("a"), at(0)).unwrap();
        for second in [9, 18, 24] {
            assert!(sessions.find(&used, at(second)).is_some());
        }
        assert!(sessions.find(&idle, at(24)).is_none());
        assert!(sessions.find(&used, at(25)).is_none(), "used or not");
        assert!(sessions.open.is_empty());
    }

    #[test]
    fn sessions_end_with_a_logout_and_with_their_token() {
        let (mut sessions, now) = sessions();
        let cookies: Vec<_> =
            ["a", "a", "b"].map(|id| sessions.open(info(id), now).unwrap()).into_iter().collect();
        sessions.close(&cookies[0]);
        assert!(sessions.find(&cookies[0], now).is_none() && sessions.find(&cookies[1], now).is_some());
        sessions.close_all("a");
        assert!(sessions.find(&cookies[1], now).is_none() && sessions.find(&cookies[2], now).is_some());
    }

    #[test]
    fn there_are_never_more_than_the_limit() {
        let (mut sessions, now) = sessions();
        let first = sessions.open(info("a"), now).unwrap();
        for _ in 0..MOST {
            sessions.open(info("a"), now + Duration::from_secs(1)).unwrap();
        }
        assert_eq!(sessions.open.len(), MOST);
        assert!(sessions.find(&first, now).is_none());
    }
}
