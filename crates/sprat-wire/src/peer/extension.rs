//! The extension handshake (BEP 10): which extension messages a peer understands, and facts about the peer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::bencode::{DecodeError, Dict, Document, Encoder, Limits};
use crate::text::printable;

/// The extension id of the handshake itself.
pub const HANDSHAKE_ID: u8 = 0;

/// Entries of `m` that are read. Clients have fewer than 20.
pub const MAX_EXTENSIONS: usize = 100;

/// Characters that are kept of a client's name.
pub const MAX_CLIENT_NAME: usize = 64;

/// The largest `metadata_size` that is believed, in bytes. Info dictionaries of a few MiB exist.
pub const MAX_METADATA: u32 = 16 << 20;

/// What a peer says of itself. Everything is optional; what has the wrong type or is out of range is as if it were
/// not there, for no field is worth losing a peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtensionHandshake {
    /// `m`: the ids under which the sender wants to receive extension messages.
    pub ids: ExtensionIds,
    /// `v`: name and version of the client, safe to show, at most [`MAX_CLIENT_NAME`] characters.
    pub client: Option<String>,
    /// `p`: the port on which the sender accepts peers; not 0.
    pub port: Option<u16>,
    /// `reqq`: how many requests the sender keeps without dropping any.
    pub request_queue: Option<u32>,
    /// `yourip`: the receiver's address as the sender sees it.
    pub your_ip: Option<IpAddr>,
    /// `ipv4`: another address of the sender.
    pub ipv4: Option<Ipv4Addr>,
    /// `ipv6`: another address of the sender.
    pub ipv6: Option<Ipv6Addr>,
    /// `metadata_size` (BEP 9): bytes of the info dictionary, 1 to [`MAX_METADATA`].
    pub metadata_size: Option<u32>,
    /// `upload_only` (BEP 21): whether the sender wants nothing, as a seeder or partial seeder.
    pub upload_only: Option<bool>,
}

/// The ids of the extensions that sprat knows. Zero says that an extension is switched off, `None` says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExtensionIds {
    /// `lt_donthave` (BEP 54): takes back a `have`.
    pub lt_donthave: Option<u8>,
    /// `upload_only` (BEP 21).
    pub upload_only: Option<u8>,
    /// `ut_holepunch` (BEP 55).
    pub ut_holepunch: Option<u8>,
    /// `ut_metadata` (BEP 9): pieces of the info dictionary.
    pub ut_metadata: Option<u8>,
    /// `ut_pex` (BEP 11): addresses of other peers.
    pub ut_pex: Option<u8>,
}

/// Why a payload is not an extension handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ExtensionHandshakeError {
    /// Not bencoded.
    #[error("extension handshake: {0}")]
    Bencode(#[from] DecodeError),
    /// Something else than a dictionary.
    #[error("an extension handshake is a dictionary")]
    NotDictionary,
    /// More than [`MAX_EXTENSIONS`].
    #[error("an extension handshake with more than {MAX_EXTENSIONS} extensions")]
    TooManyExtensions,
}

impl ExtensionHandshake {
    /// The payload of an `extended` message with id 0.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.begin_dict();
        if let Some(ip) = self.ipv4 {
            out.key("ipv4").bytes(ip.octets());
        }
        if let Some(ip) = self.ipv6 {
            out.key("ipv6").bytes(ip.octets());
        }
        out.key("m").begin_dict();
        for (name, id) in self.ids.by_name() {
            if let Some(id) = id {
                out.key(name).uint(id.into());
            }
        }
        out.end();
        if let Some(size) = self.metadata_size {
            out.key("metadata_size").uint(size.into());
        }
        if let Some(port) = self.port {
            out.key("p").uint(port.into());
        }
        if let Some(requests) = self.request_queue {
            out.key("reqq").uint(requests.into());
        }
        if let Some(upload_only) = self.upload_only {
            out.key("upload_only").uint(upload_only.into());
        }
        if let Some(client) = &self.client {
            out.key("v").bytes(client);
        }
        match self.your_ip {
            Some(IpAddr::V4(ip)) => _ = out.key("yourip").bytes(ip.octets()),
            Some(IpAddr::V6(ip)) => _ = out.key("yourip").bytes(ip.octets()),
            None => {}
        }
        out.end();
        out.finish()
    }

    /// The handshake in the payload of an `extended` message with id 0. Unknown names are ignored, as is what may
    /// follow the dictionary.
    pub fn decode(payload: &[u8]) -> Result<Self, ExtensionHandshakeError> {
        let (document, _) = Document::decode_prefix(payload, Limits::EXTENSION)?;
        let dict = document.as_dict().ok_or(ExtensionHandshakeError::NotDictionary)?;
        let ids = dict.dict("m").map(ExtensionIds::decode).transpose()?.unwrap_or_default();
        let client = dict.bytes("v").map(|name| printable(name, MAX_CLIENT_NAME));
        Ok(Self {
            ids,
            client: client.filter(|name| !name.is_empty()),
            port: number(dict, "p").filter(|port| *port != 0),
            request_queue: number(dict, "reqq"),
            your_ip: octets(dict, "yourip")
                .map(|octets: [u8; 4]| octets.into())
                .or_else(|| octets(dict, "yourip").map(|octets: [u8; 16]| octets.into())),
            ipv4: octets(dict, "ipv4").map(|octets: [u8; 4]| octets.into()),
            ipv6: octets(dict, "ipv6").map(|octets: [u8; 16]| octets.into()),
            metadata_size: number(dict, "metadata_size").filter(|size| (1..=MAX_METADATA).contains(size)),
            upload_only: dict.int("upload_only").map(|value| value != 0),
        })
    }
}

