//! Where the workspace lies, what Cargo knows about it, and how to call Cargo in it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// The workspace that this program is run in.
pub(crate) struct Workspace {
    /// Directory of the top `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where Cargo puts what it builds.
    pub(crate) target: PathBuf,
    /// The member crates.
    pub(crate) packages: Vec<Package>,
}

/// One member crate, as `cargo metadata` tells it.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

/// One line of a `[dependencies]` table.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

impl Workspace {
    /// Asks Cargo; works without a network.
    pub(crate) fn find() -> Result<Self> {
        let manifest = manifest_directory(std::env::var_os("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let output = Command::new(cargo_program())
            .args(["metadata", "--format-version=1", "--no-deps", "--manifest-path"])
            .arg(manifest)
            .output()
            .context("cannot start cargo")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
        Ok(Self {
            root: metadata.workspace_root,
            target: metadata.target_directory,
            packages: metadata.packages,
        })
    }

    /// A Cargo call in the workspace's root.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(cargo_program());
        command.current_dir(&self.root).args(arguments);
        command
    }

    /// Whether a package has a test target of this name.
    pub(crate) fn has_test(&self, package: &str, test: &str) -> bool {
        self.packages
            .iter()
            .filter(|member| member.name == package)
            .flat_map(|member| &member.targets)
            .any(|target| target.name == test && target.kind.iter().any(|kind| kind == "test"))
    }
}

/// Where our own manifest lies. `cargo run` says so when it starts us; where we were built is only good for who calls us without it, for
/// several clones may share one target directory, and with it this program.
fn manifest_directory(from_cargo: Option<OsString>) -> PathBuf {
    from_cargo.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// The Cargo that called us, or the one in the path.
fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Whether `program --version` (or another harmless argument) can be run.
pub(crate) fn is_runnable(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clone_that_we_are_run_in_counts_and_not_the_one_that_we_were_built_in() {
        assert_eq!(manifest_directory(Some("/clone/xtask".into())), PathBuf::from("/clone/xtask"));
        assert_eq!(manifest_directory(None), PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    }
}
