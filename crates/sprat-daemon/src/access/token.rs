//! A token: 256 random bits.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use thiserror::Error;
use utoipa::ToSchema;

/// By which a token is recognised where it should not be, in a log or a repository.
const PREFIX: &str = "sprat_";

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// To look.
    ReadOnly,
    /// Everything.
    Full,
}

/// A token: `sprat_` and 43 characters. It is never shown by accident.
#[derive(Clone)]
pub struct Token([u8; 32]);

/// This is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a token is `{PREFIX}` and 43 letters, digits, - and _")]
pub struct ParseTokenError;

impl Token {
    /// A new one, from the system's randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits)?;
        Ok(Self(bits))
    }

    /// From its text.
    pub fn parse(text: &str) -> Result<Self, ParseTokenError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(ParseTokenError)?;
        let bits = BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_| ParseTokenError)?;
        bits.try_into().map(Self).map_err(|_| ParseTokenError)
    }

    /// Its text: for its owner, once.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&self.0))
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// What is kept of a token: enough to recognise it, too little to use it. With 256 random bits nothing slower is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint(pub(super) [u8; 32]);

impl Fingerprint {
    /// Takes the same time wherever they differ.
    pub(super) fn is(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is() {
        let token = Token::random().unwrap();
        let text = token.reveal();
        assert_eq!(text.len(), 49);
        assert!(bool::from(Token::parse(&text).unwrap().fingerprint().is(&token.fingerprint())));
        assert_eq!(format!("{token:?}"), "***");
        for wrong in ["", "sprat_", &text[6..], &text[..48], &format!("{text}A"), &format!("{text}=")] {
            assert!(Token::parse(wrong).is_err(), "{wrong}");
        }
        assert_ne!(Token::random().unwrap().reveal(), text);
    }
}
