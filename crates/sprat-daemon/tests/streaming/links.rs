//! Players, which have no token.

use serde_json::{Value, json};

use crate::player::ask;
use crate::theatre::{Theatre, bytes};

#[tokio::test]
async fn a_link_opens_one_file_for_whoever_has_it_and_nothing_else() {
    let (film, song) = (bytes(200_000, 4), bytes(50_000, 5));
    let files: [(&str, &[u8]); 3] = [("a film #1.mkv", &film), ("notes.html", b"<p>"), ("song.flac", &song)];
    let theatre = Theatre::open(&files, None).await;
    let address = theatre.address();
    let number = theatre.number_of("#1.mkv").await;
    let link = theatre.json(&format!("/files/{number}/link")).await;
    let path = link["path"].as_str().unwrap();
    assert_eq!(link["url"], format!("http://{address}{path}"));
    assert!(path.ends_with("/a%20film%20%231.mkv") && link["expires_in"] == 24 * 3600, "{link}");

    let mut part = ask(address, "GET", path, &[("Range", "bytes=1000-1099")], "").await;
    assert_eq!((part.status, part.header("content-type")), (206, Some("video/x-matroska")));
    assert!(part.rest().await == film[1000..1100]);
    assert_eq!(ask(address, "HEAD", path, &[], "").await.length(), 200_000);
    assert_eq!(ask(address, "GET", path, &[("Host", "evil.example")], "").await.status, 421);
    assert_eq!(ask(address, "GET", path, &[("Origin", "http://evil.example")], "").await.status, 403);
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(ask(address, method, path, &[], "").await.status, 405, "{method}");
    }
    let seal = path.split('/').nth(4).unwrap();
    let (other_file, other_torrent) = (
        path.replace(&format!("/{number}/{seal}"), &format!("/9{number}/{seal}")),
        path.replace(&theatre.hash, &"0".repeat(40)),
    );
    let forged = path.replace(seal, &seal.replace(".owner.", ".other."));
    let later = path.replace(seal, &format!("9{seal}"));
    for wrong in [other_file, other_torrent, forged, later, path.replace(seal, "x")] {
        assert_eq!(ask(address, "GET", &wrong, &[], "").await.status, 403, "{wrong}");
    }
    // It is no token.
    let bearer = format!("Bearer {seal}");
    for target in ["/api/v1/torrents", &theatre.content(number)] {
        assert_eq!(
            ask(address, "GET", target, &[("Authorization", &bearer)], "").await.status,
            401,
            "{target}"
        );
    }
    for target in [theatre.content(number), format!("/api/v1/torrents/{}/files/{number}/link", theatre.hash)]
    {
        assert_eq!(ask(address, "GET", &target, &[], "").await.status, 401, "{target}");
    }
    theatre.close().await;
}

#[tokio::test]
async fn a_playlist_has_what_can_be_played_with_links_that_work() {
    let (film, song) = (bytes(60_000, 6), bytes(50_000, 7));
    let files: [(&str, &[u8]); 3] =
        [("a film #1.mkv", &film), ("notes.html", b"<p>"), ("x/song.flac", &song)];
    let theatre = Theatre::open(&files, None).await;
    let target = format!("/api/v1/torrents/{}/playlist.m3u8", theatre.hash);
    let mut answer = theatre.get(&target, &[]).await;
    assert_eq!(answer.header("content-type"), Some("audio/x-mpegurl; charset=utf-8"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename*=UTF-8''show.m3u8"));
    let list = String::from_utf8(answer.rest().await).unwrap();
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(
        (lines[0], lines[1], lines[3]),
        ("#EXTM3U", "#EXTINF:-1,show/a film #1.mkv", "#EXTINF:-1,show/x/song.flac")
    );
    assert_eq!(lines.len(), 5);
    for (url, bytes) in [(lines[2], &film), (lines[4], &song)] {
        let path = url.strip_prefix(&format!("http://{}", theatre.address())).unwrap();
        assert!(ask(theatre.address(), "GET", path, &[], "").await.rest().await == **bytes, "{url}");
    }
    theatre.close().await;
}

#[tokio::test]
async fn whoever_may_only_look_has_nothing_fetched_that_is_skipped() {
    let (film, extra) = (bytes(200_000, 8), bytes(150_000, 9));
    let theatre = Theatre::open_stopped(&[("film.mkv", &film), ("extra.mkv", &extra)]).await;
    let (film_number, number) = (theatre.number_of("film.mkv").await, theatre.number_of("extra.mkv").await);
    let files = format!("/torrents/{}/files", theatre.hash);
    theatre.tell("PATCH", &files, json!({"files": [number], "priority": "skip"})).await;
    theatre.tell("POST", "/torrents/act", json!({"torrents": [theatre.hash], "action": "start"})).await;

    let looker = theatre.lookers_authorization().await;
    let as_looker = [("Authorization", looker.as_str())];
    let link = format!("/api/v1{files}/{number}/link");
    let lookers_link = ask(theatre.address(), "GET", &link, &as_looker, "").await.rest().await;
    let lookers_link: Value = serde_json::from_slice(&lookers_link).unwrap();
    let lookers_link = lookers_link["path"].as_str().unwrap();
    for method in ["GET", "HEAD"] {
        let answer = ask(theatre.address(), method, &theatre.content(number), &as_looker, "").await;
        assert_eq!(answer.status, 409, "{method}");
        assert_eq!(ask(theatre.address(), method, lookers_link, &[], "").await.status, 409, "{method}");
    }
    let content = theatre.content(film_number);
    assert!(ask(theatre.address(), "GET", &content, &as_looker, "").await.rest().await == film);

    // The owner has said nothing against it.
    let owners_link = theatre.json(&format!("/files/{number}/link")).await;
    let path = owners_link["path"].as_str().unwrap();
    assert!(ask(theatre.address(), "GET", path, &[], "").await.rest().await == extra);
    assert!(ask(theatre.address(), "GET", lookers_link, &[], "").await.rest().await == extra, "it is there");
    theatre.close().await;
}
