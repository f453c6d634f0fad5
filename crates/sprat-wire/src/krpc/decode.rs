//! From a datagram to a message.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

use super::{
    Body, Contact, ErrorReply, LIMITS, MAX_CONTACTS, MAX_ERROR_TEXT, MAX_SAMPLES, MAX_TOKEN, MAX_VALUES,
    Message, MessageError, MutablePut, Query, Request, Response, Samples, ScrapeFilters, TransactionId, Want,
};
use crate::bencode::{Dict, Document};
use crate::compact::{self, Family};
use crate::hash::{InfoHash, NodeId};
use crate::text::printable;

impl Message {
    /// Reads one datagram. What comes after the dictionary is ignored.
    pub fn decode(datagram: &[u8]) -> Result<Self, MessageError> {
        let (document, _) = Document::decode_prefix(datagram, LIMITS)?;
        let dict = document.as_dict().ok_or(MessageError::Field("dictionary"))?;
        let transaction = dict.bytes("t").and_then(TransactionId::new).ok_or(MessageError::Field("t"))?;
        let body = match dict.bytes("y") {
            Some(b"q") => {
                Body::Query(query(dict).map_err(|field| MessageError::Query { transaction, field })?)
            }
            Some(b"r") => Body::Response(Box::new(response(dict).map_err(MessageError::Field)?)),
            Some(b"e") => Body::Error(error_reply(dict).map_err(MessageError::Field)?),
            _ => return Err(MessageError::Field("y")),
        };
        let is_query = matches!(body, Body::Query(_));
        Ok(Self {
            transaction,
            version: dict.bytes("v").and_then(|version| version.try_into().ok()),
            read_only: is_query && flag(dict, "ro"),
            external: dict.bytes("ip").filter(|_| !is_query).and_then(address),
            body,
        })
    }
}

/// The field that is at fault.
type FieldError = &'static str;

fn query(message: Dict<'_>) -> Result<Query, FieldError> {
    let method = message.bytes("q").ok_or("q")?;
    let arguments = message.dict("a").ok_or("a")?;
    let id = node_id(arguments, "id")?;
    let request = match method {
        b"ping" => Request::Ping,
        b"find_node" => Request::FindNode { target: node_id(arguments, "target")?, want: want(arguments) },
        b"get_peers" => Request::GetPeers {
            info_hash: info_hash(arguments)?,
            want: want(arguments),
            no_seed: flag(arguments, "noseed"),
            scrape: flag(arguments, "scrape"),
        },
        b"announce_peer" => announce_peer(arguments)?,
        b"get" => Request::Get {
            target: node_id(arguments, "target")?,
            seq: arguments.int("seq"),
            want: want(arguments),
        },
        b"put" => Request::Put {
            token: token(arguments).ok_or("token")?,
            value: raw(arguments, "v").ok_or("v")?,
            mutable: mutable_put(arguments)?.map(Box::new),
        },
        b"sample_infohashes" => {
            Request::SampleInfohashes { target: node_id(arguments, "target")?, want: want(arguments) }
        }
        _ => Request::Unknown {
            target: node_id(arguments, "target").or_else(|_| node_id(arguments, "info_hash")).ok(),
            want: want(arguments),
        },
    };
    Ok(Query { id, request })
}

fn announce_peer(arguments: Dict<'_>) -> Result<Request, FieldError> {
    let implied_port = flag(arguments, "implied_port");
    let port = arguments.u64("port").and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    if port == 0 && !implied_port {
        return Err("port");
    }
    Ok(Request::AnnouncePeer {
        info_hash: info_hash(arguments)?,
        port,
        implied_port,
        seed: flag(arguments, "seed"),
        token: token(arguments).ok_or("token")?,
    })
}

/// `None` when there is no key: the item is immutable.
fn mutable_put(arguments: Dict<'_>) -> Result<Option<MutablePut>, FieldError> {
    if arguments.value_of("k").is_none() {
        return Ok(None);
    }
    Ok(Some(MutablePut {
        key: array(arguments, "k").ok_or("k")?,
        seq: arguments.int("seq").ok_or("seq")?,
        signature: array(arguments, "sig").ok_or("sig")?,
        salt: Bytes::copy_from_slice(arguments.bytes("salt").unwrap_or_default()),
        cas: arguments.int("cas"),
    }))
}

