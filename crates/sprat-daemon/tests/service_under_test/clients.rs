//! Programs of others that use a service.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The interpreter of the virtual environment that `cargo xtask install-clients` makes, if it has the module.
pub(crate) fn python_with(module: &str) -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("interop").join("venv/bin/python");
    let import = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    import.is_ok_and(|output| output.status.success()).then_some(python)
}

/// Runs a program while the service goes on.
pub(crate) async fn run(program: PathBuf, arguments: Vec<String>) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").env_remove("http_proxy").env_remove("all_proxy");
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

/// Says that a test cannot be run here, which is a failure if it must be.
pub(crate) fn skip(missing: &str) {
    let must = std::env::var_os("SPRAT_INTEROP").is_some_and(|value| value == "require");
    assert!(!must, "{missing} is missing");
    println!("skipped: {missing} is missing (cargo xtask install-clients)");
}
