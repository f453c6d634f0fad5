use super::*;

fn read(document: &str) -> Channel {
    parse(document.as_bytes(), &Url::parse("https://feed.example/dir/rss").unwrap()).unwrap()
}

fn rss(items: &str) -> Channel {
    read(&format!(
        "<?xml version='1.0' encoding='UTF-8'?><rss version='2.0'><channel><title>A feed</title>{items}</channel></rss>"
    ))
}

fn sources(channel: &Channel) -> Vec<&str> {
    channel.items.iter().map(|item| item.source.as_deref().unwrap_or("-")).collect()
}

#[test]
fn an_rss_item_offers_its_enclosure() {
    let channel = rss(
        "<item><title> Show S01E02\n1080p </title><guid>7</guid><link>https://feed.example/page/7</link>\
         <pubDate>Sat, 07 Mar 2026 10:00:00 +0100</pubDate>\
         <enclosure url='https://dl.example/7.torrent?key=1' length='123456' type='application/x-bittorrent'/></item>",
    );
    assert_eq!(channel.title.as_deref(), Some("A feed"));
    let item = &channel.items[0];
    assert_eq!(item.title, "Show S01E02 1080p");
    assert_eq!(item.source.as_deref(), Some("https://dl.example/7.torrent?key=1"));
    assert_eq!(item.page.as_deref(), Some("https://feed.example/page/7"));
    assert_eq!((item.size, item.key.clone()), (Some(123_456), ItemKey::of("7")));
    assert_eq!(item.published, Some("2026-03-07T09:00:00Z".parse().unwrap()));
}

#[test]
fn the_link_that_is_surest_to_be_a_torrent_is_taken() {
    let page = "<link>https://a.example/page</link>";
    let image = "<enclosure url='https://a.example/x.jpg' length='1' type='image/jpeg'/>";
    let items = [
        format!("<item>{page}</item>"),
        format!("<item>{page}{image}</item>"),
        "<item><link>https://a.example/x.torrent</link><enclosure url='https://a.example/x.jpg' type='image/jpeg'/></item>".to_owned(),
        "<item><link>magnet:?xt=urn:btih:0123456789012345678901234567890123456789</link></item>".to_owned(),
        format!("<item>{page}<guid>magnet:?xt=urn:btih:0123456789012345678901234567890123456789</guid></item>"),
        "<item><link>x.torrent</link></item>".to_owned(),
        "<item><link>/y</link></item>".to_owned(),
    ];
    let magnet = "magnet:?xt=urn:btih:0123456789012345678901234567890123456789";
    let expected = [
        "https://a.example/page",
        "https://a.example/x.jpg",
        "https://a.example/x.torrent",
        magnet,
        magnet,
        "https://feed.example/dir/x.torrent",
        "https://feed.example/y",
    ];
    assert_eq!(sources(&rss(&items.concat())), expected);
}

#[test]
fn other_schemes_are_no_offer() {
    let links = [
        "file:///etc/passwd",
        "ftp://a.example/x.torrent",
        "gopher://a.example/",
        "javascript:alert(1)",
        "data:,x",
    ];
    let items: String =
        links.iter().map(|link| format!("<item><title>x</title><link>{link}</link></item>")).collect();
    assert_eq!(sources(&rss(&items)), ["-"; 5]);
}

#[test]
fn atom_and_json_feeds_are_read_as_well() {
    let atom = read(
        "<feed xmlns='http://www.w3.org/2005/Atom'><title>Atom</title><entry><title>One</title><id>urn:1</id>\
         <updated>2026-03-07T09:00:00Z</updated><link href='https://a.example/1'/>\
         <link rel='enclosure' type='application/x-bittorrent' href='/1.torrent' length='9'/></entry></feed>",
    );
    assert_eq!(sources(&atom), ["https://feed.example/1.torrent"]);
    assert_eq!((atom.items[0].size, atom.items[0].key.clone()), (Some(9), ItemKey::of("urn:1")));

    let json = read(
        r#"{"version":"https://jsonfeed.org/version/1.1","title":"JSON","authors":[{"name":"x"}],"items":[
            {"id":7,"title":"One","url":"https://a.example/1","date_published":"2026-03-07T10:00:00+01:00",
             "attachments":[{"url":"1.torrent","mime_type":"application/x-bittorrent","size_in_bytes":9}]},
            {"id":"8","url":"magnet:?xt=urn:btih:0123456789012345678901234567890123456789"}]}"#,
    );
    assert_eq!(json.title.as_deref(), Some("JSON"));
    assert_eq!(json.items[0].source.as_deref(), Some("https://feed.example/dir/1.torrent"));
    assert_eq!(json.items[0].published, Some("2026-03-07T09:00:00Z".parse().unwrap()));
    assert_eq!((json.items[0].key.clone(), json.items[0].size), (ItemKey::of("7"), Some(9)));
    assert!(json.items[1].source.as_deref().unwrap().starts_with("magnet:"));
}

