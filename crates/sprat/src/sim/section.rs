//! Results as a section of a Markdown file, between two marks, with a picture beside the file.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::running::Answer;
use super::{figures, page, table};
use crate::chart;

/// Where the pictures lie, beside the file.
const PICTURES: &str = "swarm";

/// Writes the section of a scenario anew, or at the end if there is none.
pub(super) fn write(answers: &[Answer], path: &Path) -> anyhow::Result<()> {
    let Some(name) = answers.first().map(|answer| answer.label.as_str()) else { return Ok(()) };
    let before = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let directory = path.parent().unwrap_or_else(|| Path::new(".")).join(PICTURES);
    if let Some(chart) = page::completions(answers) {
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(format!("{name}.svg")), chart::standalone(&chart))?;
    }
    fs::write(path, replaced(&before, name, &section(answers, name)))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The text with the section between its marks, new or in place of the one that is there.
fn replaced(text: &str, name: &str, section: &str) -> String {
    let (begin, end) = (format!("<!-- sprat sim {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let new = format!("{begin}{section}{end}");
    let there = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    match there {
        Some((before, after)) => format!("{before}{new}{after}"),
        None if text.is_empty() => new,
        None => format!("{}\n\n{new}", text.trim_end()),
    }
}

fn section(answers: &[Answer], name: &str) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_section(&mut text, answers, name);
    text
}

fn write_section(out: &mut String, answers: &[Answer], name: &str) -> std::fmt::Result {
    let Some(outcome) = answers.first().and_then(|answer| answer.outcomes.first()) else { return Ok(()) };
    let seeds = answers.first().map_or(0, |answer| answer.outcomes.len()) as u64;
    writeln!(out, "## {name}\n\n{}\n", outcome.question)?;
    writeln!(out, "![When the peers of {name} were done]({PICTURES}/{name}.svg)\n")?;
    let judged: Vec<_> = answers.iter().flat_map(|answer| table::judged(&answer.outcomes)).collect();
    if !judged.is_empty() {
        writeln!(out, "| target | run | measured | |\n|---|---|---|---|")?;
        for one in judged {
            let (verdict, measured, word) = (one.verdict, one.text(), one.word());
            writeln!(out, "| {} | {} | {measured} | {word} |", verdict.target, verdict.run)?;
        }
        writeln!(out)?;
    }
    let columns = table::columns(answers);
    let titles: Vec<&str> = columns.iter().map(|column| column.title.as_str()).collect();
    writeln!(out, "| | {} |\n|---|{}", titles.join(" | "), "---|".repeat(columns.len()))?;
    for row in table::rows(&columns) {
        let cells: Vec<String> = columns.iter().map(|column| table::cell(column, &row)).collect();
        writeln!(out, "| {} | {} |", figures::title(&row), cells.join(" | "))?;
    }
    match seeds {
        ..=1 => writeln!(out, "\n`sprat sim {name} --seed {}`", outcome.seed),
        _ => writeln!(
            out,
            "\n`sprat sim {name} --seed {} --seeds {seeds}`: the middle one (least – most)",
            outcome.seed
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_rest_stays() {
        let one = replaced("", "a", "first\n");
        let two = replaced(&one, "b", "second\n");
        let three = replaced(&two, "a", "third\n");
        assert_eq!(
            three,
            "<!-- sprat sim a -->\nthird\n<!-- end of a -->\n\n<!-- sprat sim b -->\nsecond\n<!-- end of b -->\n"
        );
        assert_eq!(
            replaced("# Title\n\nText.\n", "a", "x\n"),
            "# Title\n\nText.\n\n<!-- sprat sim a -->\nx\n<!-- end of a -->\n"
        );
    }
}
