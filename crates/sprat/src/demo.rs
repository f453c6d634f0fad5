//! `sprat demo`: a file crosses a swarm of real sessions on this machine, and a picture of it is left behind.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;
use sprat_engine::verify::verify;

use crate::cli::DemoArgs;
use crate::exit::{Failure, fail};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::text;

mod account;
mod picture;
mod swarm;
mod table;

use account::Account;
use swarm::Swarm;

/// How often the swarm is looked at.
const SAMPLE: Duration = Duration::from_millis(250);

/// No swarm of the demo takes longer, unless something is wrong.
const TIME_LIMIT: Duration = Duration::from_secs(1800);

/// What the rate limits allow at the best.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// Seconds until the last leecher can have the file at the earliest (Kumar and Ross 2006).
    pub(crate) seconds: f64,
}

impl Bound {
    /// max(F/u_seed, F/d_min, N·F/(u_seed + Σu_i)); the demo does not limit downloads, so d_min drops out.
    fn new(file: u64, leechers: usize, seed_rate: u64, peer_rate: u64) -> Self {
        let (file, leechers) = (file as f64, leechers as f64);
        let (seed, peer) = (seed_rate as f64, peer_rate as f64);
        Self { seconds: (file / seed).max(leechers * file / (seed + leechers * peer)) }
    }
}

pub(crate) async fn run(args: DemoArgs, output: Output) -> anyhow::Result<()> {
    anyhow::ensure!((1..=64).contains(&args.leechers), "--leechers: 1 to 64");
    anyhow::ensure!(args.seed_rate > 0 && args.peer_rate > 0, "the rates must not be zero");
    // From here on Ctrl-C is ours to handle: the files of the demo do not stay behind.
    let mut interrupts = Interrupts::new()?;
    let place = Place::new(args.keep.as_deref())?;
    place.must_hold(&args)?;
    let file = match &args.file {
        Some(file) => file.clone(),
        None => make_file(&place.path, args.size, output)?,
    };
    let mut swarm = Swarm::start(&args, &file, &place.path, output).await?;
    let length = swarm.content_length;
    let bound = Bound::new(length, args.leechers, args.seed_rate, args.peer_rate);
    output.line(format_args!(
        "seeder {} up, {} leechers {} up each: no swarm can be faster than {:.1} s\n",
        text::rate(args.seed_rate),
        args.leechers,
        text::rate(args.peer_rate),
        bound.seconds
    ));
    let result = watch(&mut swarm, &mut interrupts, output).await;
    let account = swarm.stop().await;
    let account = account.and_then(|account| result.map(|seconds| (account, seconds)));
    let (account, seconds) = account?;

    let copies = swarm::leecher_directories(&place.path, args.leechers);
    for (at, directory) in copies.iter().enumerate() {
        let report = verify(&swarm.metainfo, directory, None, &|_, _| {}).context("cannot read a copy")?;
        if !report.is_good() {
            return fail(Failure::Mismatch, format_args!("the copy of leecher {} is wrong", at + 1));
        }
    }
    output.line(format_args!("all {} copies match their hashes\n", copies.len()));
    tell(&account, length, seconds, bound, output);
    let page = picture::page(&account, &picture::Title { length, seconds, bound: bound.seconds });
    std::fs::write(&args.picture, page)
        .with_context(|| format!("cannot write {}", args.picture.display()))?;
    output.line(format_args!("\nA picture of the swarm: {}", args.picture.display()));
    Ok(())
}

/// Samples and shows the swarm until every leecher has the file; returns the seconds it took.
async fn watch(swarm: &mut Swarm, interrupts: &mut Interrupts, output: Output) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut table = table::Table::new(output);
    let mut ticks = tokio::time::interval(SAMPLE);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = interrupts.wanted() => return fail(Failure::Interrupted, "interrupted"),
        }
        swarm.sample(began.elapsed()).await?;
        table.show(&swarm.account, began.elapsed());
        if swarm.account.is_complete() {
            table.end();
            return Ok(swarm.account.seconds_to_complete());
        }
        if began.elapsed() > TIME_LIMIT {
            return fail(Failure::Network, "the swarm did not finish");
        }
    }
}

fn tell(account: &Account, length: u64, seconds: f64, bound: Bound, output: Output) {
    output.line("             gave         took    ready after");
    for peer in &account.peers {
        let ready = peer.completed.map_or_else(|| "-".to_owned(), |at| format!("{at:.1} s"));
        output.line(format_args!(
            "{:<10} {:>10}   {:>10}   {:>8}",
            peer.name,
            text::bytes(peer.uploaded),
            text::bytes(peer.downloaded),
            ready
        ));
        output.object(&json!({
            "event": "peer", "name": peer.name, "uploaded": peer.uploaded, "downloaded": peer.downloaded,
            "seconds": peer.completed,
        }));
    }
    let copies = account.peers.first().map_or(0.0, |seeder| seeder.uploaded as f64 / length.max(1) as f64);
    let ratio = seconds / bound.seconds;
    output.line(format_args!(
        "\nThe seeder uploaded {copies:.2} copies; {} copies were made.\n\
         The last leecher was ready after {seconds:.1} s, {ratio:.2} times the lower bound of {:.1} s.",
        account.peers.len() - 1,
        bound.seconds
    ));
    output.object(&json!({
        "event": "done", "seconds": seconds, "bound": bound.seconds, "ratio": ratio, "seeder_copies": copies,
    }));
}

/// Where the demo keeps its files: a directory of its own, removed at the end unless it is to be kept.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    temporary: bool,
}

impl Place {
    fn new(keep: Option<&Path>) -> anyhow::Result<Self> {
        let path = keep.map_or_else(
            || std::env::temp_dir().join(format!("sprat-demo-{}", std::process::id())),
            Path::to_path_buf,
        );
        // A directory that is there already may be somebody else's, or planted.
        std::fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path, temporary: keep.is_none() })
    }

    /// Fails when there is no room for a copy for every leecher, and for the original unless it is there already.
    fn must_hold(&self, args: &DemoArgs) -> anyhow::Result<()> {
        let (length, originals) = match &args.file {
            Some(file) => {
                (std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len(), 0)
            }
            None => (args.size, 1),
        };
        let needed = length.saturating_mul(args.leechers as u64 + originals);
        let disk = rustix::fs::statvfs(&self.path)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < needed {
            let (needed, free, path) = (text::bytes(needed), text::bytes(free), self.path.display());
            return fail(
                Failure::Disk,
                format_args!(
                    "the demo needs {needed}, and {path} has {free}; --size makes it smaller, --keep takes it elsewhere"
                ),
            );
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Writes a file that does not compress and is the same every time.
fn make_file(place: &Path, size: u64, output: Output) -> anyhow::Result<PathBuf> {
    let path = place.join("demo.bin");
    output.line(format_args!("making a file of {}", text::bytes(size)));
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&path)?;
        let mut random = fastrand::Rng::with_seed(0x5_9a7);
        let mut buffer = vec![0; 1 << 20];
        let mut left = size;
        while left > 0 {
            random.fill(&mut buffer);
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            file.write_all(buffer.get(..now).unwrap_or_default())?;
            left -= now as u64;
        }
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_that_of_the_slower_of_seeder_and_swarm() {
        // Eight leechers, seeder at 20, leechers at 10: 8·256/(20+80) = 20.48.
        let bound = Bound::new(256, 8, 20, 10);
        assert!((bound.seconds - 20.48).abs() < 1e-9);
        // A seeder that can hardly push one copy out.
        assert!((Bound::new(256, 8, 1, 100).seconds - 256.0).abs() < 1e-9);
    }
}
