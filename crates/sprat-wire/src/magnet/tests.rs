use proptest::prelude::*;

use super::*;

const V1: &str = "0123456789abcdef0123456789abcdef01234567";
const V2: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn parse(rest: &str) -> Result<Magnet, MagnetError> {
    format!("magnet:?xt=urn:btih:{V1}{rest}").parse()
}

#[test]
fn the_shortest_link_is_an_info_hash() {
    let magnet = parse("").unwrap();
    assert_eq!(magnet.info_hashes.v1(), Some(V1.parse().unwrap()));
    assert_eq!(magnet, Magnet::new(magnet.info_hashes));
    assert_eq!(magnet.to_string(), format!("magnet:?xt=urn:btih:{V1}"));
}

#[test]
fn hashes_come_in_hex_base32_and_multihash() {
    let v1: Sha1Hash = V1.parse().unwrap();
    let base32 = data_encoding::BASE32_NOPAD.encode(&v1.0);
    for text in [V1.to_uppercase(), base32.clone(), base32.to_lowercase()] {
        let magnet: Magnet = format!("magnet:?xt=urn:btih:{text}").parse().unwrap();
        assert_eq!(magnet.info_hashes.v1(), Some(v1));
    }
    let magnet: Magnet = format!("magnet:?xt=urn:btmh:1220{V2}").parse().unwrap();
    assert_eq!((magnet.info_hashes.v1(), magnet.info_hashes.v2()), (None, Some(V2.parse().unwrap())));

    let hybrid = parse(&format!("&xt=urn:btmh:1220{V2}")).unwrap();
    assert_eq!(hybrid.info_hashes, InfoHashes::new(Some(v1), Some(V2.parse().unwrap())).unwrap());
    assert_eq!(hybrid.to_string().parse(), Ok(hybrid));
}

#[test]
fn what_identifies_nothing_is_refused_by_name() {
    let error = |text: &str| text.parse::<Magnet>().unwrap_err();
    assert_eq!(error(""), MagnetError::NotAMagnet);
    assert_eq!(error("http://example.com/"), MagnetError::NotAMagnet);
    assert_eq!(error("magnet:"), MagnetError::NotAMagnet);
    assert_eq!(error("magnet:?"), MagnetError::MissingInfoHash);
    assert_eq!(error("magnet:?xt"), MagnetError::MissingInfoHash);
    assert_eq!(error("magnet:?xt="), MagnetError::MissingInfoHash);
    assert_eq!(error("magnet:?dn=a&tr=b"), MagnetError::MissingInfoHash);
    assert_eq!(error("magnet:?xt=urn:ed2k:354B15E68FB8F36D7CD88FF94116CDC1"), MagnetError::MissingInfoHash);
    assert_eq!(error("magnet:?xt=urn:btih:"), MagnetError::MalformedV1Hash);
    assert_eq!(error(&format!("magnet:?xt=urn:btih:{V1}00")), MagnetError::MalformedV1Hash);
    assert_eq!(
        error("magnet:?xt=urn:btih:é0123456789abcdef0123456789abcdef012345"),
        MagnetError::MalformedV1Hash
    );
    assert_eq!(error("magnet:?xt=urn:btih:00000000000000000000000000000000"), MagnetError::MalformedV1Hash);
    assert_eq!(error(&format!("magnet:?xt=urn:btmh:{V2}")), MagnetError::MalformedV2Hash);
    assert_eq!(error(&format!("magnet:?xt=urn:btmh:1120{V2}")), MagnetError::MalformedV2Hash);
    assert_eq!(error(&format!("magnet:?xt=urn:btmh:1220{V1}")), MagnetError::MalformedV2Hash);
    assert_eq!(parse(&format!("&xt=urn:btih:{}", V1.replace('0', "1"))), Err(MagnetError::ConflictingHashes));
    assert_eq!(parse(&format!("&xt=urn:btih:{V1}")), parse(""));
    assert_eq!(parse(&"x".repeat(MAX_LENGTH)), Err(MagnetError::TooLong));
}

#[test]
fn parameters_may_be_numbered_escaped_and_unknown() {
    let magnet: Magnet =
        format!("MAGNET:?XT.1=URN:BTIH:{V1}&dn=a+b%20c%2B%c3%a9&tr.1=http%3a%2f%2fa%2F&tr.2=udp://b:1&xl=5&&=&as=x&ws=w")
            .parse()
            .unwrap();
    assert_eq!(magnet.name.as_deref(), Some("a b c+é"));
    assert_eq!(magnet.trackers, ["http://a/", "udp://b:1"]);
    assert_eq!(magnet.web_seeds, ["w"]);
}

