//! Which tokens there are: the owner's in a file of the state directory, others in the ledger as fingerprints.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sprat_engine::ledger::LedgerHandle;
use sprat_engine::state::{Change, StateError, Table};
use sprat_engine::whole_file;
use subtle::{Choice, ConditionallySelectable as _};
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use utoipa::ToSchema;

use super::token::{Access, Fingerprint, ParseTokenError, Token};
use crate::clock;

/// The owner's token, in the state directory.
const FILE: &str = "token";

/// The id of the owner's token.
const OWNER: &str = "owner";

/// In [`Table::Settings`], before the id.
const RECORDS: &str = "token/";

/// In [`Table::Settings`]: when each was used last. Must never change.
const USES: &[u8] = b"token-uses";

/// Seconds that may pass before a use is written down: people want to know which tokens nobody needs any more.
const USES_KEPT_EVERY: i64 = 3600;

/// Tokens besides the owner's. Every request with a token is compared with all of them.
const MOST: usize = 64;

/// Characters of a name.
const LONGEST_NAME: usize = 64;

/// Why tokens cannot be used or changed.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The owner's file.
    #[error("the token file {}: {error}", path.display())]
    File {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// What stands in the owner's file is no token.
    #[error("{}: {error}; remove the file, and the next start makes a new one", path.display())]
    Content {
        /// Where it is.
        path: PathBuf,
        /// What a token is.
        error: ParseTokenError,
    },
    /// They cannot be kept.
    #[error("tokens cannot be kept: {0}")]
    State(#[from] StateError),
    /// The system has no randomness.
    #[error("no random numbers: {0}")]
    Randomness(#[from] getrandom::Error),
    /// There are enough.
    #[error("there are {MOST} tokens already")]
    TooMany,
    /// The name is no name.
    #[error("a name has 1 to {LONGEST_NAME} characters that can be seen")]
    Name,
    /// There is no such token.
    #[error("there is no such token")]
    Unknown,
    /// It is the owner's, without which nobody could make any.
    #[error("this is the owner's token: for a new one, remove its file and start the daemon again")]
    Owner,
}

/// What is known of a token, which is not the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenInfo {
    /// By which it is revoked.
    pub id: String,
    /// As its owner calls it.
    pub name: String,
    /// What it allows.
    pub access: Access,
    /// When it was made, seconds since 1970; not known of the owner's if its file does not say so.
    pub created_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    info: TokenInfo,
    /// Hexadecimal SHA-256.
    fingerprint: String,
}

#[derive(Debug, Clone)]
struct Known {
    info: TokenInfo,
    fingerprint: Fingerprint,
}

/// When tokens were used last, by their ids, seconds since 1970.
#[derive(Debug, Default)]
struct Uses {
    last: BTreeMap<String, i64>,
    kept_at: i64,
}

/// All tokens.
#[derive(Debug)]
pub struct Tokens {
    owner: Known,
    others: Mutex<Vec<Known>>,
    /// Ids of those that hold no more, of which that is not written down yet.
    ended: Mutex<BTreeSet<String>>,
    uses: Mutex<Uses>,
    /// Changes when one was revoked.
    revocations: watch::Sender<()>,
    ledger: LedgerHandle,
}

impl Tokens {
    /// Reads them; makes the owner's if there is none. Waits for the disk.
    pub fn open(state_directory: &Path, ledger: LedgerHandle) -> Result<Self, TokenError> {
        let file = Self::file(state_directory);
        let token = owners(&file)?;
        let made = fs::metadata(&file).and_then(|metadata| metadata.modified()).ok();
        let made = made.and_then(|time| i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok());
        let info = TokenInfo {
            id: OWNER.to_owned(),
            name: OWNER.to_owned(),
            access: Access::Full,
            created_at: made,
        };
        let owner = Known { info, fingerprint: token.fingerprint() };
        let mut others = Vec::new();
        for (key, value) in ledger.scan(Table::Settings)? {
            if key.starts_with(RECORDS.as_bytes()) {
                // A token that cannot be read opens nothing.
                others.extend(read_record(&value));
            }
        }
        let last = ledger.get(Table::Settings, USES)?;
        let last = last.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default();
        let uses = Mutex::new(Uses { last, kept_at: 0 });
        let revocations = watch::Sender::new(());
        let others = Mutex::new(others);
        Ok(Self { owner, others, ended: Mutex::default(), uses, revocations, ledger })
    }

    /// Where the owner's token is.
    #[must_use]
    pub fn file(state_directory: &Path) -> PathBuf {
        state_directory.join(FILE)
    }

    /// All of them, the owner's first, each with when it was used last, seconds since 1970.
    #[must_use]
    pub fn list(&self) -> Vec<(TokenInfo, Option<i64>)> {
        let others = self.others();
        let uses = self.uses();
        let all = std::iter::once(&self.owner).chain(others.iter());
        all.map(|known| (known.info.clone(), uses.last.get(&known.info.id).copied())).collect()
    }

    /// Makes a token. It is durable when this returns, and shown this once.
    pub async fn create(&self, name: &str, access: Access) -> Result<(TokenInfo, Token), TokenError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(TokenError::Name);
        }
        let (token, id) = (Token::random()?, random_id()?);
        let info = TokenInfo { id, name: name.to_owned(), access, created_at: Some(clock::unix_now()) };
        let fingerprint = token.fingerprint();
        let record = Record { info: info.clone(), fingerprint: HEXLOWER.encode(&fingerprint.0) };
        if self.others().len() >= MOST {
            return Err(TokenError::TooMany);
        }
        let value = serde_json::to_vec(&record).map_err(|_| TokenError::Name)?;
        self.write(&info.id, Some(value)).await?;
        // Others may have been made meanwhile; a few more than the limit harm nobody.
        self.others().push(Known { info: info.clone(), fingerprint });
        Ok((info, token))
    }

    /// Ends a token, at once. Nothing is written down yet: see [`Self::forget`]; until that is done, the token can be ended
    /// again. Its sessions are ended by [`Gate::revoke`](super::Gate::revoke).
    pub(super) fn end(&self, id: &str) -> Result<(), TokenError> {
        if id == OWNER {
            return Err(TokenError::Owner);
        }
        let mut others = self.others();
        let Some(place) = others.iter().position(|known| known.info.id == id) else {
            return if self.not_forgotten().contains(id) { Ok(()) } else { Err(TokenError::Unknown) };
        };
        self.not_forgotten().insert(id.to_owned());
        others.remove(place);
        drop(others);
        self.uses().last.remove(id);
        self.revocations.send_replace(());
        Ok(())
    }

    /// Has the end of a token outlive the daemon. It is durable when this returns.
    pub(super) async fn forget(&self, id: &str) -> Result<(), TokenError> {
        self.write(id, None).await?;
        self.not_forgotten().remove(id);
        Ok(())
    }

    /// Whether a token holds.
    pub(super) fn holds(&self, id: &str) -> bool {
        id == OWNER || self.others().iter().any(|known| known.info.id == id)
    }

    /// What is known of a token that holds.
    pub(super) fn info(&self, id: &str) -> Option<TokenInfo> {
        if id == OWNER {
            return Some(self.owner.info.clone());
        }
        self.others().iter().find(|known| known.info.id == id).map(|known| known.info.clone())
    }

    /// Returns when a token does not hold any more.
    pub(super) async fn ended(&self, id: &str) {
        let mut revocations = self.revocations.subscribe();
        while self.holds(id) {
            // The sender lives as long as we do.
            let _ = revocations.changed().await;
        }
    }

    /// Takes note that a token was used, and has it written down now and then.
    pub(super) fn note_use(&self, id: &str) {
        let now = clock::unix_now();
        let mut uses = self.uses();
        uses.last.insert(id.to_owned(), now);
        // The clock may have been set back.
        if now.abs_diff(uses.kept_at) < USES_KEPT_EVERY.unsigned_abs() {
            return;
        }
        uses.kept_at = now;
        let Ok(value) = serde_json::to_vec(&uses.last) else { return };
        let change = Change { table: Table::Settings, key: USES.to_vec(), value: Some(value) };
        self.ledger.write(vec![change], |result| {
            if let Err(error) = result {
                tracing::warn!(%error, "when tokens were used could not be written down");
            }
        });
    }

    /// Whose token this is. Takes the same time whichever it is.
    pub(super) fn find(&self, token: &Token) -> Option<TokenInfo> {
        let presented = token.fingerprint();
        let others = self.others();
        let mut found = 0_u32;
        for (number, known) in (1_u32..).zip(std::iter::once(&self.owner).chain(others.iter())) {
            let is_it: Choice = known.fingerprint.is(&presented);
            found.conditional_assign(&number, is_it);
        }
        match found {
            0 => None,
            1 => Some(self.owner.info.clone()),
            number => others.get(number as usize - 2).map(|known| known.info.clone()),
        }
    }

    async fn write(&self, id: &str, value: Option<Vec<u8>>) -> Result<(), StateError> {
        let change = Change { table: Table::Settings, key: format!("{RECORDS}{id}").into_bytes(), value };
        let (reply, answer) = oneshot::channel();
        self.ledger.write(vec![change], move |result| {
            let _ = reply.send(result);
        });
        answer.await.map_err(|_| StateError::Closed)?
    }

    fn others(&self) -> MutexGuard<'_, Vec<Known>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_forgotten(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_record(value: &[u8]) -> Option<Known> {
    let record = serde_json::from_slice::<Record>(value).ok()?;
    let fingerprint = HEXLOWER.decode(record.fingerprint.as_bytes()).ok()?.try_into().ok()?;
    Some(Known { info: record.info, fingerprint: Fingerprint(fingerprint) })
}

