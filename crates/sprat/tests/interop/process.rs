//! Programs that end with the test that started them, the ports they listen on, and waiting for them.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Between two looks at another program's state.
const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// How much of a log a failure shows, in bytes.
const LOG_TAIL: usize = 3000;

/// A running program, with what it prints in a file. It is killed when this is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Held open, since some programs end when their input does.
    _input: Option<ChildStdin>,
}

impl Process {
    /// Starts a program that logs into a directory.
    pub(crate) fn start(name: &str, command: &mut Command, directory: &Path) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let input = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, log, _input: input })
    }

    /// Its process id.
    #[allow(dead_code, reason = "for the benchmark, which shares this file")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the program has printed so far.
    pub(crate) fn output(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// The end of that, for a failure message.
    pub(crate) fn log_tail(&self) -> String {
        let mut lines: Vec<_> =
            self.output().unwrap_or_else(|error| error.to_string()).lines().map(str::to_owned).collect();
        // Progress that is none.
        lines.dedup();
        let text = lines.join("\n");
        let from = text.len().saturating_sub(LOG_TAIL);
        let tail =
            text.char_indices().find(|(position, _)| *position >= from).map_or(0, |(position, _)| position);
        format!("--- {} ---\n{}\n", self.name, text.get(tail..).unwrap_or_default())
    }

    /// Fails if the program has ended although it should still be there.
    pub(crate) fn must_be_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended early: {status}", self.name),
            None => Ok(()),
        }
    }

    /// Asks the program to end, and says how long that took.
    #[allow(dead_code, reason = "for the benchmark, which shares this file")]
    pub(crate) fn end(&mut self, limit: Duration) -> Result<Duration> {
        let asked = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > limit {
                bail!("{} has not ended after {limit:?}", self.name);
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(asked.elapsed())
    }

    /// Fails if the program has ended with an error.
    pub(crate) fn must_not_have_failed(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) if !status.success() => bail!("{} failed: {status}", self.name),
            Some(_) | None => Ok(()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until the answer is yes.
pub(crate) fn wait_until(
    what: &str,
    timeout: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    while !condition().with_context(|| format!("while waiting until {what}"))? {
        if start.elapsed() > timeout {
            bail!("waited {} s in vain until {what}", timeout.as_secs());
        }
        thread::sleep(POLL_INTERVAL);
    }
    println!("{:>6.1} s until {what}", start.elapsed().as_secs_f64());
    Ok(())
}

/// Whether a program is in the path.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// "not installed", in the words of everything that is looked for in the path.
pub(crate) fn absence_of(program: &str) -> Option<String> {
    (!is_installed(program)).then(|| format!("{program} is not installed"))
}

/// Where everything happens.
pub(crate) const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The address of this machine to others, or loopback where there is none. The packets stay within the machine either
/// way, but some clients do not believe in peers on loopback.
#[allow(dead_code, reason = "for the benchmarks, which share this file")]
pub(crate) fn own_address() -> IpAddr {
    // Nothing is sent: connecting a datagram socket only chooses a route. The address is one for documentation.
    let route = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(203, 0, 113, 1), 9))?;
        socket.local_addr()
    });
    route.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

/// A port that nothing listens on, neither TCP nor UDP. Below the range from which the system takes the ports of
/// outgoing connections, so that it stays free until we use it; tests in other processes look elsewhere first.
pub(crate) fn free_port() -> Result<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(std::process::id() % 187).unwrap_or_default() * 64;
    for _ in 0..COUNT {
        let offset = process.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let address = ("0.0.0.0", FIRST + offset);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return Ok(address.1);
        }
    }
    bail!("no port is free");
}