fn response(message: Dict<'_>) -> Result<Response, FieldError> {
    let fields = message.dict("r").ok_or("r")?;
    Ok(Response {
        id: node_id(fields, "id")?,
        nodes: contacts(Family::V4, fields.bytes("nodes")),
        nodes6: contacts(Family::V6, fields.bytes("nodes6")),
        token: token(fields),
        values: values(fields),
        filters: filters(fields),
        value: raw(fields, "v"),
        key: array(fields, "k"),
        signature: array(fields, "sig"),
        seq: fields.int("seq"),
        samples: samples(fields),
    })
}

fn error_reply(message: Dict<'_>) -> Result<ErrorReply, FieldError> {
    let mut error = message.list("e").ok_or("e")?.iter();
    let code = error.next().and_then(|code| code.as_int()).ok_or("e")?;
    let text = error.next().and_then(|text| text.as_bytes()).unwrap_or_default();
    Ok(ErrorReply { code, text: printable(text, MAX_ERROR_TEXT) })
}

/// BEP 5's peers, a string for each. Either length may be in the list (BEP 32).
fn values(fields: Dict<'_>) -> Vec<SocketAddr> {
    let list = fields.list("values").into_iter().flat_map(|list| list.iter());
    list.filter_map(|value| address(value.as_bytes()?)).take(MAX_VALUES).collect()
}

fn filters(fields: Dict<'_>) -> Option<Box<ScrapeFilters>> {
    Some(Box::new(ScrapeFilters { seeds: array(fields, "BFsd")?, peers: array(fields, "BFpe")? }))
}

fn samples(fields: Dict<'_>) -> Option<Samples> {
    let (hashes, _) = fields.bytes("samples")?.as_chunks();
    let interval = fields.u64("interval").and_then(|interval| u32::try_from(interval).ok());
    Some(Samples {
        hashes: hashes.iter().take(MAX_SAMPLES).copied().map(InfoHash).collect(),
        total: fields.u64("num").unwrap_or(0),
        interval: interval.unwrap_or(0).min(Samples::MAX_INTERVAL),
    })
}

/// Left out is what nobody could send to: port 0, and addresses of the other family.
fn contacts(family: Family, list: Option<&[u8]>) -> Vec<Contact> {
    let entries = list.unwrap_or_default().chunks_exact(NodeId::LENGTH.saturating_add(family.entry_length()));
    let contacts = entries.filter_map(|entry| {
        let (id, address) = entry.split_first_chunk()?;
        let address = compact::decode(family, address).next()?;
        (Family::of(address) == family).then_some(Contact { id: NodeId(*id), address })
    });
    contacts.take(MAX_CONTACTS).collect()
}

/// 6 or 18 bytes.
fn address(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk::<2>()?;
    let ip = match ip.len() {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?)),
        16 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)).to_canonical(),
        _ => return None,
    };
    let port = u16::from_be_bytes(*port);
    (port != 0).then_some(SocketAddr::new(ip, port))
}

fn want(arguments: Dict<'_>) -> Want {
    let mut want = Want::default();
    for family in arguments.list("want").into_iter().flat_map(|list| list.iter()) {
        match family.as_bytes() {
            Some(b"n4") => want.v4 = true,
            Some(b"n6") => want.v6 = true,
            _ => {}
        }
    }
    want
}

fn token(dict: Dict<'_>) -> Option<Bytes> {
    dict.bytes("token").filter(|token| token.len() <= MAX_TOKEN).map(Bytes::copy_from_slice)
}

fn raw(dict: Dict<'_>, key: &str) -> Option<Bytes> {
    dict.value_of(key).map(|value| Bytes::copy_from_slice(value.raw()))
}

fn flag(dict: Dict<'_>, key: &str) -> bool {
    dict.int(key).is_some_and(|value| value != 0)
}

fn node_id(dict: Dict<'_>, key: &'static str) -> Result<NodeId, FieldError> {
    array(dict, key).map(NodeId).ok_or(key)
}

fn info_hash(dict: Dict<'_>) -> Result<InfoHash, FieldError> {
    array(dict, "info_hash").map(InfoHash).ok_or("info_hash")
}

fn array<const N: usize>(dict: Dict<'_>, key: &str) -> Option<[u8; N]> {
    dict.bytes(key)?.try_into().ok()
}
