//! Pictures and figures of runs, as a page that stands alone.

use std::fmt::{self, Write as _};

use sprat_sim::PeerNumber;
use sprat_sim::scenario::{RunOutcome, peer_name};

use super::figures;
use super::running::Answer;
use super::table::{self, Column};
use crate::chart::{
    Escaped, Flows, Line, LineChart, SEED, Scale, colour, write_head, write_lines, write_matrix,
    write_ribbons,
};

/// Runs that are drawn: more lines cannot be told apart.
const RUNS: usize = 7;

/// Peers that a matrix has a name for, each.
const NAMED_PEERS: usize = 40;

/// Peers that find room on a circle.
const CIRCLE: usize = 24;

/// The page. Pictures are of the first seed, figures of all.
pub(super) fn page(answers: &[Answer]) -> String {
    let mut page = String::with_capacity(256 * 1024);
    // Writing to a string does not fail.
    let _ = write_page(&mut page, answers);
    page
}

/// A run that is drawn.
struct Drawn<'a> {
    title: String,
    colour: String,
    run: &'a RunOutcome,
}

/// When they were done, as one picture: the groups of the one run, or the runs for the first group that takes.
pub(super) fn completions(answers: &[Answer]) -> Option<LineChart> {
    let columns = table::columns(answers);
    completion_sections(&drawn(answers, &columns)).into_iter().next().map(|section| section.chart)
}

/// The runs that are drawn.
fn drawn<'a>(answers: &'a [Answer], columns: &[Column]) -> Vec<Drawn<'a>> {
    let runs = answers.iter().filter_map(|answer| answer.outcomes.first()).flat_map(|outcome| &outcome.runs);
    let drawn = columns.iter().zip(runs).take(RUNS).enumerate();
    drawn.map(|(at, (column, run))| Drawn { title: column.title.clone(), colour: colour(at), run }).collect()
}

fn write_page(out: &mut String, answers: &[Answer]) -> fmt::Result {
    let columns = table::columns(answers);
    let drawn = drawn(answers, &columns);
    let Some(outcome) = answers.first().and_then(|answer| answer.outcomes.first()) else { return Ok(()) };
    write_head(out, &format!("sprat sim {}", outcome.scenario))?;
    writeln!(out, "<h1>{}</h1>", Escaped(&outcome.scenario))?;
    writeln!(out, "<p>{}</p>", Escaped(&outcome.question))?;
    write_verdicts(out, answers)?;
    writeln!(out, "<div class=\"two\">")?;
    let others = [progress(&drawn), utilisation(&drawn), diversity(&drawn), copies(&drawn)];
    for section in completion_sections(&drawn).iter().chain(others.iter().flatten()) {
        section.write(out)?;
    }
    writeln!(out, "</div>\n<h2>Who gave how much to whom</h2>")?;
    writeln!(
        out,
        "<p>Each ribbon is as wide as what flowed, in the colour of the giver.</p>\n<div class=\"two\">"
    )?;
    for one in &drawn {
        write_flows(out, one, drawn.len() > 1)?;
    }
    writeln!(out, "</div>\n<h2>Figures</h2>")?;
    write_figures(out, &columns)?;
    let seeds = answers.first().map_or(0, |answer| answer.outcomes.len());
    let seeds = if seeds > 1 {
        format!("{} to {}", outcome.seed, outcome.seed + seeds as u64 - 1)
    } else {
        outcome.seed.to_string()
    };
    writeln!(
        out,
        "<p>Seed {seeds}. Everything on this page follows from it; the pictures are of the first seed."
    )?;
    let traces: Vec<&str> = drawn.iter().map(|one| one.run.trace.as_str()).collect();
    writeln!(out, "Hashes of all events: {}.</p>\n</html>", traces.join(", "))
}

fn write_verdicts(out: &mut String, answers: &[Answer]) -> fmt::Result {
    writeln!(out, "<table><tbody>")?;
    for answer in answers {
        for judged in table::judged(&answer.outcomes) {
            let class = if judged.is_met() { "" } else { " class=\"missed\"" };
            let sign = if judged.is_met() { "✓" } else { "✗" };
            let label = if answers.len() > 1 { answer.label.as_str() } else { "" };
            writeln!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td{class}>{sign} {}</td></tr>",
                Escaped(&judged.verdict.target),
                Escaped(label),
                Escaped(&judged.verdict.run),
                judged.text(),
                judged.word()
            )?;
        }
        for run in answer.outcomes.iter().flat_map(|outcome| &outcome.runs) {
            if let Some(violation) = &run.violation {
                writeln!(out, "<tr><td colspan=\"5\" class=\"missed\">{}</td></tr>", Escaped(violation))?;
            }
        }
    }
    writeln!(out, "</tbody></table>")
}

/// A chart under its title.
struct Section {
    title: String,
    text: &'static str,
    chart: LineChart,
}

impl Section {
    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "<section><h2>{}</h2>\n<p>{}</p>", Escaped(&self.title), self.text)?;
        write_lines(out, &self.chart)?;
        writeln!(out, "</section>")
    }
}

