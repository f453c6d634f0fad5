//! One node and what strangers send it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is a test that tells its figures, helper functions included"
)]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use sprat_dht::io::{Event, Operation};
use sprat_dht::time::Time;
use sprat_dht::{Input, Node, NodeConfig, Output};
use sprat_wire::compact::Family;
use sprat_wire::hash::{InfoHash, NodeId};
use sprat_wire::krpc::{
    Body, Contact, ErrorReply, Message, Query, Request, Response, TransactionId, Want, error_code,
};

fn node() -> Node {
    Node::new(NodeConfig { external_v4: Some([21, 1, 1, 1].into()), ..NodeConfig::default() }, 1)
}

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([20, 1, number, 1], 6881))
}

fn query_as(id: NodeId, request: Request) -> Message {
    Message {
        transaction: TransactionId::new(b"aa").unwrap(),
        version: None,
        read_only: false,
        external: None,
        body: Body::Query(Query { id, request }),
    }
}

fn query(request: Request) -> Message {
    query_as(NodeId([7; 20]), request)
}

fn drain(node: &mut Node) -> Vec<(SocketAddr, Vec<u8>)> {
    let outputs = std::iter::from_fn(|| node.poll_output());
    outputs
        .filter_map(|output| match output {
            Output::Send { to, datagram } => Some((to, datagram)),
            Output::Event(_) => None,
        })
        .collect()
}

fn send(node: &mut Node, now: Time, from: SocketAddr, datagram: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
    node.handle_input(now, Input::Received { from, datagram });
    drain(node)
}

/// The response among what was sent to an address, if there is one.
fn response(sent: &[(SocketAddr, Vec<u8>)], to: SocketAddr) -> Option<Response> {
    sent.iter().filter(|(address, _)| *address == to).find_map(|(_, datagram)| {
        match Message::decode(datagram).unwrap().body {
            Body::Response(response) => Some(*response),
            _ => None,
        }
    })
}

fn error(sent: &[(SocketAddr, Vec<u8>)]) -> Option<i64> {
    sent.iter().find_map(|(_, datagram)| match Message::decode(datagram).unwrap().body {
        Body::Error(ErrorReply { code, .. }) => Some(code),
        _ => None,
    })
}

/// Answers a ping or another query that the node has sent.
fn pong(id: NodeId, datagram: &[u8]) -> Option<Vec<u8>> {
    let message = Message::decode(datagram).unwrap();
    let Body::Query(_) = message.body else { return None };
    let body = Body::Response(Box::new(Response { id, ..Response::default() }));
    Some(Message { body, read_only: false, version: None, ..message }.encode())
}

/// Lets `count` nodes into the table: they ask, are pinged in time, and answer.
fn acquaint(node: &mut Node, count: u8) -> Time {
    let mut now = Time::from_secs(1);
    node.add_entrances(now, [address(0)]);
    for _ in 0..2000 {
        let sent = drain(node);
        let sends = sent.into_iter().filter(|(to, _)| to.port() == 6881);
        let answers: Vec<_> = sends
            .filter_map(|(to, datagram)| {
                let SocketAddr::V4(v4) = to else { return None };
                Some((to, pong(NodeId([v4.ip().octets()[2].wrapping_mul(9); 20]), &datagram)?))
            })
            .collect();
        now += Duration::from_millis(100);
        for (from, datagram) in answers {
            node.handle_input(now, Input::Received { from, datagram: &datagram });
        }
        let next = node.statistics().v4_contacts as u8;
        if next >= count {
            return now;
        }
        let id = NodeId([next.wrapping_mul(9); 20]);
        let ping = query_as(id, Request::Ping).encode();
        node.handle_input(now, Input::Received { from: address(next), datagram: &ping });
    }
    panic!("{:?}", node.statistics());
}

const HASH: InfoHash = InfoHash([9; 20]);

fn get_peers(scrape: bool) -> Request {
    Request::GetPeers { info_hash: HASH, want: Want::default(), no_seed: false, scrape }
}

fn announce(node: &mut Node, now: Time, from: SocketAddr) -> Option<i64> {
    let sent = send(node, now, from, &query(get_peers(false)).encode());
    let token = response(&sent, from).unwrap().token.unwrap();
    let announce =
        Request::AnnouncePeer { info_hash: HASH, port: 5, implied_port: false, seed: false, token };
    error(&send(node, now, from, &query(announce).encode()))
}

#[test]
fn a_peer_that_announces_itself_is_told_to_others() {
    let mut node = node();
    let now = Time::from_secs(1);
    assert_eq!(announce(&mut node, now, address(1)), None);
    let sent = send(&mut node, now, address(2), &query(get_peers(false)).encode());
    assert_eq!(response(&sent, address(2)).unwrap().values, [SocketAddr::new(address(1).ip(), 5)]);
}

