//! `cargo xtask test`: every check of the project, each as one step.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result};

use crate::report::{Outcome, Report};
use crate::workspace::{Workspace, is_runnable};
use crate::{clients, tidy};

/// The inner loop: seconds, no network, nothing installed.
pub(crate) fn run_quick(workspace: &Workspace, report: &mut Report) {
    static_checks(workspace, report);
    let runner = Runner::choose(workspace);
    tests(report, "unit tests", runner.command(workspace, &["--workspace", "--lib", "--bins"]));
}

/// Everything.
pub(crate) fn run_all(workspace: &Workspace, report: &mut Report) {
    static_checks(workspace, report);
    dependency_policy(workspace, report);
    report.step("documentation", || {
        let mut command = workspace.cargo(["doc", "--workspace", "--no-deps", "--keep-going"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        must_succeed(command)
    });
    // Tests other than those of interoperability need some of them as well.
    clients::install(workspace, report);
    let runner = Runner::choose(workspace);
    let mut all = runner.command(workspace, &["--workspace", "--lib", "--bins", "--tests"]);
    require_clients(workspace, &mut all);
    tests(report, "tests", all);
    tests(report, "documentation tests", workspace.cargo(["test", "--workspace", "--doc", "--no-fail-fast"]));
    // Whether the checkers of the simulator see what they are for: each bug is compiled in by this feature.
    let planted = ["-p", "sprat-sim", "--features", "planted-bugs", "--test", "planted_bugs"];
    tests(report, "planted bugs", runner.command(workspace, &planted));
    // Faults of the disk need a feature as well, and so do the bugs that they must find.
    tests(report, "disk faults", runner.command(workspace, &DISK_FAULTS));
    page(workspace, report);
    interoperability(workspace, runner, report);
}

/// What of the engine is tested with disks that fail, and power cuts.
const DISK_FAULTS: [&str; 13] = [
    "-p",
    "sprat-engine",
    "--features",
    "disk-faults",
    "--lib",
    "--test",
    "crash_model",
    "--test",
    "durability",
    "--test",
    "slow_disk",
    "--test",
    "foreign_files",
];

/// The tests of durability and of ceilings in full, of which [`run_all`] runs a part: an hour or more.
pub(crate) fn soak(workspace: &Workspace, report: &mut Report) {
    let runner = Runner::choose(workspace);
    let full = |arguments: &[&str]| {
        let mut command = runner.command(workspace, arguments);
        if matches!(runner, Runner::Nextest) {
            // Each says what it has seen, and takes as long as it takes.
            command.args(["--profile", "soak", "--success-output", "immediate"]);
        }
        command.env("SPRAT_RUNS", "100");
        command
    };
    tests(report, "disk faults", full(&DISK_FAULTS));
    tests(report, "state", full(&["-p", "sprat-engine", "--test", "state_corruption", "--test", "list"]));
    tests(report, "hostile peers", full(&["-p", "sprat", "--test", "hostile_peers", "--test", "crowd"]));
    tests(report, "real disks", full(&["-p", "sprat", "--test", "disk"]));
}

fn static_checks(workspace: &Workspace, report: &mut Report) {
    report.step("formatting", || must_succeed(workspace.cargo(["fmt", "--all", "--", "--check"])));
    report.step("clippy", || {
        let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        must_succeed(workspace.cargo(arguments))
    });
    report.step("clippy with disk faults", || {
        let engine = ["clippy", "-p", "sprat-engine", "--all-targets", "--features", "disk-faults"];
        must_succeed(workspace.cargo(engine.into_iter().chain(["--", "-D", "warnings"])))
    });
    report.step("tidy", || tidy::run(workspace));
}

/// Licences, sources and known vulnerabilities of what we depend on (`deny.toml`).
fn dependency_policy(workspace: &Workspace, report: &mut Report) {
    if !is_runnable(&mut workspace.cargo(["deny", "--version"])) {
        report.skip("dependency policy", "cargo-deny is not installed (cargo install cargo-deny)");
        return;
    }
    report.step("dependency policy", || {
        must_succeed(workspace.cargo(["deny", "check", "bans", "licenses", "sources"]))
    });
    // The advisory database lives on the network; to be offline is not a fault of the code.
    if is_runnable(&mut workspace.cargo(["deny", "fetch", "db"])) {
        report.step("advisories", || must_succeed(workspace.cargo(["deny", "check", "advisories"])));
    } else {
        report.skip("advisories", "the advisory database cannot be fetched");
    }
}

/// The page: its types, its modules, and all of it in a browser (`crates/sprat-daemon/page`).
fn page(workspace: &Workspace, report: &mut Report) {
    let folder = workspace.root.join("crates/sprat-daemon/page");
    if !is_runnable(Command::new("npm").arg("--version")) {
        report.skip("page", "npm is not installed");
        return;
    }
    // The daemon that the browser is shown.
    let daemon = ["build", "-p", "sprat"];
    report.step("page: a daemon for it", || must_succeed(workspace.cargo(daemon)));
    report.step("page", || {
        let mut command = Command::new("sh");
        command.arg("check.sh").current_dir(&folder);
        must_succeed(command)
    });
}

/// Transfers to and from the clients that people use (`crates/sprat/tests/interop`).
fn interoperability(workspace: &Workspace, runner: Runner, report: &mut Report) {
    if !workspace.has_test("sprat", "interop") {
        report.skip("interoperability", "this tree has no such tests");
        return;
    }
    // They are `#[ignore]`d so that a plain `cargo test` neither needs other programs nor takes minutes.
    let mut command = match runner {
        Runner::Nextest => runner.command(workspace, &["-p", "sprat", "--test", "interop"]),
        Runner::Cargo => workspace.cargo(["test", "-p", "sprat", "--test", "interop", "--", "--ignored"]),
    };
    match runner {
        Runner::Nextest => command.arg("--run-ignored=only"),
        Runner::Cargo => command.arg("--test-threads=5"),
    };
    require_clients(workspace, &mut command);
    tests(report, "interoperability", command);
}

/// Where all other programs are there, a test that would be skipped for want of one fails.
fn require_clients(workspace: &Workspace, command: &mut Command) {
    if clients::all_present(workspace) {
        command.env("SPRAT_INTEROP", "require");
    }
}

/// Who runs the tests: nextest where it is installed, since it bounds each test's time and runs each in its own
/// process; else Cargo itself.
#[derive(Clone, Copy)]
enum Runner {
    Nextest,
    Cargo,
}

impl Runner {
    fn choose(workspace: &Workspace) -> Self {
        if is_runnable(&mut workspace.cargo(["nextest", "--version"])) { Self::Nextest } else { Self::Cargo }
    }

    fn command(self, workspace: &Workspace, arguments: &[&str]) -> Command {
        let mut command = match self {
            Self::Nextest => workspace.cargo(["nextest", "run", "--no-tests=pass"]),
            Self::Cargo => workspace.cargo(["test"]),
        };
        command.arg("--no-fail-fast").args(arguments);
        command
    }
}

pub(crate) fn must_succeed(mut command: Command) -> Result<Outcome> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    Ok(if status.success() { Outcome::Passed(String::new()) } else { Outcome::Failed(status.to_string()) })
}

/// Runs a test command and keeps the lines in which it sums up.
fn tests(report: &mut Report, name: &str, mut command: Command) {
    let mut summaries = Vec::new();
    report.step(name, || {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        summaries = thread::scope(|scope| {
            let stdout = scope.spawn(|| stdout.map(|pipe| pass_on(pipe, std::io::stdout())));
            let stderr = scope.spawn(|| stderr.map(|pipe| pass_on(pipe, std::io::stderr())));
            [stdout, stderr]
                .into_iter()
                .flat_map(|half| half.join().ok().flatten().unwrap_or_default())
                .collect()
        });
        let status = child.wait()?;
        let verdict = sum_up(&summaries).unwrap_or_default();
        Ok(if status.success() { Outcome::Passed(verdict) } else { Outcome::Failed(verdict) })
    });
    if let Some(line) = sum_up(&summaries) {
        report.repeat_at_the_end(line);
    }
}

/// Copies a test runner's output through, line by line, and returns the lines in which it sums up.
fn pass_on(from: impl Read, mut to: impl Write) -> Vec<String> {
    let mut summaries = Vec::new();
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        // A closed terminal is no reason to stop reading: the tests would block on a full pipe.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.starts_with("Summary [") || text.starts_with("test result:") {
            summaries.push(text.to_owned());
        }
        line.clear();
    }
    summaries
}

