//! Access lines: how much a machine can send and receive, by the token buckets of Linux (tc-tbf(8)).

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Error, Result, bail, ensure};

use crate::network::{Machine, Network};

/// The capacity of an access line. It is that of a stream of TCP, in bytes of payload per second: headers are added when
/// the line is laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) upload: u64,
    /// `None`: as fast as the machine can.
    pub(crate) download: Option<u64>,
}

/// What a full segment takes on Ethernet, as the kernel counts it: headers of Ethernet, IPv4 and TCP with timestamps.
const FRAME: u64 = 14 + MTU;
const MTU: u64 = 1500;
/// What it carries.
const SEGMENT: u64 = MTU - 20 - 32;

/// Tokens that may be saved up. Room for the largest packet that a machine hands to its line at once (64 KiB with the
/// headers of all its segments); a smaller bucket would have it cut first, for nothing but work.
const BURST: u64 = 96 << 10;

/// What may wait at a line on the way out, at most, in milliseconds. The simulator loses no packets, and neither does a
/// machine on its own way out that has room: TCP keeps two packets of each connection there, no more (TCP small queues).
/// With 250 ms, lines of 1 MiB/s dropped hundreds to thousands of packets in a run.
const QUEUE_OUT_MILLIS: u64 = 2000;

/// The same on the way in: the buffer of a provider's router.
const QUEUE_IN_MILLIS: u64 = 250;

impl Line {
    /// Limits a machine's cable in both directions, and sets the machine up for it.
    pub(crate) fn lay(self, network: &Network, machine: &Machine) -> Result<()> {
        set_tcp(machine, self)?;
        must_succeed(machine.run(&bucket("eth0", self.upload, QUEUE_OUT_MILLIS)))?;
        if let Some(download) = self.download {
            must_succeed(network.on_switch(&bucket(&machine.cable, download, QUEUE_IN_MILLIS)))?;
        }
        Ok(())
    }
}

fn bucket(interface: &str, payload: u64, queue_millis: u64) -> Command {
    let rate = payload * FRAME / SEGMENT;
    let limit = BURST.max(rate * queue_millis / 1000) + BURST;
    let mut command = Command::new("tc");
    // A `bps` of tc is a byte per second.
    command.args(["qdisc", "replace", "dev", interface, "root", "tbf"]);
    command.args(["rate", &format!("{rate}bps"), "burst", &BURST.to_string(), "limit", &limit.to_string()]);
    command
}

fn must_succeed(mut command: Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// What the interface of a machine has counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counters {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Packets for which there was no room at the line on the way out.
    pub(crate) dropped: u64,
}

impl Counters {
    /// Bytes of frames. A packet that is cut only by a network card, of which there is none here, counts its headers once,
    /// so that this is little more than the payload.
    pub(crate) fn of(machine: &Machine) -> Result<Self> {
        let table = machine.inside(|| std::fs::read_to_string("/proc/thread-self/net/dev"));
        let table = table.map_err(Error::msg)??;
        let line = table.lines().find_map(|line| line.trim().strip_prefix("eth0:")).context("no eth0")?;
        let fields: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        // Eight columns of what was received, then eight of what was sent (proc(5)).
        let at = |column: usize| fields.get(column).copied().context("a column is missing");
        Ok(Self { received: at(0)?, sent: at(8)?, dropped: dropped(machine)? })
    }
}

fn dropped(machine: &Machine) -> Result<u64> {
    let mut ask = Command::new("tc");
    ask.args(["-s", "-j", "qdisc", "show", "dev", "eth0"]);
    let answer: serde_json::Value = serde_json::from_slice(&machine.run(&ask).output()?.stdout)?;
    answer[0]["drops"].as_u64().context("tc does not say how many packets it dropped")
}

/// Sends for two seconds over a line, and fails unless that is as fast as it should be.
pub(crate) fn verify(line: Line) -> Result<()> {
    const SECONDS: u64 = 2;
    const TOLERANCE: f64 = 0.03;
    let mut network = Network::new().map_err(Error::msg)?;
    let [sender, receiver] = [network.add().map_err(Error::msg)?, network.add().map_err(Error::msg)?];
    line.lay(&network, &sender)?;
    let expected = line.upload;
    let address = (receiver.address.as_str(), 7000);
    let listener = receiver.inside(|| TcpListener::bind(address)).map_err(Error::msg)??;
    let mut stream = sender.inside(|| TcpStream::connect(address)).map_err(Error::msg)??;
    let (mut incoming, _) = listener.accept()?;
    let reader = std::thread::spawn(move || -> std::io::Result<(u64, f64)> {
        let mut buffer = vec![0; 1 << 16];
        // The tokens saved up so far, and the start of TCP, are no part of it.
        incoming.read_exact(&mut vec![0; 1 << 20])?;
        let (began, mut bytes) = (Instant::now(), 0);
        loop {
            match incoming.read(&mut buffer)? {
                0 => return Ok((bytes, began.elapsed().as_secs_f64())),
                read => bytes += read as u64,
            }
        }
    });
    stream.write_all(&vec![0; usize::try_from(expected * SECONDS)? + (1 << 20)])?;
    drop(stream);
    let Ok(read) = reader.join() else { bail!("the reader has panicked") };
    let (bytes, seconds) = read?;
    let measured = bytes as f64 / seconds;
    println!(
        "a line of {:.2} MiB/s carries {:.2} MiB/s",
        expected as f64 / MIB as f64,
        measured / MIB as f64
    );
    ensure!((measured / expected as f64 - 1.0).abs() < TOLERANCE, "the line is not what it should be");
    Ok(())
}

/// Settings of TCP on a machine, of which a namespace has its own.
fn set_tcp(machine: &Machine, line: Line) -> Result<()> {
    // A namespace begins with the system's congestion control, which may be any, and Reno is the one that it may always
    // choose. (CUBIC, the usual one, behaves like it where the way is as short as here: RFC 9438, 4.3.)
    let mut settings = vec![("tcp_congestion_control", "reno")];
    // To peers less than half a millisecond away packets of 64 KiB are sent, whatever the rate, and two of them for each
    // connection wait at the line: on one of 1 MiB/s a second's worth, behind which every request waits. That is how it is
    // on a local network, but nobody behind an access line has peers that near. Without the exception packets hold a
    // millisecond's worth.
    if line.download.is_some() {
        settings.push(("tcp_tso_rtt_log", "0"));
    }
    let set = || {
        for (name, value) in settings {
            let path = format!("/proc/sys/net/ipv4/{name}");
            std::fs::write(&path, value).with_context(|| format!("cannot write {path}"))?;
        }
        Ok(())
    };
    machine.inside(set).map_err(Error::msg)?
}

pub(crate) const MIB: u64 = 1 << 20;
