//! Which crate may depend on which: the arrows of `docs/ARCHITECTURE.md`, and the machines' short list of
//! outside crates (none of which knows a clock, a thread, a file or a socket).

use super::Problem;
use crate::workspace::{Dependency, Package};

/// What one crate may depend on.
struct Rule {
    name: &'static str,
    /// Crates of this workspace, whatever the kind of dependency.
    inside: &'static [&'static str],
    /// Crates from outside that the shipped code may use.
    outside: Outside,
}

enum Outside {
    /// Those of [`MACHINE_CRATES`] only: the crate is a state machine or a codec.
    Machine,
    /// Those and these: without I/O as well, but not for code that strangers talk to.
    MachineAnd(&'static [&'static str]),
    /// Chosen with care, but not by this rule.
    Any,
}

/// Libraries without I/O, clock and operating system. Every addition is a decision (`docs/DECISIONS.md`).
const MACHINE_CRATES: [&str; 11] = [
    "bytes",
    "crc",
    "data-encoding",
    "ed25519-dalek",
    "fastrand",
    "percent-encoding",
    "sha1",
    "sha2",
    "siphasher",
    "thiserror",
    "unicode-normalization",
];

const RULES: [Rule; 10] = [
    Rule { name: "sprat-hash", inside: &[], outside: Outside::Machine },
    Rule { name: "sprat-wire", inside: &[], outside: Outside::Machine },
    Rule { name: "sprat-core", inside: &["sprat-wire"], outside: Outside::Machine },
    Rule { name: "sprat-tracker", inside: &["sprat-wire"], outside: Outside::Machine },
    Rule { name: "sprat-dht", inside: &["sprat-wire"], outside: Outside::Machine },
    Rule {
        name: "sprat-sim",
        inside: &["sprat-wire", "sprat-core", "sprat-tracker", "sprat-dht"],
        // Scenario files, their outcomes, and shards of peers on several threads.
        outside: Outside::MachineAnd(&["rayon", "serde", "toml"]),
    },
    Rule {
        name: "sprat-engine",
        inside: &["sprat-wire", "sprat-core", "sprat-tracker", "sprat-dht", "sprat-hash"],
        outside: Outside::Any,
    },
    Rule {
        name: "sprat-daemon",
        inside: &["sprat-wire", "sprat-core", "sprat-engine"],
        outside: Outside::Any,
    },
    Rule {
        name: "sprat",
        // `sprat-hash` for benchmarks, which measure what hashing costs by itself.
        inside: &[
            "sprat-wire",
            "sprat-core",
            "sprat-tracker",
            "sprat-dht",
            "sprat-hash",
            "sprat-engine",
            "sprat-daemon",
            "sprat-sim",
        ],
        outside: Outside::Any,
    },
    Rule { name: "xtask", inside: &[], outside: Outside::Any },
];

/// Compares every manifest with the rules.
pub(super) fn check(packages: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in packages {
        let Some(rule) = RULES.iter().find(|rule| rule.name == package.name) else {
            problems.push(Problem::new(
                "Cargo.toml",
                0,
                format!("the crate {} has no rule yet: say in tidy/edges.rs what it may use", package.name),
            ));
            continue;
        };
        for dependency in &package.dependencies {
            if !allows(rule, dependency, packages) {
                problems.push(Problem::new(
                    &format!("{}/Cargo.toml", package.name),
                    0,
                    format!("{} must not depend on {}", package.name, dependency.name),
                ));
            }
        }
    }
    problems
}

fn allows(rule: &Rule, dependency: &Dependency, packages: &[Package]) -> bool {
    if packages.iter().any(|package| package.name == dependency.name) {
        return rule.inside.contains(&dependency.name.as_str());
    }
    let name = dependency.name.as_str();
    let is_machine = || dependency.kind.as_deref() == Some("dev") || MACHINE_CRATES.contains(&name);
    match rule.outside {
        Outside::Any => true,
        Outside::Machine => is_machine(),
        Outside::MachineAnd(more) => is_machine() || more.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problems of a workspace in which `sprat-core` has one dependency.
    fn problems_of(name: &str, dependency: &str, kind: Option<&str>) -> Vec<Problem> {
        let dependency = serde_json::json!({ "name": dependency, "kind": kind });
        let packages = serde_json::json!([
            { "name": name, "dependencies": [dependency], "targets": [] },
            { "name": "sprat-sim", "dependencies": [], "targets": [] },
        ]);
        check(&serde_json::from_value::<Vec<Package>>(packages).unwrap())
    }

    #[test]
    fn an_arrow_that_points_back_is_a_problem() {
        assert_eq!(problems_of("sprat-engine", "sprat-sim", None).len(), 1);
        assert_eq!(problems_of("sprat-core", "sprat-sim", Some("dev")).len(), 1);
    }

    #[test]
    fn a_machine_gets_no_runtime() {
        assert_eq!(problems_of("sprat-core", "tokio", None).len(), 1);
        assert_eq!(problems_of("sprat-core", "bytes", None), []);
        assert_eq!(problems_of("sprat-core", "proptest", Some("dev")), []);
        assert_eq!(problems_of("sprat-engine", "tokio", None), []);
    }

    #[test]
    fn a_crate_without_a_rule_is_a_problem() {
        assert_eq!(problems_of("sprat-new", "bytes", None).len(), 1);
    }
}
