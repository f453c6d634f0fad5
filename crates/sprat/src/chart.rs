//! Pictures as inline SVG for pages that stand alone: no script, nothing from elsewhere.
//!
//! Colours follow the reader's light or dark scheme and are told apart by people who do not see all colours (Okabe and
//! Ito 2008); names stand beside what they name.

use std::fmt::{self, Write as _};

mod flows;
mod lines;

pub(crate) use flows::{Flows, write_matrix, write_ribbons};
pub(crate) use lines::{Line, LineChart, Scale, write_lines};

/// Text between tags.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

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

/// The seeds' colour.
pub(crate) const SEED: &str = "var(--seed)";

/// How many colours there are besides the seeds'.
const COLOURS: usize = 7;

/// A colour for the n-th thing of a kind.
pub(crate) fn colour(number: usize) -> String {
    format!("var(--c{})", number % COLOURS)
}

/// The beginning of a page, up to its first words.
pub(crate) fn write_head(out: &mut String, title: &str) -> fmt::Result {
    writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">")?;
    writeln!(
        out,
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>",
        Escaped(title)
    )?;
    writeln!(out, "<style>{STYLE}</style>")
}

/// A picture that stands in a file of its own.
pub(crate) fn standalone(chart: &LineChart) -> String {
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = write_lines(&mut svg, chart);
    let begin = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" ", chart.width * 1.5);
    let svg = svg.replacen("<svg ", &begin, 1);
    svg.replacen(">\n", &format!(">\n<style>{STYLE}</style>\n"), 1)
}

/// Of a page, and of a picture that stands in a file of its own.
pub(crate) const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b2733; --soft: #5f6e7b; --paper: #fbfaf7; --line: #d9d5cb; --seed: #d9822b;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #56b4e9; --c5: #b8860b; --c6: #6a51a3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e3da; --soft: #93a1ad; --paper: #14191f; --line: #323b45; --seed: #f0a04b;
    --c0: #4da3d9; --c1: #f28444; --c2: #35c79e; --c3: #e39ac2; --c4: #8fd0f5; --c5: #e0b83c; --c6: #a992dc; }
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
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { text-align: right; padding: .12rem 0 .12rem 1.6rem; vertical-align: baseline; }
th { font-weight: 500; color: var(--soft); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { border-bottom: 1px solid var(--line); }
.missed { color: var(--c1); font-weight: 600; }
svg { width: 100%; height: auto; display: block; }
text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.name { fill: var(--ink); }
.axis { stroke: var(--line); stroke-width: 1; fill: none; }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_tags() {
        assert_eq!(Escaped("<a href='x'>&\"").to_string(), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn colours_come_round() {
        assert_eq!(colour(0), colour(COLOURS));
        assert!((0..COLOURS).all(|number| STYLE.contains(&format!("--c{number}:"))));
    }
}
