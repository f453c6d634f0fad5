//! The view, drawn. Only what is in view is looked at.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Sparkline, Table};
use sprat_daemon::torrents::{State as TorrentState, Summary};

use super::keys::HELP;
use super::pane::{Details, Tab};
use super::state::{Mode, Pane, State};
use crate::cli::remote::Column;
use crate::remote::columns;
use crate::remote::table::{Heading, Kind};
use crate::text;

/// The columns of the list, each with its width, and how readily it goes when there is not enough room: 0 never does.
const COLUMNS: [(Column, u16, u8); 10] = [
    (Column::Name, 0, 0),
    (Column::State, 11, 0),
    (Column::Progress, 7, 0),
    (Column::Size, 10, 2),
    (Column::Down, 12, 0),
    (Column::Up, 12, 1),
    (Column::Eta, 12, 3),
    (Column::Ratio, 6, 5),
    (Column::Peers, 5, 4),
    (Column::Label, 12, 6),
];

/// Columns of the terminal that a name has at least.
const NAME: u16 = 24;

/// Rows above the torrents: the sums, the rates of the past, the titles of the columns.
const ABOVE: u16 = 4;

const DOWN: Color = Color::Cyan;
const UP: Color = Color::Green;

/// Where everything is.
struct Areas {
    sums: Rect,
    rates: Rect,
    list: Rect,
    pane: Rect,
    bottom: Rect,
}

fn areas(whole: Rect, has_pane: bool) -> Areas {
    let pane = if has_pane { whole.height.saturating_sub(ABOVE) * 2 / 5 } else { 0 };
    let [sums, rates, list, pane, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(2),
        Constraint::Min(2),
        Constraint::Length(pane),
        Constraint::Length(1),
    ])
    .areas(whole);
    Areas { sums, rates, list, pane, bottom }
}

/// How many torrents are in view in a terminal of this size.
pub(super) fn rows(whole: Rect, has_pane: bool) -> usize {
    usize::from(areas(whole, has_pane).list.height.saturating_sub(1))
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, address: &str) {
    let areas = areas(frame.area(), state.pane.is_some());
    frame.render_widget(Paragraph::new(sums(state, address)), areas.sums);
    rates(frame, state, areas.rates);
    list(frame, state, areas.list);
    if let Some(pane) = &state.pane {
        details(frame, pane, state.details(), areas.pane);
    }
    frame.render_widget(Paragraph::new(bottom(state)), areas.bottom);
    if state.mode == Mode::Help {
        help(frame);
    }
}

fn sums<'a>(state: &State, address: &'a str) -> Line<'a> {
    let (shown, all) = state.list.counts();
    let (down, up) = state.list.rates();
    let counts = if shown == all { format!("{all} torrents") } else { format!("{shown} of {all} torrents") };
    let mut line = vec![
        "sprat".bold(),
        Span::raw(format!("  {counts}  ")),
        Span::styled(format!("↓ {}  ", text::rate(down)), DOWN),
        Span::styled(format!("↑ {}  ", text::rate(up)), UP),
        Span::raw(address).dim(),
    ];
    match &state.lost {
        Some(reason) => line.push(format!("  {}", text::safe(reason, 300)).red().bold()),
        None if !state.is_live => line.push("  connecting …".dim()),
        None => {}
    }
    Line::from(line)
}

/// The rates of the past, the latest at the right.
fn rates(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(1).areas(area);
    let mut graph = |area: Rect, color, of: fn(&(u64, u64)) -> u64| {
        let width = usize::from(area.width);
        let known = state.history.len().min(width);
        let latest = state.history.iter().skip(state.history.len() - known).map(of);
        let data: Vec<u64> = std::iter::repeat_n(0, width - known).chain(latest).collect();
        frame.render_widget(Sparkline::default().data(&data).style(color), area);
    };
    graph(left, DOWN, |rates| rates.0);
    graph(right, UP, |rates| rates.1);
}

fn list(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let columns = fitting(area.width);
    let (sort, is_reversed) = state.list.order();
    let title = |column: Column| {
        let heading = columns::heading(column);
        let mark = if is_reversed { "▼" } else { "▲" };
        let title =
            if column == sort { format!("{}{mark}", heading.title) } else { heading.title.to_owned() };
        aligned(title, heading)
    };
    let header = Row::new(columns.iter().map(|(column, _)| title(*column))).style(Modifier::BOLD);
    let row = |(one, is_selected): (&Summary, bool)| {
        let cells = columns.iter().map(|(column, _)| {
            let cell = aligned(columns::cell(*column, one), columns::heading(*column));
            if *column == Column::State { cell.style(color(one.state)) } else { cell }
        });
        let style = if is_selected { Style::from(Modifier::REVERSED) } else { Style::new() };
        Row::new(cells.collect::<Vec<_>>()).style(style)
    };
    let widths = columns.iter().map(|(_, width)| *width);
    frame.render_widget(Table::new(state.list.view().map(row), widths).header(header), area);
    if state.is_live && state.list.counts().1 == 0 && area.height > 2 {
        let hint = Rect { y: area.y + 1, height: 1, ..area };
        frame.render_widget(Paragraph::new("no torrents yet: sprat add …".dim()), hint);
    }
}

