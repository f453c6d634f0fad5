//! Figures and targets as text.

use std::collections::BTreeMap;

use sprat_sim::scenario::{Outcome, Verdict};

use super::figures;
use super::running::Answer;

/// One column: a run of a subject, with all of its seeds.
pub(super) struct Column {
    pub(super) title: String,
    /// By name, for each seed that has it.
    pub(super) figures: BTreeMap<String, Vec<f64>>,
}

/// The columns of a table, run by run.
pub(super) fn columns(answers: &[Answer]) -> Vec<Column> {
    let mut columns = Vec::new();
    for answer in answers {
        let runs = answer.outcomes.first().map_or(&[][..], |outcome| &outcome.runs);
        for (at, run) in runs.iter().enumerate() {
            let title = match (answers.len() > 1, run.name.as_str()) {
                (_, "") => answer.label.clone(),
                (true, name) => format!("{}: {name}", answer.label),
                (false, name) => name.to_owned(),
            };
            let mut figures: BTreeMap<String, Vec<f64>> = BTreeMap::new();
            for run in answer.outcomes.iter().filter_map(|outcome| outcome.runs.get(at)) {
                for (name, value) in &run.figures {
                    figures.entry(name.clone()).or_default().push(*value);
                }
            }
            columns.push(Column { title, figures });
        }
    }
    columns
}

/// The names of all figures of some columns, in the order in which they are shown. What only repeats another is left out.
pub(super) fn rows(columns: &[Column]) -> Vec<String> {
    let mut names: Vec<&String> = columns.iter().flat_map(|column| column.figures.keys()).collect();
    names.sort_by_key(|name| figures::order(name));
    names.dedup();
    let repeats = |name: &str| {
        name.split_once('.').is_some_and(|(base, _)| {
            columns.iter().all(|column| {
                column.figures.get(name).is_none_or(|all| column.figures.get(base) == Some(all))
            })
        })
    };
    names.into_iter().filter(|name| !repeats(name)).cloned().collect()
}

/// A cell: the figure, of several seeds the middle one with the least and the most.
pub(super) fn cell(column: &Column, row: &str) -> String {
    let Some((middle, least, most)) = column.figures.get(row).and_then(|values| figures::middle(values))
    else {
        return "–".to_owned();
    };
    let text = figures::text(row, middle);
    if least < most {
        format!("{text} ({} – {})", figures::text(row, least), figures::text(row, most))
    } else {
        text
    }
}

/// A target with what was measured for each seed.
pub(super) struct Judged<'a> {
    pub(super) verdict: &'a Verdict,
    pub(super) measured: Vec<f64>,
    pub(super) met: usize,
    pub(super) seeds: usize,
}

impl Judged<'_> {
    /// What was measured.
    pub(super) fn text(&self) -> String {
        match figures::middle(&self.measured) {
            None => "not measured".to_owned(),
            Some((middle, least, most)) if least < most => format!("{middle:.2} ({least:.2} – {most:.2})"),
            Some((middle, _, _)) => format!("{middle:.2}"),
        }
    }

    pub(super) const fn is_met(&self) -> bool {
        self.met == self.seeds
    }

    /// Of the seeds that met it, if not all did.
    pub(super) fn word(&self) -> String {
        match (self.is_met(), self.seeds) {
            (true, _) => "met".to_owned(),
            (false, 1) => "MISSED".to_owned(),
            (false, seeds) => format!("MISSED {} of {seeds}", seeds - self.met),
        }
    }
}

/// The targets of a subject over all of its seeds.
pub(super) fn judged(outcomes: &[Outcome]) -> Vec<Judged<'_>> {
    let mut all: Vec<Judged<'_>> = Vec::new();
    for verdict in outcomes.iter().flat_map(|outcome| &outcome.verdicts) {
        let same =
            |one: &&mut Judged<'_>| one.verdict.run == verdict.run && one.verdict.target == verdict.target;
        let judged = match all.iter_mut().find(same) {
            Some(judged) => judged,
            None => {
                all.push(Judged { verdict, measured: Vec::new(), met: 0, seeds: 0 });
                let Some(last) = all.last_mut() else { continue };
                last
            }
        };
        judged.seeds += 1;
        judged.met += usize::from(verdict.met);
        judged.measured.extend(verdict.measured);
    }
    all
}

/// Everything, for a terminal.
pub(super) fn table(answers: &[Answer]) -> String {
    let columns = columns(answers);
    let mut lines: Vec<Vec<String>> = Vec::new();
    if columns.len() > 1 {
        lines.push(
            [String::new()].into_iter().chain(columns.iter().map(|column| column.title.clone())).collect(),
        );
    }
    for row in rows(&columns) {
        let cells = columns.iter().map(|column| cell(column, &row));
        lines.push([figures::title(&row)].into_iter().chain(cells).collect());
    }
    let mut text = String::new();
    if let Some(outcome) = answers.first().and_then(|answer| answer.outcomes.first()) {
        text.push_str(&format!("{}\n\n", outcome.question));
    }
    push_lines(&mut text, &lines);
    for answer in answers {
        push_targets(&mut text, answer, answers.len() > 1);
        for (outcome, run) in
            answer.outcomes.iter().flat_map(|one| one.runs.iter().map(move |run| (one, run)))
        {
            if let Some(violation) = &run.violation {
                text.push_str(&format!("\nVIOLATION with seed {} {}: {violation}\n", outcome.seed, run.name));
            }
        }
    }
    text
}

fn push_targets(text: &mut String, answer: &Answer, with_label: bool) {
    let judged = judged(&answer.outcomes);
    if judged.is_empty() {
        return;
    }
    text.push_str(&if with_label {
        format!("\ntargets of {}\n", answer.label)
    } else {
        "\ntargets\n".to_owned()
    });
    let line = |judged: &Judged<'_>| {
        vec![judged.verdict.target.clone(), judged.verdict.run.clone(), judged.text(), judged.word()]
    };
    push_lines(text, &judged.iter().map(line).collect::<Vec<_>>());
}

/// The first column to the left, the others to the right.
fn push_lines(text: &mut String, lines: &[Vec<String>]) {
    let width =
        |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max();
    for line in lines {
        let mut written = String::new();
        for (at, cell) in line.iter().enumerate() {
            let padding = " ".repeat(width(at).unwrap_or(0) - cell.chars().count());
            match at {
                0 => written.push_str(&format!("{cell}{padding}")),
                _ => written.push_str(&format!("  {padding}{cell}")),
            }
        }
        text.push_str(written.trim_end());
        text.push('\n');
    }
}