#[test]
fn a_token_serves_the_one_it_was_given_to_for_what_it_was_given_for() {
    let mut node = node();
    let now = Time::from_secs(1);
    let sent = send(&mut node, now, address(1), &query(get_peers(false)).encode());
    let token = response(&sent, address(1)).unwrap().token.unwrap();
    let announce = |info_hash, token: &Bytes| {
        let token = token.clone();
        query(Request::AnnouncePeer { info_hash, port: 5, implied_port: false, seed: false, token }).encode()
    };
    let refused = Some(error_code::PROTOCOL);
    assert_eq!(error(&send(&mut node, now, address(2), &announce(HASH, &token))), refused, "another address");
    assert_eq!(error(&send(&mut node, now, address(1), &announce(InfoHash([8; 20]), &token))), refused);
    assert_eq!(error(&send(&mut node, now, address(1), &announce(HASH, &Bytes::new()))), refused);
    let later = now + Duration::from_secs(16 * 60);
    assert_eq!(error(&send(&mut node, later, address(1), &announce(HASH, &token))), refused, "old");
    assert_eq!(error(&send(&mut node, now, address(1), &announce(HASH, &token))), None);
}

#[test]
fn nobody_is_in_the_table_who_has_not_answered() {
    let mut node = node();
    let mut now = Time::from_secs(1);
    for number in 0..200 {
        now += Duration::from_millis(50);
        let ping = query_as(NodeId([number; 20]), Request::Ping);
        send(&mut node, now, address(number), &ping.encode());
        // A response that nobody has asked for, and one with a transaction id that is guessed.
        let body = Body::Response(Box::new(Response { id: NodeId([number; 20]), ..Response::default() }));
        for transaction in [&b"aa"[..], b"\0\0\0\x01"] {
            let transaction = TransactionId::new(transaction).unwrap();
            send(
                &mut node,
                now,
                address(number),
                &Message { transaction, body: body.clone(), ..ping.clone() }.encode(),
            );
        }
    }
    assert_eq!(node.statistics().v4_contacts, 0);
    assert_eq!(node.statistics().spare_contacts, 0);
}

#[test]
fn somebody_who_asks_is_asked_back_when_there_is_time_and_gets_in_by_answering() {
    let mut node = node();
    acquaint(&mut node, 5);
    assert_eq!(node.statistics().v4_contacts, 5);
}

#[test]
fn garbage_in_the_name_of_a_good_contact_does_it_no_harm() {
    let mut node = node();
    let now = acquaint(&mut node, 9);
    let before = node.save();
    for datagram in
        [&b"d1:y1:qe"[..], b"dddddddddddddddddddddddddd", b"d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe"]
    {
        for number in 0..9 {
            send(&mut node, now, address(number), datagram);
        }
    }
    let body = Body::Error(ErrorReply { code: 201, text: "go away".into() });
    send(&mut node, now, address(1), &Message { body, ..query(Request::Ping) }.encode());
    assert_eq!(node.save(), before);
}

#[test]
fn our_own_words_are_not_answered() {
    let mut node = node();
    let own = node.id(Family::V4).unwrap();
    assert!(
        send(&mut node, Time::from_secs(1), address(1), &query_as(own, Request::Ping).encode()).is_empty()
    );
}

#[test]
fn a_read_only_node_asks_with_its_mark_and_does_not_answer() {
    let config = NodeConfig { read_only: true, ..NodeConfig::default() };
    let mut node = Node::new(config, 1);
    let now = Time::from_secs(1);
    node.add_entrances(now, [address(1)]);
    let sent = drain(&mut node);
    assert!(
        !sent.is_empty() && sent.iter().all(|(_, datagram)| Message::decode(datagram).unwrap().read_only)
    );
    assert!(send(&mut node, now, address(2), &query(Request::Ping).encode()).is_empty());
}

#[test]
fn one_that_only_reads_is_answered_and_not_asked_back() {
    let mut node = node();
    let now = acquaint(&mut node, 9);
    let ping = Message { read_only: true, ..query_as(NodeId([0x77; 20]), Request::Ping) };
    let sent = send(&mut node, now, address(200), &ping.encode());
    assert!(response(&sent, address(200)).is_some());
    for second in 1..60 {
        node.handle_input(now + Duration::from_secs(second), Input::Timeout);
        assert!(drain(&mut node).iter().all(|(to, _)| *to != address(200)));
    }
}

