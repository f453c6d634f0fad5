//! What daemons are kept busy with: many small torrents that seed, a large one that is fetched over and over, one that is checked over
//! and over, and two on a slow disk, of which one is checked and one fetched.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;
use sprat_engine::create::{CreateOptions, create};
use sprat_engine::tracker_server::{TrackerHandle, TrackerServer, TrackerServerConfig};
use sprat_wire::metainfo::Version;
use sprat_wire::metainfo::build::Description;

use crate::daemons::{Api, Stage, Torrent};
use crate::keep_alive::KeepAlive;
use crate::process::{Process, free_port, own_address, wait_until};
use crate::shared_content::write_random;
use crate::slow_disk::SlowDisk;

/// Bytes of a small file: a piece and a half.
const SMALL: usize = 24 * 1024;

/// Copies of the large file, all the same one, of which the torrent that is checked consists: it takes a few seconds.
const COPIES: usize = 4;

/// A call of the slow disk takes so much longer.
const SLOW: Duration = Duration::from_secs(2);

/// Between two looks at a torrent.
const LOOK: Duration = Duration::from_millis(250);

/// What was asked for has been noticed after this.
const NOTICED: Duration = Duration::from_millis(1500);

/// For hashing the large file.
const SEEDER_LIMIT: Duration = Duration::from_secs(120);

/// All torrents with their files, and whoever else takes part.
pub(crate) struct Contents {
    /// In the order of their names.
    pub(crate) small: Vec<Torrent>,
    /// To be fetched.
    pub(crate) fetched: Torrent,
    /// To be checked.
    pub(crate) checked: Torrent,
    /// On the slow disk: there, and to be fetched. None if that could not be mounted.
    pub(crate) slow: Option<[Torrent; 2]>,
    /// Which files daemons make, to be cleared away before the next one.
    made: Vec<PathBuf>,
    _seeders: Vec<Process>,
    _tracker: TrackerHandle,
    _slow_disk: Option<SlowDisk>,
}

impl Contents {
    /// Makes so many small files, a large one of so many MiB, and all torrents below a directory; starts seeders of what is to be fetched.
    pub(crate) fn make(directory: &Path, torrents: usize, mib: u64) -> Result<Self> {
        let maker = Maker::new(directory)?;
        let small = (0..torrents).map(|number| maker.small(number)).collect::<Result<_>>()?;

        let large = directory.join("large.bin");
        write_random(&large, mib << 20, &mut fastrand::Rng::with_seed(42))?;
        let fetching = directory.join("fetched");
        let fetched = maker.large(&large, 1 << 20, &fetching)?;

        let copies = directory.join("checked/copies");
        fs::create_dir_all(&copies)?;
        for copy in 0..COPIES {
            fs::hard_link(&large, copies.join(format!("{copy}.bin")))?;
        }
        let checked = maker.large(&copies, 1 << 20, &directory.join("checked"))?;

        let mut made = vec![fetching];
        let mut seeders = vec![maker.seeder("seeder", &large, &fetched)?];
        let (mut slow, mut slow_disk) = (None, None);
        let (behind, mountpoint) = (directory.join("behind-slow"), directory.join("slow"));
        fs::create_dir_all(behind.join("there"))?;
        fs::create_dir_all(&mountpoint)?;
        match SlowDisk::mount(&behind, &mountpoint, SLOW) {
            Ok(disk) => {
                // Other lengths of pieces make other torrents of the same file.
                let there = maker.large(&large, 512 << 10, &mountpoint.join("there"))?;
                fs::hard_link(&large, behind.join("there/large.bin"))?;
                let fetched = maker.large(&large, 256 << 10, &mountpoint.join("fetched"))?;
                seeders.push(maker.seeder("seeder-for-slow", &large, &fetched)?);
                made.push(behind.join("fetched"));
                slow = Some([there, fetched]);
                slow_disk = Some(disk);
            }
            Err(error) => println!("without a slow disk: {error:#}"),
        }
        maker.until_known(&mut seeders)?;
        Ok(Self {
            small,
            fetched,
            checked,
            slow,
            made,
            _seeders: seeders,
            _tracker: maker.tracker,
            _slow_disk: slow_disk,
        })
    }

    /// Leaves nothing of what the last daemon has fetched.
    pub(crate) fn clear(&self) -> Result<()> {
        for directory in &self.made {
            if directory.exists() {
                fs::remove_dir_all(directory)?;
            }
            fs::create_dir_all(directory)?;
        }
        Ok(())
    }
}

/// Makes torrents of what lies below a directory, and knows their tracker.
struct Maker<'a> {
    directory: &'a Path,
    tracker: TrackerHandle,
    tracker_address: SocketAddr,
}

