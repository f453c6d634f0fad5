//! How many instructions an operation takes: this program is run by valgrind with so many rounds and with half of them, and
//! the difference is that of the rounds alone, since all that comes before them is the same.
//!
//! valgrind's processor has no AVX-512, so what the C library copies is copied by narrower instructions there.

use std::env;
use std::process::{Command, Stdio};

use crate::operation::{Case, three_digits};

/// Instructions of one of what the line is about, or why there is no such figure.
pub(crate) fn count(case: &Case) -> String {
    let is_there = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !is_there {
        return "valgrind is not there".to_owned();
    }
    let (Some(all), Some(half)) = (in_total(case, case.rounds), in_total(case, case.rounds / 2)) else {
        return "valgrind failed".to_owned();
    };
    let counted = (case.rounds - case.rounds / 2) * case.per_round;
    three_digits(all.saturating_sub(half) as f64 / counted as f64)
}

/// glibc copies much at a time by one instruction that repeats itself. valgrind counts it once for each byte, so it is not to be
/// used.
const NO_REPETITION: &str =
    "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824";

/// Of this program from its start to its end.
fn in_total(case: &Case, rounds: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(env::current_exe().ok()?)
        .env("GLIBC_TUNABLES", NO_REPETITION)
        .args(["--only", case.name, &rounds.to_string()])
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr);
    // `==1234== I   refs:      1,234,567`
    let line = report.lines().find(|line| line.contains("refs:"))?;
    let digits: String = line.rsplit(':').next()?.chars().filter(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|_| output.status.success())
}
