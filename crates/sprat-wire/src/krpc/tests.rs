use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::compact::Family;
use crate::compact::tests::address;

fn query(request: Request) -> Message {
    Message {
        transaction: TransactionId::new(b"aa").unwrap(),
        version: None,
        read_only: false,
        external: None,
        body: Body::Query(Query { id: NodeId(*b"abcdefghij0123456789"), request }),
    }
}

fn respond(response: Response) -> Message {
    Message { body: Body::Response(Box::new(response)), ..query(Request::Ping) }
}

/// One form, both directions.
fn check(message: &Message, bytes: &[u8]) {
    assert_eq!(message.encode().escape_ascii().to_string(), bytes.escape_ascii().to_string());
    assert_eq!(Message::decode(bytes).as_ref(), Ok(message));
}

#[test]
fn the_queries_of_bep_5() {
    check(&query(Request::Ping), b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe");
    let target = NodeId(*b"mnopqrstuvwxyz123456");
    check(
        &query(Request::FindNode { target, want: Want::default() }),
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
    );
    let info_hash = InfoHash(target.0);
    check(
        &query(Request::GetPeers { info_hash, want: Want::default(), no_seed: false, scrape: false }),
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
    );
    check(
        &query(Request::AnnouncePeer {
            info_hash,
            port: 6881,
            implied_port: true,
            seed: false,
            token: Bytes::from_static(b"aoeusnth"),
        }),
        b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e\
          5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
    );
}

#[test]
fn the_responses_of_bep_5() {
    let id = NodeId(*b"mnopqrstuvwxyz123456");
    check(
        &respond(Response { id, ..Response::default() }),
        b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
    );
    let values = vec!["97.120.106.101:11893".parse().unwrap(), "105.100.104.116:28269".parse().unwrap()];
    check(
        &respond(Response {
            id: NodeId(*b"abcdefghij0123456789"),
            token: Some(Bytes::from_static(b"aoeusnth")),
            values,
            ..Response::default()
        }),
        b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
    );
    let error = ErrorReply { code: error_code::GENERIC, text: "A Generic Error Ocurred".into() };
    check(
        &Message { body: Body::Error(error), ..query(Request::Ping) },
        b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
    );
}

#[test]
fn the_extensions_have_their_keys() {
    let target = NodeId([b't'; 20]);
    let mut ping = query(Request::Ping);
    ping.read_only = true;
    ping.version = Some(*b"SP01");
    check(&ping, b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping2:roi1e1:t2:aa1:v4:SP011:y1:qe");
    check(
        &query(Request::Get { target, seq: Some(-4), want: Want { v4: true, v6: true } }),
        b"d1:ad2:id20:abcdefghij01234567893:seqi-4e6:target20:tttttttttttttttttttt4:wantl2:n42:n6ee\
          1:q3:get1:t2:aa1:y1:qe",
    );
    let mutable =
        MutablePut { key: [b'k'; 32], seq: 1, signature: [b's'; 64], salt: "foobar".into(), cas: Some(0) };
    check(
        &query(Request::Put {
            token: "tok".into(),
            value: "12:Hello World!".into(),
            mutable: Some(Box::new(mutable)),
        }),
        b"d1:ad3:casi0e2:id20:abcdefghij01234567891:k32:kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk4:salt6:foobar3:seqi1e\
          3:sig64:ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss5:token3:tok\
          1:v12:Hello World!e1:q3:put1:t2:aa1:y1:qe",
    );
    let samples = Samples { hashes: vec![InfoHash([b'h'; 20])], total: 7, interval: 60 };
    let mut sampled = respond(Response {
        id: target,
        nodes6: vec![Contact { id: target, address: "[::1]:2".parse().unwrap() }],
        samples: Some(samples),
        ..Response::default()
    });
    sampled.external = Some("1.2.3.4:5".parse().unwrap());
    check(
        &sampled,
        b"d2:ip6:\x01\x02\x03\x04\0\x051:rd2:id20:tttttttttttttttttttt8:intervali60e6:nodes638:tttttttttttttttttttt\
          \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x023:numi7e7:samples20:hhhhhhhhhhhhhhhhhhhhe1:t2:aa1:y1:re",
    );
}

#[test]
fn sloppy_messages_are_read() {
    // Unsorted, with bytes at the end and fields of the wrong kind.
    let message = Message::decode(
        b"d1:y1:r1:v3:abc1:t1:x2:ip3:abc1:rd5:token0:2:id20:mnopqrstuvwxyz1234565:nodesi4e6:values4:spamee junk",
    )
    .unwrap();
    assert_eq!((message.version, message.external), (None, None));
    let Body::Response(response) = message.body else { panic!() };
    assert_eq!(response.token, Some(Bytes::new()));
    assert!(response.nodes.is_empty() && response.values.is_empty());

    let unknown = Message::decode(
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q4:vote1:t1:x1:y1:qe",
    );
    let Body::Query(query) = unknown.unwrap().body else { panic!() };
    let target = Some(NodeId(*b"mnopqrstuvwxyz123456"));
    assert_eq!(query.request, Request::Unknown { target, want: Want::default() });
}

#[test]
fn a_query_that_makes_no_sense_can_be_answered() {
    let transaction = TransactionId::new(b"aa").unwrap();
    let wrong = |bytes: &[u8]| Message::decode(bytes).unwrap_err();
    assert_eq!(
        wrong(b"d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe"),
        MessageError::Query { transaction, field: "id" }
    );
    assert_eq!(
        wrong(
            b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti0e5:token0:e\
               1:q13:announce_peer1:t2:aa1:y1:qe"
        ),
        MessageError::Query { transaction, field: "port" }
    );
    assert_eq!(wrong(b"d1:t2:aae"), MessageError::Field("y"));
    assert_eq!(wrong(b"d1:y1:qe"), MessageError::Field("t"));
    assert_eq!(wrong(b"d1:rd2:id3:abce1:t2:aa1:y1:re"), MessageError::Field("id"));
    assert!(matches!(wrong(b"hello"), MessageError::Bencode(_)));
}

#[test]
fn limits_hold_exactly() {
    let with_tid = |length: usize| {
        let tid = "x".repeat(length);
        Message::decode(format!("d1:rd2:id20:mnopqrstuvwxyz123456e1:t{length}:{tid}1:y1:re").as_bytes())
    };
    assert!(with_tid(TransactionId::MAX).is_ok());
    assert_eq!(with_tid(TransactionId::MAX + 1), Err(MessageError::Field("t")));

    for (length, kept) in [(MAX_TOKEN, true), (MAX_TOKEN + 1, false)] {
        let token = Some(Bytes::from(vec![1; length]));
        let bytes = respond(Response { token, ..Response::default() }).encode();
        let Body::Response(response) = Message::decode(&bytes).unwrap().body else { panic!() };
        assert_eq!(response.token.is_some(), kept);
    }
    let contact = Contact { id: NodeId([1; 20]), address: "1.2.3.4:5".parse().unwrap() };
    for (count, kept) in [(MAX_CONTACTS, MAX_CONTACTS), (MAX_CONTACTS + 1, MAX_CONTACTS)] {
        let bytes = respond(Response { nodes: vec![contact; count], ..Response::default() }).encode();
        let Body::Response(response) = Message::decode(&bytes).unwrap().body else { panic!() };
        assert_eq!(response.nodes.len(), kept);
    }
    let deep = [vec![b'l'; 11], vec![b'e'; 11]].concat();
    assert!(matches!(Message::decode(&deep), Err(MessageError::Bencode(_))));
    let mut long = respond(Response { value: Some(vec![b'x'; MAX_DATAGRAM].into()), ..Response::default() });
    assert!(matches!(Message::decode(&long.encode()), Err(MessageError::Bencode(_))));
    long.body = Body::Response(Box::default());
    assert!(Message::decode(&long.encode()).is_ok());
}

fn node_id() -> impl Strategy<Value = NodeId> {
    any::<[u8; 20]>().prop_map(NodeId)
}

fn bytes(max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=max).prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = Bytes> {
    bytes(200).prop_map(|bytes| {
        let mut out = crate::bencode::Encoder::new();
        out.bytes(bytes);
        out.finish().into()
    })
}

fn want() -> impl Strategy<Value = Want> {
    any::<(bool, bool)>().prop_map(|(v4, v6)| Want { v4, v6 })
}

fn mutable() -> impl Strategy<Value = Box<MutablePut>> {
    (any::<([u8; 32], i64, [[u8; 32]; 2], Option<i64>)>(), bytes(64)).prop_map(
        |((key, seq, halves, cas), salt)| {
            Box::new(MutablePut { key, seq, signature: halves.concat().try_into().unwrap(), salt, cas })
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        Just(Request::Ping),
        (node_id(), want()).prop_map(|(target, want)| Request::FindNode { target, want }),
        (node_id(), want(), any::<(bool, bool)>()).prop_map(|(id, want, (no_seed, scrape))| {
            Request::GetPeers { info_hash: InfoHash(id.0), want, no_seed, scrape }
        }),
        (node_id(), 1..=u16::MAX, any::<(bool, bool)>(), bytes(MAX_TOKEN)).prop_map(
            |(id, port, (implied_port, seed), token)| Request::AnnouncePeer {
                info_hash: InfoHash(id.0),
                port,
                implied_port,
                seed,
                token
            }
        ),
        (node_id(), any::<Option<i64>>(), want()).prop_map(|(target, seq, want)| Request::Get {
            target,
            seq,
            want
        }),
        (bytes(MAX_TOKEN), value(), option::of(mutable())).prop_map(|(token, value, mutable)| Request::Put {
            token,
            value,
            mutable
        }),
        (node_id(), want()).prop_map(|(target, want)| Request::SampleInfohashes { target, want }),
        (option::of(node_id()), want()).prop_map(|(target, want)| Request::Unknown { target, want }),
    ]
}

fn contacts(family: Family) -> impl Strategy<Value = Vec<Contact>> {
    let contact = (node_id(), address()).prop_map(|(id, address)| Contact { id, address });
    vec(contact, 0..8).prop_map(move |mut contacts| {
        contacts.retain(|contact| Family::of(contact.address) == family);
        contacts
    })
}

fn response() -> impl Strategy<Value = Response> {
    let nodes = (node_id(), contacts(Family::V4), contacts(Family::V6));
    let item = (option::of(value()), any::<(Option<[u8; 32]>, Option<[[u8; 32]; 2]>, Option<i64>)>());
    let samples = (vec(any::<[u8; 20]>(), 0..5), 0..=u64::from(u32::MAX), 0..=Samples::MAX_INTERVAL)
        .prop_map(|(hashes, total, interval)| Samples {
            hashes: hashes.into_iter().map(InfoHash).collect(),
            total,
            interval,
        });
    let filters = any::<[u8; 8]>().prop_map(|byte| {
        Box::new(ScrapeFilters { seeds: [byte[0]; FILTER_LENGTH], peers: [byte[1]; FILTER_LENGTH] })
    });
    (
        nodes,
        option::of(bytes(MAX_TOKEN)),
        vec(address(), 0..9),
        option::of(filters),
        item,
        option::of(samples),
    )
        .prop_map(
            |((id, nodes, nodes6), token, values, filters, (value, (key, halves, seq)), samples)| Response {
                id,
                nodes,
                nodes6,
                token,
                values,
                filters,
                value,
                key,
                signature: halves.map(|halves| halves.concat().try_into().unwrap()),
                seq,
                samples,
            },
        )
}

proptest! {
    #[test]
    fn decode_undoes_encode_for_queries(
        id in node_id(), request in request(), tid in vec(any::<u8>(), 0..=TransactionId::MAX),
        version: Option<[u8; 4]>, read_only: bool,
    ) {
        let transaction = TransactionId::new(&tid).unwrap();
        let body = Body::Query(Query { id, request });
        let message = Message { transaction, version, read_only, external: None, body };
        prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn decode_undoes_encode_for_responses(response in response(), external in option::of(address())) {
        let message = Message { external, ..respond(response) };
        prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn any_datagram_is_survived(
        datagram in "(d|e|l|1:a|1:r|1:q|1:y1:q|1:y1:r|1:t2:aa|2:id20:mnopqrstuvwxyz123456|6:values|5:nodes|[0-9]:|i-?[0-9]{1,20}e|.){0,14}",
    ) {
        let _ = Message::decode(datagram.as_bytes());
    }
}
