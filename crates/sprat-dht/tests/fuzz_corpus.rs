//! Replays the fuzz corpus of the node, and changed copies of it.
//!
//! To write the seeds of the corpus again: `cargo test -p sprat-dht --test fuzz_corpus -- --ignored`

#![expect(clippy::disallowed_methods, reason = "the corpus is in files")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is a test, helper functions included")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sprat_wire::hash::{InfoHash, NodeId};
use sprat_wire::krpc::{Body, Contact, Message, Query, Request, Response, TransactionId, Want};

mod fuzz_targets;

const VARIANTS: usize = 3000;

#[test]
fn the_node_survives_its_corpus_and_changed_copies_of_it() {
    let corpus: Vec<Vec<u8>> = corpus().into_values().collect();
    assert!(!corpus.is_empty());
    for script in &corpus {
        fuzz_targets::dht_node(script);
    }
    let mut random = fastrand::Rng::with_seed(0x5eed);
    for _ in 0..VARIANTS {
        let script = changed(&corpus, &mut random);
        let ran = std::panic::catch_unwind(|| fuzz_targets::dht_node(&script));
        assert!(ran.is_ok(), "fails with b\"{}\"", script.escape_ascii());
    }
}

#[test]
fn every_seed_is_in_the_corpus() {
    let corpus = corpus();
    for (name, seed) in seeds() {
        assert_eq!(corpus.get(name), Some(&seed), "{name}: write the seeds again");
    }
}

#[test]
#[ignore = "writes files"]
fn write_the_seeds() {
    std::fs::create_dir_all(directory()).unwrap();
    for (name, seed) in seeds() {
        std::fs::write(directory().join(name), seed).unwrap();
    }
}

/// Parts of two scripts in one, bytes changed, bytes gone.
fn changed(corpus: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut script = corpus[random.usize(..corpus.len())].clone();
    for _ in 0..random.usize(1..=6) {
        let at = random.usize(..=script.len());
        let end = random.usize(at..=script.len()).min(at + 64);
        match random.u8(..5) {
            0 => drop(script.drain(at..end)),
            1 => drop(script.splice(at..at, script[at..end].to_vec())),
            2 => script.insert(at, random.u8(..)),
            3 => {
                let other = &corpus[random.usize(..corpus.len())];
                let from = random.usize(..=other.len());
                drop(script.splice(at.., other[from..].iter().copied()));
            }
            _ => {
                if let Some(byte) = script.get_mut(at) {
                    *byte ^= 1 << random.u8(..8);
                }
            }
        }
    }
    script
}

fn corpus() -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(directory()).unwrap_or_else(|error| panic!("{error}"));
    let paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/dht_node")
}

/// A script in the making.
struct Script(Vec<u8>);

impl Script {
    fn wait(mut self, tenths: u8) -> Self {
        self.0.extend([0, tenths]);
        self
    }

    fn start(mut self, what: u8, target: u8) -> Self {
        self.0.extend([64, what, target]);
        self
    }

    fn entrance(mut self, number: u8) -> Self {
        self.0.extend([96, number]);
        self
    }

    fn receive(mut self, from: u8, answers: bool, body: Body) -> Self {
        let transaction = TransactionId::new(b"aa").unwrap();
        let message = Message { transaction, version: None, read_only: false, external: None, body }.encode();
        self.0.push(from + if answers { 192 } else { 128 });
        self.0.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        self.0.extend(message);
        self
    }

    fn ask(self, from: u8, request: Request) -> Self {
        self.receive(from, false, Body::Query(Query { id: id(from), request }))
    }

    /// Answers the last query with the contacts of a few others.
    fn answer(self, from: u8, others: &[u8]) -> Self {
        let contact = |other: &u8| Contact { id: id(*other), address: ([20, 1, *other, 1], 6881).into() };
        let response = Response {
            id: id(from),
            nodes: others.iter().map(contact).collect(),
            token: Some(Bytes::from_static(b"token")),
            values: vec![([20, 9, 9, 9], 5).into()],
            ..Response::default()
        };
        self.receive(from, true, Body::Response(Box::new(response)))
    }
}

fn id(number: u8) -> NodeId {
    NodeId([number.wrapping_mul(37); 20])
}

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let info_hash = InfoHash([2; 20]);
    let target = NodeId([2; 20]);
    let want = Want { v4: true, v6: true };
    let token = Bytes::from_static(b"12345678");
    let new = |kind| Script(vec![kind]);
    let entered = || {
        let mut script = new(2).entrance(1).answer(1, &[2, 3, 4, 5]);
        for from in 2..10 {
            script = script.answer(from, &[from + 1, from + 2, from + 9]).wait(2);
        }
        script
    };
    let mut swarm = entered().start(2, 5).start(1, 9);
    for from in 1..20 {
        swarm = swarm.answer(from, &[from + 3]).wait(1).answer(from, &[]);
    }
    vec![
        ("alone", new(0).start(1, 1).wait(255).0),
        ("enters", entered().wait(100).0),
        ("announces", swarm.wait(50).0),
        (
            "serves",
            entered()
                .ask(20, Request::Ping)
                .ask(21, Request::FindNode { target, want })
                .ask(22, Request::GetPeers { info_hash, want, no_seed: true, scrape: true })
                .ask(
                    23,
                    Request::AnnouncePeer {
                        info_hash,
                        port: 1,
                        implied_port: true,
                        seed: true,
                        token: token.clone(),
                    },
                )
                .ask(24, Request::Get { target, seq: None, want })
                .ask(25, Request::Put { token, value: Bytes::from_static(b"i1e"), mutable: None })
                .ask(26, Request::SampleInfohashes { target, want })
                .ask(27, Request::Unknown { target: None, want })
                .wait(200)
                .0,
        ),
        (
            "reads_only",
            new(1).entrance(1).answer(1, &[2]).ask(3, Request::Ping).start(3, 1).start(7, 1).wait(90).0,
        ),
        ("all_operations", (0..8).fold(entered(), |script, what| script.start(what, what)).wait(255).0),
        (
            "private",
            new(0)
                .entrance(48)
                .answer(48, &[])
                .ask(49, Request::Ping)
                .wait(60)
                .answer(49, &[1])
                .start(5, 2)
                .wait(99)
                .0,
        ),
    ]
}
