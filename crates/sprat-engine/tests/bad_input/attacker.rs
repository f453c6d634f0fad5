//! A peer without manners: a socket, and whatever bytes a test wants to send.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::{Bytes, BytesMut};
use sprat_core::io::DisconnectReason;
use sprat_wire::hash::PeerId;
use sprat_wire::metainfo::Metainfo;
use sprat_wire::peer::deframer::{Deframer, MessageLimits};
use sprat_wire::peer::handshake::{Handshake, Reserved};
use sprat_wire::peer::message::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::honest::{Node, PATIENCE};

pub(crate) struct Attacker {
    pub(crate) stream: TcpStream,
    /// As the victim sees it.
    pub(crate) address: SocketAddr,
    deframer: Deframer,
    limits: MessageLimits,
}

/// Everything that sprat speaks as well.
pub(crate) fn modern() -> Reserved {
    Reserved::default().with_fast().with_extended()
}

impl Attacker {
    /// Connects, from an address of its own on this machine: what one attacker does must not fall back on others.
    pub(crate) async fn call(node: &Node, host: u8) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0))).unwrap();
        let stream = timeout(PATIENCE, socket.connect(node.address())).await.unwrap().unwrap();
        let address = stream.local_addr().unwrap();
        let limits = MessageLimits::for_torrent(10_000, true);
        Self { stream, address, deframer: Deframer::new(), limits }
    }

    /// Connects and exchanges handshakes.
    pub(crate) async fn join(node: &Node, metainfo: &Metainfo, host: u8, reserved: Reserved) -> Self {
        let mut attacker = Self::call(node, host).await;
        let info_hash = metainfo.info_hashes.primary();
        let mut peer_id = *b"-XX0000-............";
        peer_id[19] = host;
        let handshake = Handshake { reserved, info_hash, peer_id: PeerId(peer_id) };
        attacker.stream.write_all(&handshake.encode()).await.unwrap();
        while attacker.deframer.handshake().unwrap().is_none() {
            attacker.read_some().await.expect("an answer to the handshake");
        }
        attacker
    }

    /// Sends as much as the other side takes before it hangs up; how many bytes that were.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            match timeout(PATIENCE, self.stream.write(&bytes[sent..]))
                .await
                .expect("it takes bytes or hangs up")
            {
                Ok(count) if count > 0 => sent += count,
                _ => break,
            }
        }
        sent
    }

    pub(crate) async fn say(&mut self, message: &Message) {
        self.send(&encode(message)).await;
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

    /// Waits for the other side to hang up.
    pub(crate) async fn is_cut_off(&mut self) {
        while self.read_some().await.is_some() {}
    }

    /// Waits for the other side to hang up, and for its reason.
    pub(crate) async fn is_cut_off_by(&mut self, node: &mut Node) -> DisconnectReason {
        self.is_cut_off().await;
        node.farewell(self.address).await
    }

    async fn read_some(&mut self) -> Option<()> {
        let mut buffer = BytesMut::with_capacity(64 * 1024);
        let read = timeout(PATIENCE, self.stream.read_buf(&mut buffer)).await.expect("bytes, or the end");
        match read {
            Ok(count) if count > 0 => {
                self.deframer.push(buffer.freeze());
                Some(())
            }
            _ => None,
        }
    }
}

pub(crate) fn encode(message: &Message) -> Bytes {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes);
    bytes.freeze()
}
