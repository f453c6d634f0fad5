//! What can be asked for, and how it is answered.

use crate::theatre::{Theatre, bytes};

const LENGTH: usize = 100_000;

#[tokio::test]
async fn ranges_are_answered_as_they_should_be_however_they_are_meant() {
    let file = bytes(LENGTH, 3);
    let theatre = Theatre::open(&[("empty.txt", &[]), ("song.mp3", &file)], None).await;
    let (empty, song) = (theatre.number_of("empty.txt").await, theatre.number_of("song.mp3").await);
    let address = theatre.content(song);
    let thousand = format!("bytes={}", vec!["0-99999"; 1000].join(","));

    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=99999-", LENGTH - 1..LENGTH),
        ("bytes=-1", LENGTH - 1..LENGTH),
        ("bytes=-18446744073709551616", 0..LENGTH),
        ("bytes=50000-18446744073709551615", LENGTH / 2..LENGTH),
    ] {
        let mut answer = theatre.part(song, range).await;
        let place = format!("bytes {}-{}/{LENGTH}", part.start, part.end - 1);
        assert_eq!(answer.header("content-range"), Some(place.as_str()), "{range}");
        assert!(answer.rest().await == file[part], "{range}");
    }
    for range in ["bytes=100000-", "bytes=340282366920938463463374607431768211456-", "bytes=-0"] {
        let mut answer = theatre.get(&address, &[("Range", range)]).await;
        assert_eq!((answer.status, answer.header("content-range")), (416, Some("bytes */100000")), "{range}");
        assert!(answer.rest().await.starts_with(b"{\"error\":\"range\""));
    }
    for range in ["bytes=9-1", "items=0-5", "bytes=0-1,5-6", "bytes=", "x", &thousand] {
        let mut answer = theatre.get(&address, &[("Range", range)]).await;
        assert_eq!((answer.status, answer.header("content-range")), (200, None), "{range}");
        assert!(answer.rest().await == file, "{range}");
    }
    let twice = theatre.get(&address, &[("Range", "bytes=0-0"), ("Range", "bytes=1-1")]).await;
    assert_eq!((twice.status, twice.length()), (200, LENGTH));

    // Whoever has a part wants more of the same, or all of another.
    let tag = twice.header("etag").unwrap().to_owned();
    for (known, status) in [(tag.as_str(), 206), ("\"another\"", 200), ("Sat, 01 Jan 2022 00:00:00 GMT", 200)]
    {
        let answer = theatre.get(&address, &[("Range", "bytes=5-9"), ("If-Range", known)]).await;
        assert_eq!(answer.status, status, "{known}");
    }
    let mut head = theatre.request("HEAD", &address, &[("Range", "bytes=5-9")]).await;
    assert_eq!((head.status, head.length(), head.header("etag")), (200, LENGTH, Some(tag.as_str())));
    assert_eq!(head.rest().await, b"");

    let mut nothing = theatre.get(&theatre.content(empty), &[]).await;
    assert_eq!((nothing.status, nothing.length(), nothing.rest().await), (200, 0, Vec::new()));
    let nothing = theatre.get(&theatre.content(empty), &[("Range", "bytes=0-")]).await;
    assert_eq!((nothing.status, nothing.header("content-range")), (416, Some("bytes */0")));
    for missing in [theatre.content(99), theatre.content(song).replace(&theatre.hash, &"0".repeat(40))] {
        assert_eq!(theatre.get(&missing, &[]).await.status, 404, "{missing}");
    }
    theatre.close().await;
}

#[tokio::test]
async fn what_strangers_have_made_runs_nowhere() {
    let script = b"<script>alert(1)</script>";
    let files: [(&str, &[u8]); 5] = [
        ("a.html", script),
        ("b.svg", script),
        ("c.mp4", script),
        ("d.txt", script),
        ("e \"\u{e9};.mp4.xhtml", script),
    ];
    let theatre = Theatre::open(&files, None).await;
    for file in theatre.json("/files").await.as_array().unwrap() {
        let index = usize::try_from(file["index"].as_u64().unwrap()).unwrap();
        let answer = theatre.get(&theatre.content(index), &[]).await;
        let path = file["path"].as_str().unwrap();
        let expected = match path.rsplit('/').next().unwrap() {
            "a.html" => ("application/octet-stream", "attachment; filename*=UTF-8''a.html"),
            "b.svg" => ("application/octet-stream", "attachment; filename*=UTF-8''b.svg"),
            "c.mp4" => ("video/mp4", "inline; filename*=UTF-8''c.mp4"),
            "d.txt" => ("text/plain; charset=utf-8", "inline; filename*=UTF-8''d.txt"),
            _ => ("application/octet-stream", "attachment; filename*=UTF-8''e%20%22%C3%A9%3B.mp4.xhtml"),
        };
        let kind = answer.header("content-type").unwrap();
        assert_eq!((kind, answer.header("content-disposition").unwrap()), expected);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("sandbox; default-src 'none'"), "{policy}");
    }
    theatre.close().await;
}
