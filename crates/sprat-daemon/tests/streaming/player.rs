//! What a player does: it asks, reads as much as it likes, and goes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Far more than anything here takes; what waits longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The head of an answer, and the body as far as it was not read yet.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    stream: BufReader<TcpStream>,
}

impl Answer {
    /// A header, which stands there once.
    pub(crate) fn header(&self, wanted: &str) -> Option<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = pairs.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
        let value = values.next();
        assert_eq!(values.next(), None, "{wanted} stands there twice");
        value
    }

    /// Bytes that the body is said to have.
    pub(crate) fn length(&self) -> usize {
        self.header("content-length").unwrap().parse().unwrap()
    }

    /// So many of them.
    pub(crate) async fn read(&mut self, bytes: usize) -> Vec<u8> {
        let mut buffer = vec![0; bytes];
        timeout(PATIENCE, self.stream.read_exact(&mut buffer)).await.expect("the body stops").unwrap();
        buffer
    }

    /// All that comes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("the body stops").unwrap();
        rest
    }
}

/// Asks on a connection of its own, which is closed after the answer.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut head = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        head += &format!("Host: {address}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.expect("no answer").unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, stream }
}
