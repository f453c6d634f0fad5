//! How figures are named and written for people.

/// What a figure is, in which order, and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Seconds,
    Share,
    Times,
    Number,
}

/// Name, what it says, kind; in the order in which they are shown.
const FIGURES: &[(&str, &str, Kind)] = &[
    ("bound", "no swarm is faster", Kind::Seconds),
    ("fluid", "the fluid model's mean", Kind::Seconds),
    ("first", "first complete", Kind::Seconds),
    ("mean", "mean", Kind::Seconds),
    ("median", "median", Kind::Seconds),
    ("p95", "95 of 100 within", Kind::Seconds),
    ("last", "last complete", Kind::Seconds),
    ("complete", "complete, of those who stayed", Kind::Share),
    ("first-piece", "95 of 100 have a first piece within", Kind::Seconds),
    ("tail", "of its time a peer takes for the last 5 %", Kind::Share),
    ("copies", "copies sent by the seeds", Kind::Times),
    ("utilisation", "upload capacity used, 10 % to 90 % of the way", Kind::Share),
    ("diversity", "pairs with something to give, once all pieces are out", Kind::Share),
    ("duplicates", "fetched twice", Kind::Share),
    ("waste", "fetched for nothing", Kind::Share),
    ("waste-per-peer", "fetched for nothing by a peer, copies", Kind::Times),
    ("clustering", "given to the own group, of blind choice", Kind::Times),
    ("lost-pieces", "pieces lost", Kind::Number),
    ("bans", "bans", Kind::Number),
];

/// The place of a figure among others: by what it is, then by group.
pub(super) fn order(name: &str) -> (usize, &str) {
    let (base, group) = split(name);
    (FIGURES.iter().position(|(known, _, _)| *known == base).unwrap_or(FIGURES.len()), group)
}

/// What it says: `mean, leechers`.
pub(super) fn title(name: &str) -> String {
    let (base, group) = split(name);
    let said = FIGURES.iter().find(|(known, _, _)| *known == base).map_or(base, |(_, said, _)| said);
    if group.is_empty() { said.to_owned() } else { format!("{said}, {group}") }
}

/// With its unit.
pub(super) fn text(name: &str, value: f64) -> String {
    let kind = FIGURES.iter().find(|(known, _, _)| *known == split(name).0).map(|(_, _, kind)| *kind);
    match kind {
        Some(Kind::Seconds) if value >= 100.0 => format!("{value:.0} s"),
        Some(Kind::Seconds) => format!("{value:.1} s"),
        Some(Kind::Share) if value < 0.01 => format!("{:.2} %", value * 100.0),
        Some(Kind::Share) => format!("{:.1} %", value * 100.0),
        Some(Kind::Number) => format!("{value:.0}"),
        Some(Kind::Times) | None => format!("{value:.2}"),
    }
}

/// Base and group.
fn split(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((name, ""))
}

/// The middle one of some values, the least and the most.
pub(super) fn middle(values: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Some((*sorted.get((sorted.len().max(1) - 1) / 2)?, *sorted.first()?, *sorted.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_names_and_units() {
        assert_eq!(title("mean.leechers"), "mean, leechers");
        assert_eq!(
            (text("mean.leechers", 12.345), text("utilisation", 0.9234)),
            ("12.3 s".into(), "92.3 %".into())
        );
        assert_eq!((text("copies", 1.234), text("bans", 3.0)), ("1.23".into(), "3".into()));
        assert!(order("bound") < order("last") && order("last") < order("last.leechers"));
        assert_eq!(middle(&[3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(middle(&[]), None);
    }
}
