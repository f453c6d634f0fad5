use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn reason(input: impl AsRef<[u8]>) -> DecodeErrorReason {
    Document::decode(input.as_ref(), Limits::TORRENT).unwrap_err().reason
}

fn accepts(input: &[u8]) -> bool {
    Document::decode(input, Limits::TORRENT).is_ok()
}

fn canonical(input: &[u8]) -> Result<(), (usize, NotCanonicalReason)> {
    let document = Document::decode(input, Limits::TORRENT).unwrap();
    document.root().check_canonical().map_err(|error| (error.offset, error.reason))
}

#[test]
fn reads_what_bep_3_shows() {
    let int = |input: &[u8]| Document::decode(input, Limits::DHT).unwrap().root().as_int();
    assert_eq!(int(b"i3e"), Some(3));
    assert_eq!(int(b"i-3e"), Some(-3));
    assert_eq!(int(b"i0e"), Some(0));
    assert_eq!(int(b"i9223372036854775807e"), Some(i64::MAX));
    assert_eq!(int(b"i-9223372036854775808e"), Some(i64::MIN));
    assert_eq!(Document::decode(b"4:spam", Limits::DHT).unwrap().root().as_bytes(), Some(&b"spam"[..]));

    let document = Document::decode(b"d4:spaml1:a1:bee", Limits::TORRENT).unwrap();
    let list: Vec<_> =
        document.as_dict().unwrap().list("spam").unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    assert_eq!(list, ["a", "b"]);
}

#[test]
fn a_value_is_of_one_kind_only() {
    let document = Document::decode(b"l1:1i1eledee", Limits::DHT).unwrap();
    let kinds: Vec<_> = document
        .root()
        .as_list()
        .unwrap()
        .iter()
        .map(|v| (v.as_bytes().is_some(), v.as_int().is_some(), v.as_list().is_some(), v.as_dict().is_some()))
        .collect();
    let only = |kind: usize| (kind == 0, kind == 1, kind == 2, kind == 3);
    assert_eq!(kinds, [only(0), only(1), only(2), only(3)]);
    assert_eq!(document.root().as_int(), None);
}

#[test]
fn raw_is_the_exact_range_of_each_value() {
    let input = b"d1:ai7e1:bl2:xxdee1:cd1:d0:ee";
    let document = Document::decode(input, Limits::DHT).unwrap();
    let dict = document.as_dict().unwrap();
    let raws: Vec<(&[u8], &[u8])> = dict.iter().map(|(key, value)| (key, value.raw())).collect();
    assert_eq!(raws, [(&b"a"[..], &b"i7e"[..]), (b"b", b"l2:xxdee"), (b"c", b"d1:d0:e")]);
    assert_eq!(dict.value().raw(), input);
    assert_eq!(&input[dict.value_of("b").unwrap().range()], b"l2:xxdee");
}

#[test]
fn refuses_what_it_would_have_to_guess() {
    use DecodeErrorReason as R;
    let cases: &[(&[u8], R)] = &[
        (b"", R::Truncated),
        (b"i", R::Truncated),
        (b"i-", R::Truncated),
        (b"i1", R::Truncated),
        (b"l", R::Truncated),
        (b"d", R::Truncated),
        (b"d1:a", R::Truncated),
        (b"5", R::Truncated),
        (b"5:spam", R::StringTooLong),
        (b"4294967296:spam", R::StringTooLong),
        (b"9223372036854775807:spam", R::StringTooLong),
        (b"9223372036854775808:spam", R::NumberOutOfRange),
        (b"18446744073709551620:spam", R::NumberOutOfRange),
        (b"-1:a", R::UnexpectedByte(b'-')),
        (b"1 :a", R::MalformedNumber),
        (b"1x", R::MalformedNumber),
        (b"ie", R::MalformedNumber),
        (b"i-e", R::MalformedNumber),
        (b"i--1e", R::MalformedNumber),
        (b"i+1e", R::MalformedNumber),
        (b"i 1e", R::MalformedNumber),
        (b"i1.0e", R::MalformedNumber),
        (b"i9223372036854775808e", R::NumberOutOfRange),
        (b"i-9223372036854775809e", R::NumberOutOfRange),
        (b"e", R::UnexpectedByte(b'e')),
        (b"x", R::UnexpectedByte(b'x')),
        (b"di1e1:ae", R::KeyNotString),
        (b"dlei1ee", R::KeyNotString),
        (b"d1:ae", R::KeyWithoutValue),
        (b"d1:ai1e1:be", R::KeyWithoutValue),
        (b"i1ei2e", R::TrailingBytes),
        (b"lee", R::TrailingBytes),
    ];
    for (input, expected) in cases {
        assert_eq!(reason(input), *expected, "{}", input.escape_ascii());
    }
    assert_eq!(reason(format!("i{}1e", "0".repeat(40))), R::NumberOutOfRange);
    assert_eq!(Document::decode(b"li1e1:ax", Limits::DHT).unwrap_err().offset, 7);
}

