//! What others ask of us.
//!
//! A query's source may be forged, so that the answer hits somebody else. To an address that has not been seen to
//! receive anything, an answer has therefore at most 3.5 times the bytes of the query. Where more is worth having (an
//! item, Bloom filters, samples), the asker is pinged first: its pong proves the address, and the whole answer goes
//! out a round trip later.

use std::net::SocketAddr;

use bytes::Bytes;
use sprat_wire::compact::Family;
use sprat_wire::hash::{InfoHash, NodeId};
use sprat_wire::krpc::{
    Body, Contact, ErrorReply, MAX_SENT, Message, MessageError, Query, Request, Response, TransactionId,
    Want, error_code,
};

use super::{Node, Purpose};
use crate::io::Output;
use crate::item::Item;
use crate::net::FEW;
use crate::server::Deferred;
use crate::table::{BUCKET, Entry};
use crate::time::Time;

/// Nodes that an answer has at least when there are peers as well.
const NODES_BESIDE_VALUES: usize = 3;

/// Peers that an answer has before there are any nodes.
const VALUES_BEFORE_NODES: usize = 5;

/// Bytes of a ping of ours, which an unproven address may get besides the answer.
const PING: usize = 72;

/// The same for a `find_node`, which a node that knows nobody sends instead.
const FIND_NODE: usize = 120;

/// Bytes of the words around a list.
const LIST: usize = 16;

/// How long an answer may be to a query of `length` bytes from an address that is not proven.
const fn unproven_limit(length: usize) -> usize {
    length.saturating_mul(7) / 2
}

impl Node {
    pub(super) fn query(
        &mut self,
        now: Time,
        from: SocketAddr,
        length: usize,
        transaction: TransactionId,
        read_only: bool,
        query: &Query,
    ) {
        let family = Family::of(from);
        let is_echo = self.net(family).is_none_or(|net| net.own() == query.id);
        if is_echo || self.config.read_only || !self.server.admits(now, from.ip()) {
            return;
        }
        let asker = Contact { id: query.id, address: from };
        // A contact has answered us, and lately.
        let known = self.net(family).and_then(|net| net.table.entry(&asker));
        let proven = known.is_some_and(|entry| entry.is_good(now)) || self.server.is_proven(now, from);
        // If there is room for the asker in our table, it is asked back when there is time, and that counts.
        let question = if read_only { 0 } else { self.cost_of_meeting(asker) };
        let limit = if proven { MAX_SENT } else { unproven_limit(length).saturating_sub(question) };
        let mut cut = false;
        match self.answer(now, from, transaction, &query.request, limit.min(MAX_SENT), &mut cut) {
            Ok(short) if cut && !proven && !read_only => {
                // Its pong is as good as an answer to a question of ours.
                return self.prove_first(now, from, query, transaction, short, length);
            }
            Ok(answer) => self.reply(now, from, answer),
            Err(code) => self.reply_error(now, from, length, transaction, code),
        }
        if question > 0 {
            self.verify_later(from);
        }
    }

    /// Bytes of the question with which we would find out whether this one belongs into our table; 0 if there is no
    /// room for it.
    fn cost_of_meeting(&self, asker: Contact) -> usize {
        match self.net(Family::of(asker.address)) {
            Some(net) if !net.table.has_room_for(&asker) || !net.can_verify(asker.address) => 0,
            Some(net) if net.table.len() < FEW => FIND_NODE,
            Some(_) => PING,
            None => 0,
        }
    }

    fn verify_later(&mut self, address: SocketAddr) {
        if let Some(net) = self.net_mut(Family::of(address)) {
            net.verify_later(address);
        }
    }

    /// A query that makes no sense is told so, if that costs no more than the query did.
    pub(super) fn malformed(&mut self, now: Time, from: SocketAddr, length: usize, error: &MessageError) {
        let MessageError::Query { transaction, .. } = error else { return };
        if !self.config.read_only && self.server.admits(now, from.ip()) {
            self.reply_error(now, from, length, *transaction, error_code::PROTOCOL);
        }
    }

    /// The asker is where its query came from: it gets everything.
    pub(super) fn answer_deferred(&mut self, now: Time, number: u64) {
        if let Some(Deferred { to, full, .. }) = self.server.take_deferred(number) {
            self.reply(now, to, full);
        }
    }

    /// The asker does not answer pings.
    pub(super) fn answer_unproven(&mut self, now: Time, number: u64) {
        if let Some(Deferred { to, short, .. }) = self.server.take_deferred(number) {
            self.reply(now, to, short);
        }
    }

