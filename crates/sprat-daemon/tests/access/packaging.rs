//! The files for systemd, as systemd itself judges them.

use std::path::{Path, PathBuf};
use std::process::Command;

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd")
}

/// What `systemd-analyze` says, unless there is none.
fn systemd_analyze(arguments: &[&str]) -> Option<(bool, String)> {
    let Ok(output) = Command::new("systemd-analyze").args(arguments).output() else {
        println!("skipped: there is no systemd-analyze here");
        return None;
    };
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[test]
fn the_units_are_right() {
    let copies = tempfile::tempdir().unwrap();
    for name in ["sprat.service", "sprat.socket"] {
        let text = std::fs::read_to_string(packaging().join(name)).unwrap();
        // The program need not be installed for this.
        std::fs::write(copies.path().join(name), text.replace("/usr/bin/sprat", "/bin/true")).unwrap();
    }
    let [service, socket] = ["sprat.service", "sprat.socket"].map(|name| copies.path().join(name));
    let said = systemd_analyze(&["verify", "--man=no", service.to_str().unwrap(), socket.to_str().unwrap()]);
    if let Some((success, said)) = said {
        assert!(success && said.trim().is_empty(), "{said}");
    }
}

#[test]
fn the_service_is_exposed_to_2_of_10_at_most() {
    let unit = packaging().join("sprat.service");
    // The threshold is in tenths.
    let arguments = ["security", "--offline=true", "--no-pager", "--threshold=20", unit.to_str().unwrap()];
    if let Some((success, said)) = systemd_analyze(&arguments) {
        assert!(success, "{said}");
    }
}
