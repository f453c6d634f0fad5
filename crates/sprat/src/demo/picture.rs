//! The picture that the demo leaves behind: one HTML page with inline SVG, no script, nothing from elsewhere.

use std::fmt::{self, Write as _};

use super::account::{Account, Peer};
use crate::chart::{
    Flows, Line, LineChart, SEED, Scale, write_head, write_lines, write_matrix, write_ribbons,
};
use crate::text;

/// What the page says about the run as a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Title {
    /// Bytes of the file.
    pub(crate) length: u64,
    /// Until the last leecher had it.
    pub(crate) seconds: f64,
    /// At the least.
    pub(crate) bound: f64,
}

/// The page.
pub(crate) fn page(account: &Account, title: &Title) -> String {
    let mut page = String::with_capacity(64 * 1024);
    // Writing to a string does not fail.
    let _ = write_page(&mut page, account, title);
    page
}

/// A colour for each peer: the seeder's own, the leechers' around the wheel.
fn colour(peer: usize, peers: usize) -> String {
    if peer == 0 {
        return SEED.to_owned();
    }
    let hue = 150 + (peer - 1) * 200 / peers.max(2);
    format!("hsl({hue} 52% 52%)")
}

fn write_page(out: &mut String, account: &Account, title: &Title) -> fmt::Result {
    let leechers = account.peers.len().saturating_sub(1);
    let given = account.peers.first().map_or(0, |seeder| seeder.uploaded);
    write_head(out, "sprat: a swarm")?;
    writeln!(out, "<h1>A file crosses a swarm</h1>")?;
    writeln!(
        out,
        "<p>{} from one seeder to {leechers} leechers, who gave it to each other as it came.</p>",
        text::bytes(title.length)
    )?;
    let ratio = title.seconds / title.bound;
    let copies = given as f64 / title.length.max(1) as f64;
    writeln!(out, "<div class=\"figures\">")?;
    for (value, what) in [
        (format!("{:.1} s", title.seconds), "until the last one had it".to_owned()),
        (format!("{ratio:.2} ×"), format!("the lower bound of {:.1} s", title.bound)),
        (format!("{copies:.2}"), format!("copies left the seeder; {leechers} arrived")),
    ] {
        writeln!(out, "<div><b>{value}</b><span>{what}</span></div>")?;
    }
    writeln!(out, "</div>\n<div class=\"two\"><section>")?;
    writeln!(out, "<h2>Who sent how much to whom</h2>")?;
    writeln!(out, "<p>Each ribbon is as wide as what flowed, in the colour of the giver.</p>")?;
    let bytes = |from, to| account.flow(from, to);
    let count = account.peers.len();
    let names = (0..count).map(|peer| short(account, peer)).collect();
    let flows = Flows { names, colours: (0..count).map(|peer| colour(peer, count)).collect(), bytes: &bytes };
    write_ribbons(out, &flows)?;
    writeln!(out, "</section><section>\n<h2>The same in figures</h2>\n<p>Rows give, columns take.</p>")?;
    write_matrix(out, &flows)?;
    writeln!(out, "</section></div>\n<h2>Pieces over time</h2>")?;
    writeln!(out, "<p>The dashed line is the earliest moment at which all could have been ready.</p>")?;
    write_lines(out, &curves(account, title))?;
    writeln!(out, "</html>")
}

/// Names as short as the pictures need them.
fn short(account: &Account, peer: usize) -> String {
    if peer == 0 {
        "seeder".to_owned()
    } else {
        account.peers.get(peer).map_or_else(String::new, |_| peer.to_string())
    }
}

/// One curve per leecher.
fn curves(account: &Account, title: &Title) -> LineChart {
    let line = |(number, peer): (usize, &Peer)| Line {
        name: String::new(),
        colour: colour(number, account.peers.len()),
        thin: false,
        points: peer
            .progress
            .iter()
            .take_while(|(at, _)| peer.completed.is_none_or(|completed| *at <= completed))
            .map(|(at, permille)| (*at, f64::from(*permille) / 1000.0))
            .collect(),
    };
    LineChart {
        label: "pieces over time".to_owned(),
        width: 960.0,
        height: 260.0,
        x: Scale::Seconds((title.seconds.max(title.bound) * 1.04).max(0.1)),
        y: Scale::Share(1.0),
        lines: account.peers.iter().enumerate().skip(1).map(line).collect(),
        marks: vec![(title.bound, "the earliest".to_owned())],
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::Sample;
    use super::*;

    #[test]
    fn the_page_stands_alone_and_escapes_names() {
        let mut account = Account::new(["<seed>", "<script>alert(1)</script>"].map(str::to_owned));
        for (at, received) in [(0, vec![]), (1, vec![("x".to_owned(), 0, 5 << 20)])] {
            let sample = Sample {
                uploaded: 5 << 20,
                downloaded: 5 << 20,
                download_rate: 0,
                upload_rate: 0,
                pieces: 2,
                pieces_have: 2,
                received,
            };
            account.enter(at, 1.0, sample);
        }
        let page = page(&account, &Title { length: 5 << 20, seconds: 1.0, bound: 0.5 });
        assert!(!page.contains("<script") && !page.contains("http"), "{page}");
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }

    #[test]
    fn a_swarm_without_flows_is_no_division_by_zero() {
        let account = Account::new(["seeder", "leecher 1"].map(str::to_owned));
        let page = page(&account, &Title { length: 0, seconds: 0.0, bound: 1.0 });
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }
}
