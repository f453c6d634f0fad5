use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::compact::tests::address;
use crate::tracker::tests::announce_request;

fn encoded(request: &Request) -> Vec<u8> {
    let mut out = Vec::new();
    request.encode(&mut out);
    out
}

fn request() -> impl Strategy<Value = Request> {
    let info_hashes = vec(any::<[u8; 20]>().prop_map(InfoHash), 1..=MAX_SCRAPE);
    let announce = announce_request().prop_map(|announce| AnnounceRequest {
        ip: announce.ip.filter(|ip| ip.is_ipv4() && !ip.is_unspecified()),
        num_want: announce.num_want.map(|wanted| wanted & 0x7fff_ffff),
        tracker_id: None,
        ..announce
    });
    prop_oneof![
        any::<u32>().prop_map(|transaction| Request::Connect { transaction }),
        (any::<u64>(), any::<u32>(), announce, vec(any::<u8>(), 0..600)).prop_map(
            |(connection, transaction, announce, url_data)| Request::Announce {
                connection,
                transaction,
                announce,
                url_data
            }
        ),
        (any::<u64>(), any::<u32>(), info_hashes).prop_map(|(connection, transaction, info_hashes)| {
            Request::Scrape { connection, transaction, info_hashes }
        }),
    ]
}

fn response() -> impl Strategy<Value = (Response, Family)> {
    let entry = any::<(u32, u32, u32)>().prop_map(|(complete, downloaded, incomplete)| ScrapeEntry {
        complete,
        downloaded,
        incomplete,
    });
    let announce = (0..=MAX_INTERVAL, any::<u32>(), any::<u32>(), vec(address(), 0..100)).prop_map(
        |(interval, complete, incomplete, peers)| AnnounceResponse {
            interval,
            complete: Some(complete),
            incomplete: Some(incomplete),
            peers,
            ..AnnounceResponse::default()
        },
    );
    let response = prop_oneof![
        any::<(u32, u64)>()
            .prop_map(|(transaction, connection)| Response::Connect { transaction, connection }),
        (any::<u32>(), announce)
            .prop_map(|(transaction, announce)| Response::Announce { transaction, announce }),
        (any::<u32>(), vec(entry, 0..=MAX_SCRAPE))
            .prop_map(|(transaction, entries)| Response::Scrape { transaction, entries }),
        (any::<u32>(), "[a-z ]{0,100}").prop_map(|(transaction, message)| Response::Error {
            transaction,
            message: message.trim().to_owned()
        }),
    ];
    (response, prop_oneof![Just(Family::V4), Just(Family::V6)])
}

#[test]
fn the_layout_of_an_announce_is_that_of_bep_15() {
    let request = Request::Announce {
        connection: 0x0102_0304_0506_0708,
        transaction: 0x090a_0b0c,
        announce: AnnounceRequest {
            info_hash: InfoHash([0xaa; 20]),
            peer_id: PeerId([0xbb; 20]),
            port: 6881,
            uploaded: 3,
            downloaded: 1,
            left: 2,
            event: AnnounceEvent::Started,
            num_want: None,
            key: 4,
            ip: Some([1, 2, 3, 4].into()),
            tracker_id: None,
        },
        url_data: b"/a?b".to_vec(),
    };
    let mut expected = vec![1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 9, 10, 11, 12];
    expected.extend([0xaa; 20]);
    expected.extend([0xbb; 20]);
    expected.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
    expected.extend([0, 0, 0, 2, 1, 2, 3, 4, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff, 0x1a, 0xe1]);
    assert_eq!(expected.len(), 98);
    expected.extend(b"\x02\x04/a?b");
    assert_eq!(encoded(&request), expected);
}

#[test]
fn every_packet_that_is_cut_off_is_refused() {
    let announce = Request::Announce {
        connection: 1,
        transaction: 2,
        announce: AnnounceRequest {
            info_hash: InfoHash([1; 20]),
            peer_id: PeerId([2; 20]),
            port: 1,
            uploaded: 0,
            downloaded: 0,
            left: 0,
            event: AnnounceEvent::Stopped,
            num_want: Some(0),
            key: 0,
            ip: None,
            tracker_id: None,
        },
        url_data: vec![],
    };
    let packet = encoded(&announce);
    for length in 0..packet.len() {
        assert!(Request::decode(&packet[..length]).is_err());
    }
    assert_eq!(Request::decode(&packet), Ok(announce));
}

#[test]
fn options_may_be_padded_unknown_repeated_and_ended() {
    assert_eq!(decode_options(b"\x01\x01\x02\x02/a\x07\x03xyz\x02\x01b\x00\x02\xff"), Some(b"/ab".to_vec()));
    assert_eq!(decode_options(b"\x00\x00\x00"), Some(vec![]));
    assert_eq!(decode_options(b"\x02"), None);
    assert_eq!(decode_options(b"\x02\x03ab"), None);
    let too_long: Vec<u8> =
        std::iter::repeat_n([&[2, 255][..], &[b'a'; 255]].concat(), 9).flatten().collect();
    assert_eq!(decode_options(&too_long), None);
}

#[test]
fn scrapes_have_between_1_and_74_swarms() {
    let scrape = |count| {
        let info_hashes = vec![InfoHash([1; 20]); count];
        Request::decode(&encoded(&Request::Scrape { connection: 1, transaction: 2, info_hashes })).map(|_| ())
    };
    assert_eq!(scrape(0), Err(UdpTrackerError::ScrapeCount(0)));
    assert_eq!(scrape(74), Ok(()));
    assert_eq!(scrape(75), Err(UdpTrackerError::ScrapeCount(75)));
}

#[test]
fn a_connect_request_needs_the_protocol_id() {
    let mut packet = encoded(&Request::Connect { transaction: 7 });
    assert_eq!(packet, [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 0, 0, 0, 7]);
    packet[3] = 0;
    assert_eq!(Request::decode(&packet), Err(UdpTrackerError::Protocol));
}

#[test]
fn an_announce_answer_with_half_a_peer_is_refused() {
    let packet = [&[0, 0, 0, 1][..], &[0; 16], &[1; 7]].concat();
    let refused = UdpTrackerError::Length { action: Some(1), length: 27 };
    assert_eq!(Response::decode(&packet, Family::V4), Err(refused));
}

#[test]
fn a_tracker_cannot_silence_a_client_for_weeks() {
    let packet = [&[0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][..], &[0; 8]].concat();
    let Ok(Response::Announce { announce, .. }) = Response::decode(&packet, Family::V4) else { panic!() };
    assert_eq!(announce.interval, MAX_INTERVAL);
}

proptest! {
    #[test]
    fn decode_undoes_encode_for_requests(request in request()) {
        prop_assert_eq!(Request::decode(&encoded(&request)), Ok(request));
    }

    #[test]
    fn decode_undoes_encode_for_responses((mut response, family) in response()) {
        if let Response::Announce { announce, .. } = &mut response {
            announce.peers.retain(|peer| Family::of(*peer) == family);
        }
        let mut out = Vec::new();
        response.encode(family, &mut out);
        prop_assert_eq!(Response::decode(&out, family), Ok(response));
    }

    #[test]
    fn any_packet_is_survived(mut packet in vec(any::<u8>(), 0..200), action in 0..4_u8) {
        for (place, family) in [(11, Family::V4), (3, Family::V6)] {
            if let Some(action_byte) = packet.get_mut(place) {
                *action_byte = action;
            }
            let _ = Request::decode(&packet);
            let _ = Response::decode(&packet, family);
        }
    }
}
