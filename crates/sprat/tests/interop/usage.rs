//! What processes have used so far, as the system counts it.

use std::fs;

use anyhow::{Context as _, Result};

/// Clock ticks per second in `/proc/<pid>/stat`; 100 on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of a process with all its threads, in seconds.
pub(crate) fn cpu_seconds(process: u32) -> Result<f64> {
    ticks(&process.to_string(), 14)
}

/// The same of all processes that we have started and that have ended.
pub(crate) fn cpu_seconds_of_children() -> Result<f64> {
    ticks("self", 16)
}

/// Two fields that follow one another, counted from one as in proc(5), in seconds.
fn ticks(process: &str, first: usize) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may hold anything; the fields after it are counted from the third.
    let (_, fields) = stat.rsplit_once(") ").context("a stat line")?;
    let two: Vec<f64> =
        fields.split(' ').skip(first - 3).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(two.iter().sum::<f64>() / TICKS_PER_SECOND)
}

/// Most MiB resident so far.
pub(crate) fn peak_memory(process: u32) -> Result<f64> {
    memory(process, "VmHWM:")
}

/// MiB resident now.
pub(crate) fn resident_memory(process: u32) -> Result<f64> {
    memory(process, "VmRSS:")
}

/// A line of proc_pid_status(5), in MiB.
fn memory(process: u32, name: &'static str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context(name)?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
