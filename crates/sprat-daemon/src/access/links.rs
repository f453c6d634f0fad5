//! Links to single files, for programs that cannot send a token: players.
//!
//! A link says which file of which torrent, until when, and whose token has made it; and a seal over this that only we can make. It
//! opens nothing else, and is no way to the token. Nothing is kept for it, so a playlist of thousands costs nothing; it ends with its
//! time, with its token, and with the daemon.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::time::Instant;

/// How long a link opens: as long as somebody may watch, with pauses.
pub(super) const LIFE: Duration = Duration::from_secs(24 * 3600);

/// So that a seal of this kind is never one of another kind.
const PURPOSE: &[u8] = b"sprat: link to a file\0";

/// What seals links.
pub(super) struct Links {
    /// As long as a block of the hash, the longest that is used as it is.
    key: [u8; 64],
    epoch: Instant,
}

/// What a link opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opens<'a> {
    /// The hash of the torrent.
    pub(super) torrent: &'a str,
    /// The number of the file.
    pub(super) file: usize,
}

impl Links {
    /// With a key that nobody has seen.
    pub(super) fn new(now: Instant) -> Result<Self, getrandom::Error> {
        let mut key = [0; 64];
        getrandom::fill(&mut key)?;
        Ok(Self { key, epoch: now })
    }

    /// What stands in the address: until when, who has made it, and the seal.
    pub(super) fn make(&self, opens: Opens<'_>, token: &str, now: Instant) -> String {
        let until = self.seconds(now + LIFE);
        let seal = self.mac(opens, token, until).finalize().into_bytes();
        format!("{until}.{token}.{}", BASE64URL_NOPAD.encode(&seal))
    }

    /// The id of the token that a link was made with, if it opens this and still does.
    pub(super) fn check<'a>(&self, opens: Opens<'_>, link: &'a str, now: Instant) -> Option<&'a str> {
        let (until, rest) = link.split_once('.')?;
        let (token, seal) = rest.split_once('.')?;
        let until = until.parse().ok()?;
        let seal = BASE64URL_NOPAD.decode(seal.as_bytes()).ok()?;
        // Takes the same time wherever they differ.
        self.mac(opens, token, until).verify_slice(&seal).ok()?;
        (self.seconds(now) < until).then_some(token)
    }

    /// By the clock that never jumps.
    fn seconds(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.epoch).as_secs()
    }

    fn mac(&self, opens: Opens<'_>, token: &str, until: u64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(PURPOSE);
        // Numbers have one length each, and of the texts only the last one has any length.
        mac.update(&(opens.torrent.len() as u64).to_be_bytes());
        mac.update(opens.torrent.as_bytes());
        mac.update(&(opens.file as u64).to_be_bytes());
        mac.update(&until.to_be_bytes());
        mac.update(token.as_bytes());
        mac
    }
}

impl std::fmt::Debug for Links {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Links")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_one_file_for_a_day_and_nothing_of_it_can_be_changed() {
        let now = Instant::now();
        let links = Links::new(now).unwrap();
        let film = Opens { torrent: "aa", file: 1 };
        let link = links.make(film, "owner", now);
        let last = now + LIFE - Duration::from_secs(1);
        assert_eq!(
            (links.check(film, &link, now), links.check(film, &link, last)),
            (Some("owner"), Some("owner"))
        );
        assert_eq!(links.check(film, &link, now + LIFE), None);
        for other in
            [Opens { torrent: "ab", ..film }, Opens { file: 11, ..film }, Opens { torrent: "aa1", file: 0 }]
        {
            assert_eq!(links.check(other, &link, now), None, "{other:?}");
        }
        let seal = link.rsplit_once('.').unwrap().1;
        let later = u64::MAX;
        for forged in [
            "",
            ".",
            "..",
            "x.owner.y",
            seal,
            &format!("{later}.owner.{seal}"),
            &format!("86400.other.{seal}"),
            &link[..link.len() - 1],
            &format!("{link}A"),
            &format!("{link}."),
            "86400.owner.",
        ] {
            assert_eq!(links.check(film, forged, now), None, "{forged}");
        }
        assert_eq!(Links::new(now).unwrap().check(film, &link, now), None, "another daemon");
    }
}