/// One line for a whole run: nextest writes one (and shows those of the tests that failed), Cargo one per test program.
fn sum_up(summaries: &[String]) -> Option<String> {
    if let Some(summary) = summaries.iter().rfind(|line| line.starts_with("Summary")) {
        return Some(summary.clone());
    }
    if summaries.len() < 2 {
        return summaries.first().cloned();
    }
    let total = |label: &str| -> u64 { summaries.iter().filter_map(|line| count_before(line, label)).sum() };
    let (passed, failed, ignored) = (total(" passed"), total(" failed"), total(" ignored"));
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    Some(format!("test result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored"))
}

/// The number that stands before a label in a line such as `test result: ok. 3 passed; 0 failed; …`.
fn count_before(line: &str, label: &str) -> Option<u64> {
    line.get(..line.find(label)?)?.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_several_test_programs_are_added() {
        let lines = [
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 12 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ];
        let total = sum_up(&lines.map(str::to_owned)).unwrap();
        assert_eq!(total, "test result: FAILED. 15 passed; 2 failed; 1 ignored");
    }

    #[test]
    fn a_summary_is_kept_verbatim_and_everything_is_passed_on() {
        let output = "FAIL one\ntest result: FAILED. 0 passed; 1 failed;\n     Summary [   0.010s] 3 tests run: 3 passed, 0 skipped\n";
        let mut seen = Vec::new();
        let summaries = pass_on(output.as_bytes(), &mut seen);
        assert_eq!(seen, output.as_bytes());
        assert_eq!(sum_up(&summaries).unwrap(), "Summary [   0.010s] 3 tests run: 3 passed, 0 skipped");
    }
}
