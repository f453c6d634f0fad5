//! Items that nodes store for anybody (BEP 44).

use bytes::Bytes;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sprat_wire::bencode::{Document, Encoder, Limits};
use sprat_wire::hash::{NodeId, Sha1Hash};
use sprat_wire::krpc::{MutablePut, Request, Response, error_code};
use thiserror::Error;

/// Bytes of the longest value, bencoded (BEP 44).
pub const MAX_VALUE: usize = 1000;

/// Bytes of the longest salt (BEP 44).
pub const MAX_SALT: usize = 64;

/// How a value may be made up.
const LIMITS: Limits = Limits { length: MAX_VALUE, ..Limits::DHT };

/// An item: immutable, found under the hash of its value, or mutable, found under the hash of its owner's key.
///
/// There are only such whose value is bencoded and not too long, and, unless it came by a `put` and
/// [`verify`](Self::verify) is still to come, whose signature fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    value: Bytes,
    mutable: Option<Box<Mutable>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mutable {
    key: [u8; 32],
    salt: Bytes,
    seq: i64,
    signature: [u8; 64],
}

/// Why something is no item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ItemError {
    /// The value is longer than [`MAX_VALUE`].
    #[error("the value has more than {MAX_VALUE} bytes")]
    ValueTooBig,
    /// The salt is longer than [`MAX_SALT`].
    #[error("the salt has more than {MAX_SALT} bytes")]
    SaltTooBig,
    /// The value is not bencoded in its one canonical form.
    #[error("the value is not bencoded canonically")]
    NotBencoded,
    /// The signature does not fit.
    #[error("the signature does not fit")]
    Signature,
}

impl ItemError {
    /// The code with which a `put` is refused.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::ValueTooBig => error_code::VALUE_TOO_BIG,
            Self::SaltTooBig => error_code::SALT_TOO_BIG,
            Self::NotBencoded => error_code::PROTOCOL,
            Self::Signature => error_code::INVALID_SIGNATURE,
        }
    }
}

impl Item {
    /// An immutable item of a bencoded value.
    pub fn immutable(value: Bytes) -> Result<Self, ItemError> {
        check_value(&value)?;
        Ok(Self { value, mutable: None })
    }

    /// A mutable item of a bencoded value, signed with the key that this seed stands for.
    pub fn signed(seed: &[u8; 32], salt: Bytes, seq: i64, value: Bytes) -> Result<Self, ItemError> {
        check_value(&value)?;
        if salt.len() > MAX_SALT {
            return Err(ItemError::SaltTooBig);
        }
        let key = SigningKey::from_bytes(seed);
        let signature = key.sign(&signed_bytes(&salt, seq, &value)).to_bytes();
        let mutable = Mutable { key: key.verifying_key().to_bytes(), salt, seq, signature };
        Ok(Self { value, mutable: Some(Box::new(mutable)) })
    }

    /// What a `put` has brought. The signature, which takes time, is left for [`verify`](Self::verify).
    pub(crate) fn from_put(value: &Bytes, mutable: Option<&MutablePut>) -> Result<Self, ItemError> {
        check_value(value)?;
        let mutable = match mutable {
            Some(put) if put.salt.len() > MAX_SALT => return Err(ItemError::SaltTooBig),
            Some(MutablePut { key, seq, signature, salt, .. }) => {
                Some(Box::new(Mutable { key: *key, salt: salt.clone(), seq: *seq, signature: *signature }))
            }
            None => None,
        };
        Ok(Self { value: value.clone(), mutable })
    }

    /// The item in a response to `get`, if there is a good one for this target.
    pub(crate) fn from_response(response: &Response, target: NodeId, salt: &[u8]) -> Option<Self> {
        let value = response.value.clone()?;
        check_value(&value).ok()?;
        let mutable = match response.key {
            // Of a mutable item, nobody can know the target's preimage but by its key.
            Some(key) => Some(Box::new(Mutable {
                key,
                salt: Bytes::copy_from_slice(salt),
                seq: response.seq?,
                signature: response.signature?,
            })),
            None => None,
        };
        let item = Self { value, mutable };
        (item.target() == target && item.verify().is_ok()).then_some(item)
    }

