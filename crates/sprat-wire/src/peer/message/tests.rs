use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Any message that survives the wire, with payloads of at most `longest` bytes.
pub(in crate::peer) fn message(longest: usize) -> impl Strategy<Value = Message> {
    let payload = || vec(any::<u8>(), 0..=longest).prop_map(Bytes::from);
    let hashes = vec(any::<[u8; 32]>().prop_map(Sha256Hash), 0..=longest / 32);
    prop_oneof![
        Just(Message::KeepAlive),
        Just(Message::Choke),
        Just(Message::Unchoke),
        Just(Message::Interested),
        Just(Message::NotInterested),
        Just(Message::HaveAll),
        Just(Message::HaveNone),
        any::<u32>().prop_map(Message::Have),
        any::<u32>().prop_map(Message::SuggestPiece),
        any::<u32>().prop_map(Message::AllowedFast),
        any::<u16>().prop_map(Message::Port),
        payload().prop_map(Message::Bitfield),
        block_request().prop_map(Message::Request),
        block_request().prop_map(Message::Cancel),
        block_request().prop_map(Message::RejectRequest),
        (any::<u32>(), any::<u32>(), payload()).prop_map(|(piece, begin, block)| Message::Piece {
            piece,
            begin,
            block
        }),
        (any::<u8>(), payload()).prop_map(|(id, payload)| Message::Extended { id, payload }),
        hash_request().prop_map(Message::HashRequest),
        hash_request().prop_map(Message::HashReject),
        (hash_request(), hashes).prop_map(|(request, hashes)| Message::Hashes { request, hashes }),
        (24..=255_u8).prop_map(Message::Unknown),
    ]
}

fn block_request() -> impl Strategy<Value = BlockRequest> {
    any::<(u32, u32, u32)>().prop_map(|(piece, begin, length)| BlockRequest { piece, begin, length })
}

fn hash_request() -> impl Strategy<Value = HashRequest> {
    any::<([u8; 32], u32, u32, u32, u32)>().prop_map(|(root, base_layer, index, length, proof_layers)| {
        HashRequest { pieces_root: Sha256Hash(root), base_layer, index, length, proof_layers }
    })
}

pub(in crate::peer) fn encoded(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}

#[test]
fn layouts_are_those_of_the_beps() {
    let request = BlockRequest { piece: 1, begin: 0x4000, length: 0x4000 };
    assert_eq!(encoded(&Message::KeepAlive), &[0, 0, 0, 0][..]);
    assert_eq!(encoded(&Message::Unchoke), &[0, 0, 0, 1, 1][..]);
    assert_eq!(encoded(&Message::Have(0x0102_0304)), &[0, 0, 0, 5, 4, 1, 2, 3, 4][..]);
    assert_eq!(
        encoded(&Message::Request(request)),
        &[0, 0, 0, 13, 6, 0, 0, 0, 1, 0, 0, 0x40, 0, 0, 0, 0x40, 0][..]
    );
    assert_eq!(encoded(&Message::Port(6881)), &[0, 0, 0, 3, 9, 0x1a, 0xe1][..]);
    assert_eq!(encoded(&Message::HaveAll), &[0, 0, 0, 1, 14][..]);
    let extended = Message::Extended { id: 3, payload: Bytes::from_static(b"de") };
    assert_eq!(encoded(&extended), &[0, 0, 0, 4, 20, 3, b'd', b'e'][..]);

    let request =
        HashRequest { pieces_root: Sha256Hash([7; 32]), base_layer: 1, index: 2, length: 3, proof_layers: 4 };
    let mut expected = vec![0, 0, 0, 81, 22];
    expected.extend([7; 32]);
    expected.extend([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]);
    expected.extend([9; 32]);
    assert_eq!(encoded(&Message::Hashes { request, hashes: vec![Sha256Hash([9; 32])] }), expected);
}

#[test]
fn payloads_of_the_wrong_size_are_refused() {
    for (id, right) in
        [(0, 0), (3, 0), (4, 4), (6, 12), (8, 12), (9, 2), (13, 4), (14, 0), (16, 12), (21, 48)]
    {
        for wrong in [right + 1, right.max(1) - 1] {
            let result = Message::decode(id, Bytes::from(vec![0; wrong]));
            if wrong == right {
                assert!(result.is_ok(), "message {id}");
            } else {
                assert_eq!(result, Err(MalformedPayload { id }));
            }
        }
    }
    assert_eq!(Message::decode(22, Bytes::from(vec![0; 48 + 31])), Err(MalformedPayload { id: 22 }));
}

proptest! {
    #[test]
    fn decode_undoes_encode(message in message(200)) {
        let mut bytes = encoded(&message);
        prop_assert_eq!(bytes.len(), message.encoded_length());
        prop_assert_eq!(bytes.get_u32() as usize, bytes.len());
        let decoded = match bytes.try_get_u8() {
            Ok(id) => Message::decode(id, bytes).unwrap(),
            Err(_) => Message::KeepAlive,
        };
        prop_assert_eq!(decoded, message);
    }

    #[test]
    fn a_header_and_a_block_are_a_piece_message(piece: u32, begin: u32, block in vec(any::<u8>(), 0..100)) {
        let mut out = BytesMut::new();
        encode_piece_header(piece, begin, block.len() as u32, &mut out);
        prop_assert_eq!(out.len(), PIECE_HEADER_LENGTH);
        out.put_slice(&block);
        prop_assert_eq!(out.freeze(), encoded(&Message::Piece { piece, begin, block: block.into() }));
    }

    #[test]
    fn any_payload_is_survived(id: u8, payload in vec(any::<u8>(), 0..200)) {
        let _ = Message::decode(id, payload.into());
    }
}
