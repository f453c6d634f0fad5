//! Every implementation that this machine can run gives what the plain crates give, whatever the messages and however they
//! are cut.

use proptest::collection::vec;
use proptest::prelude::*;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use sprat_hash::{Batch, Implementation, lanes, sha1_many, sha256_many};

/// Bytes that depend on all of their position.
fn bytes(length: usize) -> Vec<u8> {
    let mut word = 0x9e37_79b9_u32;
    let mut next = || {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (word >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Hashes messages, each a list of segments, by all implementations, and compares.
fn check(messages: &[Vec<&[u8]>]) {
    let sha1: Vec<[u8; 20]> = messages.iter().map(|message| Sha1::digest(message.concat()).into()).collect();
    let sha256: Vec<[u8; 32]> =
        messages.iter().map(|message| Sha256::digest(message.concat()).into()).collect();
    let mut batch = Batch::new();
    for message in messages {
        batch.push_segments(message.iter().copied());
    }
    for implementation in Implementation::available() {
        let mut digests = Vec::new();
        batch.sha1_by(implementation, &mut digests);
        assert!(digests == sha1, "SHA-1 by {implementation}");
        let mut digests = Vec::new();
        batch.sha256_by(implementation, &mut digests);
        assert!(digests == sha256, "SHA-256 by {implementation}");
    }
}

/// Lengths that matter: small ones, those around the ends of blocks, and up to more than four blocks of a torrent.
fn length() -> impl Strategy<Value = usize> {
    let edge = prop::sample::select(vec![
        0, 1, 55, 56, 63, 64, 65, 119, 120, 121, 127, 128, 129, 16383, 16384, 16385,
    ]);
    prop_oneof![3 => edge, 3 => 0..300_usize, 2 => 0..=largest()]
}

/// Miri takes a second for some kilobytes.
fn largest() -> usize {
    if cfg!(miri) { 1000 } else { 70 * 1024 }
}

/// A message: its length and where it is cut.
fn message() -> impl Strategy<Value = (usize, Vec<prop::sample::Index>)> {
    (length(), vec(any::<prop::sample::Index>(), 0..6))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 96 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_messages_in_any_segments(messages in vec(message(), 0..if cfg!(miri) { 20 } else { 70 }), shift in 0..64_usize) {
        let memory = bytes(71 * 1024);
        let messages: Vec<Vec<&[u8]>> = messages
            .iter()
            .enumerate()
            .map(|(number, (length, cuts))| {
                // Not all the same bytes, and not all beginning at the same place of a cache line.
                let mut rest = &memory[(shift + number * 13) % 512..][..*length];
                let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
                cuts.sort_unstable();
                let mut segments = Vec::new();
                let mut at = 0;
                for cut in cuts {
                    let (head, tail) = rest.split_at(cut - at);
                    segments.push(head);
                    (rest, at) = (tail, cut);
                }
                segments.push(rest);
                segments
            })
            .collect();
        check(&messages);
    }
}

#[test]
fn every_number_of_messages_of_one_length() {
    let memory = bytes(64 * 200);
    let every = if cfg!(miri) { 17 } else { 1 };
    for length in [0, 55, 56, 64, 119, 120, 200] {
        for count in (0..50).step_by(every) {
            let messages: Vec<Vec<&[u8]>> =
                (0..count).map(|number| vec![&memory[number * 200..][..length]]).collect();
            check(&messages);
        }
    }
}

#[test]
fn every_length_up_to_some_blocks() {
    let memory = bytes(400);
    let every = if cfg!(miri) { 13 } else { 1 };
    let messages: Vec<Vec<&[u8]>> = (0..400).step_by(every).map(|length| vec![&memory[..length]]).collect();
    check(&messages);
}

#[test]
fn short_messages_take_the_lanes_of_others_while_a_long_one_goes_on() {
    let (count, longest) = if cfg!(miri) { (20, 2000) } else { (200, 1 << 20) };
    let memory = bytes(longest);
    let mut messages: Vec<Vec<&[u8]>> =
        (0..count).map(|number| vec![&memory[number..][..number * 3]]).collect();
    messages.insert(count / 2, vec![&memory]);
    check(&messages);
}

#[test]
fn pieces_of_received_blocks_and_leaves_of_a_piece() {
    if cfg!(miri) {
        return;
    }
    let memory = bytes(40 << 14);
    let blocks: Vec<&[u8]> = memory.chunks(1 << 14).collect();
    let pieces: Vec<Vec<&[u8]>> = blocks.chunks(4).map(<[&[u8]]>::to_vec).collect();
    check(&pieces);
    let leaves: Vec<Vec<&[u8]>> = blocks.iter().map(|block| vec![*block]).collect();
    check(&leaves);
}

/// The examples of FIPS 180-2, appendices A and B, which NIST publishes for FIPS 180-4 as well; and the empty message.
#[test]
fn the_published_vectors() {
    let million = vec![b'a'; 1_000_000];
    let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    let mut vectors: Vec<(&[u8], &str, &str)> = vec![
        (
            b"",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            b"abc",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            two_blocks,
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            &million,
            "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        ),
    ];
    if cfg!(miri) {
        vectors.pop();
    }
    // So many copies that vectors are worth while.
    let messages: Vec<&[u8]> = (0..4).flat_map(|_| vectors.iter().map(|(message, ..)| *message)).collect();
    let hex = |digest: &[u8]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for implementation in Implementation::available() {
        let batch = Batch::from_iter(messages.iter().copied());
        let (mut sha1, mut sha256) = (Vec::new(), Vec::new());
        batch.sha1_by(implementation, &mut sha1);
        batch.sha256_by(implementation, &mut sha256);
        for ((sha1, sha256), (_, expected1, expected256)) in
            sha1.iter().zip(&sha256).zip(vectors.iter().cycle())
        {
            assert_eq!(hex(sha1), *expected1, "SHA-1 by {implementation}");
            assert_eq!(hex(sha256), *expected256, "SHA-256 by {implementation}");
        }
    }
}

#[test]
fn digests_are_appended() {
    let (mut sha1, mut sha256) = (vec![[1; 20]], vec![[2; 32]]);
    sha1_many(&[b"abc"], &mut sha1);
    sha256_many(&[b"abc"], &mut sha256);
    assert_eq!((sha1.len(), sha256.len()), (2, 2));
    assert_eq!((sha1[0], sha256[0]), ([1; 20], [2; 32]));
    assert_eq!((sha1[1][0], sha256[1][0]), (0xa9, 0xba));
}

#[test]
fn the_best_implementation_is_the_chosen_one() {
    assert_eq!(Implementation::available().first(), Some(&Implementation::chosen()));
    assert_eq!(lanes(), Implementation::chosen().lanes());
    let lanes: Vec<usize> = Implementation::available().iter().map(|one| one.lanes()).collect();
    assert!(lanes.is_sorted_by(|a, b| a >= b) && lanes.last() == Some(&1));
}