#[test]
fn malformed_hints_are_skipped() {
    let magnet = parse("&dn=&tr=&tr=%ff&tr=%&x.pe=&x.pe=a&x.pe=a:&x.pe=a:0&x.pe=a:65536&x.pe=a:+1&x.pe=:1&x.pe=[::1:1&x.pe=::1:1&x.pe=[x]:1&x.pe=a%20b:1")
        .unwrap();
    assert_eq!(magnet.name, None);
    assert_eq!(magnet.trackers, ["%"]);
    assert_eq!(magnet.peers, []);
}

#[test]
fn peers_are_addresses_and_names() {
    let magnet =
        parse("&x.pe=10.0.0.1:6881&x.pe=[2001:db8::1]:1&x.pe=%5b::2%5d:65535&x.pe=host.example.com:80")
            .unwrap();
    let expected = [("10.0.0.1", 6881), ("2001:db8::1", 1), ("::2", 65535), ("host.example.com", 80)];
    assert_eq!(magnet.peers, expected.map(|(host, port)| (host.to_owned(), port)));
}

#[test]
fn no_more_sources_are_kept_than_the_limit() {
    for count in [MAX_SOURCES, MAX_SOURCES + 1] {
        let magnet = parse(&"&tr=a&x.pe=b:1&ws=c".repeat(count)).unwrap();
        assert_eq!([magnet.trackers.len(), magnet.peers.len(), magnet.web_seeds.len()], [MAX_SOURCES; 3]);
    }
}

#[test]
fn selections_are_ranges_that_do_not_wrap() {
    let so = |text: &str| parse(&format!("&so={text}")).map(|magnet| magnet.select_only.unwrap());
    assert_eq!(so("0,2,4,6-8"), Ok(vec![0..=0, 2..=2, 4..=4, 6..=8]));
    assert_eq!(so("6-8,0,7-9,10,0"), Ok(vec![0..=0, 6..=10]));
    assert_eq!(so(""), Ok(vec![]));
    assert_eq!(so("999999"), Ok(vec![999_999..=999_999]));
    for bad in [
        "a",
        "-",
        "1-",
        "-1",
        "2-1",
        "1-2-3",
        "1000000",
        "0-4294967295",
        "4294967296",
        "18446744073709551616",
        "+1",
        "0x1",
    ] {
        assert_eq!(so(bad), Err(MagnetError::MalformedSelection), "{bad}");
    }
    assert!(so(&"1,".repeat(MAX_RANGES)).is_ok());
    assert!(so(&"1,".repeat(MAX_RANGES + 1)).is_err());

    let magnet = parse("&so=1,3-4").unwrap();
    assert_eq!([0, 1, 2, 3, 4, 5].map(|file| magnet.selects(file)), [false, true, false, true, true, false]);
    assert!(parse("").unwrap().selects(17));
}

prop_compose! {
    fn magnets()(
        v1 in any::<Option<[u8; 20]>>(),
        v2 in any::<[u8; 32]>(),
        name in prop::option::of(".{1,20}"),
        trackers in prop::collection::vec(".{1,20}", 0..4),
        web_seeds in prop::collection::vec("\\PC{1,20}", 0..4),
        v4 in any::<[u8; 4]>(),
        v6 in any::<[u8; 16]>(),
        host in "[a-z0-9.-]{1,20}",
        port in 1_u16..,
        so in prop::option::of(prop::collection::vec((0_u32..1000, 0_u32..5), 0..5)),
    ) -> Magnet {
        Magnet {
            info_hashes: InfoHashes::new(v1.map(Sha1Hash), v1.is_none_or(|v1| v1[0] > 127).then_some(Sha256Hash(v2))).unwrap(),
            name,
            trackers,
            peers: vec![
                (std::net::Ipv4Addr::from(v4).to_string(), port),
                (Ipv6Addr::from(v6).to_string(), port),
                (host, port),
            ],
            web_seeds,
            select_only: so.map(|ranges| merged(ranges.into_iter().map(|(start, more)| start..=start + more).collect())),
        }
    }
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_itself(magnet in magnets()) {
        prop_assert_eq!(magnet.to_string().parse::<Magnet>(), Ok(magnet));
    }

    #[test]
    fn any_text_is_a_link_or_an_error(text in "(magnet:\\?)?([a-z.]{0,4}(=[%0-9a-f:.,\\[\\]-]{0,9})?&?){0,6}.{0,5}") {
        let _ = text.parse::<Magnet>();
        if let Ok(magnet) = parse(&format!("&{text}")) {
            prop_assert_eq!(magnet.to_string().parse::<Magnet>(), Ok(magnet));
        }
    }
}
