//! The swarm over time, a line for each moment.

use std::fmt::Write as _;

use super::running::Answer;

/// Columns that every swarm has.
const COLUMNS: &str =
    "scenario,run,seed,seconds,present,complete,rarest,commonest,diversity,utilisation,group,progress";

/// A line for each moment and group.
pub(super) fn series(answers: &[Answer]) -> String {
    let mut text = format!("{COLUMNS}\n");
    for answer in answers {
        for outcome in &answer.outcomes {
            for run in &outcome.runs {
                let series = &run.series;
                for (group, progress) in run.groups.iter().zip(&series.progress) {
                    for (at, had) in progress.iter().enumerate() {
                        let shared = [&series.present, &series.complete, &series.rarest, &series.commonest];
                        let shared = shared.map(|values| values.get(at).copied().unwrap_or_default());
                        let shares = [&series.diversity, &series.utilisation];
                        let [diversity, used] = shares.map(|values| {
                            values
                                .get(at)
                                .copied()
                                .flatten()
                                .map_or_else(String::new, |share| format!("{share:.4}"))
                        });
                        let [present, complete, rarest, commonest] = shared;
                        let seconds = series.seconds.get(at).copied().unwrap_or_default();
                        // Writing to a string does not fail.
                        let _ = writeln!(
                            text,
                            "{},{},{},{seconds:.3},{present},{complete},{rarest},{commonest},{diversity},{used},{},{had:.4}",
                            quoted(&answer.label),
                            quoted(&run.name),
                            outcome.seed,
                            group.name,
                        );
                    }
                }
            }
        }
    }
    text
}

/// As RFC 4180 has it.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_names_do_not_make_columns() {
        assert_eq!(
            (quoted("2,000 a minute"), quoted("a\"b"), quoted("plain")),
            ("\"2,000 a minute\"".into(), "\"a\"\"b\"".into(), "plain".into())
        );
    }
}