fn chart(label: &str, seconds: f64, y: Scale, lines: Vec<Line>) -> LineChart {
    LineChart {
        label: label.to_owned(),
        width: 430.0,
        height: 200.0,
        x: Scale::Seconds(seconds.max(0.1)),
        y,
        lines,
        marks: Vec::new(),
    }
}

fn longest(drawn: &[Drawn<'_>]) -> f64 {
    drawn.iter().map(|one| one.run.seconds).fold(0.0, f64::max)
}

/// When the peers of each group were done: groups in one picture, or a picture for each group with all runs in it.
fn completion_sections(drawn: &[Drawn<'_>]) -> Vec<Section> {
    let (Some(first), seconds) = (drawn.first(), longest(drawn)) else { return Vec::new() };
    let curve = |one: &Drawn<'_>, group: &str| {
        let group = one.run.groups.iter().find(|other| other.name == group)?;
        let mut points = vec![(0.0, 0.0)];
        for (at, share) in &group.completions {
            let before = points.last().map_or(0.0, |(_, share)| *share);
            points.extend([(*at, before), (*at, *share)]);
        }
        points.push((one.run.seconds, points.last().map_or(0.0, |(_, share)| *share)));
        (group.peers > 0 && group.takes).then_some(points)
    };
    let mut groups: Vec<&str> = Vec::new();
    for group in drawn.iter().flat_map(|one| &one.run.groups).filter(|group| group.takes) {
        if !groups.contains(&group.name.as_str()) {
            groups.push(&group.name);
        }
    }
    let line = |name: &str, colour: &str, points| Line {
        name: name.to_owned(),
        colour: colour.to_owned(),
        thin: false,
        points,
    };
    let mut charts = Vec::new();
    if drawn.len() == 1 {
        let lines = groups.iter().enumerate();
        let lines = lines
            .filter_map(|(at, group)| curve(first, group).map(|points| line(group, &colour(at), points)));
        charts.push(("When they were done".to_owned(), lines.collect::<Vec<_>>()));
    } else {
        for group in groups {
            let lines = drawn
                .iter()
                .filter_map(|one| curve(one, group).map(|points| line(&one.title, &one.colour, points)));
            charts.push((format!("When they were done: {group}"), lines.collect()));
        }
    }
    let mut bounds: Vec<f64> = drawn.iter().filter_map(|one| one.run.figures.get("bound").copied()).collect();
    bounds.dedup();
    let marks = match bounds.as_slice() {
        [bound] => vec![(*bound, "the earliest".to_owned())],
        _ => Vec::new(),
    };
    let text = match marks.len() {
        0 => "Share of the peers that have everything.",
        _ => {
            "Share of the peers that have everything. The dashed line is the earliest moment at which all could."
        }
    };
    let section = |(title, lines): (String, Vec<Line>)| {
        let chart = LineChart { marks: marks.clone(), ..chart(&title, seconds, Scale::Share(1.0), lines) };
        Section { title, text, chart }
    };
    charts.into_iter().map(section).collect()
}

/// The mean progress of groups; of several runs, of all takers.
fn progress(drawn: &[Drawn<'_>]) -> Option<Section> {
    let [one] = drawn else { return None };
    let series = &one.run.series;
    let groups =
        one.run.groups.iter().zip(&series.progress).filter(|(group, _)| group.takes && group.peers > 0);
    let lines = groups.enumerate().map(|(at, (group, progress))| Line {
        name: group.name.clone(),
        colour: colour(at),
        thin: false,
        points: series.seconds.iter().copied().zip(progress.iter().copied()).collect(),
    });
    let chart = chart("mean progress over time", one.run.seconds, Scale::Share(1.0), lines.collect());
    let text = "Share of the content that those have who have come, on average.";
    Some(Section { title: "How far they were".to_owned(), text, chart })
}

fn utilisation(drawn: &[Drawn<'_>]) -> Option<Section> {
    let lines =
        drawn.iter().map(|one| share_line(one, drawn.len() > 1, &one.run.series.utilisation)).collect();
    let chart = chart("upload capacity used over time", longest(drawn), Scale::Share(1.0), lines);
    let text = "Share of the upload capacity of all honest peers that carried payload.";
    Some(Section { title: "How full the uplinks were".to_owned(), text, chart })
}

fn diversity(drawn: &[Drawn<'_>]) -> Option<Section> {
    let lines = drawn.iter().map(|one| share_line(one, drawn.len() > 1, &one.run.series.diversity)).collect();
    let chart = chart("piece diversity over time", longest(drawn), Scale::Share(1.0), lines);
    let text = "Share of the pairs of incomplete peers of which the first has something for the second.";
    Some(Section { title: "Who had something for whom".to_owned(), text, chart })
}

fn share_line(one: &Drawn<'_>, named: bool, values: &[Option<f64>]) -> Line {
    let points = one.run.series.seconds.iter().zip(values).filter_map(|(at, share)| Some((*at, (*share)?)));
    Line {
        name: if named { one.title.clone() } else { String::new() },
        colour: one.colour.clone(),
        thin: false,
        points: points.collect(),
    }
}

/// The rarest and the commonest piece; of several runs the rarest.
fn copies(drawn: &[Drawn<'_>]) -> Option<Section> {
    let line = |one: &Drawn<'_>, name: &str, colour: String, values: &[u32]| Line {
        name: name.to_owned(),
        colour,
        thin: false,
        points: one
            .run
            .series
            .seconds
            .iter()
            .copied()
            .zip(values.iter().map(|copies| f64::from(*copies)))
            .collect(),
    };
    let lines: Vec<Line> = match drawn {
        [one] => vec![
            line(one, "commonest", colour(0), &one.run.series.commonest),
            line(one, "rarest", colour(1), &one.run.series.rarest),
            line(one, "peers", "var(--soft)".to_owned(), &one.run.series.present),
        ],
        several => several
            .iter()
            .map(|one| line(one, &one.title, one.colour.clone(), &one.run.series.rarest))
            .collect(),
    };
    let most = lines.iter().flat_map(|line| &line.points).map(|(_, copies)| *copies).fold(1.0, f64::max);
    let title = if drawn.len() == 1 { "Copies of a piece" } else { "Copies of the rarest piece" };
    let chart = chart("copies of pieces over time", longest(drawn), Scale::Count(most), lines);
    Some(Section { title: title.to_owned(), text: "Among those who are there, seeds included.", chart })
}

fn group_colour(run: &RunOutcome, group: usize) -> String {
    let seeds = run.groups.iter().take_while(|group| group.seeds).count();
    if group < seeds { SEED.to_owned() } else { colour(group - seeds) }
}

fn write_flows(out: &mut String, one: &Drawn<'_>, titled: bool) -> fmt::Result {
    let run = one.run;
    let present: Vec<usize> =
        (0..run.groups.len()).filter(|at| run.groups.get(*at).is_some_and(|group| group.peers > 0)).collect();
    let group = |at: usize| present.get(at).copied().unwrap_or(usize::MAX);
    let cell = |matrix: &[Vec<u64>], from: usize, to: usize| {
        matrix.get(from).and_then(|row| row.get(to)).copied().unwrap_or(0)
    };
    let by_group = |from, to| cell(&run.flows, group(from), group(to));
    let name = |at: usize| run.groups.get(at).map_or_else(String::new, |group| group.name.clone());
    let groups = Flows {
        names: present.iter().map(|at| name(*at)).collect(),
        colours: present.iter().map(|at| group_colour(run, *at)).collect(),
        bytes: &by_group,
    };
    let peers = run.peer_flows.len();
    let title = match (titled, peers) {
        (true, _) => one.title.as_str(),
        (false, 1..=CIRCLE) => "Peer by peer",
        (false, _) => "Group by group",
    };
    // A circle of two dozen peers says more than one of two groups.
    let by_peer = |from, to| cell(&run.peer_flows, from, to);
    let all = peer_flows(run, &by_peer);
    writeln!(out, "<section><h2>{}</h2>", Escaped(title))?;
    write_ribbons(out, if (1..=CIRCLE).contains(&peers) { &all } else { &groups })?;
    writeln!(out, "</section>")?;
    writeln!(
        out,
        "<section><h2>{}</h2>",
        if peers > CIRCLE { "The same, peer by peer" } else { "The same as a table" }
    )?;
    write_matrix(out, if peers > 0 { &all } else { &groups })?;
    writeln!(out, "</section>")
}

fn peer_flows<'a>(run: &RunOutcome, bytes: &'a dyn Fn(usize, usize) -> u64) -> Flows<'a> {
    let group = |peer: usize| run.peer_groups.get(peer).copied().map(usize::from);
    let count = run.peer_flows.len();
    let name = |peer: usize| {
        let is_first = peer == 0 || group(peer) != group(peer - 1);
        let is_alone = is_first && group(peer) != group(peer + 1);
        let of_group = group(peer).and_then(|at| run.groups.get(at)).map_or("", |group| group.name.as_str());
        if is_alone || (is_first && count > NAMED_PEERS) {
            return of_group.to_owned();
        }
        if count > NAMED_PEERS {
            return String::new();
        }
        let full = peer_name(run, PeerNumber(u32::try_from(peer).unwrap_or(u32::MAX)));
        if is_first { full } else { full.rsplit(' ').next().unwrap_or_default().to_owned() }
    };
    Flows {
        names: (0..count).map(name).collect(),
        colours: (0..count).map(|peer| group_colour(run, group(peer).unwrap_or(0))).collect(),
        bytes,
    }
}

fn write_figures(out: &mut String, columns: &[Column]) -> fmt::Result {
    writeln!(out, "<table><thead><tr><th></th>")?;
    for column in columns {
        writeln!(out, "<th>{}</th>", Escaped(&column.title))?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    for row in table::rows(columns) {
        write!(out, "<tr><td>{}</td>", Escaped(&figures::title(&row)))?;
        for column in columns {
            write!(out, "<td>{}</td>", Escaped(&table::cell(column, &row)))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table>")
}
