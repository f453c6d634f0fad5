//! From a message to a datagram. Keys are written in the order of their bytes, as bencoding has it.

use std::net::SocketAddr;

use super::{Body, Contact, MutablePut, Query, Request, Response, Want};
use crate::bencode::Encoder;
use crate::compact::{self, Family};
use crate::krpc::Message;

impl Message {
    /// The datagram.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.begin_dict();
        match &self.body {
            Body::Query(query) => {
                out.key("a");
                arguments(&mut out, query);
            }
            Body::Error(error) => {
                out.key("e").begin_list().int(error.code).bytes(&error.text).end();
            }
            Body::Response(_) => {}
        }
        if let Some(external) = self.external {
            out.key("ip").bytes(address(external));
        }
        match &self.body {
            Body::Query(query) => {
                out.key("q").bytes(query.request.method());
            }
            Body::Response(response) => {
                out.key("r");
                fields(&mut out, response);
            }
            Body::Error(_) => {}
        }
        if self.read_only {
            out.key("ro").int(1);
        }
        out.key("t").bytes(self.transaction.as_bytes());
        if let Some(version) = self.version {
            out.key("v").bytes(version);
        }
        let kind = match self.body {
            Body::Query(_) => "q",
            Body::Response(_) => "r",
            Body::Error(_) => "e",
        };
        out.key("y").bytes(kind).end();
        out.finish()
    }
}

impl Request {
    /// The name of the method.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::FindNode { .. } => "find_node",
            Self::GetPeers { .. } => "get_peers",
            Self::AnnouncePeer { .. } => "announce_peer",
            Self::Get { .. } => "get",
            Self::Put { .. } => "put",
            Self::SampleInfohashes { .. } => "sample_infohashes",
            Self::Unknown { .. } => "unknown",
        }
    }
}

fn arguments(out: &mut Encoder, query: &Query) {
    out.begin_dict();
    match &query.request {
        Request::Ping => {
            out.key("id").bytes(query.id);
        }
        Request::FindNode { target, want: families }
        | Request::SampleInfohashes { target, want: families } => {
            out.key("id").bytes(query.id).key("target").bytes(target);
            want(out, *families);
        }
        Request::GetPeers { info_hash, want: families, no_seed, scrape } => {
            out.key("id").bytes(query.id).key("info_hash").bytes(info_hash);
            flag(out, "noseed", *no_seed);
            flag(out, "scrape", *scrape);
            want(out, *families);
        }
        Request::AnnouncePeer { info_hash, port, implied_port, seed, token } => {
            out.key("id").bytes(query.id);
            flag(out, "implied_port", *implied_port);
            out.key("info_hash").bytes(info_hash).key("port").uint((*port).into());
            flag(out, "seed", *seed);
            out.key("token").bytes(token);
        }
        Request::Get { target, seq, want: families } => {
            out.key("id").bytes(query.id);
            optional_int(out, "seq", *seq);
            out.key("target").bytes(target);
            want(out, *families);
        }
        Request::Put { token, value, mutable } => put(out, query, token, value, mutable.as_deref()),
        Request::Unknown { target, want: families } => {
            out.key("id").bytes(query.id);
            optional(out, "target", target.as_ref());
            want(out, *families);
        }
    }
    out.end();
}

fn put(out: &mut Encoder, query: &Query, token: &[u8], value: &[u8], mutable: Option<&MutablePut>) {
    optional_int(out, "cas", mutable.and_then(|mutable| mutable.cas));
    out.key("id").bytes(query.id);
    if let Some(mutable) = mutable {
        out.key("k").bytes(mutable.key);
        if !mutable.salt.is_empty() {
            out.key("salt").bytes(&mutable.salt);
        }
        out.key("seq").int(mutable.seq).key("sig").bytes(mutable.signature);
    }
    out.key("token").bytes(token).key("v").raw(value);
}

fn fields(out: &mut Encoder, response: &Response) {
    out.begin_dict();
    if let Some(filters) = &response.filters {
        out.key("BFpe").bytes(filters.peers).key("BFsd").bytes(filters.seeds);
    }
    out.key("id").bytes(response.id);
    if let Some(samples) = &response.samples {
        out.key("interval").uint(samples.interval.into());
    }
    optional(out, "k", response.key.as_ref());
    contacts(out, "nodes", Family::V4, &response.nodes);
    contacts(out, "nodes6", Family::V6, &response.nodes6);
    if let Some(samples) = &response.samples {
        out.key("num").uint(samples.total);
        let hashes: Vec<u8> = samples.hashes.iter().flat_map(|hash| hash.0).collect();
        out.key("samples").bytes(hashes);
    }
    optional_int(out, "seq", response.seq);
    optional(out, "sig", response.signature.as_ref());
    optional(out, "token", response.token.as_ref());
    if let Some(value) = &response.value {
        out.key("v").raw(value);
    }
    if !response.values.is_empty() {
        out.key("values").begin_list();
        for value in &response.values {
            out.bytes(address(*value));
        }
        out.end();
    }
    out.end();
}

fn contacts(out: &mut Encoder, key: &str, family: Family, contacts: &[Contact]) {
    let mut list = Vec::with_capacity(contacts.len().saturating_mul(38));
    for contact in contacts.iter().filter(|contact| Family::of(contact.address) == family) {
        list.extend_from_slice(contact.id.as_bytes());
        compact::encode(family, [contact.address], &mut list);
    }
    if !list.is_empty() {
        out.key(key).bytes(list);
    }
}

fn address(address: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(18);
    compact::encode(Family::of(address), [address], &mut bytes);
    bytes
}

fn want(out: &mut Encoder, want: Want) {
    if want == Want::default() {
        return;
    }
    out.key("want").begin_list();
    if want.v4 {
        out.bytes("n4");
    }
    if want.v6 {
        out.bytes("n6");
    }
    out.end();
}

fn flag(out: &mut Encoder, key: &str, value: bool) {
    if value {
        out.key(key).int(1);
    }
}

fn optional(out: &mut Encoder, key: &str, value: Option<impl AsRef<[u8]>>) {
    if let Some(value) = value {
        out.key(key).bytes(value);
    }
}

fn optional_int(out: &mut Encoder, key: &str, value: Option<i64>) {
    if let Some(value) = value {
        out.key(key).int(value);
    }
}
