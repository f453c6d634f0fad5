//! The honest ones: a seeder with a slow line, a leecher, and the victim, which takes from the one and trades with the other.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use sprat_wire::metainfo::Metainfo;
use tempfile::TempDir;

use super::attacker::Victim;
use super::until;

const PIECE_LENGTH: u64 = 256 * 1024;

/// A running `sprat`, and the file that it tells its events to.
struct Sprat {
    child: Child,
    events: PathBuf,
}

impl Sprat {
    fn start(name: &str, home: &Path, arguments: &[&str]) -> Self {
        let events = home.join(format!("{name}.events"));
        let state = home.join(format!("{name}.state"));
        let child = Command::new(env!("CARGO_BIN_EXE_sprat"))
            .arg("--json")
            .args(arguments)
            .args(["--loopback", "--allow-private", "--no-dht", "--no-lsd", "--state-dir"])
            .arg(state)
            .stdout(File::create(&events).unwrap())
            .stderr(File::create(home.join(format!("{name}.errors"))).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, events }
    }

    /// The last event that has such a field, out of the last few.
    fn last<T>(&self, pick: impl Fn(&Value) -> Option<T>) -> Option<T> {
        const TAIL: u64 = 8 * 1024;
        let mut file = File::open(&self.events).unwrap();
        let length = file.metadata().unwrap().len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).unwrap();
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        let text = String::from_utf8_lossy(&text);
        text.lines().rev().filter_map(|line| serde_json::from_str(line).ok()).find_map(|event| pick(&event))
    }

    fn downloaded(&self) -> Option<u64> {
        self.last(|event| event["downloaded"].as_u64())
    }
}

impl Drop for Sprat {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Scene {
    _home: TempDir,
    _seeder: Sprat,
    victim: Sprat,
    leecher: Sprat,
    target: Victim,
    began: Instant,
}

/// A port that nobody listens on at present.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl Scene {
    /// All three, transferring; the seeder sends so many bytes per second.
    pub(crate) fn new(length: u64, rate: u64) -> Self {
        let home = tempfile::Builder::new().tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        let mut piece = vec![0; PIECE_LENGTH as usize];
        let mut rng = fastrand::Rng::with_seed(11);
        fs::create_dir(home.path().join("shared")).unwrap();
        let mut file = File::create(home.path().join("shared/file")).unwrap();
        for _ in 0..length.div_ceil(PIECE_LENGTH) {
            rng.fill(&mut piece);
            std::io::Write::write_all(&mut file, &piece).unwrap();
        }
        let created = Command::new(env!("CARGO_BIN_EXE_sprat"))
            .args(["create", "--version", "hybrid", "--piece-length", &PIECE_LENGTH.to_string(), "--output"])
            .args([path("torrent"), path("shared/file")])
            .output()
            .unwrap();
        assert!(created.status.success(), "{created:?}");
        let metainfo = Metainfo::parse(&fs::read(path("torrent")).unwrap()).unwrap();

        let ports = [free_port(), free_port(), free_port()];
        let [seeder_port, victim_port, leecher_port] = ports.map(|port| port.to_string());
        let peers = ports.map(|port| format!("127.0.0.1:{port}"));
        let rate = rate.to_string();
        let seeder = Sprat::start(
            "seeder",
            home.path(),
            &["share", &path("shared/file"), "--torrent", &path("torrent"), "--port", &seeder_port]
                .into_iter()
                .chain(["--upload-limit", &rate, "--no-pex"])
                .collect::<Vec<_>>(),
        );
        until("the seeder", || seeder.last(|event| (event["event"] == "finished").then_some(())));
        let torrent = path("torrent");
        let get = |name: &str, port: &str, others: [&str; 2], more: &[&str]| {
            let directory = path(name);
            fs::create_dir(&directory).unwrap();
            let mut arguments = vec!["get", &torrent, "--dir", &directory, "--port", port];
            for other in others {
                arguments.extend(["--peer", other]);
            }
            arguments.extend(more);
            Sprat::start(name, home.path(), &arguments)
        };
        let victim = get("victim", &victim_port, [&peers[0], &peers[2]], &["--connections", "400"]);
        let leecher = get("leecher", &leecher_port, [&peers[0], &peers[1]], &["--no-pex"]);
        until("the transfer", || victim.downloaded().filter(|bytes| *bytes > 0));
        until("the other transfer", || leecher.downloaded().filter(|bytes| *bytes > 0));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[1]));
        let target = Victim::new(address, &metainfo);
        Self { _home: home, _seeder: seeder, victim, leecher, target, began: Instant::now() }
    }

    pub(crate) fn victim(&self) -> Victim {
        self.target
    }

    /// Bytes that the victim and the leecher have downloaded, and when that was so: just now, for it waits for news.
    pub(crate) fn transferred(&self) -> ([u64; 2], Instant) {
        let both = || Some([self.victim.downloaded()?, self.leecher.downloaded()?]);
        let before = both();
        let now = until("progress", || both().filter(|now| Some(*now) != before));
        (now, Instant::now())
    }

    /// MiB of the victim that are resident.
    pub(crate) fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.victim.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    /// Of a processor's time, since the transfer began, what the victim has used.
    pub(crate) fn processor_share(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.victim.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap());
        ticks.sum::<f64>() / 100.0 / self.began.elapsed().as_secs_f64()
    }

    /// Nobody has ended, and nothing wrong was received.
    pub(crate) fn must_be_well(&mut self) {
        for one in [&mut self.victim, &mut self.leecher] {
            let end = one.child.try_wait().unwrap();
            assert!(end.is_none(), "{}: {end:?}", one.events.display());
            assert_eq!(one.last(|event| event["rejected_pieces"].as_u64()), Some(0));
        }
    }
}
