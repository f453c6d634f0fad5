//! The picture that the demo leaves behind: one HTML page with inline SVG, no script, nothing from elsewhere.

use std::f64::consts::TAU;
use std::fmt::{self, Write as _};

use super::account::Account;
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

/// Text between tags.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b2733; --soft: #6b7a88; --paper: #fbfaf7; --line: #d9d5cb; --seed: #d9822b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e3da; --soft: #93a1ad; --paper: #14191f; --line: #323b45; --seed: #f0a04b; }
}
body { margin: 0 auto; max-width: 68rem; padding: 2.5rem 1.5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; font-weight: 650; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.05rem; font-weight: 650; margin: 2.4rem 0 .2rem; }
p { color: var(--soft); margin: 0 0 .8rem; max-width: 44rem; }
.figures { display: flex; flex-wrap: wrap; gap: .4rem 2.6rem; margin: 1.4rem 0 0; }
.figures div { display: flex; flex-direction: column; }
.figures b { font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.figures span { color: var(--soft); font-size: .85rem; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(25rem, 1fr)); gap: 0 2.5rem; }
svg { width: 100%; height: auto; display: block; }
text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.name { fill: var(--ink); }
.axis { stroke: var(--line); stroke-width: 1; fill: none; }
";

/// A colour for each peer: the seeder's own, the leechers' around the wheel.
fn colour(peer: usize, peers: usize) -> String {
    if peer == 0 {
        return "var(--seed)".to_owned();
    }
    let hue = 150 + (peer - 1) * 200 / peers.max(2);
    format!("hsl({hue} 52% 52%)")
}

fn write_page(out: &mut String, account: &Account, title: &Title) -> fmt::Result {
    let leechers = account.peers.len().saturating_sub(1);
    let given = account.peers.first().map_or(0, |seeder| seeder.uploaded);
    writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width\">\n<title>sprat: a swarm</title>")?;
    writeln!(out, "<style>{STYLE}</style>\n<h1>A file crosses a swarm</h1>")?;
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
    write_ribbons(out, account)?;
    writeln!(out, "</section><section>\n<h2>The same in figures</h2>\n<p>Rows give, columns take.</p>")?;
    write_matrix(out, account)?;
    writeln!(out, "</section></div>\n<h2>Pieces over time</h2>")?;
    writeln!(out, "<p>The dashed line is the earliest moment at which all could have been ready.</p>")?;
    write_curves(out, account, title)?;
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

/// A chord diagram: peers on a circle, an arc as long as what they gave and took, ribbons between.
fn write_ribbons(out: &mut String, account: &Account) -> fmt::Result {
    const RADIUS: f64 = 190.0;
    const GAP: f64 = 0.035;
    let count = account.peers.len();
    let flow = |from: usize, to: usize| account.flow(from, to) as f64;
    let weight = |peer: usize| (0..count).map(|other| flow(peer, other) + flow(other, peer)).sum::<f64>();
    let total: f64 = (0..count).map(weight).sum::<f64>().max(1.0);
    let per_byte = (TAU - GAP * count as f64) / total;
    let point = |angle: f64, radius: f64| (radius * angle.sin(), -radius * angle.cos());

    writeln!(out, "<svg viewBox=\"-260 -225 520 450\" role=\"img\" aria-label=\"flows between peers\">")?;
    let mut begin = 0.0;
    let mut starts = Vec::with_capacity(count);
    for peer in 0..count {
        starts.push(begin);
        begin += weight(peer) * per_byte + GAP;
    }
    let mut used = starts.clone();
    let mut take = |peer: usize, bytes: f64| {
        let from = used.get(peer).copied().unwrap_or_default();
        let to = from + bytes * per_byte;
        if let Some(used) = used.get_mut(peer) {
            *used = to;
        }
        (from, to)
    };
    for from in 0..count {
        for to in 0..count {
            let bytes = flow(from, to);
            if bytes <= 0.0 {
                continue;
            }
            let (a, b) = take(from, bytes);
            let (c, d) = take(to, bytes);
            let [(ax, ay), (bx, by), (cx, cy), (dx, dy)] =
                [a, b, c, d].map(|angle| point(angle, RADIUS - 3.0));
            writeln!(
                out,
                "<path d=\"M{ax:.1} {ay:.1}Q0 0 {cx:.1} {cy:.1}L{dx:.1} {dy:.1}Q0 0 {bx:.1} {by:.1}Z\" fill=\"{}\" \
                 fill-opacity=\".42\"><title>{} to {}: {}</title></path>",
                colour(from, count),
                Escaped(&short(account, from)),
                Escaped(&short(account, to)),
                text::bytes(account.flow(from, to))
            )?;
        }
    }
    for (peer, start) in starts.iter().enumerate() {
        let end = start + weight(peer) * per_byte;
        let ((ax, ay), (bx, by)) = (point(*start, RADIUS), point(end, RADIUS));
        let large = u8::from(end - start > TAU / 2.0);
        writeln!(
            out,
            "<path d=\"M{ax:.1} {ay:.1}A{RADIUS} {RADIUS} 0 {large} 1 {bx:.1} {by:.1}\" fill=\"none\" \
             stroke=\"{}\" stroke-width=\"9\"/>",
            colour(peer, count)
        )?;
        let middle = f64::midpoint(*start, end);
        let (x, y) = point(middle, RADIUS + 20.0);
        let anchor = if x.abs() < 20.0 {
            "middle"
        } else if x > 0.0 {
            "start"
        } else {
            "end"
        };
        writeln!(
            out,
            "<text class=\"name\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            y + 4.0,
            Escaped(&short(account, peer))
        )?;
    }
    writeln!(out, "</svg>")
}

