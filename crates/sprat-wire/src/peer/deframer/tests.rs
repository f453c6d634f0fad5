use bytes::{BufMut as _, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::message::tests::{encoded, message};
use super::*;
use crate::hash::{InfoHash, PeerId};
use crate::peer::handshake::Reserved;

const LIMITS: MessageLimits = MessageLimits::for_torrent(8 * 1024, true);

fn all(deframer: &mut Deframer, limits: &MessageLimits) -> Result<Vec<Message>, FrameError> {
    let mut messages = Vec::new();
    while let Some(message) = deframer.next(limits)? {
        messages.push(message);
    }
    Ok(messages)
}

fn frame(id: u8, length: u32) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u32(length);
    bytes.put_u8(id);
    bytes.freeze()
}

fn chunks(mut stream: Bytes, cuts: &[usize]) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    for cut in cuts.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        chunks.push(stream.split_to((*cut).min(stream.len())));
    }
    chunks
}

#[test]
fn a_block_within_a_chunk_is_not_copied() {
    let mut stream = BytesMut::new();
    Message::Unchoke.encode(&mut stream);
    Message::Piece { piece: 1, begin: 0, block: Bytes::from(vec![5; 16 * 1024]) }.encode(&mut stream);
    let chunk = stream.freeze();
    let mut deframer = Deframer::new();
    deframer.push(chunk.clone());
    let messages = all(&mut deframer, &LIMITS).unwrap();
    let Message::Piece { block, .. } = &messages[1] else { panic!("{messages:?}") };
    assert_eq!(block.as_ptr(), chunk[5 + 13..].as_ptr());
    assert_eq!(deframer.partial.capacity(), 0);
}

#[test]
fn a_block_that_comes_behind_its_header_is_not_copied() {
    let block = Bytes::from(vec![5; 16 * 1024]);
    let mut message = BytesMut::new();
    Message::Piece { piece: 1, begin: 0, block: block.clone() }.encode(&mut message);
    let header = message.freeze().slice(..PIECE_HEADER);
    let mut behind = BytesMut::from(&block[..]);
    Message::Unchoke.encode(&mut behind);
    let behind = behind.freeze();
    for looks_between in [false, true] {
        let mut deframer = Deframer::new();
        deframer.push(header.clone());
        if looks_between {
            assert_eq!(all(&mut deframer, &LIMITS), Ok(vec![]));
        }
        deframer.push(behind.clone());
        let messages = all(&mut deframer, &LIMITS).unwrap();
        assert_eq!(messages, [Message::Piece { piece: 1, begin: 0, block: block.clone() }, Message::Unchoke]);
        let Message::Piece { block, .. } = &messages[0] else { panic!("{messages:?}") };
        assert_eq!(block.as_ptr(), behind.as_ptr());
    }
}

#[test]
fn only_the_message_that_straddles_chunks_is_copied() {
    let mut stream = BytesMut::new();
    for piece in 0..3 {
        Message::Piece { piece, begin: 0, block: Bytes::from(vec![5; 16 * 1024]) }.encode(&mut stream);
    }
    let stream = stream.freeze();
    // The cut lies in the second message.
    let (first, second) = (stream.slice(..20_000), stream.slice(20_000..));
    let mut deframer = Deframer::new();
    let mut blocks = Vec::new();
    for chunk in [first.clone(), second.clone()] {
        deframer.push(chunk);
        for message in all(&mut deframer, &LIMITS).unwrap() {
            let Message::Piece { block, .. } = message else { panic!("{message:?}") };
            blocks.push(block.as_ptr_range());
        }
    }
    let lies_in = |chunk: &Bytes, block: usize| chunk.as_ptr_range().contains(&blocks[block].start);
    assert!(lies_in(&first, 0));
    assert!(!lies_in(&first, 1) && !lies_in(&second, 1));
    assert!(lies_in(&second, 2));
}

#[test]
fn an_unfinished_message_does_not_keep_the_receive_buffer() {
    let chunk = Bytes::from(vec![0; 64 * 1024]);
    let mut deframer = Deframer::new();
    deframer.push(chunk.slice(..2));
    assert_eq!(all(&mut deframer, &LIMITS), Ok(vec![]));
    assert!(chunk.is_unique());
    assert_eq!(deframer.buffered(), 2);
}

#[test]
fn a_hostile_length_is_refused_with_nothing_kept() {
    for id in 0..=255 {
        let mut deframer = Deframer::new();
        deframer.push(frame(id, u32::MAX));
        assert_eq!(deframer.next(&LIMITS), Err(FrameError::Length { id, length: u32::MAX }));
        assert_eq!(deframer.partial.capacity(), 0);
        // It stays refused.
        deframer.push(Bytes::from(vec![0; 1000]));
        assert_eq!(deframer.next(&LIMITS), Err(FrameError::Length { id, length: u32::MAX }));
    }
}

#[test]
fn memory_follows_what_has_arrived_not_what_is_announced() {
    let limits = MessageLimits::before_metadata();
    let mut deframer = Deframer::new();
    let mut received = 5;
    deframer.push(frame(id::BITFIELD, limits.bitfield + 1));
    while received < 20_000 {
        deframer.push(Bytes::from(vec![0; 7]));
        received += 7;
        assert_eq!(deframer.next(&limits), Ok(None));
        assert!(deframer.partial.capacity() <= 2 * received);
    }
}

