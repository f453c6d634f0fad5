//! Tables that fit the terminal.

use std::io::IsTerminal as _;

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Row, Table as Drawn};

/// A column: its title, and how it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heading {
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
}

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Words.
    Text,
    /// Figures: to the right.
    Figure,
    /// What may be cut when there is not enough room.
    Long,
}

impl Heading {
    /// Over words.
    pub(crate) const fn text(title: &'static str) -> Self {
        Self { title, kind: Kind::Text }
    }

    /// Over figures.
    pub(crate) const fn figure(title: &'static str) -> Self {
        Self { title, kind: Kind::Figure }
    }

    /// Over what may be cut.
    pub(crate) const fn long(title: &'static str) -> Self {
        Self { title, kind: Kind::Long }
    }
}

/// A row per line, with cells that are [safe](crate::text::safe) already. Where a person looks it is as wide as the terminal at
/// the most; a program gets everything.
pub(super) fn table(headings: &[Heading], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    drawn(headings, rows, width())
}

/// Columns of the terminal, where a person looks.
fn width() -> Option<u16> {
    let out = std::io::stdout();
    let size = out.is_terminal().then(|| terminal_size::terminal_size_of(&out)).flatten();
    size.map(|(width, _)| width.0)
}

fn drawn(headings: &[Heading], rows: impl IntoIterator<Item = Vec<String>>, width: Option<u16>) -> String {
    let mut table = Drawn::new();
    table.load_style(comfy_table::presets::NOTHING);
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.set_header(headings.iter().map(|heading| Cell::new(heading.title)));
    for row in rows {
        let mut row = Row::from(row);
        row.max_height(1);
        table.add_row(row);
    }
    for (column, heading) in table.column_iter_mut().zip(headings) {
        column.set_padding((0, 2));
        if heading.kind == Kind::Figure {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if heading.kind != Kind::Long {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADINGS: [Heading; 3] = [Heading::figure("n"), Heading::long("name"), Heading::text("state")];

    fn rows() -> Vec<Vec<String>> {
        [["1", "a-name-that-is-rather-long", "seeding"], ["12", "日本語の名前", "stopped"]]
            .map(|row| row.map(str::to_owned).into())
            .into()
    }

    #[test]
    fn a_program_gets_everything() {
        let table = drawn(&HEADINGS, rows(), None);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 3, "{table}");
        assert!(lines[1].contains("a-name-that-is-rather-long  seeding"), "{table}");
        assert!(lines[1].starts_with(" 1  ") && lines[2].starts_with("12  "), "{table}");
    }

    #[test]
    fn a_person_gets_a_line_for_each_row_that_fits() {
        let table = drawn(&HEADINGS, rows(), Some(24));
        assert_eq!(table.lines().count(), 3, "{table}");
        for line in table.lines() {
            assert!(line.chars().count() <= 24, "{line:?}");
        }
        assert!(table.contains('…') && table.contains("seeding"), "{table}");
    }
}
