//! Gets the other BitTorrent programs that the interoperability tests talk to.
//!
//! What is present is left alone. What is missing is installed where that is possible (root and apt; for Python
//! modules a virtual environment under the target directory); else one line says what is missing and why.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::report::{Outcome, Report};
use crate::workspace::{Workspace, is_runnable};

/// A program of another project, and the Debian package that brings it.
struct Client {
    program: &'static str,
    package: &'static str,
}

const CLIENTS: [Client; 6] = [
    Client { program: "transmission-daemon", package: "transmission-daemon" },
    // Not a peer: it tells our daemon what to do.
    Client { program: "transmission-remote", package: "transmission-cli" },
    Client { program: "aria2c", package: "aria2" },
    Client { program: "rtorrent", package: "rtorrent" },
    Client { program: "opentracker", package: "opentracker" },
    // No client: what `clock_jumps` makes the clock jump with.
    Client { program: "faketime", package: "faketime" },
];

/// A Python module of another project.
struct Module {
    name: &'static str,
    /// What pip is asked for.
    requirement: &'static str,
}

const MODULES: [Module; 3] = [
    // Any that knows v2 torrents.
    Module { name: "libtorrent", requirement: "libtorrent>=2.0,<3" },
    // What programs around torrents use to speak to Transmission.
    Module { name: "transmission_rpc", requirement: "transmission-rpc>=7,<8" },
    // The same for qBittorrent.
    Module { name: "qbittorrentapi", requirement: "qbittorrent-api>=2026,<2027" },
];

/// Installs what is missing and notes what stays missing.
pub(crate) fn install(workspace: &Workspace, report: &mut Report) {
    let missing: Vec<&str> = missing_clients().map(|client| client.package).collect();
    if !missing.is_empty() {
        report.step("install clients", || Ok(passed_or_skipped(apt_install(&missing), &missing.join(" "))));
    }
    for client in missing_clients() {
        report.skip(&format!("client {}", client.program), "not installed, and could not be (see above)");
    }
    for module in missing_modules(workspace) {
        report.step(&format!("client {}", module.name), || {
            Ok(passed_or_skipped(install_module(workspace, module), "in a virtual environment"))
        });
    }
}

/// Whether the interoperability tests can be run in full.
pub(crate) fn all_present(workspace: &Workspace) -> bool {
    missing_clients().next().is_none() && missing_modules(workspace).next().is_none()
}

/// That something cannot be installed here is no failure of the project; its tests are skipped.
fn passed_or_skipped(result: Result<()>, what: &str) -> Outcome {
    match result {
        Ok(()) => Outcome::Passed(what.to_owned()),
        Err(error) => Outcome::Skipped(format!("{error:#}")),
    }
}

fn missing_clients() -> impl Iterator<Item = &'static Client> {
    CLIENTS.iter().filter(|client| !is_in_path(client.program))
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Installs Debian packages, without letting any of them start a service.
fn apt_install(packages: &[&str]) -> Result<()> {
    if !is_in_path("apt-get") {
        bail!("there is no apt-get here; install by hand: {}", packages.join(" "));
    }
    if !is_root()? {
        bail!("only root can use apt-get; as root: apt-get install {}", packages.join(" "));
    }
    let _no_services = ServiceBan::impose()?;
    // A stale package list is better than none, so a failing update is not the end.
    run(apt_get().arg("update")).or_else(|error| {
        eprintln!("{error:#}");
        anyhow::Ok(())
    })?;
    if run(apt_get().arg("install").args(packages)).is_ok() {
        return Ok(());
    }
    // One name that this release does not know must not keep the others away.
    let refused: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|package| run(apt_get().args(["install", package])).is_err())
        .collect();
    if refused.len() == packages.len() {
        bail!("apt-get could install none of: {}", packages.join(" "));
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["--quiet", "--yes", "--no-install-recommends"]);
    // Without a network the default is to try for minutes.
    command.args(["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "-o", "Dpkg::Use-Pty=0"]);
    command
}

fn is_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self").context("cannot tell who we are")?.uid() == 0)
}

/// Keeps freshly installed daemons from being started, in the way that Debian provides for it: while the file
/// exists and answers 101, no package starts a service.
struct ServiceBan {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl ServiceBan {
    fn impose() -> Result<Self> {
        let policy = Path::new(POLICY);
        if policy.exists() {
            return Ok(Self { ours: false });
        }
        fs::write(policy, "#!/bin/sh\nexit 101\n").with_context(|| format!("cannot write {POLICY}"))?;
        let ban = Self { ours: true };
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
        Ok(ban)
    }
}

impl Drop for ServiceBan {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("cannot remove {POLICY}: {error}");
        }
    }
}

/// The interpreter that has the modules. The tests look for it in the same place.
fn python(workspace: &Workspace) -> PathBuf {
    workspace.target.join("interop/venv/bin/python")
}

fn missing_modules(workspace: &Workspace) -> impl Iterator<Item = &'static Module> {
    MODULES.iter().filter(|module| !has_module(workspace, module))
}

fn has_module(workspace: &Workspace, module: &Module) -> bool {
    is_runnable(Command::new(python(workspace)).args(["-c", &format!("import {}", module.name)]))
}

fn install_module(workspace: &Workspace, module: &Module) -> Result<()> {
    if !is_runnable(Command::new(python(workspace)).args(["-m", "pip", "--version"])) {
        make_environment(&workspace.target.join("interop/venv"))?;
    }
    let mut pip = Command::new(python(workspace));
    pip.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:", module.requirement]);
    run(&mut pip).with_context(|| format!("pip could not install {}", module.name))?;
    if !has_module(workspace, module) {
        bail!("the installed {} cannot be imported", module.name);
    }
    Ok(())
}

fn make_environment(directory: &Path) -> Result<()> {
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(directory);
    if run(&mut make).is_err() {
        // Debian keeps the module in a package of its own.
        apt_install(&["python3-venv"]).context("python3 cannot make a virtual environment")?;
        run(&mut make)?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{}: {status}", command.get_program().display());
    }
    Ok(())
}
