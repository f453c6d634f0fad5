//! Peers of a benchmark that cost as little as can be: they keep nothing, check nothing, and have nothing to decide, so that what is
//! measured is the client at the other end.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail};
use bytes::{Bytes, BytesMut};
use sprat_wire::BLOCK_LENGTH;
use sprat_wire::hash::{InfoHash, PeerId};
use sprat_wire::metainfo::Metainfo;
use sprat_wire::peer::deframer::{Deframer, MessageLimits};
use sprat_wire::peer::handshake::{Handshake, Reserved};
use sprat_wire::peer::message::{BlockRequest, Message, encode_piece_header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Requests under way: 8 MiB, more than a loopback connection holds.
const WINDOW: u32 = 512;

/// Read from a socket at a time.
const READ: usize = 256 * 1024;

/// What is shared.
#[derive(Clone, Copy)]
pub(crate) struct Swarm {
    info_hash: InfoHash,
    piece_length: u32,
    pieces: u32,
    limits: MessageLimits,
}

impl Swarm {
    /// Of a v1 torrent whose length is a multiple of its pieces'.
    pub(crate) fn of(metainfo: &Metainfo) -> Result<Self> {
        let info = &metainfo.info;
        Ok(Self {
            info_hash: metainfo.info_hashes.on_the_wire().next().context("an info-hash")?,
            piece_length: info.piece_length,
            pieces: info.piece_count(),
            limits: MessageLimits::for_torrent(info.piece_count(), false),
        })
    }

    fn handshake(&self) -> [u8; Handshake::LENGTH] {
        let mut peer_id = *b"-TN0001-............";
        peer_id.iter_mut().skip(8).for_each(|byte| *byte = fastrand::u8(..));
        Handshake { reserved: Reserved([0; 8]), info_hash: self.info_hash, peer_id: PeerId(peer_id) }.encode()
    }

    /// Every block, from some piece on, over and over.
    fn blocks(self, first: u32) -> impl Iterator<Item = BlockRequest> {
        let pieces = (0..self.pieces).cycle().skip(first as usize);
        let begins = move || (0..self.piece_length).step_by(BLOCK_LENGTH as usize);
        pieces.flat_map(move |piece| {
            begins().map(move |begin| BlockRequest { piece, begin, length: BLOCK_LENGTH })
        })
    }

    /// Connects, says hello, and hears it.
    pub(crate) async fn connect(&self, address: SocketAddr) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&self.handshake()).await?;
        stream.read_exact(&mut [0; Handshake::LENGTH]).await?;
        Ok(stream)
    }

    /// Says nothing more, and stays until the other end has had enough.
    pub(crate) async fn idle(mut stream: TcpStream) -> Result<()> {
        let mut buffer = [0; 1024];
        while stream.read(&mut buffer).await? > 0 {}
        bail!("the client has hung up on one who is idle")
    }

    /// Asks for everything from some piece on, over and over, and counts the bytes that come.
    pub(crate) async fn take(self, address: SocketAddr, first: u32, counter: &AtomicU64) -> Result<()> {
        let mut stream = self.connect(address).await?;
        let mut incoming = Incoming::default();
        let mut blocks = self.blocks(first);
        let mut say = BytesMut::new();
        Message::Interested.encode(&mut say);
        let mut open = 0;
        loop {
            stream.write_all_buf(&mut say).await?;
            incoming.read(&mut stream).await?;
            let mut unchoked = open > 0;
            while let Some(message) = incoming.deframer.next(&self.limits)? {
                match message {
                    Message::Piece { block, .. } => {
                        counter.fetch_add(block.len() as u64, Ordering::Relaxed);
                        open -= 1;
                    }
                    Message::Unchoke => unchoked = true,
                    // What was asked for will not come (BEP 3).
                    Message::Choke => (open, unchoked) = (0, false),
                    _ => {}
                }
            }
            // Half a window at a time: each request by itself would be a segment of its own.
            if unchoked && open <= WINDOW / 2 {
                for request in blocks.by_ref().take((WINDOW - open) as usize) {
                    Message::Request(request).encode(&mut say);
                }
                open = WINDOW;
            }
        }
    }

    /// Serves one who calls with whatever is asked for, until it leaves.
    pub(crate) async fn give(self, listener: TcpListener, content: Bytes) -> Result<()> {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut incoming = Incoming::default();
        incoming.handshake(&mut stream).await?;
        let mut say = BytesMut::from(&self.handshake()[..]);
        Message::Bitfield(self.all_pieces()).encode(&mut say);
        Message::Unchoke.encode(&mut say);
        stream.write_all_buf(&mut say).await?;
        loop {
            incoming.read(&mut stream).await?;
            let mut answers = Vec::new();
            while let Some(message) = incoming.deframer.next(&self.limits)? {
                let Message::Request(BlockRequest { piece, begin, length }) = message else { continue };
                let mut header = BytesMut::new();
                encode_piece_header(piece, begin, length, &mut header);
                let at = piece as usize * self.piece_length as usize + begin as usize;
                answers.push(header.freeze());
                answers.push(content.slice(at..at + length as usize));
            }
            write_all(&mut stream, &answers).await?;
        }
    }

    /// A bitfield of what a seed has (BEP 3: the spare bits are zero).
    fn all_pieces(&self) -> Bytes {
        let mut bits = vec![0xff; self.pieces.div_ceil(8) as usize];
        if let Some(last) = bits.last_mut() {
            *last <<= self.pieces.next_multiple_of(8) - self.pieces;
        }
        bits.into()
    }
}

/// The reading end of a connection.
#[derive(Default)]
struct Incoming {
    deframer: Deframer,
    buffer: BytesMut,
}

impl Incoming {
    async fn handshake(&mut self, stream: &mut TcpStream) -> Result<()> {
        while self.deframer.handshake()?.is_none() {
            self.read(stream).await?;
        }
        Ok(())
    }

    async fn read(&mut self, stream: &mut TcpStream) -> Result<()> {
        if self.buffer.capacity() < READ / 2 {
            self.buffer = BytesMut::with_capacity(READ);
        }
        if stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the client has hung up");
        }
        self.deframer.push(self.buffer.split().freeze());
        Ok(())
    }
}

async fn write_all(stream: &mut TcpStream, parts: &[Bytes]) -> Result<()> {
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut slices = slices.as_mut_slice();
    while !slices.is_empty() {
        let written = stream.write_vectored(slices).await?;
        IoSlice::advance_slices(&mut slices, written);
    }
    Ok(())
}
