//! The other end: a peer of a few lines that reads as little as it likes, asks for anything, and hangs up anywhere.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use sprat_wire::hash::PeerId;
use sprat_wire::metainfo::Metainfo;
use sprat_wire::peer::deframer::{Deframer, MessageLimits};
use sprat_wire::peer::handshake::{Handshake, Reserved};
use sprat_wire::peer::message::{BlockRequest, Message};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::node::{Node, PATIENCE};
use super::sample::Sample;

/// How a peer reads, and what it speaks.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// It can be told that a request is refused (BEP 6).
    pub(crate) fast: bool,
    /// Bytes that the kernel takes for it before it reads.
    pub(crate) receive_buffer: Option<u32>,
    /// Bytes that it reads at a time, in turn.
    pub(crate) bites: &'static [usize],
}

/// Reads what there is.
pub(crate) const EAGER: Manner = Manner { fast: true, receive_buffer: None, bites: &[256 * 1024] };

/// Has next to nothing sent to it while it does not read.
pub(crate) const NARROW: Manner = Manner { receive_buffer: Some(4096), ..EAGER };

/// Knows BEP 3 only.
pub(crate) const OLD: Manner = Manner { fast: false, ..EAGER };

pub(crate) struct Peer {
    stream: TcpStream,
    /// As the client sees it.
    pub(crate) address: SocketAddr,
    fast: bool,
    deframer: Deframer,
    limits: MessageLimits,
    bites: std::iter::Cycle<std::slice::Iter<'static, usize>>,
    /// The next piece to be announced by [`Self::is_heard`].
    announced: u32,
}

/// What it hears about its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Block(BlockRequest, Bytes),
    Refused(BlockRequest),
    Choked,
    Unchoked,
}