    /// Pings the asker before it gets a long answer.
    fn prove_first(
        &mut self,
        now: Time,
        from: SocketAddr,
        query: &Query,
        transaction: TransactionId,
        short: Vec<u8>,
        length: usize,
    ) {
        let Ok(full) = self.answer(now, from, transaction, &query.request, MAX_SENT, &mut false) else {
            return;
        };
        // The ping counts as well.
        let limit = unproven_limit(length).saturating_sub(PING);
        let shorter = self.answer(now, from, transaction, &query.request, limit, &mut false);
        let deferred = Deferred { to: from, full, short: shorter.unwrap_or_default() };
        let number = self.server.defer(deferred);
        let pinged = number.is_some_and(|number| {
            self.server.may_send(now, PING)
                && self.ask(now, from, None, None, Request::Ping, Purpose::Prove(number))
        });
        if !pinged {
            number.map(|number| self.server.take_deferred(number));
            self.reply(now, from, short);
        }
    }

    /// The answer to a request, in at most `limit` bytes; `cut` says whether something was left out that the asker
    /// would not get from others as well.
    fn answer(
        &mut self,
        now: Time,
        from: SocketAddr,
        transaction: TransactionId,
        request: &Request,
        limit: usize,
        cut: &mut bool,
    ) -> Result<Vec<u8>, i64> {
        let own = self.net(Family::of(from)).map(|net| net.own()).unwrap_or_default();
        let mut response = Response { id: own, ..Response::default() };
        let mut room = Room::new(self, from, transaction, limit, &response);
        match request {
            Request::Ping => {}
            Request::FindNode { target, want } | Request::Unknown { target: Some(target), want } => {
                self.add_nodes(now, from, *target, *want, &mut response, &mut room);
            }
            Request::Unknown { target: None, .. } => return Err(error_code::METHOD_UNKNOWN),
            Request::GetPeers { info_hash, want, no_seed, scrape } => {
                let token = self.server.token(now, from.ip(), NodeId(info_hash.0));
                room.take(token.len() + LIST);
                response.token = Some(token);
                if *scrape && let Some(filters) = self.server.filters(now, *info_hash) {
                    if room.take_if(2 * (LIST + 256)) {
                        response.filters = Some(Box::new(filters));
                    } else {
                        *cut = true;
                    }
                }
                self.add_values(now, from, *info_hash, *no_seed, &mut response, &mut room);
                self.add_nodes(now, from, NodeId(info_hash.0), *want, &mut response, &mut room);
            }
            Request::AnnouncePeer { info_hash, port, implied_port, seed, token } => {
                let port = if *implied_port { from.port() } else { *port };
                let peer = SocketAddr::new(from.ip(), port);
                self.server.announce(now, from, *info_hash, peer, *seed, token)?;
            }
            Request::Get { target, seq, want } => {
                let token = self.server.token(now, from.ip(), *target);
                room.take(token.len() + LIST);
                response.token = Some(token);
                if let Some(item) = self.server.item(now, *target) {
                    *cut = !add_item(&item, *seq, &mut response, &mut room);
                }
                self.add_nodes(now, from, *target, *want, &mut response, &mut room);
            }
            Request::Put { token, value, mutable } => {
                self.server.put(now, own, from, token, value, mutable.as_deref())?;
            }
            Request::SampleInfohashes { target, want } => {
                let mut samples = self.server.samples(now);
                room.take(3 * LIST + 20);
                let most = room.fit(20, samples.hashes.len());
                *cut = most < samples.hashes.len();
                samples.hashes.truncate(most);
                response.samples = Some(samples);
                self.add_nodes(now, from, *target, *want, &mut response, &mut room);
            }
        }
        Ok(self.message(from, transaction, Body::Response(Box::new(response))))
    }

    /// Up to eight good nodes of each family that is wanted.
    fn add_nodes(
        &self,
        now: Time,
        from: SocketAddr,
        target: NodeId,
        want: Want,
        response: &mut Response,
        room: &mut Room,
    ) {
        let own_family = Family::of(from);
        for family in [own_family, other(own_family)] {
            let wanted = match family {
                Family::V4 => want.v4,
                Family::V6 => want.v6,
            };
            if !wanted && (want != Want::default() || family != own_family) {
                continue;
            }
            let Some(net) = self.net(family) else { continue };
            let count = room.list(NodeId::LENGTH + family.entry_length(), BUCKET);
            // Not the asker itself, and nobody of a private network to somebody of the internet.
            let local = super::is_local(from);
            let wanted = |entry: &Entry| {
                let contact = entry.contact();
                entry.is_good(now) && contact.address != from && (local || !super::is_local(contact.address))
            };
            let nodes = net.table.closest(target, count, wanted).into_iter().map(Entry::contact).collect();
            match family {
                Family::V4 => response.nodes = nodes,
                Family::V6 => response.nodes6 = nodes,
            }
        }
    }

