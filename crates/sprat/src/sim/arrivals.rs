//! Recorded arrivals that lie in a file of their own: `arrive = { file = "arrivals.txt" }`, one time a line.

use std::path::Path;

use anyhow::Context as _;
use toml::{Table, Value};

/// Bytes of such a file.
const LONGEST_FILE: u64 = 4 << 20;

/// The scenario with the times of such files in it; as it was written if there are none.
pub(super) fn inline(text: &str, directory: &Path) -> anyhow::Result<String> {
    let Ok(mut table) = toml::from_str::<Table>(text) else { return Ok(text.to_owned()) };
    let mut changed = false;
    let groups = table.get_mut("groups").and_then(Value::as_table_mut);
    for (name, group) in groups.into_iter().flatten() {
        let Some(arrive) = group.get_mut("arrive").and_then(Value::as_table_mut) else { continue };
        let Some(Value::String(file)) = arrive.get("file") else { continue };
        let times = read(&directory.join(file)).with_context(|| format!("groups.{name}.arrive.file"))?;
        arrive.remove("file");
        arrive.insert("recorded".to_owned(), Value::Array(times));
        changed = true;
    }
    Ok(if changed { table.to_string() } else { text.to_owned() })
}

/// One time a line, as `12.5 s`, or a bare number of seconds.
fn read(path: &Path) -> anyhow::Result<Vec<Value>> {
    let length = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    anyhow::ensure!(length <= LONGEST_FILE, "{} is larger than 4 MiB", path.display());
    let text = std::fs::read_to_string(path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let with_unit = |line: &str| {
        let bare = line.chars().all(|c| c.is_ascii_digit() || c == '.');
        Value::String(if bare { format!("{line} s") } else { line.to_owned() })
    };
    Ok(lines.map(with_unit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_from_a_file_beside_the_scenario() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("times.txt"), "# seconds\n1\n2.5\n\n3 min\n").unwrap();
        let text = "[groups.a]\narrive = { file = \"times.txt\" }\n";
        let inlined: Table = toml::from_str(&inline(text, directory.path()).unwrap()).unwrap();
        let times = inlined["groups"]["a"]["arrive"]["recorded"].as_array().unwrap();
        assert_eq!(times.iter().filter_map(Value::as_str).collect::<Vec<_>>(), ["1 s", "2.5 s", "3 min"]);
        assert!(inline("[groups.a]\narrive = { file = \"none.txt\" }\n", directory.path()).is_err());
        assert_eq!(inline("a = 1 # as written\n", directory.path()).unwrap(), "a = 1 # as written\n");
    }
}