#[test]
fn an_item_without_identifier_is_known_by_what_it_offers() {
    let channel =
        rss("<item><title>x</title><link>/1</link></item><item><title>only a title</title></item><item/>");
    let keys: Vec<ItemKey> = channel.items.into_iter().map(|item| item.key).collect();
    assert_eq!(keys, ["https://feed.example/1", "only a title", ""].map(ItemKey::of));
}

#[test]
fn only_the_first_items_are_kept() {
    assert_eq!(rss(&"<item/>".repeat(MAX_ITEMS + 1)).items.len(), MAX_ITEMS);
    let json = format!(
        r#"{{"version":"https://jsonfeed.org/version/1","items":[{}{{}}]}}"#,
        "{},".repeat(MAX_ITEMS)
    );
    assert_eq!(read(&json).items.len(), MAX_ITEMS);
}

#[test]
fn what_is_not_a_feed_is_an_error() {
    let base = Url::parse("https://feed.example/").unwrap();
    let deep_json = "{\"version\":".to_owned() + &"[".repeat(100_000);
    let cases = [
        "",
        "x",
        "<html><body/></html>",
        "<rss",
        "<a></b>",
        "{}",
        "{\"version\":\"2\",\"items\":[]}",
        &deep_json,
    ];
    for document in cases {
        assert!(parse(document.as_bytes(), &base).is_err(), "{document}");
    }
}

#[test]
fn a_long_address_is_not_multiplied_by_the_links() {
    let at = |path: usize, query: usize| {
        Url::parse(&format!("https://feed.example/{}/rss?{}", "p".repeat(path), "q".repeat(query))).unwrap()
    };
    let xml = |links: usize| {
        let links = "<link href='x'/>".repeat(links);
        format!("<feed xmlns='http://www.w3.org/2005/Atom'><entry><title>x</title>{links}</entry></feed>")
    };
    // 7 GB, were each link kept with the address before it.
    let many = xml(490_000);
    assert!(matches!(parse(many.as_bytes(), &at(15_000, 0)), Err(FeedProblem::LongAddress)));
    assert!(matches!(parse(many.as_bytes(), &at(2000, 0)), Err(FeedProblem::Xml(XmlProblem::TooMuch(_)))));
    let json = "{\"version\":\"https://jsonfeed.org/version/1\",\"items\":[]}";
    assert!(matches!(parse(json.as_bytes(), &at(15_000, 0)), Err(FeedProblem::LongAddress)));
    // What comes after the path does not count.
    let channel = parse(xml(1000).as_bytes(), &at(1, 15_000)).unwrap();
    assert_eq!(sources(&channel), ["https://feed.example/p/x"]);
}

proptest::proptest! {
    #[test]
    fn no_document_makes_it_panic(text in "[<>/&;!\\[\\]{}\":'=a-c?x -]{0,200}") {
        let base = Url::parse("https://feed.example/").unwrap();
        let _ = parse(text.as_bytes(), &base);
        let _ = parse(format!("<rss version='2.0'><channel><item>{text}</item></channel></rss>").as_bytes(), &base);
    }
}

#[test]
fn a_feed_says_how_long_it_wants_to_be_left_alone() {
    assert_eq!(rss("<ttl>90</ttl>").patience, Some(Duration::from_secs(90 * 60)));
    assert_eq!(rss("<ttl>4294967295</ttl>").patience, Some(Duration::from_secs(u64::from(u32::MAX) * 60)));
    for nonsense in ["", "<ttl/>", "<ttl>soon</ttl>", "<ttl>-1</ttl>", "<ttl>4294967296</ttl>"] {
        assert_eq!(rss(nonsense).patience, None);
    }
}