fn random_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes)?;
    Ok(HEXLOWER.encode(&bytes))
}

/// Reads the owner's token, or makes one that nobody else can ever have read.
fn owners(path: &Path) -> Result<Token, TokenError> {
    let failed = |error| TokenError::File { path: path.to_owned(), error };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return create_owners(path, failed);
        }
        Err(error) => return Err(failed(error)),
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            "others could read the token file; now they cannot, but the token may be known: remove the file for a new one"
        );
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    }
    Token::parse(text.trim()).map_err(|error| TokenError::Content { path: path.to_owned(), error })
}

fn create_owners(path: &Path, failed: impl Fn(io::Error) -> TokenError + Copy) -> Result<Token, TokenError> {
    let token = Token::random()?;
    let unfinished = path.with_extension("new");
    let _ = fs::remove_file(&unfinished);
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        writeln!(file, "{}", token.reveal())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        whole_file::sync_directory(whole_file::directory_of(path))
    };
    write().map_err(failed)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use sprat_engine::ledger::Ledger;
    use sprat_engine::state::StateStore;

    use super::*;

    struct House {
        home: tempfile::TempDir,
    }

    impl House {
        fn open(&self) -> (Ledger, Tokens) {
            let ledger = Ledger::start(StateStore::open(self.home.path()).unwrap().0).unwrap();
            let tokens = Tokens::open(self.home.path(), ledger.handle()).unwrap();
            (ledger, tokens)
        }

        fn owners(&self) -> Token {
            Token::parse(fs::read_to_string(Tokens::file(self.home.path())).unwrap().trim()).unwrap()
        }
    }

    #[tokio::test]
    async fn the_owners_token_is_made_once_and_readable_by_the_owner_only() {
        let house = House { home: tempfile::tempdir().unwrap() };
        let (ledger, tokens) = house.open();
        let path = Tokens::file(house.home.path());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let token = house.owners();
        assert_eq!(tokens.find(&token).unwrap().access, Access::Full);
        assert!(tokens.find(&Token::random().unwrap()).is_none());
        drop((ledger, tokens));

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let (_ledger, tokens) = house.open();
        assert!(tokens.find(&token).is_some(), "the same after a restart");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "admin\n").unwrap();
        assert!(matches!(owners(&path), Err(TokenError::Content { .. })), "no password of one's own");
    }

    #[tokio::test]
    async fn named_tokens_survive_restarts_until_they_are_revoked_and_are_kept_as_fingerprints() {
        let house = House { home: tempfile::tempdir().unwrap() };
        let (ledger, tokens) = house.open();
        let (info, token) = tokens.create("phone", Access::ReadOnly).await.unwrap();
        assert_eq!(tokens.list()[1], (info.clone(), None));
        tokens.note_use(&info.id);
        let kept = ledger.handle().scan(Table::Settings).unwrap();
        assert!(kept.iter().all(|(_, value)| !String::from_utf8_lossy(value).contains(&token.reveal()[6..])));
        drop((ledger, tokens));

        let (ledger, tokens) = house.open();
        assert_eq!(tokens.find(&token), Some(info.clone()));
        assert!(tokens.list()[1].1.is_some(), "when it was used is known after a restart");
        tokens.end(&info.id).unwrap();
        assert!(tokens.find(&token).is_none() && !tokens.holds(&info.id));
        tokens.ended(&info.id).await;
        tokens.forget(&info.id).await.unwrap();
        assert!(matches!(tokens.end(&info.id), Err(TokenError::Unknown)));
        assert!(matches!(tokens.end(OWNER), Err(TokenError::Owner)));
        drop((ledger, tokens));
        let names: Vec<_> = house.open().1.list().into_iter().map(|(info, _)| info.name).collect();
        assert_eq!(names, [OWNER]);
    }

    #[tokio::test]
    async fn a_revocation_that_could_not_be_written_down_can_be_repeated() {
        let house = House { home: tempfile::tempdir().unwrap() };
        let (ledger, tokens) = house.open();
        let (info, token) = tokens.create("lost phone", Access::Full).await.unwrap();
        // Nothing can be written any more.
        drop(ledger);
        for _ in 0..2 {
            tokens.end(&info.id).unwrap();
            assert!(tokens.find(&token).is_none());
            assert!(matches!(tokens.forget(&info.id).await, Err(TokenError::State(_))));
        }
        let (_ledger, tokens) = house.open();
        assert!(tokens.find(&token).is_some(), "or else it would open the daemon again");
    }

    #[tokio::test]
    async fn names_and_numbers_have_limits() {
        let house = House { home: tempfile::tempdir().unwrap() };
        let (_ledger, tokens) = house.open();
        let make = |name: String| tokens.create_for_test(name);
        for wrong in [String::new(), " ".to_owned(), "a\nb".to_owned(), "x".repeat(LONGEST_NAME + 1)] {
            assert!(matches!(make(wrong).await, Err(TokenError::Name)));
        }
        for number in 0..MOST {
            make(format!("{number}")).await.unwrap();
        }
        assert!(matches!(make("more".to_owned()).await, Err(TokenError::TooMany)));
    }

    impl Tokens {
        async fn create_for_test(&self, name: String) -> Result<(TokenInfo, Token), TokenError> {
            self.create(&name, Access::Full).await
        }
    }
}