/// The columns for which there is room.
fn fitting(width: u16) -> Vec<(Column, Constraint)> {
    let mut columns = COLUMNS.to_vec();
    // One column of the terminal is between two of the table.
    let needs =
        |columns: &[(Column, u16, u8)]| NAME + columns.iter().map(|(_, width, _)| width + 1).sum::<u16>();
    while needs(&columns) > width {
        let Some(first) = columns.iter().map(|(_, _, readily)| *readily).max().filter(|readily| *readily > 0)
        else {
            break;
        };
        columns.retain(|(_, _, readily)| *readily != first);
    }
    let constraint = |width| if width == 0 { Constraint::Fill(1) } else { Constraint::Length(width) };
    columns.into_iter().map(|(column, width, _)| (column, constraint(width))).collect()
}

fn aligned(text: String, heading: Heading) -> Cell<'static> {
    let side = if heading.kind == Kind::Figure { Alignment::Right } else { Alignment::Left };
    Cell::from(Line::from(text).alignment(side))
}

const fn color(state: TorrentState) -> Color {
    match state {
        TorrentState::Downloading => DOWN,
        TorrentState::Seeding => UP,
        TorrentState::Trouble => Color::Red,
        TorrentState::Checking | TorrentState::Moving | TorrentState::FetchingMetadata => Color::Yellow,
        TorrentState::Stopped | TorrentState::Queued => Color::DarkGray,
    }
}

fn details(frame: &mut Frame<'_>, pane: &Pane, details: Option<&Details>, area: Rect) {
    let tabs = Tab::ALL.into_iter().map(|tab| {
        let title = format!(" {} ", tab.title());
        if tab == pane.tab { title.reversed() } else { title.into() }
    });
    let block = Block::new().borders(ratatui::widgets::Borders::TOP).title(Line::from_iter(tabs));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let Some(details) = details else { return };
    let headings = details.headings();
    let last = details.len().min(pane.scroll + usize::from(inner.height));
    let rows: Vec<Vec<String>> = (pane.scroll..last).filter_map(|at| details.row(at)).collect();
    let widths: Vec<Constraint> =
        headings.iter().enumerate().map(|(at, heading)| width(at, heading, &rows)).collect();
    let cells =
        |row: Vec<String>| row.into_iter().zip(&headings).map(|(text, heading)| aligned(text, *heading));
    let rows: Vec<Row<'_>> = rows.into_iter().map(|row| Row::new(cells(row))).collect();
    let mut table = Table::new(rows, widths);
    if headings.iter().any(|heading| !heading.title.is_empty()) {
        let titles = headings.iter().map(|heading| aligned(heading.title.to_owned(), *heading));
        table = table.header(Row::new(titles).style(Modifier::BOLD));
    }
    frame.render_widget(table, inner);
}

/// As wide as what is in view of a column; what may be cut shares what is left.
fn width(at: usize, heading: &Heading, rows: &[Vec<String>]) -> Constraint {
    if heading.kind == Kind::Long {
        return Constraint::Fill(1);
    }
    let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| Span::raw(cell.as_str()).width());
    let widest = cells.max().unwrap_or(0).max(heading.title.len());
    Constraint::Length(u16::try_from(widest).unwrap_or(u16::MAX))
}

fn bottom(state: &State) -> Line<'_> {
    match &state.mode {
        Mode::Filter => {
            Line::from(vec!["/".bold(), Span::raw(text::safe(state.list.filter(), 200)), "▏".into()])
        }
        Mode::Removing { name, .. } => Line::from(vec![
            format!("Remove {name}?  ").red().bold(),
            "y: its files stay   D: delete its files as well   any other key: no".into(),
        ]),
        Mode::List | Mode::Help => match &state.notice {
            Some(notice) => Line::from(text::safe(notice, 300).yellow()),
            None if !state.list.filter().is_empty() => {
                Line::from(format!("only: {}   Esc: all   ?: help", text::safe(state.list.filter(), 200)))
            }
            None => Line::from(
                "↑↓ Enter: details  / filter  o sort  s start  p stop  d remove  ? help  q end".dim(),
            ),
        },
    }
}