impl<'a> Maker<'a> {
    fn new(directory: &'a Path) -> Result<Self> {
        let config = TrackerServerConfig {
            http: vec![SocketAddr::new(own_address(), 0)],
            ..TrackerServerConfig::default()
        };
        let tracker = TrackerServer::spawn(config)?;
        let tracker_address = tracker.http_addresses().first().copied().context("a tracker")?;
        Ok(Self { directory, tracker, tracker_address })
    }

    /// A small one without a tracker, and its file.
    fn small(&self, number: usize) -> Result<Torrent> {
        let directory = self.directory.join("small");
        fs::create_dir_all(&directory)?;
        let path = directory.join(format!("small-{number:06}.bin"));
        let mut bytes = vec![0; SMALL];
        fastrand::Rng::with_seed(number as u64).fill(&mut bytes);
        fs::write(&path, bytes)?;
        torrent_of(path, 16 << 10, &directory, Vec::new())
    }

    /// One that is to lie in a directory.
    fn large(&self, path: &Path, piece_length: u32, directory: &Path) -> Result<Torrent> {
        let tracker = format!("http://{}/announce", self.tracker_address);
        torrent_of(path.to_path_buf(), piece_length, directory, vec![tracker])
    }

    /// `sprat get`, with the file there already.
    fn seeder(&self, name: &str, file: &Path, torrent: &Torrent) -> Result<Process> {
        let place = self.directory.join(name);
        fs::create_dir_all(&place)?;
        fs::hard_link(file, place.join("large.bin"))?;
        let metainfo = place.join("large.torrent");
        fs::write(&metainfo, &torrent.metainfo)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_sprat"));
        command.args(["--json", "get"]).arg(&metainfo).arg("--dir").arg(&place).arg("--seed");
        command.arg("--state-dir").arg(place.join("state")).args(["--port", &free_port()?.to_string()]);
        command.args(["--allow-private", "--no-dht", "--no-lsd", "--no-pex"]);
        Process::start(name, &mut command, &place)
    }

    fn until_known(&self, seeders: &mut [Process]) -> Result<()> {
        let mut http = KeepAlive::to(self.tracker_address)?;
        wait_until("the tracker knows the seeders", SEEDER_LIMIT, || {
            for seeder in seeders.iter_mut() {
                seeder.must_be_running()?;
            }
            let stats: Value = serde_json::from_slice(&http.ask("GET", "/stats", &[], "")?.success()?)?;
            Ok(stats["peers"]["seeder"].as_u64() == Some(seeders.len() as u64))
        })
    }
}

fn torrent_of(path: PathBuf, piece_length: u32, directory: &Path, trackers: Vec<String>) -> Result<Torrent> {
    let description = Description {
        trackers: trackers.into_iter().map(|tracker| vec![tracker]).collect(),
        ..Description::default()
    };
    let options = CreateOptions {
        path,
        version: Version::V1,
        piece_length: Some(piece_length),
        threads: None,
        description,
    };
    let created = create(&options, &|_, _| {})?;
    let hash = created.metainfo.info_hashes.primary().to_string();
    Ok(Torrent { metainfo: created.bytes, hash, directory: directory.to_path_buf() })
}

/// Has a torrent fetched, removed with its files, and fetched again, until it is to stop. Returns the bytes of a second.
pub(crate) fn fetch_again_and_again(api: &mut dyn Api, torrent: &Torrent, stop: &AtomicBool) -> Result<f64> {
    let began = Instant::now();
    let mut fetched = 0;
    while !stop.load(Ordering::Relaxed) {
        api.add(std::slice::from_ref(torrent))?;
        let mut have = 0;
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
            let Some(progress) = api.progress(&torrent.hash)? else { continue };
            have = progress.have;
            if progress.stage == Stage::Seeding {
                break;
            }
        }
        fetched += have;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        api.remove(&torrent.hash)?;
        while api.progress(&torrent.hash)?.is_some() {
            thread::sleep(LOOK);
        }
        // The files go after the torrent has.
        while fs::read_dir(&torrent.directory).is_ok_and(|mut list| list.next().is_some()) {
            thread::sleep(LOOK);
        }
    }
    Ok(fetched as f64 / began.elapsed().as_secs_f64())
}

/// Has a torrent that is there checked again as soon as it was checked, until it is to stop. Returns how often it was.
pub(crate) fn check_again_and_again(api: &mut dyn Api, torrent: &Torrent, stop: &AtomicBool) -> Result<u32> {
    let mut checks = 0;
    while !stop.load(Ordering::Relaxed) {
        api.recheck(&torrent.hash)?;
        thread::sleep(NOTICED);
        while api.progress(&torrent.hash)?.is_none_or(|progress| progress.stage != Stage::Seeding) {
            if stop.load(Ordering::Relaxed) {
                return Ok(checks);
            }
            thread::sleep(LOOK);
        }
        checks += 1;
    }
    Ok(checks)
}
