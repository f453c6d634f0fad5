//! Those who call, up to the torrent that they name, and what is received after that.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{Member, Session, either};
use crate::connection::{Direction, Introduction};
use crate::io::{ConnectionId, Output};
use crate::strangers::{Caller, Said};
use crate::thrift::OneRead;
use crate::time::Time;

impl Session {
    pub(super) fn on_accepted(&mut self, now: Time, connection: ConnectionId, address: SocketAddr) {
        if self.grudges.refuses(now, address.ip()) || !self.makes_room(now) {
            return self.outputs.push_back(Output::Disconnect { connection });
        }
        let shed = self.strangers.accept(now, connection, address);
        self.outputs.extend(shed.map(|connection| Output::Disconnect { connection }));
    }

    pub(super) fn on_received(&mut self, now: Time, connection: ConnectionId, bytes: Bytes) {
        if self.owners.contains_key(&connection) {
            let (read, first_output) = (OneRead::of(&bytes), self.outputs.len());
            self.with_owner(now, connection, |member, cx| {
                either!(member, it => it.on_received(cx, connection, bytes));
            });
            return read.let_go(self.outputs.range_mut(first_output..));
        }
        match self.strangers.hear(connection, bytes) {
            None | Some(Said::Little) => {}
            Some(Said::Nonsense) => self.outputs.push_back(Output::Disconnect { connection }),
            Some(Said::Name(caller)) => self.on_caller(now, connection, *caller),
        }
    }

    fn on_caller(&mut self, now: Time, id: ConnectionId, caller: Caller) {
        let Caller { address, theirs, deframer } = caller;
        let answers = |member: &Member| either!(member, it => it.answers_to(theirs.info_hash));
        let known = self.by_hash.get(&theirs.info_hash).copied();
        let Some(torrent) = known.filter(|id| self.members.get(id).is_some_and(answers)) else {
            self.outputs.push_back(Output::Disconnect { connection: id });
            return;
        };
        let introduction = Introduction::new(id, address, Direction::Incoming, theirs, deframer);
        self.owners.insert(id, torrent);
        self.with_member(now, torrent, |member, cx| either!(member, it => it.accept(cx, introduction)));
    }
}
