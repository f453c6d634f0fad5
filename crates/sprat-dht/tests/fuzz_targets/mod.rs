//! What a fuzzer feeds to a node. The target of libFuzzer (`fuzz/`) and the test that replays its corpus share this file.
//!
//! The input is a script: what arrives from whom, what the caller wants, and how time passes. A node must survive all
//! of it, stay within its limits, and never send an unproven address more than 3.5 times what came from it.

#![allow(clippy::expect_used, reason = "to fail loudly is what a target is for")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sprat_dht::io::{Operation, OperationId};
use sprat_dht::item::Item;
use sprat_dht::saved::SavedState;
use sprat_dht::time::Time;
use sprat_dht::{Input, Node, NodeConfig, Output};
use sprat_wire::hash::{InfoHash, NodeId};
use sprat_wire::krpc::{Body, MAX_SENT, Message, TransactionId};

/// Steps of one script.
const MAX_STEPS: usize = 300;

/// Outputs that one input can cause. A lookup sends a dozen queries, storing some fifty; there are sixteen of each.
const MAX_OUTPUTS: usize = 5000;

/// Runs a script.
///
/// | First byte of a step | Then | Meaning |
/// |---|---|---|
/// | 0..64 | one byte | this many times 100 ms pass, and what is due happens |
/// | 64..96 | two bytes | an operation |
/// | 96..128 | one byte | an address is named to the node, or an operation ends |
/// | 128..192 | two bytes of length, datagram | it arrives from address number byte − 128 |
/// | 192.. | two bytes of length, datagram | the same, with the transaction id of the node's last query to that address |
pub(crate) fn dht_node(script: &[u8]) {
    let mut run = Run::new(script.first().copied().unwrap_or(0));
    let mut rest = script.get(1..).unwrap_or_default();
    for _ in 0..MAX_STEPS {
        let Some((kind, after)) = rest.split_first() else { break };
        rest = run.step(*kind, after);
        run.check();
    }
    let saved = run.node.save().encode();
    let state = SavedState::decode(&saved).expect("what we have saved");
    assert_eq!(state.encode(), saved);
    let _ = SavedState::decode(script);
}

struct Run {
    node: Node,
    now: Time,
    operations: Vec<OperationId>,
    /// The last query of the node to an address.
    asked: BTreeMap<SocketAddr, TransactionId>,
    /// Bytes that have come from an address and gone to it, as long as it has not answered anything.
    account: BTreeMap<SocketAddr, (usize, usize)>,
}

impl Run {
    fn new(kind: u8) -> Self {
        let config = NodeConfig {
            read_only: kind & 1 == 1,
            external_v4: (kind & 2 == 2).then_some([203, 0, 113, 1].into()),
            ..NodeConfig::default()
        };
        Self {
            node: Node::new(config, kind.into()),
            now: Time::from_secs(1),
            operations: Vec::new(),
            asked: BTreeMap::new(),
            account: BTreeMap::new(),
        }
    }

    /// Does one step and returns what is left of the script.
    fn step<'a>(&mut self, kind: u8, rest: &'a [u8]) -> &'a [u8] {
        match kind {
            0..64 => {
                let Some((amount, rest)) = rest.split_first() else { return &[] };
                let end = self.now + Duration::from_millis(100) * u32::from(*amount);
                while self.node.poll_timeout() <= end {
                    self.now = self.now.max(self.node.poll_timeout());
                    self.node.handle_input(self.now, Input::Timeout);
                    self.drain();
                    assert!(self.node.poll_timeout() > self.now, "it wants to be woken and does nothing");
                }
                self.now = end;
                rest
            }
            64..96 => {
                let Some(([what, target], rest)) = rest.split_first_chunk() else { return &[] };
                if let Ok(operation) = self.node.start(self.now, operation(*what, *target)) {
                    self.operations.push(operation);
                }
                self.drain();
                rest
            }
            96..128 => {
                let Some((number, rest)) = rest.split_first() else { return &[] };
                match kind % 3 {
                    0 => self.node.add_entrances(self.now, [address(*number)]),
                    1 => self.node.add_candidate(self.now, address(*number)),
                    _ => {
                        if let Some(operation) = self.operations.pop() {
                            self.node.cancel(self.now, operation);
                        }
                    }
                }
                self.drain();
                rest
            }
            _ => {
                let Some((length, rest)) = rest.split_first_chunk() else { return &[] };
                let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
                let (datagram, rest) = rest.split_at(length);
                self.receive(address(kind % 64), datagram, kind >= 192);
                rest
            }
        }
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8], answers: bool) {
        let mut datagram = datagram.to_vec();
        if answers
            && let Some(transaction) = self.asked.get(&from).copied()
            && let Ok(message) = Message::decode(&datagram)
        {
            datagram = Message { transaction, ..message }.encode();
        }
        let message = Message::decode(&datagram);
        if message.is_ok_and(|message| !matches!(message.body, Body::Query(_))) && answers {
            // From here on it may be proven.
            self.account.insert(from, (usize::MAX / 8, 0));
        }
        let account = self.account.entry(from).or_default();
        account.0 = account.0.saturating_add(datagram.len());
        self.node.handle_input(self.now, Input::Received { from, datagram: &datagram });
        self.drain();
    }

    fn drain(&mut self) {
        for _ in 0..MAX_OUTPUTS {
            let Some(output) = self.node.poll_output() else { return };
            let Output::Send { to, datagram } = output else { continue };
            assert!(datagram.len() <= MAX_SENT, "{} bytes", datagram.len());
            let message = Message::decode(&datagram).expect("what we send can be read");
            if matches!(message.body, Body::Query(_)) {
                self.asked.insert(to, message.transaction);
                continue;
            }
            let account = self.account.entry(to).or_default();
            account.1 += datagram.len();
            assert!(
                account.1 * 2 <= account.0.saturating_mul(7),
                "{to} gets {} for {}",
                account.1,
                account.0
            );
        }
        assert!(self.node.poll_output().is_none(), "one input, endless outputs");
    }

    fn check(&self) {
        let statistics = self.node.statistics();
        assert!(statistics.pending <= 2048 && statistics.info_hashes <= 2000 && statistics.items <= 700);
    }
}

/// 64 addresses: of the internet, some in one network, some private, some of IPv6.
fn address(number: u8) -> SocketAddr {
    let number = number % 64;
    match number {
        0..32 => SocketAddr::from(([20, 1, number, 1], 6881)),
        32..48 => SocketAddr::from(([20, 2, 0, number], 6881)),
        48..56 => SocketAddr::from(([127, 0, 0, 1], 6000 + u16::from(number))),
        _ => SocketAddr::from(([0x2001, 0xdb8, number.into(), 0, 0, 0, 0, 1], 6881)),
    }
}

fn operation(what: u8, target: u8) -> Operation {
    let info_hash = InfoHash([target; 20]);
    let node = NodeId([target; 20]);
    let value = Bytes::from(format!("i{target}e"));
    match what % 8 {
        0 => Operation::FindNode { target: node },
        1 => Operation::Peers { info_hash, no_seed: false },
        2 => Operation::Announce { info_hash, port: 1, implied_port: false, seed: true },
        3 => Operation::Scrape { info_hash },
        4 => Operation::Get { target: node, salt: Vec::new(), newer_than: None },
        5 => Operation::Put { item: Item::immutable(value).expect("an integer"), cas: None },
        6 => {
            let item = Item::signed(&[7; 32], Bytes::new(), target.into(), value).expect("an integer");
            Operation::Put { item, cas: Some(1) }
        }
        _ => Operation::Sample { target: node },
    }
}