#[test]
fn the_asker_is_told_how_it_is_seen_and_the_family_it_wants() {
    let mut node = node();
    let now = acquaint(&mut node, 9);
    let find = |want| query(Request::FindNode { target: NodeId([1; 20]), want }).encode();
    let sent = send(&mut node, now, address(100), &find(Want::default()));
    let message = Message::decode(&sent[0].1).unwrap();
    assert_eq!(message.external, Some(address(100)));
    let nodes = response(&sent, address(100)).unwrap().nodes.len();
    assert!((4..=8).contains(&nodes), "{nodes}: as many as a stranger may get besides being asked back");
    let only_v6 = send(&mut node, now, address(101), &find(Want { v4: false, v6: true }));
    let only_v6 = response(&only_v6, address(101)).unwrap();
    assert!(only_v6.nodes.is_empty() && only_v6.nodes6.is_empty(), "we know nobody there");
}

#[test]
fn an_unknown_method_with_a_target_gets_nodes_and_one_without_an_error() {
    let mut node = node();
    let now = acquaint(&mut node, 9);
    let vote = |target| query(Request::Unknown { target, want: Want::default() }).encode();
    let sent = send(&mut node, now, address(100), &vote(Some(NodeId([1; 20]))));
    let nodes = response(&sent, address(100)).unwrap().nodes.len();
    assert!((4..=8).contains(&nodes), "{nodes}: as many as a stranger may get besides being asked back");
    assert_eq!(error(&send(&mut node, now, address(101), &vote(None))), Some(error_code::METHOD_UNKNOWN));
}

/// A node with contacts, a swarm, an item, and what could be asked of it to hit somebody else with the answer.
fn stocked() -> (Node, Time, NodeId) {
    let mut node = node();
    let mut now = acquaint(&mut node, 30);
    for number in 100..180 {
        now += Duration::from_secs(2);
        announce(&mut node, now, address(number));
    }
    let value = Bytes::from([b"900:".as_slice(), &[b'x'; 900]].concat());
    let target = NodeId(sprat_wire::hash::Sha1Hash::digest(&value).0);
    let get = query(Request::Get { target, seq: None, want: Want::default() }).encode();
    let sent = send(&mut node, now, address(99), &get);
    let token = response(&sent, address(99)).unwrap().token.unwrap();
    let put = query(Request::Put { token, value, mutable: None }).encode();
    assert_eq!(error(&send(&mut node, now, address(99), &put)), None);
    (node, now, target)
}

#[test]
fn whoever_forges_an_address_gets_at_most_three_and_a_half_times_as_much_sent_there() {
    let (mut node, mut now, item) = stocked();
    let both = Want { v4: true, v6: true };
    let none = Want::default();
    let find = |target, want| query(Request::FindNode { target, want });
    let token = Bytes::from_static(b"12345678");
    let put = |value: &'static [u8]| Request::Put {
        token: token.clone(),
        value: Bytes::from_static(value),
        mutable: None,
    };
    let long = TransactionId::new(&[b't'; TransactionId::MAX]).unwrap();
    let kinds: [(&str, Vec<u8>); 17] = [
        ("ping", query(Request::Ping).encode()),
        ("ping, long transaction", Message { transaction: long, ..query(Request::Ping) }.encode()),
        ("find_node", find(item, none).encode()),
        ("find_node, both", find(item, both).encode()),
        ("find_node, ro", Message { read_only: true, ..find(item, both) }.encode()),
        ("get_peers", query(get_peers(false)).encode()),
        ("get_peers, scrape", query(get_peers(true)).encode()),
        ("get_peers, ro", Message { read_only: true, ..query(get_peers(true)) }.encode()),
        ("get", query(Request::Get { target: item, seq: None, want: none }).encode()),
        (
            "get, ro",
            Message { read_only: true, ..query(Request::Get { target: item, seq: None, want: none }) }
                .encode(),
        ),
        ("get, both", query(Request::Get { target: item, seq: None, want: both }).encode()),
        ("sample_infohashes", query(Request::SampleInfohashes { target: item, want: none }).encode()),
        (
            "announce_peer",
            query(Request::AnnouncePeer {
                info_hash: HASH,
                port: 1,
                implied_port: true,
                seed: true,
                token: token.clone(),
            })
            .encode(),
        ),
        ("put", query(put(b"1:x")).encode()),
        ("unknown", query(Request::Unknown { target: Some(item), want: none }).encode()),
        ("malformed", b"d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe".to_vec()),
        ("tiny", b"d1:t1:a1:y1:qe ".to_vec()),
    ];
    let mut highest = 0.0_f64;
    for (number, (kind, datagram)) in (0..).zip(kinds) {
        let victim = SocketAddr::from(([40, 1, number, 1], 80));
        now += Duration::from_secs(5);
        let mut sent: usize = send(&mut node, now, victim, &datagram)
            .iter()
            .filter(|(to, _)| *to == victim)
            .map(|(_, d)| d.len())
            .sum();
        // Nothing comes back from the victim; and a table with room may ask back once.
        for _ in 0..20 {
            let then = node.poll_timeout();
            if then > now + Duration::from_secs(3) {
                break;
            }
            node.handle_input(then, Input::Timeout);
            sent +=
                drain(&mut node).iter().filter(|(to, _)| *to == victim).map(|(_, d)| d.len()).sum::<usize>();
        }
        let ratio = sent as f64 / datagram.len() as f64;
        println!("{kind:>25}: {:>4} bytes make {sent:>4}, {ratio:.2}", datagram.len());
        highest = highest.max(ratio);
        assert!(ratio <= 3.5, "{kind}: {ratio}");
    }
    println!("highest ratio {highest:.2}");
}

