//! opentracker, the program behind many public trackers.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Tracker, absence_of};
use crate::process::Process;

pub(crate) struct Opentracker;

impl Tracker for Opentracker {
    fn name(&self) -> &'static str {
        "opentracker"
    }

    fn absence(&self) -> Option<String> {
        absence_of("opentracker")
    }

    fn start(&self, info_hashes: &[String], port: u16, state: &Path) -> Result<Process> {
        // Debian builds it with a list of the torrents that it serves; the name is relative to its root directory.
        fs::write(state.join("whitelist"), info_hashes.join("\n") + "\n")?;
        let port = port.to_string();
        let mut command = Command::new("opentracker");
        command.args(["-p", &port, "-P", &port, "-w", "whitelist", "-d"]).arg(state);
        Process::start("opentracker", &mut command, state)
    }
}