    /// Peers of a swarm, as many as fit when some nodes shall still fit as well.
    fn add_values(
        &mut self,
        now: Time,
        from: SocketAddr,
        info_hash: InfoHash,
        no_seed: bool,
        response: &mut Response,
        room: &mut Room,
    ) {
        let family = Family::of(from);
        let reserve = LIST + NODES_BESIDE_VALUES * (NodeId::LENGTH + family.entry_length());
        // Two or three bytes more for each: its length.
        let each = family.entry_length() + if family == Family::V4 { 2 } else { 3 };
        // Where there is little room, some peers matter more than more nodes: they are what was asked for.
        let beside_nodes = room.0.saturating_sub(reserve + LIST) / each;
        let count = beside_nodes.max(VALUES_BEFORE_NODES.min(room.0.saturating_sub(LIST) / each));
        response.values = self.server.values(now, info_hash, family, no_seed, count);
        if !response.values.is_empty() {
            room.take(LIST + response.values.len() * each);
        }
    }

    fn message(&self, from: SocketAddr, transaction: TransactionId, body: Body) -> Vec<u8> {
        let version = Some(self.config.version);
        Message { transaction, version, read_only: false, external: Some(from), body }.encode()
    }

    fn reply(&mut self, now: Time, to: SocketAddr, datagram: Vec<u8>) {
        if !datagram.is_empty() && self.server.may_send(now, datagram.len()) {
            self.outputs.push_back(Output::Send { to, datagram });
        }
    }

    fn reply_error(
        &mut self,
        now: Time,
        to: SocketAddr,
        length: usize,
        transaction: TransactionId,
        code: i64,
    ) {
        let error = ErrorReply { code, text: text_of(code).to_owned() };
        let body = Body::Error(error);
        let datagram =
            Message { transaction, version: None, read_only: false, external: None, body }.encode();
        if datagram.len() <= length {
            self.reply(now, to, datagram);
        }
    }
}

/// Bytes that an answer may still grow by.
#[derive(Debug, Clone, Copy)]
struct Room(usize);

impl Room {
    fn new(
        node: &Node,
        from: SocketAddr,
        transaction: TransactionId,
        limit: usize,
        response: &Response,
    ) -> Self {
        let empty = node.message(from, transaction, Body::Response(Box::new(response.clone())));
        Self(limit.saturating_sub(empty.len()))
    }

    fn take(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }

    /// Takes so many bytes, or none.
    fn take_if(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.0;
        if fits {
            self.take(bytes);
        }
        fits
    }

    /// How many things of this size fit; takes their room.
    fn fit(&mut self, each: usize, most: usize) -> usize {
        let count = (self.0 / each).min(most);
        self.take(count * each);
        count
    }

    /// The same for a list that has words around it.
    fn list(&mut self, each: usize, most: usize) -> usize {
        if self.0 < LIST + each {
            return 0;
        }
        self.take(LIST);
        self.fit(each, most)
    }
}

/// Adds an item, or, where it is not newer than what the asker has, its number alone. Returns whether all is there.
fn add_item(item: &Item, newer_than: Option<i64>, response: &mut Response, room: &mut Room) -> bool {
    const NUMBER: usize = 5 + 22;
    const KEY_AND_SIGNATURE: usize = 3 + 3 + 32 + 5 + 3 + 64;
    response.seq = item.seq();
    if item.seq().is_some() {
        room.take(NUMBER);
    }
    if item.seq().is_some() && newer_than >= item.seq() {
        return true;
    }
    let value: &Bytes = item.value();
    if !room.take_if(value.len() + 3 + if item.seq().is_some() { KEY_AND_SIGNATURE } else { 0 }) {
        return false;
    }
    response.value = Some(value.clone());
    response.key = item.key();
    response.signature = item.signature();
    true
}

const fn other(family: Family) -> Family {
    match family {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    }
}

const fn text_of(code: i64) -> &'static str {
    match code {
        error_code::METHOD_UNKNOWN => "unknown method",
        error_code::VALUE_TOO_BIG => "too big",
        error_code::INVALID_SIGNATURE => "bad signature",
        error_code::SALT_TOO_BIG => "salt too big",
        error_code::CAS_MISMATCH => "cas mismatch",
        error_code::SEQ_TOO_LOW => "seq too low",
        error_code::PROTOCOL => "bad query",
        _ => "refused",
    }
}