fn help(frame: &mut Frame<'_>) {
    let lines: Vec<Line<'_>> = HELP
        .iter()
        .map(|(keys, meaning)| Line::from(vec![format!(" {keys:<14}").bold(), (*meaning).into()]))
        .collect();
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let whole = frame.area();
    let area = Rect {
        x: whole.width.saturating_sub(84) / 2,
        y: whole.height.saturating_sub(height) / 2,
        width: whole.width.min(84),
        height: whole.height.min(height),
    };
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" keys ")), area);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::keys::Key;
    use super::super::state::Input;
    use super::*;
    use crate::remote::listing::Page;
    use crate::remote::words::tests::summary;

    fn state(torrents: Vec<Summary>) -> State {
        let mut state = State::default();
        state.handle(Input::Torrents(Page { full: true, gone: Vec::new(), torrents }));
        state
    }

    /// What is on a terminal of this size.
    fn drawn(state: &mut State, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        state.handle(Input::Rows(rows(Rect::new(0, 0, width, height), state.pane.is_some())));
        terminal.draw(|frame| draw(frame, state, "unix:/run/sprat")).unwrap();
        terminal.backend().to_string()
    }

    fn key(state: &mut State, key: char) {
        state.handle(Input::Key(Key::Character(key)));
    }

    #[test]
    fn what_is_in_view_is_on_the_screen() {
        let torrent = |at: usize| Summary {
            state: TorrentState::Downloading,
            download_rate: 2048,
            position: i64::try_from(at).unwrap(),
            ..summary(&format!("{at:05}"), &format!("torrent number {at:05}"))
        };
        let mut state = state((0..10_000).map(torrent).collect());
        state.handle(Input::Second);
        let screen = drawn(&mut state, 100, 24);
        assert!(screen.contains("10000 torrents") && screen.contains("↓ 19.5 MiB/s"), "{screen}");
        assert!(screen.contains("torrent number 00018") && !screen.contains("number 00019"), "{screen}");
        assert!(screen.contains("downloading") && screen.contains("2.0 KiB/s"), "{screen}");
        state.handle(Input::Key(Key::Last));
        assert!(drawn(&mut state, 100, 24).contains("torrent number 09999"));
        key(&mut state, 'o');
        key(&mut state, 'r');
        assert!(drawn(&mut state, 100, 24).contains("name▼"));
    }

    #[test]
    fn a_narrow_terminal_has_the_columns_that_matter() {
        let names = |width| fitting(width).into_iter().map(|(column, _)| column).collect::<Vec<_>>();
        assert_eq!(names(200).len(), COLUMNS.len());
        assert!(!names(100).contains(&Column::Label));
        assert_eq!(names(20), [Column::Name, Column::State, Column::Progress, Column::Down]);
        let mut state = state(vec![summary("aa", "a name")]);
        for (width, height) in [(1, 1), (5, 3), (20, 5), (80, 24)] {
            state.handle(Input::Key(Key::Enter));
            drawn(&mut state, width, height);
            key(&mut state, '?');
            drawn(&mut state, width, height);
            key(&mut state, '?');
        }
    }

    #[test]
    fn no_name_writes_to_the_terminal() {
        let mut state = state(vec![Summary {
            label: Some("\u{202e}l\u{7}".to_owned()),
            ..summary("aa", "\u{1b}[2Jx\u{9b}1m\u{202e}gpj\n")
        }]);
        for keys in ["", "d"] {
            keys.chars().for_each(|one| key(&mut state, one));
            let screen = drawn(&mut state, 160, 12);
            assert!(!screen.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{7}']), "{screen:?}");
        }
    }

    #[test]
    fn details_questions_and_help_lie_over_the_list() {
        let mut state = state(vec![summary("aa", "a name")]);
        state.handle(Input::Key(Key::Enter));
        let rows = vec![("directory", "/downloads".to_owned())];
        let details = Details::Overview(rows);
        state.handle(Input::Details { hash: "aa".to_owned(), tab: Tab::Overview, details });
        let screen = drawn(&mut state, 100, 24);
        assert!(screen.contains(" trackers ") && screen.contains("directory /downloads"), "{screen}");
        key(&mut state, 'd');
        assert!(drawn(&mut state, 100, 24).contains("Remove a name?"));
        key(&mut state, 'n');
        key(&mut state, '?');
        assert!(drawn(&mut state, 100, 24).contains("the next page of the details"));
        key(&mut state, '?');
        state.handle(Input::Lost("the daemon has ended".to_owned()));
        assert!(drawn(&mut state, 100, 24).contains("the daemon has ended"));
    }
}
