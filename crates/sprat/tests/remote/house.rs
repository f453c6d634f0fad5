//! A user with a home, a daemon in it, and somebody who shares a torrent.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use sprat_daemon::access::{Access, Tokens};
use sprat_daemon::state::State;

/// A running `sprat` and what it says, line by line. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// The next object for which `pick` has an answer.
    pub(crate) fn wait_for<T>(&mut self, pick: impl Fn(&Value) -> Option<T>) -> T {
        for line in &mut self.lines {
            let line = line.unwrap();
            if let Some(found) = serde_json::from_str(&line).ok().and_then(|object| pick(&object)) {
                return found;
            }
        }
        panic!("it ended without it: {:?}", self.child.wait())
    }

    /// What it says until it ends, and whether it ends well.
    pub(crate) fn end(mut self) -> (Vec<String>, bool) {
        let lines = (&mut self.lines).map(Result::unwrap).collect();
        (lines, self.child.wait().unwrap().success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command has said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Somebody's home, with a configuration in it.
pub(crate) struct House {
    home: tempfile::TempDir,
}

impl House {
    /// Nothing runs yet. The daemon is to listen there, below `api`.
    pub(crate) fn new(listen: &str) -> Self {
        let house = Self { home: tempfile::tempdir().unwrap() };
        let root = house.path("").display().to_string();
        fs::create_dir_all(house.path("config/sprat")).unwrap();
        fs::create_dir_all(house.path("Downloads")).unwrap();
        let configuration = format!(
            "[api]\nlisten = [\"{}\"]\n[paths]\nroots = [\"{root}\"]\n[addresses]\nallow_private = true\n\
             [peers]\nport = 0\naddresses = [\"127.0.0.1\"]\ndht = false\nlsd = false\n",
            listen.replace("HOME", root.trim_end_matches('/')),
        );
        fs::write(house.path("config/sprat/sprat.toml"), configuration).unwrap();
        house
    }

    /// Has the daemon speak TLS, with a certificate for `localhost` that nobody else vouches for. Where that is.
    pub(crate) fn secured(&self) -> PathBuf {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (certificate, key) = (self.path("certificate.pem"), self.path("key.pem"));
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let file = self.path("config/sprat/sprat.toml");
        let tls = format!("[api]\ntls_certificate = {certificate:?}\ntls_key = {key:?}\n");
        fs::write(&file, fs::read_to_string(&file).unwrap().replace("[api]\n", &tls)).unwrap();
        certificate
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn state(&self) -> PathBuf {
        self.path("state/sprat")
    }

    /// A token that allows to look only, in a file. To be made before the daemon runs.
    pub(crate) fn read_only_token(&self) -> PathBuf {
        fs::create_dir_all(self.state()).unwrap();
        let state = State::open(&self.state()).unwrap();
        let tokens = Tokens::open(&self.state(), state.ledger.handle()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let made = runtime.block_on(tokens.create("looker", Access::ReadOnly));
        let file = self.path("read-only");
        fs::write(&file, made.unwrap().1.reveal()).unwrap();
        file
    }

    fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sprat"));
        command
            .args(arguments)
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env_remove("SPRAT_DAEMON")
            .env_remove("SPRAT_TOKEN_FILE")
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    /// Starts a command that goes on, with JSON.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(&[&["--json"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }

    /// Starts the daemon, and waits until it answers. Where it listens for TCP.
    pub(crate) fn daemon(&self) -> (Running, Vec<String>) {
        let mut daemon = self.start(&["daemon"]);
        let ready = daemon.wait_for(|event| (event["event"] == "ready").then(|| event["listening"].clone()));
        (daemon, serde_json::from_value(ready).unwrap())
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    /// Runs a command to its end, with these authorities in place of the system's.
    pub(crate) fn run_trusting(&self, authorities: &Path, arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        Said::of(command.env("SSL_CERT_FILE", authorities).env_remove("SSL_CERT_DIR").output().unwrap())
    }

    /// Runs a command that has to succeed. What it prints.
    pub(crate) fn text_of(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {} {}", said.out, said.err);
        said.out
    }

    /// Runs a command that has to succeed. The objects that it prints.
    pub(crate) fn json_of(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.text_of(&[&["--json"], arguments].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Somebody shares a directory of two files, the first of which does not end with a piece. The torrent file is at
    /// `content.torrent`. With the port at which peers reach it.
    pub(crate) fn sharer(&self) -> (Running, u64) {
        let directory = self.path("shared/content");
        fs::create_dir_all(&directory).unwrap();
        for (seed, (name, length)) in [("first", 100_000), ("second", 30_000)].into_iter().enumerate() {
            fs::write(directory.join(name), content(seed as u64, length)).unwrap();
        }
        let mut sharer = self.start(&[
            "share",
            &self.text("shared/content"),
            "--output",
            &self.text("content.torrent"),
            "--piece-length",
            "16K",
            "--loopback",
            "--no-dht",
            "--allow-private",
            "--port",
            "0",
            "--state-dir",
            &self.text("sharer.state"),
        ]);
        let port = sharer.wait_for(|event| event["port"].as_u64());
        sharer.wait_for(|event| (event["event"] == "finished").then_some(()));
        (sharer, port)
    }

    /// Waits until a torrent of the daemon is like this, by the daemon's stream of events.
    pub(crate) fn until(&self, is_so: impl Fn(&Value) -> bool) {
        let token = fs::read_to_string(self.state().join("token")).unwrap();
        let mut stream = UnixStream::connect(self.path("socket")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let token = token.trim();
        write!(
            stream,
            "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
        .unwrap();
        for line in BufReader::new(stream).lines() {
            let line = line.unwrap();
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let page: Value = serde_json::from_str(data).unwrap();
            if page["torrents"].as_array().is_some_and(|torrents| torrents.iter().any(&is_so)) {
                return;
            }
        }
        panic!("the daemon has ended");
    }

    /// A torrent file of some content that nobody shares.
    pub(crate) fn torrent(&self, name: &str, seed: u64) -> String {
        let file = self.path(name);
        fs::write(&file, content(seed, 50_000)).unwrap();
        let torrent = self.text(&format!("{name}.torrent"));
        self.text_of(&["create", &file.display().to_string(), "--output", &torrent]);
        fs::remove_file(file).unwrap();
        torrent
    }
}

fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut content = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut content);
    content
}

/// Whether two directories hold the same files.
pub(crate) fn are_alike(one: &Path, other: &Path) -> bool {
    ["first", "second"].iter().all(|name| {
        fs::read(one.join(name)).is_ok_and(|bytes| fs::read(other.join(name)).is_ok_and(|copy| copy == bytes))
    })
}