#[test]
fn each_limit_holds_exactly() {
    let cases = [
        (id::BITFIELD, 1 + LIMITS.bitfield),
        (id::PIECE, 9 + LIMITS.block),
        (id::EXTENDED, 2 + LIMITS.extended),
        (id::HASHES, 49 + 32 * LIMITS.hashes),
        (99, 1 + LIMITS.unknown),
    ];
    for (id, longest) in cases {
        assert_eq!(LIMITS.check(id, longest), Ok(()));
        let length = longest + 1;
        assert_eq!(LIMITS.check(id, length), Err(FrameError::Length { id, length }));
    }
    assert_eq!(LIMITS.bitfield, 1024);
    assert_eq!(MessageLimits::for_torrent(u32::MAX, false).bitfield, 1 << 29);
    assert!(MessageLimits::before_metadata().check(id::PIECE, 10).is_err());
    assert!(MessageLimits::for_torrent(1, false).check(id::HASHES, 49 + 32).is_err());
}

#[test]
fn the_payload_of_an_unknown_message_is_skipped_as_it_arrives() {
    let mut deframer = Deframer::new();
    deframer.push(frame(200, 50_001));
    assert_eq!(all(&mut deframer, &LIMITS), Ok(vec![Message::Unknown(200)]));
    for _ in 0..50 {
        deframer.push(Bytes::from(vec![1; 1000]));
        assert_eq!(all(&mut deframer, &LIMITS), Ok(vec![]));
        assert_eq!(deframer.buffered(), 0);
    }
    deframer.push(encoded(&Message::Have(3)));
    assert_eq!(all(&mut deframer, &LIMITS), Ok(vec![Message::Have(3)]));
}

#[test]
fn hashes_must_be_whole() {
    let mut stream = BytesMut::from(&frame(id::HASHES, 49 + 33)[..]);
    stream.put_bytes(0, 48 + 33);
    let mut deframer = Deframer::new();
    deframer.push(stream.freeze());
    let refused = Err(FrameError::Payload(MalformedPayload { id: id::HASHES }));
    assert_eq!(deframer.next(&LIMITS), refused);
    deframer.push(encoded(&Message::KeepAlive));
    assert_eq!(deframer.next(&LIMITS), refused, "what follows is not read");
}

#[test]
fn the_handshake_comes_through_the_same_stream() {
    let handshake = Handshake {
        reserved: Reserved::NONE.with_extended(),
        info_hash: InfoHash([1; 20]),
        peer_id: PeerId([2; 20]),
    };
    let mut stream = BytesMut::from(&handshake.encode()[..]);
    Message::HaveNone.encode(&mut stream);
    for cut in 1..stream.len() {
        let mut deframer = Deframer::new();
        let mut found = None;
        for chunk in chunks(stream.clone().freeze(), &[cut]) {
            deframer.push(chunk);
            if found.is_none() {
                found = deframer.handshake().unwrap();
            }
        }
        assert_eq!(found, Some(handshake));
        assert_eq!(all(&mut deframer, &LIMITS), Ok(vec![Message::HaveNone]));
    }
}

#[test]
fn a_stream_of_another_protocol_is_refused_before_68_bytes() {
    let mut deframer = Deframer::new();
    deframer.push(Bytes::from_static(b"\x13Bit"));
    assert_eq!(deframer.handshake(), Ok(None));
    deframer.push(Bytes::from_static(b"C"));
    assert_eq!(deframer.handshake(), Err(HandshakeError::Protocol));
    assert_eq!(deframer.handshake(), Err(HandshakeError::Protocol));
}

proptest! {
    #[test]
    fn how_the_stream_is_cut_does_not_matter(
        messages in vec(message(300), 0..20),
        cuts in vec(1..400_usize, 1..20),
        eager: bool,
    ) {
        let mut stream = BytesMut::new();
        for message in &messages {
            message.encode(&mut stream);
        }
        let mut deframer = Deframer::new();
        let mut got = Vec::new();
        for chunk in chunks(stream.freeze(), &cuts) {
            deframer.push(chunk);
            if eager {
                got.extend(all(&mut deframer, &LIMITS).unwrap());
            }
        }
        got.extend(all(&mut deframer, &LIMITS).unwrap());
        prop_assert_eq!(got, messages);
        prop_assert_eq!(deframer.buffered(), 0);
    }

    #[test]
    fn any_stream_is_survived_however_it_is_cut(
        stream in vec(prop_oneof![4 => Just(0_u8), 2 => 0..30_u8, 1 => any::<u8>()], 0..500),
        cuts in vec(1..50_usize, 1..20),
    ) {
        let stream = Bytes::from(stream);
        let mut whole = Deframer::new();
        whole.push(stream.clone());
        let mut expected = Vec::new();
        let end = loop {
            match whole.next(&LIMITS) {
                Ok(Some(message)) => expected.push(message),
                end => break end,
            }
        };
        let mut cut = Deframer::new();
        let mut got = Vec::new();
        let mut last = Ok(None);
        for chunk in chunks(stream, &cuts) {
            cut.push(chunk);
            last = loop {
                match cut.next(&LIMITS) {
                    Ok(Some(message)) => got.push(message),
                    end => break end,
                }
            };
        }
        prop_assert_eq!(got, expected);
        prop_assert_eq!(last, end);
    }
}
