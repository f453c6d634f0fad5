//! A peer that believes nothing: it takes every piece that it can get, over and over, and hashes each.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use sprat_wire::hash::PeerId;
use sprat_wire::peer::deframer::{Deframer, MessageLimits};
use sprat_wire::peer::handshake::{Handshake, Reserved};
use sprat_wire::peer::message::{BlockRequest, Message};

use crate::oracle::Torrent;

const BLOCK: usize = 16 * 1024;

/// What a peer has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Pieces that were said to be had.
    pub(crate) claimed: Vec<bool>,
    /// The other end has spoken since the last connection was made.
    pub(crate) has_heard: bool,
    /// Pieces that came and were right.
    pub(crate) right: u64,
    /// Which of them came at least once.
    pub(crate) came: Vec<bool>,
    /// Those that were not right.
    pub(crate) wrong: Vec<u32>,
}

/// A peer on a thread of its own, which ends when this is dropped.
pub(crate) struct Peer {
    shared: Arc<(Mutex<Seen>, Condvar)>,
    port: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Calls whoever listens at this port, again and again.
    pub(crate) fn call(torrent: &Arc<Torrent>, port: u16) -> Self {
        let shared = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let (is_over, port) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(port.into())));
        let caller = Caller {
            torrent: torrent.clone(),
            shared: shared.clone(),
            port: port.clone(),
            is_over: is_over.clone(),
        };
        let thread = Some(std::thread::spawn(move || caller.run()));
        Self { shared, port, is_over, thread }
    }

    /// From now on somebody else.
    pub(crate) fn call_at(&self, port: u16) {
        self.shared.0.lock().unwrap().has_heard = false;
        self.port.store(port.into(), Ordering::Relaxed);
    }

    /// Waits until what was seen is enough. Whether it was, in time.
    pub(crate) fn wait_until(&self, within: Duration, is_enough: impl Fn(&Seen) -> bool) -> bool {
        let seen = self.shared.0.lock().unwrap();
        let (seen, timeout) =
            self.shared.1.wait_timeout_while(seen, within, |seen| !is_enough(seen)).unwrap();
        drop(seen);
        !timeout.timed_out()
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.shared.0.lock().unwrap())
    }

    /// Nothing that came was wrong.
    pub(crate) fn must_not_have_been_cheated(&self) -> Result<(), String> {
        self.look(|seen| match seen.wrong.as_slice() {
            [] => Ok(()),
            wrong => Err(format!("pieces came that were not right: {wrong:?} ({} were right)", seen.right)),
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Caller {
    torrent: Arc<Torrent>,
    shared: Arc<(Mutex<Seen>, Condvar)>,
    port: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

/// A piece that is being fetched.
struct Fetch {
    piece: usize,
    bytes: Vec<u8>,
    missing: usize,
}

impl Caller {
    fn run(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let port = self.port.load(Ordering::Relaxed);
            // Whatever ends the connection: nobody is there yet, the other one was killed, or has gone.
            let _ = self.talk(port);
            if !self.is_over.load(Ordering::Relaxed) {
                // Nobody says when there is somebody to be called.
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    fn talk(&self, port: u64) -> std::io::Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap()))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_millis(20)))?;
        let info_hash = self.torrent.metainfo.info_hashes.primary();
        let mut peer_id = *b"-TD0001-............";
        peer_id.iter_mut().skip(8).for_each(|byte| *byte = fastrand::u8(..));
        let handshake = Handshake { reserved: Reserved([0; 8]), info_hash, peer_id: PeerId(peer_id) };
        stream.write_all(&handshake.encode())?;
        let pieces = self.torrent.pieces.len();
        self.note(|seen| {
            seen.claimed = vec![false; pieces];
            seen.came.resize(pieces, false);
            seen.has_heard = false;
        });
        let limits = MessageLimits::for_torrent(u32::try_from(pieces).unwrap(), true);
        let mut deframer = Deframer::new();
        let mut is_greeted = false;
        let mut is_choked = true;
        let mut fetch: Option<Fetch> = None;
        let mut since = Instant::now();
        let mut buffer = vec![0; 64 * 1024];
        let mut say = BytesMut::new();
        Message::Interested.encode(&mut say);
        while !self.is_over.load(Ordering::Relaxed) && self.port.load(Ordering::Relaxed) == port {
            if is_greeted && !say.is_empty() {
                stream.write_all(&say.split())?;
            }
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => deframer.push(buffer[..read].to_vec().into()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
            if !is_greeted {
                is_greeted = deframer.handshake().map_err(std::io::Error::other)?.is_some();
                continue;
            }
            while let Some(message) = deframer.next(&limits).map_err(std::io::Error::other)? {
                match message {
                    Message::Choke => (is_choked, fetch) = (true, None),
                    Message::Unchoke => is_choked = false,
                    Message::Have(piece) => self.note(|seen| seen.claimed[piece as usize] = true),
                    Message::Bitfield(bits) => self.note(|seen| {
                        for (piece, claimed) in seen.claimed.iter_mut().enumerate() {
                            *claimed = bits[piece / 8] & (0x80 >> (piece % 8)) != 0;
                        }
                    }),
                    Message::Piece { piece, begin, block } => {
                        if let Some(wanted) = fetch.as_mut().filter(|fetch| fetch.piece == piece as usize) {
                            let begin = begin as usize;
                            wanted.bytes[begin..begin + block.len()].copy_from_slice(&block);
                            wanted.missing = wanted.missing.saturating_sub(block.len());
                        }
                    }
                    _ => {}
                }
                self.note(|seen| seen.has_heard = true);
            }
            if let Some(done) = fetch.take_if(|fetch| fetch.missing == 0) {
                let is_right = self.torrent.pieces[done.piece].is(&done.bytes);
                self.note(|seen| {
                    if is_right {
                        seen.right += 1;
                        seen.came[done.piece] = true;
                    } else {
                        seen.wrong.push(u32::try_from(done.piece).unwrap());
                    }
                });
            }
            // What is not answered has been taken back.
            fetch.take_if(|_| since.elapsed() > Duration::from_millis(500));
            if fetch.is_none() && !is_choked {
                fetch = self.choose();
                if let Some(fetch) = &fetch {
                    since = Instant::now();
                    ask(fetch, &mut say);
                }
            }
        }
        Ok(())
    }

    /// Something that has not come yet, if there is anything; else whatever is there.
    fn choose(&self) -> Option<Fetch> {
        let seen = self.shared.0.lock().unwrap();
        let claimed: Vec<usize> = (0..seen.claimed.len()).filter(|piece| seen.claimed[*piece]).collect();
        let new: Vec<usize> = claimed.iter().copied().filter(|piece| !seen.came[*piece]).collect();
        let piece = fastrand::choice(if new.is_empty() { claimed } else { new })?;
        let length = self.torrent.pieces[piece].length;
        Some(Fetch { piece, bytes: vec![0; length], missing: length })
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.shared.0.lock().unwrap());
        self.shared.1.notify_all();
    }
}

fn ask(fetch: &Fetch, say: &mut BytesMut) {
    let piece = u32::try_from(fetch.piece).unwrap();
    for begin in (0..fetch.bytes.len()).step_by(BLOCK) {
        let length = u32::try_from(BLOCK.min(fetch.bytes.len() - begin)).unwrap();
        let begin = u32::try_from(begin).unwrap();
        Message::Request(BlockRequest { piece, begin, length }).encode(say);
    }
}