impl ExtensionIds {
    /// Adds what a later handshake says: `m` holds changes only (BEP 10).
    pub fn update(&mut self, later: Self) {
        self.lt_donthave = later.lt_donthave.or(self.lt_donthave);
        self.upload_only = later.upload_only.or(self.upload_only);
        self.ut_holepunch = later.ut_holepunch.or(self.ut_holepunch);
        self.ut_metadata = later.ut_metadata.or(self.ut_metadata);
        self.ut_pex = later.ut_pex.or(self.ut_pex);
    }

    /// In the order of a bencoded dictionary.
    const fn by_name(self) -> [(&'static str, Option<u8>); 5] {
        [
            ("lt_donthave", self.lt_donthave),
            ("upload_only", self.upload_only),
            ("ut_holepunch", self.ut_holepunch),
            ("ut_metadata", self.ut_metadata),
            ("ut_pex", self.ut_pex),
        ]
    }

    fn decode(m: Dict<'_>) -> Result<Self, ExtensionHandshakeError> {
        if m.iter().nth(MAX_EXTENSIONS).is_some() {
            return Err(ExtensionHandshakeError::TooManyExtensions);
        }
        Ok(Self {
            lt_donthave: number(m, "lt_donthave"),
            upload_only: number(m, "upload_only"),
            ut_holepunch: number(m, "ut_holepunch"),
            ut_metadata: number(m, "ut_metadata"),
            ut_pex: number(m, "ut_pex"),
        })
    }
}

fn number<T: TryFrom<i64>>(dict: Dict<'_>, key: &str) -> Option<T> {
    dict.int(key).and_then(|value| T::try_from(value).ok())
}

fn octets<const N: usize>(dict: Dict<'_>, key: &str) -> Option<[u8; N]> {
    dict.bytes(key)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn handshake() -> impl Strategy<Value = ExtensionHandshake> {
        let ids = any::<[Option<u8>; 5]>().prop_map(
            |[lt_donthave, upload_only, ut_holepunch, ut_metadata, ut_pex]| ExtensionIds {
                lt_donthave,
                upload_only,
                ut_holepunch,
                ut_metadata,
                ut_pex,
            },
        );
        let your_ip =
            prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
        let facts = any::<(Option<u32>, Option<[u8; 4]>, Option<[u8; 16]>, Option<bool>)>();
        let bounded = (
            option::of("[!-~]{1,64}"),
            option::of(1..=u16::MAX),
            option::of(your_ip),
            option::of(1..=MAX_METADATA),
        );
        (ids, facts, bounded).prop_map(
            |(ids, (request_queue, ipv4, ipv6, upload_only), (client, port, your_ip, metadata_size))| {
                ExtensionHandshake {
                    ids,
                    client,
                    port,
                    request_queue,
                    your_ip,
                    ipv4: ipv4.map(Ipv4Addr::from),
                    ipv6: ipv6.map(Ipv6Addr::from),
                    metadata_size,
                    upload_only,
                }
            },
        )
    }

    #[test]
    fn reads_the_example_of_bep_10() {
        let payload =
            b"d1:md11:LT_metadatai1e7:\xc2\xb5T_PEXi2e6:ut_pexi3ee1:pi6881e1:v13:\xc2\xb5Torrent 1.2e";
        let handshake = ExtensionHandshake::decode(payload).unwrap();
        assert_eq!(handshake.client.as_deref(), Some("µTorrent 1.2"));
        assert_eq!(handshake.port, Some(6881));
        assert_eq!(handshake.ids, ExtensionIds { ut_pex: Some(3), ..ExtensionIds::default() });
    }

    #[test]
    fn what_is_out_of_range_is_as_if_it_were_not_there() {
        let payload = b"d1:md6:ut_pexi256e11:ut_metadatai-1ee13:metadata_sizei16777217e1:pi0e4:reqqi-5e\
            1:v3:\x1b\x07\n6:yourip5:123454:ipv4i7ee";
        assert_eq!(ExtensionHandshake::decode(payload), Ok(ExtensionHandshake::default()));
    }

    #[test]
    fn a_later_handshake_switches_single_extensions_off() {
        let mut ids = ExtensionIds { ut_pex: Some(1), ut_metadata: Some(2), ..ExtensionIds::default() };
        ids.update(ExtensionHandshake::decode(b"d1:md6:ut_pexi0eee").unwrap().ids);
        assert_eq!(ids, ExtensionIds { ut_pex: Some(0), ut_metadata: Some(2), ..ExtensionIds::default() });
    }

    #[test]
    fn the_number_of_extensions_is_bounded() {
        let handshake = |count: usize| {
            let mut out = Encoder::new();
            out.begin_dict().key("m").begin_dict();
            for index in 0..count {
                out.key(format!("{index:03}")).uint(1);
            }
            out.end().end();
            ExtensionHandshake::decode(&out.finish())
        };
        assert!(handshake(MAX_EXTENSIONS).is_ok());
        assert_eq!(handshake(MAX_EXTENSIONS + 1), Err(ExtensionHandshakeError::TooManyExtensions));
    }

    #[test]
    fn other_values_are_refused() {
        assert_eq!(ExtensionHandshake::decode(b"le"), Err(ExtensionHandshakeError::NotDictionary));
        assert!(ExtensionHandshake::decode(b"").is_err());
        assert!(ExtensionHandshake::decode(&[b'l'; 30_000]).is_err());
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(handshake in handshake()) {
            prop_assert_eq!(ExtensionHandshake::decode(&handshake.encode()), Ok(handshake));
        }

        #[test]
        fn any_payload_is_survived(payload in "d(1:m|1:v|1:p|4:reqq|6:yourip|[0-9]:|i-?[0-9]{1,20}e|d|l|e|.){0,12}") {
            let _ = ExtensionHandshake::decode(payload.as_bytes());
        }
    }
}
