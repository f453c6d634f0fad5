//! Who gave how much to whom: ribbons on a circle, and a matrix.

use std::f64::consts::TAU;
use std::fmt::{self, Write as _};

use super::Escaped;
use crate::text;

/// Shades of a matrix.
const SHADES: usize = 10;

/// In a matrix of no more rows each cell has its figure.
const FIGURES: usize = 12;

/// Givers, takers, and what went from the ones to the others.
pub(crate) struct Flows<'a> {
    /// What each is called; of a matrix, an empty name is not written.
    pub(crate) names: Vec<String>,
    /// The colour of each.
    pub(crate) colours: Vec<String>,
    /// Bytes from one to another.
    pub(crate) bytes: &'a dyn Fn(usize, usize) -> u64,
}

impl Flows<'_> {
    fn name(&self, at: usize) -> Escaped<'_> {
        Escaped(self.names.get(at).map_or("", String::as_str))
    }

    fn colour(&self, at: usize) -> &str {
        self.colours.get(at).map_or("var(--c0)", String::as_str)
    }
}

/// A chord diagram: everybody on a circle, an arc as long as what it gave and took, ribbons between.
pub(crate) fn write_ribbons(out: &mut String, flows: &Flows<'_>) -> fmt::Result {
    const RADIUS: f64 = 190.0;
    const GAP: f64 = 0.035;
    let count = flows.names.len();
    let flow = |from: usize, to: usize| (flows.bytes)(from, to) as f64;
    let weight = |peer: usize| (0..count).map(|other| flow(peer, other) + flow(other, peer)).sum::<f64>();
    let total: f64 = (0..count).map(weight).sum::<f64>().max(1.0);
    let per_byte = (TAU - GAP * count as f64).max(0.0) / total;
    writeln!(out, "<svg viewBox=\"-280 -225 560 450\" role=\"img\" aria-label=\"flows between peers\">")?;
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
            let path =
                if from == to { sector(a, d, RADIUS - 3.0) } else { ribbon([a, b, c, d], RADIUS - 3.0) };
            writeln!(
                out,
                "<path d=\"{path}\" fill=\"{}\" fill-opacity=\".42\"><title>{} to {}: {}</title></path>",
                flows.colour(from),
                flows.name(from),
                flows.name(to),
                text::bytes((flows.bytes)(from, to))
            )?;
        }
    }
    for (peer, start) in starts.iter().enumerate() {
        let end = start + weight(peer) * per_byte;
        let (path, colour) = (arc(*start, end, RADIUS), flows.colour(peer));
        writeln!(out, "<path d=\"M{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"9\"/>")?;
        let (x, y) = point(f64::midpoint(*start, end), RADIUS + 20.0);
        let anchor = if x.abs() < 20.0 {
            "middle"
        } else if x > 0.0 {
            "start"
        } else {
            "end"
        };
        let y = y + 4.0;
        writeln!(
            out,
            "<text class=\"name\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            flows.name(peer)
        )?;
    }
    writeln!(out, "</svg>")
}

/// Where on a circle of this radius; angles from the top, clockwise.
fn point(angle: f64, radius: f64) -> (f64, f64) {
    (radius * angle.sin(), -radius * angle.cos())
}

/// Along the circle from here to there.
fn arc(from: f64, to: f64, radius: f64) -> String {
    let ((ax, ay), (bx, by)) = (point(from, radius), point(to, radius));
    let large = u8::from(to - from > TAU / 2.0);
    format!("{ax:.1} {ay:.1}A{radius} {radius} 0 {large} 1 {bx:.1} {by:.1}")
}

/// From one stretch of the circle to another.
fn ribbon([a, b, c, d]: [f64; 4], radius: f64) -> String {
    let (ax, ay) = point(a, radius);
    format!("M{}Q0 0 {}Q0 0 {ax:.1} {ay:.1}Z", arc(a, b, radius), arc(c, d, radius))
}

/// What stays where it is.
fn sector(from: f64, to: f64, radius: f64) -> String {
    let (ax, ay) = point(from, radius);
    format!("M{}Q0 0 {ax:.1} {ay:.1}Z", arc(from, to, radius))
}

/// Givers in rows, takers in columns, darker where more flowed.
pub(crate) fn write_matrix(out: &mut String, flows: &Flows<'_>) -> fmt::Result {
    const SIZE: f64 = 400.0;
    let count = flows.names.len();
    let cell = SIZE / count.max(1) as f64;
    let side = cell - if count > 2 * FIGURES { 0.0 } else { 2.0 };
    let all = || (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
    let most = all().map(|(from, to)| (flows.bytes)(from, to)).max().unwrap_or(0).max(1);
    let width = flows.names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64 * 6.5 + 14.0;
    writeln!(
        out,
        "<svg viewBox=\"{:.0} -44 {:.0} 454\" role=\"img\" aria-label=\"matrix of flows\">",
        -width,
        SIZE + width + 10.0
    )?;
    for from in 0..count {
        // One path for each shade: a large matrix has thousands of cells.
        let mut paths = vec![String::new(); SHADES + 1];
        for to in 0..count {
            let bytes = (flows.bytes)(from, to);
            let shade = (bytes as f64 / most as f64 * SHADES as f64).ceil() as usize;
            if let Some(path) = paths.get_mut(shade) {
                write!(
                    path,
                    "M{:.1} {:.1}h{side:.1}v{side:.1}h-{side:.1}z",
                    to as f64 * cell,
                    from as f64 * cell
                )?;
            }
        }
        for (shade, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            let opacity = 0.05 + 0.85 * shade as f64 / SHADES as f64;
            writeln!(
                out,
                "<path d=\"{path}\" fill=\"{}\" fill-opacity=\"{opacity:.2}\"/>",
                flows.colour(from)
            )?;
        }
    }
    for at in 0..count {
        let middle = at as f64 * cell + (cell / 2.0).min(8.0) + 4.0;
        let middle = if count <= FIGURES { at as f64 * cell + cell / 2.0 + 4.0 } else { middle };
        let centre = at as f64 * cell + cell / 2.0;
        writeln!(
            out,
            "<text class=\"name\" x=\"-10\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>",
            flows.name(at)
        )?;
        if count <= FIGURES {
            let name: String =
                flows.names.get(at).map_or_else(String::new, |name| name.chars().take(9).collect());
            writeln!(
                out,
                "<text class=\"name\" x=\"{centre:.1}\" y=\"-8\" text-anchor=\"middle\">{}</text>",
                Escaped(&name)
            )?;
            for to in (0..count).filter(|to| (flows.bytes)(at, *to) > 0) {
                let (x, bytes) = (to as f64 * cell + cell / 2.0, (flows.bytes)(at, to));
                writeln!(
                    out,
                    "<text class=\"name\" x=\"{x:.1}\" y=\"{middle:.1}\" text-anchor=\"middle\">{}</text>",
                    bytes >> 20
                )?;
            }
        }
    }
    let unit = if count <= FIGURES { "MiB; rows give, columns take" } else { "rows give, columns take" };
    writeln!(out, "<text x=\"{SIZE}\" y=\"-28\" text-anchor=\"end\">{unit}</text>\n</svg>")
}