/// Givers in rows, takers in columns, darker where more flowed.
fn write_matrix(out: &mut String, account: &Account) -> fmt::Result {
    let count = account.peers.len();
    let cell = 400.0 / count.max(1) as f64;
    let most = (0..count)
        .flat_map(|from| (0..count).map(move |to| account.flow(from, to)))
        .max()
        .unwrap_or(0)
        .max(1);
    writeln!(out, "<svg viewBox=\"-70 -44 480 454\" role=\"img\" aria-label=\"matrix of flows\">")?;
    for from in 0..count {
        let y = from as f64 * cell;
        let middle = y + cell / 2.0 + 4.0;
        let name = short(account, from);
        writeln!(
            out,
            "<text class=\"name\" x=\"-10\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>",
            Escaped(&name)
        )?;
        writeln!(
            out,
            "<text class=\"name\" x=\"{:.1}\" y=\"-10\" text-anchor=\"middle\">{}</text>",
            y + cell / 2.0,
            Escaped(if from == 0 { "S" } else { &name })
        )?;
        for to in 0..count {
            let bytes = account.flow(from, to);
            let share = bytes as f64 / most as f64;
            let x = to as f64 * cell;
            writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" fill=\"{}\" \
                 fill-opacity=\"{:.2}\"/>",
                cell - 2.0,
                cell - 2.0,
                colour(from, count),
                0.05 + 0.8 * share
            )?;
            if bytes > 0 && count <= 12 {
                writeln!(
                    out,
                    "<text class=\"name\" x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"middle\">{}</text>",
                    x + cell / 2.0,
                    bytes >> 20
                )?;
            }
        }
    }
    writeln!(out, "<text x=\"400\" y=\"-24\" text-anchor=\"end\">MiB</text>\n</svg>")
}

/// One curve per leecher.
fn write_curves(out: &mut String, account: &Account, title: &Title) -> fmt::Result {
    const WIDTH: f64 = 960.0;
    const HEIGHT: f64 = 260.0;
    let seconds = (title.seconds.max(title.bound) * 1.04).max(0.1);
    let x = |at: f64| (at / seconds).min(1.0) * WIDTH;
    let y = |permille: u32| HEIGHT - f64::from(permille.min(1000)) / 1000.0 * HEIGHT;
    writeln!(out, "<svg viewBox=\"-44 -14 1030 310\" role=\"img\" aria-label=\"pieces over time\">")?;
    for percent in [0, 25, 50, 75, 100] {
        let at = y(percent * 10);
        writeln!(out, "<path class=\"axis\" d=\"M0 {at:.1}H{WIDTH}\"/>")?;
        writeln!(out, "<text x=\"-8\" y=\"{:.1}\" text-anchor=\"end\">{percent} %</text>", at + 4.0)?;
    }
    let step = [0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0].into_iter().find(|step| seconds / step <= 12.0);
    let step = step.unwrap_or(1800.0);
    let mut at = 0.0;
    while at < seconds {
        writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at} s</text>",
            x(at),
            HEIGHT + 20.0
        )?;
        at += step;
    }
    let bound = x(title.bound);
    writeln!(
        out,
        "<path class=\"axis\" stroke-dasharray=\"5 4\" d=\"M{bound:.1} 0V{HEIGHT}\" style=\"stroke: var(--seed)\"/>"
    )?;
    for (number, peer) in account.peers.iter().enumerate().skip(1) {
        let points: Vec<String> = peer
            .progress
            .iter()
            .take_while(|(at, _)| peer.completed.is_none_or(|completed| *at <= completed))
            .map(|(at, permille)| format!("{:.1} {:.1}", x(*at), y(*permille)))
            .collect();
        writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"><title>{}</title></polyline>",
            points.join(" "),
            colour(number, account.peers.len()),
            Escaped(&peer.name)
        )?;
    }
    writeln!(out, "</svg>")
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
        assert!(page.contains("&lt;script&gt;"));
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
