//! Which tokens there are: the owner's in a file of the state directory, others in the ledger as fingerprints.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sprat_engine::ledger::LedgerHandle;
use sprat_engine::state::{Change, StateError, Table};
use sprat_engine::whole_file;
use subtle::{Choice, ConditionallySelectable as _};
use thiserror::Error;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::token::{Access, Fingerprint, ParseTokenError, Token};

/// The owner's token, in the state directory.
const FILE: &str = "token";

/// The id of the owner's token.
const OWNER: &str = "owner";

/// In [`Table::Settings`], before the id.
const RECORDS: &str = "token/";

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
    /// There is no such token, or it is the owner's: that one ends with its file.
    #[error("there is no such token that could be revoked")]
    Unknown,
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
    /// When it was made, as the maker's clock had it (RFC 3339).
    pub created: String,
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

/// All tokens.
#[derive(Debug)]
pub struct Tokens {
    owner: Known,
    others: Mutex<Vec<Known>>,
    ledger: LedgerHandle,
}

impl Tokens {
    /// Reads them; makes the owner's if there is none. Waits for the disk.
    pub fn open(state_directory: &Path, ledger: LedgerHandle) -> Result<Self, TokenError> {
        let token = owners(&state_directory.join(FILE))?;
        let info = TokenInfo {
            id: OWNER.to_owned(),
            name: OWNER.to_owned(),
            access: Access::Full,
            created: String::new(),
        };
        let owner = Known { info, fingerprint: token.fingerprint() };
        let mut others = Vec::new();
        for (key, value) in ledger.scan(Table::Settings)? {
            if key.starts_with(RECORDS.as_bytes()) {
                // A token that cannot be read opens nothing.
                others.extend(read_record(&value));
            }
        }
        Ok(Self { owner, others: Mutex::new(others), ledger })
    }

    /// Where the owner's token is.
    #[must_use]
    pub fn file(state_directory: &Path) -> PathBuf {
        state_directory.join(FILE)
    }

    /// Those besides the owner's.
    #[must_use]
    pub fn list(&self) -> Vec<TokenInfo> {
        self.others().iter().map(|known| known.info.clone()).collect()
    }

    /// Makes a token. It is durable when this returns, and shown this once. `created` is the date for people.
    pub async fn create(
        &self,
        name: &str,
        access: Access,
        created: String,
    ) -> Result<(TokenInfo, Token), TokenError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(TokenError::Name);
        }
        let (token, id) = (Token::random()?, random_id()?);
        let info = TokenInfo { id, name: name.to_owned(), access, created };
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

    /// Ends a token, at once. Its sessions are ended by [`Gate::revoke`](super::Gate::revoke).
    pub(super) async fn revoke(&self, id: &str) -> Result<(), TokenError> {
        {
            let mut others = self.others();
            let place = others.iter().position(|known| known.info.id == id).ok_or(TokenError::Unknown)?;
            others.remove(place);
        }
        Ok(self.write(id, None).await?)
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

    /// Whether there is a token of this id still.
    pub(super) fn has(&self, id: &str) -> bool {
        id == OWNER || self.others().iter().any(|known| known.info.id == id)
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
        let (info, token) = tokens.create("phone", Access::ReadOnly, "2026-01-01".to_owned()).await.unwrap();
        let kept = ledger.handle().scan(Table::Settings).unwrap();
        assert!(kept.iter().all(|(_, value)| !String::from_utf8_lossy(value).contains(&token.reveal()[6..])));
        drop((ledger, tokens));

        let (ledger, tokens) = house.open();
        assert_eq!(tokens.find(&token), Some(info.clone()));
        tokens.revoke(&info.id).await.unwrap();
        assert!(tokens.find(&token).is_none());
        assert!(matches!(tokens.revoke(OWNER).await, Err(TokenError::Unknown)));
        drop((ledger, tokens));
        assert!(house.open().1.list().is_empty());
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
            self.create(&name, Access::Full, String::new()).await
        }
    }
}