#[test]
fn forgives_what_harms_nobody_and_canonical_form_does_not() {
    use NotCanonicalReason as R;
    assert!(accepts(b"d1:bi1e1:ai2ee"));
    assert_eq!(canonical(b"d1:bi1e1:ai2ee"), Err((7, R::UnsortedKeys)));
    assert_eq!(canonical(b"d1:ai1e1:ai2ee"), Err((7, R::DuplicateKey)));
    assert_eq!(canonical(b"li03ee"), Err((1, R::LeadingZero)));
    assert_eq!(canonical(b"i-0e"), Err((0, R::LeadingZero)));
    assert_eq!(canonical(b"i-03e"), Err((0, R::LeadingZero)));
    assert_eq!(canonical(b"d01:ai1ee"), Err((1, R::LeadingZero)));
    assert_eq!(canonical(b"d1:ad1:bi1e1:ai2eee"), Err((11, R::UnsortedKeys)));
    assert_eq!(canonical(b"d1:ald1:xleee1:bd1:ai0eee"), Ok(()));
    // Raw bytes sort, not letters: "B" comes before "a", a prefix before what it begins.
    assert_eq!(canonical(b"d0:0:1:B0:1:a0:2:aa0:2:\xff\x000:e"), Ok(()));

    let document = Document::decode(b"d1:ai1e1:ai2ee", Limits::DHT).unwrap();
    assert_eq!(document.as_dict().unwrap().int("a"), Some(1), "the first of two equal keys counts");
}

#[test]
fn a_prefix_leaves_the_bytes_after_it_alone() {
    let (document, consumed) = Document::decode_prefix(b"d8:msg_typei1eeRAW", Limits::EXTENSION).unwrap();
    assert_eq!(consumed, 15);
    assert_eq!(document.as_dict().unwrap().int("msg_type"), Some(1));

    let mut message = b"i1e".to_vec();
    message.resize(1000, 0xff);
    let limits = Limits { length: 3, ..Limits::EXTENSION };
    assert_eq!(
        Document::decode_prefix(&message, limits).unwrap().1,
        3,
        "only the value counts against the limit"
    );
    let limits = Limits { length: 2, ..Limits::EXTENSION };
    assert_eq!(Document::decode_prefix(&message, limits).unwrap_err().reason, DecodeErrorReason::TooLong);
}

#[test]
fn each_limit_holds_exactly() {
    let limits = Limits { depth: 3, tokens: 6, length: 20 };
    let reason = |input: &[u8]| Document::decode(input, limits).map(drop).map_err(|error| error.reason);
    assert_eq!(reason(b"llleee"), Ok(()));
    assert_eq!(reason(b"lllleeee"), Err(DecodeErrorReason::TooDeep));
    assert_eq!(reason(b"l0:0:0:0:e"), Ok(()));
    assert_eq!(reason(b"l0:0:0:0:0:e"), Err(DecodeErrorReason::TooManyTokens));
    assert_eq!(reason(b"17:aaaaaaaaaaaaaaaaa"), Ok(()));
    assert_eq!(reason(b"18:aaaaaaaaaaaaaaaaaa"), Err(DecodeErrorReason::TooLong));
}

