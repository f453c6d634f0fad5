//! A thousand slow sockets, and what they do to honest calls.

use std::net::SocketAddr;
use std::time::Duration;

use sprat_daemon::http::ServerLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::house::House;
use crate::wire::exchange;

const SLOW: usize = 1000;
const HONEST: usize = 300;

/// How a slow socket begins.
const BEGINNINGS: [&str; 4] = [
    "",
    "GET /things HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    "POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n",
    "\x16\x03\x01",
];

/// Holds a place as long as it can with a byte now and then, and comes back when it has lost it.
async fn be_slow(server: SocketAddr, beginning: &'static str) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(server).await {
            let _ = stream.write_all(beginning.as_bytes()).await;
            loop {
                let read = timeout(Duration::from_secs(1), stream.read(&mut [0; 512])).await;
                let is_over = matches!(read, Ok(Ok(0) | Err(_)));
                if is_over || stream.write_all(b"a").await.is_err() {
                    break;
                }
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_thousand_slow_sockets_leave_honest_calls_alone() {
    let house = House::open(ServerLimits::default()).await;
    let mut events = TcpStream::connect(house.address).await.unwrap();
    events.write_all(&house.request("GET", "/events").to_bytes()).await.unwrap();
    events.read_exact(&mut [0; 12]).await.unwrap();

    let mut slow = JoinSet::new();
    for number in 0..SLOW {
        slow.spawn(be_slow(house.address, BEGINNINGS[number % BEGINNINGS.len()]));
    }
    let request = house.request("GET", "/things").to_bytes();
    let (mut answered, mut slowest) = (0, Duration::ZERO);
    for _ in 0..HONEST {
        let begun = Instant::now();
        let answer = timeout(Duration::from_secs(5), exchange(house.address, &request)).await;
        answered += usize::from(matches!(answer, Ok(Some(answer)) if answer.status == 200));
        slowest = slowest.max(begun.elapsed());
        sleep(Duration::from_millis(20)).await;
    }
    println!("{answered} of {HONEST} honest calls answered, the slowest in {slowest:?}");
    assert!(answered * 100 >= HONEST * 99, "{answered} of {HONEST}");
    let mut rest = vec![0; 4096];
    while let Ok(read) = timeout(Duration::from_millis(100), events.read(&mut rest)).await {
        assert!(read.unwrap() > 0, "the stream of somebody with a token was closed");
    }
    slow.abort_all();
    house.close().await;
}
