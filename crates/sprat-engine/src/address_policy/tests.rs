use super::*;

fn class(ip: &str) -> AddressClass {
    AddressClass::of(ip.parse().unwrap())
}

#[test]
fn addresses_have_the_class_of_the_place_they_lead_to() {
    use AddressClass::{LinkLocal, Loopback, Private, Public, Reserved, Unusable};
    let cases = [
        // Neighbours on both sides of every IPv4 boundary.
        ("0.0.0.0", Unusable),
        ("0.1.2.3", Unusable),
        ("1.1.1.1", Public),
        ("9.255.255.255", Public),
        ("10.0.0.0", Private),
        ("10.255.255.255", Private),
        ("11.0.0.0", Public),
        ("100.63.255.255", Public),
        ("100.64.0.0", Private),
        ("100.100.100.200", Private),
        ("100.127.255.255", Private),
        ("100.128.0.0", Public),
        ("126.255.255.255", Public),
        ("127.0.0.1", Loopback),
        ("127.255.255.254", Loopback),
        ("128.0.0.1", Public),
        ("168.63.129.16", Reserved),
        ("168.63.129.17", Public),
        ("169.253.255.255", Public),
        ("169.254.0.0", LinkLocal),
        ("169.254.169.254", LinkLocal),
        ("169.255.0.0", Public),
        ("172.15.255.255", Public),
        ("172.16.0.0", Private),
        ("172.31.255.255", Private),
        ("172.32.0.0", Public),
        ("192.0.0.192", Reserved),
        ("192.0.1.1", Public),
        ("192.0.2.1", Reserved),
        ("192.88.99.1", Reserved),
        ("192.167.255.255", Public),
        ("192.168.0.0", Private),
        ("192.168.255.255", Private),
        ("192.169.0.0", Public),
        ("198.17.255.255", Public),
        ("198.18.0.0", Reserved),
        ("198.19.255.255", Reserved),
        ("198.20.0.0", Public),
        ("198.51.100.7", Reserved),
        ("203.0.113.7", Reserved),
        ("223.255.255.255", Public),
        ("224.0.0.1", Unusable),
        ("239.255.255.255", Unusable),
        ("240.0.0.1", Reserved),
        ("255.255.255.254", Reserved),
        ("255.255.255.255", Unusable),
        // IPv6 proper.
        ("::", Unusable),
        ("::1", Loopback),
        ("100::1", Reserved),
        ("1fff:ffff::1", Reserved),
        ("2000::1", Public),
        ("2001:2::1", Reserved),
        ("2001:10::1", Reserved),
        ("2001:20::1", Reserved),
        ("2001:1ff::1", Reserved),
        ("2001:200::1", Public),
        ("2001:db7:ffff::1", Public),
        ("2001:db8::1", Reserved),
        ("2001:db9::1", Public),
        ("2606:4700::1111", Public),
        ("3ffe::1", Public),
        ("3fff:0fff::1", Reserved),
        ("3fff:1000::1", Public),
        ("4000::1", Reserved),
        ("5f00::1", Reserved),
        ("fbff::1", Reserved),
        ("fc00::1", Private),
        ("fd00:ec2::254", Private),
        ("fdff:ffff::1", Private),
        ("fe00::1", Reserved),
        ("fe80::1", LinkLocal),
        ("febf::1", LinkLocal),
        ("fec0::1", Private),
        ("feff::1", Private),
        ("ff02::1", Unusable),
        ("ffff::1", Unusable),
        // IPv6 that carries IPv4.
        ("::ffff:8.8.8.8", Public),
        ("::ffff:127.0.0.1", Loopback),
        ("::ffff:169.254.169.254", LinkLocal),
        ("::ffff:a9fe:a9fe", LinkLocal),
        ("::ffff:0.0.0.0", Unusable),
        ("::8.8.8.8", Public),
        ("::127.0.0.1", Loopback),
        ("::10.1.2.3", Private),
        ("::ffff:0:192.168.1.1", Private),
        ("64:ff9b::8.8.8.8", Public),
        ("64:ff9b::169.254.169.254", LinkLocal),
        ("64:ff9b::10.0.0.1", Private),
        ("64:ff9b:1::1", Private),
        ("64:ff9b:2::1", Reserved),
        ("2002:808:808::1", Public),
        ("2002:7f00:1::1", Loopback),
        ("2002:c0a8:101::1", Private),
        ("2002:a9fe:a9fe::1", LinkLocal),
        // Teredo: server 65.54.227.120, client 192.0.2.45 and 8.8.8.8 (inverted).
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Reserved),
        ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", Public),
        ("2001:0:7f00:1:8000:63bf:f7f7:f7f7", Loopback),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", Loopback),
    ];
    assert!(cases.len() >= 60);
    for (ip, expected) in cases {
        assert_eq!(class(ip), expected, "{ip}");
    }
}