impl Peer {
    /// Connects, from an address and with a name of its own, and exchanges handshakes.
    pub(crate) async fn join(node: &Node, metainfo: &Metainfo, manner: Manner) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let [.., high, low] = number.to_be_bytes();
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(size) = manner.receive_buffer {
            // Before the connection is there, or the window is a large one already.
            socket.set_recv_buffer_size(size).unwrap();
        }
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 1 + high, low, 1), 0))).unwrap();
        let stream = timeout(PATIENCE, socket.connect(node.address())).await.unwrap().unwrap();
        stream.set_nodelay(true).unwrap();
        let address = stream.local_addr().unwrap();
        let pieces = metainfo.info.piece_count();
        // Blocks may be longer here than sprat itself ever asks for.
        let limits = MessageLimits { block: 128 * 1024, ..MessageLimits::for_torrent(pieces, true) };
        let fast = manner.fast;
        let bites = manner.bites.iter().cycle();
        let mut peer = Self { stream, address, fast, deframer: Deframer::new(), limits, bites, announced: 0 };
        let mut peer_id = *b"-XX0000-............";
        peer_id[16..].copy_from_slice(&number.to_be_bytes());
        let reserved = if fast { Reserved::NONE.with_fast() } else { Reserved::NONE };
        let info_hash = metainfo.info_hashes.primary();
        peer.send(&Handshake { reserved, info_hash, peer_id: PeerId(peer_id) }.encode()).await;
        while peer.deframer.handshake().unwrap().is_none() {
            peer.read_some().await.expect("an answer to the handshake");
        }
        peer
    }

    /// One that has nothing and may ask.
    pub(crate) async fn leech(node: &Node, sample: &Sample, manner: Manner) -> Self {
        let mut peer = Self::join(node, &sample.metainfo, manner).await;
        if manner.fast {
            peer.say(&Message::HaveNone).await;
        }
        peer.say(&Message::Interested).await;
        assert_eq!(peer.answer().await, Some(Answer::Unchoked));
        peer
    }

    pub(crate) async fn say(&mut self, message: &Message) {
        self.say_all(std::slice::from_ref(message)).await;
    }

    pub(crate) async fn say_all(&mut self, messages: &[Message]) {
        let mut bytes = BytesMut::new();
        for message in messages {
            message.encode(&mut bytes);
        }
        self.send(&bytes).await;
    }

    pub(crate) async fn ask(&mut self, requests: &[BlockRequest]) {
        let messages: Vec<Message> = requests.iter().map(|request| Message::Request(*request)).collect();
        self.say_all(&messages).await;
    }

    /// Waits until the client has taken in everything that was said so far, for as often as there are pieces: announces
    /// a piece, and waits until it counts.
    pub(crate) async fn is_heard(&mut self, node: &Node) {
        self.say(&Message::Have(self.announced)).await;
        self.announced += 1;
        let announced = self.announced;
        node.until_connection(self.address, |connection| connection.pieces_have == announced).await;
    }

    /// The next message; `None` when the connection has ended.
    pub(crate) async fn hear(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.deframer.next(&self.limits).expect("the client sends messages") {
                return Some(message);
            }
            self.read_some().await?;
        }
    }

    /// The next message that is about requests.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        loop {
            match self.hear().await? {
                Message::Piece { piece, begin, block } => {
                    let request = BlockRequest { piece, begin, length: block.len() as u32 };
                    return Some(Answer::Block(request, block));
                }
                Message::RejectRequest(request) => {
                    assert!(self.fast, "only who speaks of rejections hears them");
                    return Some(Answer::Refused(request));
                }
                Message::Choke => return Some(Answer::Choked),
                Message::Unchoke => return Some(Answer::Unchoked),
                _ => {}
            }
        }
    }

    /// Waits until each of these requests has had its one answer, and nothing else was sent; those that were refused, in
    /// order. `is_good` looks at each block.
    pub(crate) async fn takes(
        &mut self,
        requests: &[BlockRequest],
        is_good: impl Fn(&BlockRequest, &[u8]) -> bool,
    ) -> Vec<BlockRequest> {
        let mut waiting: Vec<BlockRequest> = requests.to_vec();
        waiting.sort_unstable();
        let mut refused = Vec::new();
        while !waiting.is_empty() {
            let answered = match self.answer().await.expect("the connection stays") {
                Answer::Block(request, block) => {
                    assert!(is_good(&request, &block), "{request:?} has the wrong bytes");
                    request
                }
                Answer::Refused(request) => {
                    refused.push(request);
                    request
                }
                other => panic!("{other:?}"),
            };
            let at = waiting.binary_search(&answered).unwrap_or_else(|_| panic!("{answered:?} was not due"));
            waiting.remove(at);
        }
        refused.sort_unstable();
        refused
    }

    /// Asks for everything, and gets it as it should be.
    pub(crate) async fn gets_everything(&mut self, sample: &Sample) {
        // Not more than the client lets wait.
        for some in sample.all_blocks().chunks(500) {
            self.ask(some).await;
            let refused = self.takes(some, |request, block| sample.block(request) == block).await;
            assert_eq!(refused, [], "it has everything");
        }
    }

    /// Reads and forgets so many bytes.
    pub(crate) async fn swallow(&mut self, count: usize) {
        let mut bytes = vec![0; count];
        let read = timeout(PATIENCE, self.stream.read_exact(&mut bytes)).await.expect("bytes");
        read.expect("the connection stays");
    }

    /// Sends these bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        assert!(self.try_send(bytes).await, "the connection stays");
    }

    /// Says something to a client that may have hung up. Whether it has not.
    pub(crate) async fn offer(&mut self, message: &Message) -> bool {
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes);
        self.try_send(&bytes).await
    }

    async fn try_send(&mut self, bytes: &[u8]) -> bool {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("the client reads").is_ok()
    }

    /// Hangs up: at once and without regard to what is on its way (RST), or in order (FIN).
    pub(crate) async fn hang_up(mut self, rudely: bool) {
        if rudely {
            SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
        } else {
            self.stream.shutdown().await.unwrap();
            // To close with something unread would be a reset as well.
            self.is_cut_off().await;
        }
    }

    /// Waits for the other end to hang up.
    pub(crate) async fn is_cut_off(&mut self) {
        while self.read_some().await.is_some() {}
    }

    /// As much as it reads at a time; `None` when the connection has ended.
    async fn read_some(&mut self) -> Option<()> {
        let mut buffer = vec![0; self.bites.next().copied().unwrap_or(1)];
        let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("bytes, or the end");
        match read {
            Ok(count) if count > 0 => {
                buffer.truncate(count);
                self.deframer.push(buffer.into());
                Some(())
            }
            _ => None,
        }
    }
}
