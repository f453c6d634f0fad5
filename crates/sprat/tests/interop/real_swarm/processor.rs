//! How busy the machine is: a swarm that waits for the processor says nothing about the policy of its peers.

use std::fs;

use anyhow::{Context as _, Result, bail};

/// Clock ticks since the machine was started, of all processors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticks {
    spare: u64,
    all: u64,
}

impl Ticks {
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line =
            stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).context("no line of cpu")?;
        let fields: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        // user, nice, system, idle, iowait, irq, softirq, steal (proc(5)); what follows is contained in these.
        let [_, nice, _, idle, waiting, ..] = fields[..] else { bail!("a line of cpu without its fields") };
        Ok(Self { spare: nice + idle + waiting, all: fields.iter().take(8).sum() })
    }

    /// The share of the time since then in which processors had nothing to do but what yields to us (`nice`).
    pub(crate) fn spare_since(self) -> Result<f64> {
        let now = Self::now()?;
        Ok((now.spare - self.spare) as f64 / (now.all - self.all).max(1) as f64)
    }
}

/// Processes that ran or wanted to, on average over the last minute.
pub(crate) fn load() -> Result<f64> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').next().context("no load")?.parse()?)
}
