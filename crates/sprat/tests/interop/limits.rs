//! What this machine takes for the parts that no client can do without: CPU seconds per GiB of a thread that does
//! nothing else, user and system.

use std::fs::File;
use std::hint::black_box;
use std::io::{IoSlice, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::net::SendFlags;
use rustix::pipe::SpliceFlags;
use rustix::time::{ClockId, clock_gettime};
use sprat_hash::{Batch, Implementation};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A block and the header in front of it: what a `piece` message is made of.
const BLOCK: usize = 16 * KIB;
const HEADER: [u8; 13] = [0; 13];

/// What a client reads or writes at once, where that is its choice.
const STRETCH: usize = 256 * KIB;

/// Pieces that are hashed together, of 1 MiB each.
const LANES: usize = 16;

/// One thing to be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// From loopback TCP, so many bytes at a time.
    Receive(usize),
    /// To loopback TCP, the same bytes over and over. It includes most of the kernel's work for the receiver.
    Send,
    /// As a seeder has to: out of a file by `pread`, to the network by `writev`, a header before each block.
    ReadAndSend,
    /// The same without copies: from the file into a pipe and on into the socket, a header before each block.
    Splice,
    /// The same by a `sendfile` for each block.
    SendFile,
    /// Receiving what comes without a copy: what a sender saves there, the receiver pays on loopback.
    ReceiveSpliced,
    /// SHA-1 of pieces one after the other.
    Sha1,
    /// SHA-1 of sixteen pieces side by side.
    Sha1Lanes,
    /// SHA-256 of blocks one after the other.
    Sha256,
    /// SHA-256 of sixteen blocks side by side.
    Sha256Lanes,
    /// Out of a file that is in memory.
    ReadFile,
    /// To a new file, so many bytes at a time.
    WriteFile(usize),
}

impl Limit {
    pub(crate) const ALL: [Self; 14] = [
        Self::Receive(STRETCH),
        Self::Receive(BLOCK),
        Self::Send,
        Self::ReadAndSend,
        Self::Splice,
        Self::ReceiveSpliced,
        Self::SendFile,
        Self::Sha1,
        Self::Sha1Lanes,
        Self::Sha256,
        Self::Sha256Lanes,
        Self::ReadFile,
        Self::WriteFile(MIB),
        Self::WriteFile(BLOCK),
    ];

    /// What a leecher of v1 has to do: receive, hash many pieces at once, write.
    pub(crate) const LEECHER: [Self; 3] = [Self::Receive(STRETCH), Self::Sha1Lanes, Self::WriteFile(MIB)];

    /// What a seeder has to do.
    pub(crate) const SEEDER: [Self; 1] = [Self::ReadAndSend];
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Receive(length) => write!(f, "receive, {} KiB at a time", length / KIB),
            Self::Send => write!(f, "send the same 256 KiB"),
            Self::ReadAndSend => write!(f, "pread and send with headers"),
            Self::Splice => write!(f, "splice by way of a pipe, with headers"),
            Self::SendFile => write!(f, "sendfile, with headers"),
            Self::ReceiveSpliced => write!(f, "receive what is spliced"),
            Self::Sha1 => write!(f, "SHA-1, one by one"),
            Self::Sha1Lanes => write!(f, "SHA-1, sixteen at once"),
            Self::Sha256 => write!(f, "SHA-256, one by one"),
            Self::Sha256Lanes => write!(f, "SHA-256, sixteen at once"),
            Self::ReadFile => write!(f, "pread, 256 KiB at a time"),
            Self::WriteFile(length) => write!(f, "write a new file, {} KiB at a time", length / KIB),
        }
    }
}

/// A file that is in the page cache, and a place for others beside it.
pub(crate) struct Bench {
    source: File,
    target: PathBuf,
    length: usize,
}

impl Bench {
    /// `source` is a file of a length that is a multiple of 16 MiB.
    pub(crate) fn new(source: &Path, directory: &Path) -> Result<Self> {
        let source = File::open(source)?;
        let length = usize::try_from(source.metadata()?.len())?;
        ensure!(length > 0 && length.is_multiple_of(LANES * MIB), "a multiple of 16 MiB");
        Ok(Self { source, target: directory.join("limit.bin"), length })
    }

    /// CPU seconds per GiB of all `limits` together.
    pub(crate) fn sum(&self, limits: &[Limit]) -> Result<f64> {
        limits.iter().map(|limit| self.measure(*limit)).sum()
    }