    /// Checks the signature of a mutable item.
    pub fn verify(&self) -> Result<(), ItemError> {
        let Some(mutable) = &self.mutable else { return Ok(()) };
        let key = VerifyingKey::from_bytes(&mutable.key).map_err(|_| ItemError::Signature)?;
        let signed = signed_bytes(&mutable.salt, mutable.seq, &self.value);
        key.verify_strict(&signed, &Signature::from_bytes(&mutable.signature))
            .map_err(|_| ItemError::Signature)
    }

    /// Where it is stored.
    #[must_use]
    pub fn target(&self) -> NodeId {
        match &self.mutable {
            Some(mutable) => mutable_target(&mutable.key, &mutable.salt),
            None => NodeId(Sha1Hash::digest(&self.value).0),
        }
    }

    /// The value, bencoded.
    #[must_use]
    pub const fn value(&self) -> &Bytes {
        &self.value
    }

    /// The number of the version of a mutable item.
    #[must_use]
    pub fn seq(&self) -> Option<i64> {
        self.mutable.as_ref().map(|mutable| mutable.seq)
    }

    /// The salt of a mutable item; mostly empty.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        self.mutable.as_ref().map_or(&[], |mutable| &mutable.salt)
    }

    /// The public key of a mutable item.
    #[must_use]
    pub fn key(&self) -> Option<[u8; 32]> {
        self.mutable.as_ref().map(|mutable| mutable.key)
    }

    /// The signature of a mutable item.
    #[must_use]
    pub fn signature(&self) -> Option<[u8; 64]> {
        self.mutable.as_ref().map(|mutable| mutable.signature)
    }

    /// The query that stores it.
    pub(crate) fn put(&self, token: Bytes, cas: Option<i64>) -> Request {
        let put = |mutable: &Mutable| {
            let Mutable { key, salt, seq, signature } = mutable.clone();
            Box::new(MutablePut { key, seq, signature, salt, cas })
        };
        Request::Put { token, value: self.value.clone(), mutable: self.mutable.as_deref().map(put) }
    }
}

/// Where the mutable item with this key and salt is stored.
#[must_use]
pub fn mutable_target(key: &[u8; 32], salt: &[u8]) -> NodeId {
    NodeId(Sha1Hash::digest(&[key.as_slice(), salt].concat()).0)
}

