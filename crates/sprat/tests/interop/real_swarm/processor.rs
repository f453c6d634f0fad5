//! How busy the machine is: a swarm that waits for the processor says nothing about the policy of its peers.

use std::fs;

use anyhow::{Context as _, Result};

/// Clock ticks since the machine was started, of all processors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticks {
    idle: u64,
    all: u64,
}

impl Ticks {
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line =
            stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).context("no line of cpu")?;
        let fields: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        // user, nice, system, idle, iowait, irq, softirq, steal (proc(5)); what follows is contained in these.
        let idle = fields.iter().skip(3).take(2).sum();
        Ok(Self { idle, all: fields.iter().take(8).sum() })
    }

    /// The share of the time since then in which processors had nothing to do.
    pub(crate) fn idle_since(self) -> Result<f64> {
        let now = Self::now()?;
        Ok((now.idle - self.idle) as f64 / (now.all - self.all).max(1) as f64)
    }
}

/// Processes that ran or wanted to, on average over the last minute.
pub(crate) fn load() -> Result<f64> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').next().context("no load")?.parse()?)
}
