//! A film that comes slower than anybody would like.

use std::process::Command;

use crate::theatre::{Theatre, bytes};

const LENGTH: usize = 12 << 20;

/// Bytes per second: all of it takes twelve seconds.
const RATE: u64 = 1 << 20;

#[tokio::test]
async fn a_film_is_watched_while_it_comes() {
    let film = bytes(LENGTH, 1);
    let theatre = Theatre::open(&[("film.mkv", &film)], Some(RATE)).await;

    // A player looks at the head, and at the tail, where some formats have their index.
    let mut head = theatre.part(0, "bytes=0-").await;
    assert_eq!(head.header("content-range").unwrap(), format!("bytes 0-{}/{LENGTH}", LENGTH - 1));
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
    assert!(head.read(64 * 1024).await == film[..64 * 1024]);
    let mut tail = theatre.part(0, "bytes=-65536").await;
    assert_eq!(tail.length(), 65536);
    assert!(tail.rest().await == film[LENGTH - 65536..]);

    // Somebody goes to the middle, while hardly anything is there, and does not go on with the beginning.
    drop(head);
    let middle = LENGTH / 2 + 12345;
    let mut seek = theatre.part(0, &format!("bytes={middle}-")).await;
    assert!(seek.read(100_000).await == film[middle..middle + 100_000]);
    let left = theatre.left().await;
    assert!(left > LENGTH as u64 / 2, "the middle came before the half: {left} bytes are left");
    drop(seek);

    // Several at once, as browsers do.
    let parts = [(0, 300_000), (LENGTH / 4, 200_000), (LENGTH * 3 / 4, 200_000), (LENGTH - 1000, 1000)];
    let watch = async |(from, length): (usize, usize)| {
        let mut part = theatre.part(0, &format!("bytes={from}-{}", from + length - 1)).await;
        assert_eq!(part.length(), length);
        assert!(part.rest().await == film[from..from + length], "{from}");
    };
    tokio::join!(watch(parts[0]), watch(parts[1]), watch(parts[2]), watch(parts[3]));
    assert!(theatre.left().await > 0, "all that while it was not there yet");

    let mut whole = theatre.get(&theatre.content(0), &[]).await;
    assert_eq!((whole.status, whole.length()), (200, LENGTH));
    assert!(whole.rest().await == film);
    theatre.close().await;
}

#[tokio::test]
async fn curl_gets_the_part_that_it_asks_for() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: curl is missing");
        return;
    }
    let film = bytes(300_000, 2);
    let theatre = Theatre::open(&[("film.mp4", &film)], None).await;
    let url = format!("http://{}{}", theatre.address(), theatre.content(0));
    let token = format!("Authorization: {}", theatre.authorization());
    for (range, expected) in
        [("100-199", &film[100..200]), ("-5", &film[299_995..]), ("299990-", &film[299_990..])]
    {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--noproxy", "*", "-H", &token, "-r", range, &url]);
        let output = tokio::task::spawn_blocking(move || curl.output()).await.unwrap().unwrap();
        assert!(output.status.success() && output.stdout == expected, "{range}: {output:?}");
    }
    theatre.close().await;
}
