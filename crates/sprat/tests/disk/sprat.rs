//! A running `sprat` and what it says, event by event.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

/// Nothing that is waited for takes longer, unless it never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What every command of these tests has.
pub(crate) const NETWORK: [&str; 5] = ["--loopback", "--no-dht", "--allow-private", "--port", "0"];

/// A process. Killed when dropped, with whatever it has started.
pub(crate) struct Sprat {
    child: Child,
    events: Mutex<Receiver<Value>>,
    /// All that was said so far, but progress only where it differs from the one before.
    pub(crate) said: Vec<Value>,
    /// The last progress.
    pub(crate) progress: Option<Value>,
    errors: PathBuf,
    status: Option<ExitStatus>,
}

impl Sprat {
    /// Starts the program with these arguments; what it writes to standard error goes to a file in `home`.
    pub(crate) fn start(home: &Path, arguments: &[String]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_sprat")), home, arguments)
    }

    /// As [`Self::start`], by a command that runs it.
    pub(crate) fn start_by(mut command: Command, home: &Path, arguments: &[String]) -> Self {
        let errors = home.join(format!("errors-{}", unused_name()));
        let mut child = command
            .arg("--json")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let Ok(event) = serde_json::from_str(&line) else { continue };
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, events: Mutex::new(events), said: Vec::new(), progress: None, errors, status: None }
    }

    /// The next event; `None` when the program has ended or `until` has come.
    pub(crate) fn next(&mut self, until: Instant) -> Result<Value, RecvTimeoutError> {
        let left = until.saturating_duration_since(Instant::now());
        let event = self.events.get_mut().unwrap().recv_timeout(left)?;
        if event["event"] == "progress" {
            if self.progress.as_ref() != Some(&event) {
                self.said.push(event.clone());
            }
            self.progress = Some(event.clone());
        } else {
            self.said.push(event.clone());
        }
        Ok(event)
    }

    /// The next event for which `pick` has an answer.
    pub(crate) fn wait_for<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut pick: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T, String> {
        let start = Instant::now();
        loop {
            match self.next(start + within) {
                Ok(event) => {
                    if let Some(found) = pick(&event) {
                        return Ok(found);
                    }
                }
                Err(error) => {
                    let how = match error {
                        RecvTimeoutError::Timeout => format!("not within {} s", within.as_secs()),
                        RecvTimeoutError::Disconnected => "it has ended".to_owned(),
                    };
                    return Err(format!("no {what}: {how}; {}", self.story()));
                }
            }
        }
    }

    pub(crate) fn wait_for_event(&mut self, name: &str, within: Duration) -> Result<(), String> {
        self.wait_for(name, within, |event| (event["event"] == name).then_some(()))
    }

    /// The port on which it listens.
    pub(crate) fn port(&mut self) -> Result<u16, String> {
        let port = |event: &Value| event["port"].as_u64();
        self.wait_for("port", PATIENCE, port).map(|port| u16::try_from(port).unwrap())
    }

    /// Takes in whatever it says until then, or its end.
    pub(crate) fn listen_until(&mut self, until: Instant) {
        while self.next(until).is_ok() {}
    }

    pub(crate) fn has_said(&self, event: &str) -> bool {
        self.said.iter().any(|said| said["event"] == event)
    }

    /// The durable pieces that it has said it has, most recently.
    pub(crate) fn pieces_had(&self) -> u64 {
        self.progress.as_ref().and_then(|event| event["pieces_have"].as_u64()).unwrap_or(0)
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid(), signal);
    }

    /// The bytes that it has read from files so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        let account = fs::read_to_string(format!("/proc/{}/io", self.child.id())).unwrap();
        account.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
    }

    /// SIGKILL: no destructor, no flush, no farewell. What was said before is taken in.
    pub(crate) fn kill(&mut self) {
        let _ = kill_process_group(self.pid(), Signal::KILL);
        self.status = self.child.wait().ok();
        self.listen_until(Instant::now() + PATIENCE);
    }

    /// Waits until it ends by itself.
    pub(crate) fn end(&mut self, within: Duration) -> Result<ExitStatus, String> {
        let until = Instant::now() + within;
        loop {
            match self.next(until) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("it does not end within {} s; {}", within.as_secs(), self.story()));
                }
            }
        }
        // Its output is closed, so it is about to go.
        let status = self.child.wait().unwrap();
        self.status = Some(status);
        Ok(status)
    }

    /// Neither a panic, of whatever thread, nor a signal but those of the test (SIGINT kills before anybody listens for it).
    pub(crate) fn must_not_have_crashed(&self) -> Result<(), String> {
        let errors = self.errors();
        let signal = self.status.and_then(|status| status.signal()).filter(|signal| ![2, 9].contains(signal));
        if errors.contains("panicked") || signal.is_some() {
            return Err(format!("it crashed, signal {signal:?}; {}", self.story()));
        }
        Ok(())
    }

    pub(crate) fn errors(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// What it has said, for a failure.
    pub(crate) fn story(&self) -> String {
        let last = self.said.len().saturating_sub(12);
        let said: Vec<String> = self.said[last..].iter().map(Value::to_string).collect();
        let errors = self.errors();
        format!("it said:\n    {}\n    errors: {errors}", said.join("\n    "))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Sprat {
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// A name that no other has.
fn unused_name() -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string()
}

/// The arguments of `sprat get`, to which more can be added.
pub(crate) fn get(torrent: &Path, directory: &Path, state: &Path) -> Vec<String> {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut arguments = vec!["get".to_owned(), text(torrent), "--dir".to_owned(), text(directory)];
    arguments.extend(["--state-dir".to_owned(), text(state)]);
    arguments.extend(NETWORK.map(str::to_owned));
    arguments
}