#[test]
fn an_item_longer_than_that_comes_after_a_ping_was_answered() {
    let (mut node, now, target) = stocked();
    let now = now + Duration::from_secs(60);
    let asker = SocketAddr::from(([40, 1, 1, 1], 80));
    let get = query(Request::Get { target, seq: None, want: Want::default() }).encode();
    let sent = send(&mut node, now, asker, &get);
    assert!(response(&sent, asker).is_none());
    let ping = sent
        .iter()
        .find_map(|(to, datagram)| pong(NodeId([7; 20]), datagram).filter(|_| *to == asker))
        .unwrap();
    let sent = send(&mut node, now + Duration::from_millis(60), asker, &ping);
    let value = response(&sent, asker).unwrap().value.unwrap();
    assert_eq!(value.len(), 904);
    // From now on it gets everything at once.
    let sent = send(&mut node, now + Duration::from_secs(1), asker, &get);
    assert!(response(&sent, asker).unwrap().value.is_some());
    assert!(sent.iter().all(|(_, datagram)| datagram.len() <= sprat_wire::krpc::MAX_SENT));
}

#[test]
fn an_operation_without_anybody_to_ask_ends() {
    let mut node = node();
    let now = Time::from_secs(1);
    let operation = node.start(now, Operation::Peers { info_hash: HASH, no_seed: false }).unwrap();
    let mut ended = None;
    for _ in 0..1000 {
        let then = node.poll_timeout();
        node.handle_input(then, Input::Timeout);
        while let Some(output) = node.poll_output() {
            if let Output::Event(Event::Finished { operation: id, .. }) = output {
                assert_eq!(id, operation);
                ended = Some(then);
            }
        }
        if ended.is_some() {
            break;
        }
    }
    assert!(ended.unwrap().since(now) <= Duration::from_secs(11), "{ended:?}");
}

#[test]
fn eight_networks_that_see_us_elsewhere_give_us_another_id() {
    let mut node = node();
    let mut now = acquaint(&mut node, 12);
    let old = node.id(Family::V4).unwrap();
    let seen = SocketAddr::from(([33, 44, 55, 66], 1));
    for _ in 0..4000 {
        now = now.max(node.poll_timeout()) + Duration::from_millis(10);
        node.handle_input(now, Input::Timeout);
        for (to, datagram) in drain(&mut node) {
            let SocketAddr::V4(v4) = to else { continue };
            let id = NodeId([v4.ip().octets()[2].wrapping_mul(9); 20]);
            let Some(answer) = pong(id, &datagram) else { continue };
            let answer = Message { external: Some(seen), ..Message::decode(&answer).unwrap() }.encode();
            node.handle_input(now, Input::Received { from: to, datagram: &answer });
        }
    }
    assert_ne!(node.id(Family::V4).unwrap(), old);
    assert!(node.statistics().v4_contacts >= 10);
}

fn message() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let id = any::<u8>().prop_map(|byte| NodeId([byte; 20]));
    let contacts = vec(any::<(u8, u8)>(), 0..9).prop_map(|nodes| {
        let contact = |(id, net): (u8, u8)| Contact { id: NodeId([id; 20]), address: address(net) };
        nodes.into_iter().map(contact).collect::<Vec<_>>()
    });
    let body = prop_oneof![
        id.clone().prop_map(|id| Body::Query(Query { id, request: Request::Ping })),
        id.clone().prop_map(|id| Body::Query(Query { id, request: get_peers(true) })),
        (id, contacts).prop_map(|(id, nodes)| Body::Response(Box::new(Response {
            id,
            nodes,
            ..Response::default()
        }))),
    ];
    (any::<u8>(), body, vec(any::<u8>(), 0..5)).prop_map(|(from, body, transaction)| {
        let transaction = TransactionId::new(&transaction).unwrap();
        (from, Message { transaction, body, ..query(Request::Ping) }.encode())
    })
}

proptest! {
    /// Whatever arrives unasked: the table is as it was.
    #[test]
    fn unsolicited_messages_leave_the_table_alone(messages in vec(message(), 0..60)) {
        let mut node = node();
        let now = acquaint(&mut node, 9);
        let before = node.save();
        for (from, datagram) in messages {
            send(&mut node, now, address(from), &datagram);
        }
        prop_assert_eq!(node.save(), before);
    }
}