    /// CPU seconds per GiB.
    pub(crate) fn measure(&self, limit: Limit) -> Result<f64> {
        let time = match limit {
            Limit::Receive(chunk) => self.transfer(hot, chunk)?.1,
            Limit::Send => self.transfer(hot, STRETCH)?.0,
            Limit::ReadAndSend => self.transfer(read_and_send, STRETCH)?.0,
            Limit::Splice => self.transfer(splice, STRETCH)?.0,
            Limit::ReceiveSpliced => self.transfer(splice, STRETCH)?.1,
            Limit::SendFile => self.transfer(send_file, STRETCH)?.0,
            Limit::Sha1 => {
                let one_by_one = one_by_one()?;
                self.hash(MIB, |batch| batch.sha1_by(one_by_one, black_box(&mut Vec::new())))?
            }
            Limit::Sha1Lanes => self.hash(MIB, |batch| batch.sha1(black_box(&mut Vec::new())))?,
            Limit::Sha256 => {
                let one_by_one = one_by_one()?;
                self.hash(BLOCK, |batch| batch.sha256_by(one_by_one, black_box(&mut Vec::new())))?
            }
            Limit::Sha256Lanes => self.hash(BLOCK, |batch| batch.sha256(black_box(&mut Vec::new())))?,
            Limit::ReadFile => {
                let mut buffer = vec![0; STRETCH];
                let before = thread_time();
                for at in (0..self.length).step_by(STRETCH) {
                    self.source.read_exact_at(&mut buffer, at as u64)?;
                    black_box(&mut buffer);
                }
                thread_time() - before
            }
            Limit::WriteFile(chunk) => {
                let buffer = vec![7; chunk];
                // Twice the same file would not need new pages.
                let _ = std::fs::remove_file(&self.target);
                let before = thread_time();
                let file = File::create(&self.target)?;
                for at in (0..self.length).step_by(chunk) {
                    file.write_all_at(&buffer, at as u64)?;
                }
                let time = thread_time() - before;
                std::fs::remove_file(&self.target)?;
                time
            }
        };
        Ok(time.as_secs_f64() / (self.length as f64 / (KIB * MIB) as f64))
    }

    /// What the sender and the receiver take, which reads `chunk` bytes at a time.
    fn transfer(
        &self,
        send: fn(&File, usize, &TcpStream) -> Result<()>,
        chunk: usize,
    ) -> Result<(Duration, Duration)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let sender = TcpStream::connect(listener.local_addr()?)?;
        sender.set_nodelay(true)?;
        let (mut receiver, _) = listener.accept()?;
        let receive = std::thread::spawn(move || -> Result<Duration> {
            let mut buffer = vec![0; chunk];
            let before = thread_time();
            while receiver.read(&mut buffer)? > 0 {}
            Ok(thread_time() - before)
        });
        let before = thread_time();
        send(&self.source, self.length, &sender)?;
        let sending = thread_time() - before;
        drop(sender);
        let receiving = receive.join().ok().context("the receiver panicked")??;
        Ok((sending, receiving))
    }

    /// Hashes everything, sixteen pieces in memory at a time, cut into messages of one length.
    fn hash(&self, message: usize, hash: impl Fn(&Batch<'_>)) -> Result<Duration> {
        let mut buffer = vec![0; LANES * MIB];
        let mut time = Duration::ZERO;
        for at in (0..self.length).step_by(buffer.len()) {
            self.source.read_exact_at(&mut buffer, at as u64)?;
            let before = thread_time();
            let messages: Vec<&[u8]> = buffer.chunks(message).collect();
            for messages in messages.chunks(LANES) {
                hash(&messages.iter().copied().collect());
            }
            time += thread_time() - before;
        }
        Ok(time)
    }
}

/// The implementation that takes messages one by one.
fn one_by_one() -> Result<Implementation> {
    Implementation::available().into_iter().next_back().context("no implementation")
}

fn hot(_: &File, length: usize, mut socket: &TcpStream) -> Result<()> {
    let buffer = vec![7; STRETCH];
    for _ in (0..length).step_by(STRETCH) {
        socket.write_all(&buffer)?;
    }
    Ok(())
}

fn read_and_send(file: &File, length: usize, mut socket: &TcpStream) -> Result<()> {
    let mut buffer = vec![0; STRETCH];
    for at in (0..length).step_by(STRETCH) {
        file.read_exact_at(&mut buffer, at as u64)?;
        let blocks = buffer.chunks(BLOCK);
        let mut slices: Vec<IoSlice<'_>> =
            blocks.flat_map(|block| [IoSlice::new(&HEADER), IoSlice::new(block)]).collect();
        let mut slices = slices.as_mut_slice();
        while !slices.is_empty() {
            let sent = socket.write_vectored(slices)?;
            IoSlice::advance_slices(&mut slices, sent);
        }
    }
    Ok(())
}

fn splice(file: &File, length: usize, socket: &TcpStream) -> Result<()> {
    let (output, input): (OwnedFd, OwnedFd) = rustix::pipe::pipe()?;
    rustix::pipe::fcntl_setpipe_size(&input, MIB)?;
    for at in (0..length).step_by(STRETCH) {
        let mut offset = at as u64;
        let end = offset + STRETCH as u64;
        while offset < end {
            let rest = usize::try_from(end - offset)?;
            rustix::pipe::splice(file, Some(&mut offset), &input, None, rest, SpliceFlags::empty())?;
        }
        for _ in 0..STRETCH / BLOCK {
            rustix::net::send(socket, &HEADER, SendFlags::MORE)?;
            let mut left = BLOCK;
            while left > 0 {
                left -= rustix::pipe::splice(&output, None, socket, None, left, SpliceFlags::MORE)?;
            }
        }
    }
    Ok(())
}

fn send_file(file: &File, length: usize, socket: &TcpStream) -> Result<()> {
    let mut offset = 0;
    while offset < length as u64 {
        rustix::net::send(socket, &HEADER, SendFlags::MORE)?;
        let end = offset + BLOCK as u64;
        while offset < end {
            let rest = usize::try_from(end - offset)?;
            rustix::fs::sendfile(socket, file, Some(&mut offset), rest)?;
        }
    }
    Ok(())
}

/// What this thread has used so far.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