/// The public key that belongs to a seed.
#[must_use]
pub fn public_key(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

fn check_value(value: &[u8]) -> Result<(), ItemError> {
    if value.len() > MAX_VALUE {
        return Err(ItemError::ValueTooBig);
    }
    let document = Document::decode(value, LIMITS).map_err(|_| ItemError::NotBencoded)?;
    document.root().check_canonical().map_err(|_| ItemError::NotBencoded)
}

/// What is signed: salt, number and value as they would stand in a dictionary, without the dictionary.
fn signed_bytes(salt: &[u8], seq: i64, value: &[u8]) -> Vec<u8> {
    let mut signed = Vec::with_capacity(MAX_SALT + MAX_VALUE);
    if !salt.is_empty() {
        let mut out = Encoder::new();
        out.bytes(salt);
        signed.extend_from_slice(b"4:salt");
        signed.extend_from_slice(&out.finish());
    }
    signed.extend_from_slice(format!("3:seqi{seq}e1:v").as_bytes());
    signed.extend_from_slice(value);
    signed
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: Bytes = Bytes::from_static(b"12:Hello World!");
    const KEY: &str = "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548";

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        std::array::from_fn(byte)
    }

    fn vector(salt: &'static [u8], signature: &str) -> MutablePut {
        MutablePut { key: bytes(KEY), seq: 1, signature: bytes(signature), salt: salt.into(), cas: None }
    }

    #[test]
    fn the_vectors_of_bep_44() {
        assert_eq!(signed_bytes(b"", 1, &HELLO), b"3:seqi1e1:v12:Hello World!");
        assert_eq!(signed_bytes(b"foobar", 1, &HELLO), b"4:salt6:foobar3:seqi1e1:v12:Hello World!");
        let plain = vector(
            b"",
            "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff\
             1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01",
        );
        let plain = Item::from_put(&HELLO, Some(&plain)).unwrap();
        assert_eq!(plain.target().to_string(), "4a533d47ec9c7d95b1ad75f576cffc641853b750");
        assert_eq!(plain.verify(), Ok(()));
        let salted = vector(
            b"foobar",
            "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d\
             df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08",
        );
        let salted = Item::from_put(&HELLO, Some(&salted)).unwrap();
        assert_eq!(salted.target().to_string(), "411eba73b6f087ca51a3795d9c8c938d365e32c1");
        assert_eq!(salted.verify(), Ok(()));
        let immutable = Item::immutable(HELLO).unwrap();
        assert_eq!(immutable.target().to_string(), "e5f96f6f38320f0f33959cb4d3d656452117aadb");
    }

    #[test]
    fn a_signature_binds_value_number_and_salt() {
        let item = Item::signed(&[1; 32], "salt".into(), 5, HELLO).unwrap();
        assert_eq!(item.verify(), Ok(()));
        let Request::Put { mutable: Some(put), .. } = item.put(Bytes::new(), None) else { panic!() };
        let with = |value: &Bytes, put: MutablePut| Item::from_put(value, Some(&put)).unwrap().verify();
        assert_eq!(with(&HELLO, *put.clone()), Ok(()));
        let wrong = Err(ItemError::Signature);
        assert_eq!(with(&"1:x".into(), *put.clone()), wrong);
        assert_eq!(with(&HELLO, MutablePut { seq: 6, ..*put.clone() }), wrong);
        assert_eq!(with(&HELLO, MutablePut { salt: "pepper".into(), ..*put.clone() }), wrong);
        assert_eq!(with(&HELLO, MutablePut { key: [0; 32], ..*put.clone() }), wrong);
        assert_eq!(with(&HELLO, MutablePut { signature: [0; 64], ..*put }), wrong);
    }

    #[test]
    fn what_comes_from_strangers_must_be_what_was_asked_for() {
        let item = Item::signed(&[1; 32], Bytes::new(), 5, HELLO).unwrap();
        let response = Response {
            value: Some(HELLO),
            key: item.key(),
            signature: item.signature(),
            seq: item.seq(),
            ..Response::default()
        };
        assert_eq!(Item::from_response(&response, item.target(), b""), Some(item.clone()));
        assert_eq!(Item::from_response(&response, item.target(), b"salt"), None);
        assert_eq!(Item::from_response(&response, NodeId([0; 20]), b""), None);
        let older = Response { seq: Some(4), ..response.clone() };
        assert_eq!(Item::from_response(&older, item.target(), b""), None);
        let unsigned = Response { key: None, ..response };
        assert_eq!(Item::from_response(&unsigned, item.target(), b""), None);
        assert!(Item::from_response(&unsigned, Item::immutable(HELLO).unwrap().target(), b"").is_some());
    }

    #[test]
    fn limits_hold_exactly() {
        let value = |length: usize| {
            let content = "x".repeat(length - 4);
            Bytes::from(format!("{}:{content}", content.len()))
        };
        assert_eq!(value(MAX_VALUE).len(), MAX_VALUE);
        assert!(Item::immutable(value(MAX_VALUE)).is_ok());
        assert_eq!(Item::immutable(value(MAX_VALUE + 1)), Err(ItemError::ValueTooBig));
        for bad in [&b"d1:b0:1:a0:e"[..], b"", b"1:xy", b"i01e", b"3:ab"] {
            assert_eq!(Item::immutable(Bytes::copy_from_slice(bad)), Err(ItemError::NotBencoded));
        }
        let signed = |length| Item::signed(&[1; 32], vec![b's'; length].into(), 1, HELLO);
        assert!(signed(MAX_SALT).is_ok());
        assert_eq!(signed(MAX_SALT + 1), Err(ItemError::SaltTooBig));
    }
}