#[test]
fn deep_nesting_is_an_error_on_a_small_stack() {
    let bombs = || {
        for unit in ["l", "d1:a", "ld1:al"] {
            for count in [20_000, 200_000, 3_000_000] {
                let bomb = unit.repeat(count).into_bytes();
                let unlimited = Limits { depth: usize::MAX, tokens: usize::MAX, length: usize::MAX };
                assert!(Document::decode(&bomb, Limits::TORRENT).is_err());
                // Even where the limits allow it, nothing recurses.
                assert!(Document::decode(&bomb, unlimited).is_err());
            }
        }
        let deep = ["l".repeat(1_000_000), "e".repeat(1_000_000)].concat().into_bytes();
        let unlimited = Limits { depth: usize::MAX, tokens: usize::MAX, length: usize::MAX };
        let document = Document::decode(&deep, unlimited).unwrap();
        document.root().check_canonical().unwrap();
        let mut encoder = Encoder::new();
        encoder.value(document.root());
        assert_eq!(encoder.finish(), deep);
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(bombs).unwrap().join().unwrap();
}

#[test]
fn ten_megabytes_of_nothing_take_at_most_eight_times_their_size() {
    let limits = Limits { tokens: usize::MAX, ..Limits::TORRENT };
    for unit in ["0:", "le", "de", "i0e"] {
        let mut input = b"l".to_vec();
        input.extend(unit.repeat(10_000_000 / unit.len()).bytes());
        input.push(b'e');
        assert!(Document::decode(&input, Limits::TORRENT).is_err(), "more tokens than the limit");
        let document = Document::decode(&input, limits).unwrap();
        let ends_too = if unit.len() == 2 && unit.ends_with('e') { 10 } else { 6 };
        assert!(document.tokens.capacity() * size_of::<Token>() <= ends_too * input.len(), "{unit}");
    }
}

#[test]
fn a_value_in_an_error_message_does_not_flood_the_log() {
    let input = format!("1000:{}", "\x1b".repeat(1000));
    let document = Document::decode(input.as_bytes(), Limits::DHT).unwrap();
    let shown = format!("{document:?}");
    assert!(shown.len() < 1000 && !shown.contains('\x1b'), "{shown}");
}

/// A value with its own tree, to compare with.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Dict(BTreeMap<Vec<u8>, Self>),
}

impl Tree {
    fn encode(&self, encoder: &mut Encoder) {
        match self {
            Self::Int(value) => drop(encoder.int(*value)),
            Self::Bytes(bytes) => drop(encoder.bytes(bytes)),
            Self::List(list) => {
                encoder.begin_list();
                list.iter().for_each(|value| value.encode(encoder));
                encoder.end();
            }
            Self::Dict(dict) => {
                encoder.begin_dict();
                for (key, value) in dict {
                    encoder.key(key);
                    value.encode(encoder);
                }
                encoder.end();
            }
        }
    }

    fn of(value: Value<'_>) -> Self {
        if let Some(value) = value.as_int() {
            return Self::Int(value);
        }
        if let Some(bytes) = value.as_bytes() {
            return Self::Bytes(bytes.to_vec());
        }
        match (value.as_list(), value.as_dict()) {
            (Some(list), None) => Self::List(list.iter().map(Self::of).collect()),
            (None, Some(dict)) => {
                Self::Dict(dict.iter().map(|(key, value)| (key.to_vec(), Self::of(value))).collect())
            }
            _ => panic!("a value of no kind"),
        }
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..12);
    let leaf = prop_oneof![any::<i64>().prop_map(Tree::Int), bytes().prop_map(Tree::Bytes)];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::List),
            prop::collection::btree_map(bytes(), inner, 0..6).prop_map(Tree::Dict),
        ]
    })
}

fn encoded(tree: &Tree) -> Vec<u8> {
    let mut encoder = Encoder::new();
    tree.encode(&mut encoder);
    encoder.finish()
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(tree in trees()) {
        let bytes = encoded(&tree);
        let document = Document::decode(&bytes, Limits::TORRENT).unwrap();
        prop_assert_eq!(Tree::of(document.root()), tree);
        prop_assert_eq!(document.root().raw(), &bytes[..]);
        prop_assert_eq!(document.root().check_canonical(), Ok(()));
    }

    #[test]
    fn what_is_cut_short_is_an_error(tree in trees(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&tree);
        let cut = cut.index(bytes.len());
        prop_assert!(Document::decode(&bytes[..cut], Limits::TORRENT).is_err());
    }

    #[test]
    fn whatever_decodes_and_is_canonical_encodes_to_the_same_bytes(
        bytes in prop::collection::vec(prop::sample::select(&b"deli0123-:ab"[..]), 0..24),
    ) {
        if let Ok((document, consumed)) = Document::decode_prefix(&bytes, Limits::DHT) {
            prop_assert_eq!(document.root().range(), 0..consumed);
            let again = encoded(&Tree::of(document.root()));
            prop_assert_eq!(document.root().check_canonical().is_ok(), again == bytes[..consumed]);
        }
    }

    #[test]
    fn damaged_values_never_point_outside_the_input(tree in trees(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = encoded(&tree);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok((document, consumed)) = Document::decode_prefix(&bytes, Limits::TORRENT) {
            prop_assert!(consumed <= bytes.len());
            let _ = Tree::of(document.root());
            let _ = document.root().check_canonical();
        }
    }
}