#[test]
fn every_spelling_of_a_number_is_judged_as_the_address_it_means() {
    let hosts = [
        ("http://2130706433/", AddressClass::Loopback),
        ("http://0x7f.1/", AddressClass::Loopback),
        ("http://0177.0.0.1/", AddressClass::Loopback),
        ("http://127.1/", AddressClass::Loopback),
        ("http://0x7f000001/", AddressClass::Loopback),
        ("http://0/", AddressClass::Unusable),
        ("http://[::ffff:169.254.169.254]/", AddressClass::LinkLocal),
        ("http://[0:0:0:0:0:ffff:a9fe:a9fe]/", AddressClass::LinkLocal),
        ("http://2852039166/", AddressClass::LinkLocal),
        ("http://0xA9.0xFE.0xA9.0xFE/", AddressClass::LinkLocal),
        ("http://0251.0376.0251.0376/", AddressClass::LinkLocal),
        ("http://169.254.43518/", AddressClass::LinkLocal),
        ("http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/", AddressClass::Loopback),
        ("http://127\u{3002}0\u{3002}0\u{3002}1/", AddressClass::Loopback),
        ("http://%31%32%37.0.0.1/", AddressClass::Loopback),
        ("http://3232235777/", AddressClass::Private),
    ];
    for (text, expected) in hosts {
        let url = url::Url::parse(text).unwrap();
        let ip = match url.host().unwrap() {
            url::Host::Ipv4(ip) => IpAddr::V4(ip),
            url::Host::Ipv6(ip) => IpAddr::V6(ip),
            url::Host::Domain(name) => panic!("{text} is the name {name}"),
        };
        assert_eq!(AddressClass::of(ip), expected, "{text}");
    }
}

#[test]
fn the_user_opens_this_machine_and_this_site_but_not_the_cable() {
    let public = AddressPolicy::public();
    let cases = [
        ("8.8.8.8", true, true, true),
        ("127.0.0.1", false, true, true),
        ("192.168.1.5", false, true, true),
        ("fd00::1", false, true, true),
        ("100.64.0.1", false, true, true),
        ("192.0.2.1", false, true, true),
        ("169.254.169.254", false, false, true),
        ("::ffff:169.254.169.254", false, false, true),
        ("fe80::1", false, false, true),
        ("0.0.0.0", false, false, false),
        ("::", false, false, false),
        ("255.255.255.255", false, false, false),
        ("224.0.0.1", false, false, false),
    ];
    for (ip, by_torrent, by_user, permissive) in cases {
        let ip = ip.parse().unwrap();
        assert_eq!(public.check(ip, Origin::Torrent).is_ok(), by_torrent, "{ip}");
        assert_eq!(public.check(ip, Origin::User).is_ok(), by_user, "{ip}");
        assert_eq!(AddressPolicy::permissive().check(ip, Origin::Torrent).is_ok(), permissive, "{ip}");
    }
}

#[test]
fn an_allowed_address_is_allowed_in_every_spelling_and_alone() {
    let policy = AddressPolicy::public().allowing("::ffff:10.0.0.7".parse().unwrap());
    assert!(policy.check("10.0.0.7".parse().unwrap(), Origin::Torrent).is_ok());
    assert!(policy.check("::ffff:10.0.0.7".parse().unwrap(), Origin::Torrent).is_ok());
    assert!(policy.check("10.0.0.8".parse().unwrap(), Origin::Torrent).is_err());
}

#[test]
fn peers_are_believed_as_near_as_their_source() {
    let policy = AddressPolicy::public();
    let cases = [
        ("8.8.8.8:6881", Some("1.1.1.1"), true),
        ("8.8.8.8:6881", Some("127.0.0.1"), true),
        ("8.8.8.8:6881", None, true),
        ("[2606:4700::1]:6881", None, true),
        ("192.168.1.9:6881", Some("192.168.1.1"), true),
        ("192.168.1.9:6881", Some("fd00::1"), true),
        ("192.168.1.9:6881", Some("127.0.0.1"), true),
        ("192.168.1.9:6881", Some("1.1.1.1"), false),
        ("192.168.1.9:6881", None, false),
        ("127.0.0.1:6881", Some("127.0.0.1"), true),
        ("[::1]:6881", Some("127.0.0.1"), true),
        ("127.0.0.1:6881", Some("192.168.1.1"), false),
        ("127.0.0.1:6881", Some("1.1.1.1"), false),
        ("[::ffff:127.0.0.1]:6881", Some("1.1.1.1"), false),
        ("169.254.169.254:6881", Some("127.0.0.1"), false),
        ("203.0.113.1:6881", Some("127.0.0.1"), false),
        ("224.0.0.1:6881", Some("127.0.0.1"), false),
        ("8.8.8.8:0", None, false),
        ("8.8.8.8:25", None, false),
        ("8.8.8.8:1023", None, false),
        ("8.8.8.8:1024", None, true),
    ];
    for (peer, source, accepted) in cases {
        let source = source.map(|ip| ip.parse().unwrap());
        assert_eq!(policy.accepts_peer(peer.parse().unwrap(), source), accepted, "{peer} from {source:?}");
    }
    let permissive = AddressPolicy::permissive();
    assert!(permissive.accepts_peer("127.0.0.1:25".parse().unwrap(), None));
    assert!(!permissive.accepts_peer("127.0.0.1:0".parse().unwrap(), None));
}
