//! Curves over time.

use std::fmt::{self, Write as _};

use super::Escaped;

/// Between the names of two lines, so that both can be read.
const NAME_HEIGHT: f64 = 14.0;

/// Curves in one frame; the left axis from 0 to `y.most`, the lower one from 0 to `x.most`.
#[derive(Debug)]
pub(crate) struct LineChart {
    /// What it shows, for those who cannot see it.
    pub(crate) label: String,
    /// Of the frame, in pixels.
    pub(crate) width: f64,
    /// Of the frame.
    pub(crate) height: f64,
    /// To the right.
    pub(crate) x: Scale,
    /// Upwards.
    pub(crate) y: Scale,
    /// The curves.
    pub(crate) lines: Vec<Line>,
    /// Upright dashed lines: where, and what it is.
    pub(crate) marks: Vec<(f64, String)>,
}

/// An axis that begins at zero.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scale {
    /// To so many seconds.
    Seconds(f64),
    /// To so much of one, written as per cent.
    Share(f64),
    /// To such a number.
    Count(f64),
}

/// One curve.
#[derive(Debug)]
pub(crate) struct Line {
    /// Written where it ends, if not empty, and shown where the pointer rests.
    pub(crate) name: String,
    /// Of the curve and its name.
    pub(crate) colour: String,
    /// Less prominent than the others.
    pub(crate) thin: bool,
    /// In the units of the axes.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Scale {
    fn most(self) -> f64 {
        let (Self::Seconds(most) | Self::Share(most) | Self::Count(most)) = self;
        if most.is_finite() && most > 0.0 { most } else { 1.0 }
    }

    /// Where it has its marks: at most so many steps of a round length.
    fn ticks(self, steps: f64) -> Vec<f64> {
        let most = self.most();
        let round: &[f64] = match self {
            Self::Seconds(_) => &[1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0],
            Self::Share(_) | Self::Count(_) => &[1.0, 2.0, 2.5, 5.0, 10.0],
        };
        let scale = match self {
            Self::Seconds(most) if most > 6.0 * 3600.0 => 3600.0,
            Self::Seconds(most) if most > 360.0 => 60.0,
            Self::Seconds(most) if most > 10.0 => 1.0,
            _ => 10_f64.powf((most / steps).log10().floor()),
        };
        let step = (0..4)
            .flat_map(|power| round.iter().map(move |step| step * scale * 10_f64.powi(power)))
            .find(|step| most / step <= steps)
            .unwrap_or(most);
        (0..=(most / step * 1.0001) as u32).map(|number| f64::from(number) * step).collect()
    }

    fn text(self, value: f64) -> String {
        let short = |value: f64| {
            let text = format!("{value:.2}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        match self {
            Self::Seconds(most) if most > 6.0 * 3600.0 => format!("{} h", short(value / 3600.0)),
            Self::Seconds(most) if most > 360.0 => format!("{} min", short(value / 60.0)),
            Self::Seconds(_) => format!("{} s", short(value)),
            Self::Share(_) => format!("{} %", short(value * 100.0)),
            Self::Count(_) => short(value),
        }
    }
}

/// The chart as an `<svg>`.
pub(crate) fn write_lines(out: &mut String, chart: &LineChart) -> fmt::Result {
    let (width, height) = (chart.width, chart.height);
    let x = |at: f64| (at / chart.x.most()).clamp(0.0, 1.0) * width;
    let y = |value: f64| height - (value / chart.y.most()).clamp(0.0, 1.05) * height;
    let named = chart.lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
    let right = 16.0 + named as f64 * 7.2;
    writeln!(
        out,
        "<svg viewBox=\"-48 -22 {:.0} {:.0}\" role=\"img\" aria-label=\"{}\">",
        width + 48.0 + right,
        height + 50.0,
        Escaped(&chart.label)
    )?;
    for value in chart.y.ticks(4.0) {
        let at = y(value);
        writeln!(out, "<path class=\"axis\" d=\"M0 {at:.1}H{width}\"/>")?;
        let text = chart.y.text(value);
        writeln!(out, "<text x=\"-8\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>", at + 4.0)?;
    }
    for value in chart.x.ticks(width / 70.0) {
        let (at, text) = (x(value), chart.x.text(value));
        writeln!(out, "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>", height + 20.0)?;
    }
    for (at, name) in &chart.marks {
        let at = x(*at);
        writeln!(
            out,
            "<path d=\"M{at:.1} 0V{height}\" fill=\"none\" stroke=\"var(--seed)\" stroke-dasharray=\"5 4\"/>\
             <text x=\"{at:.1}\" y=\"-8\" text-anchor=\"middle\">{}</text>",
            Escaped(name)
        )?;
    }
    for line in &chart.lines {
        let stroke = if line.thin { 1.0 } else { 2.0 };
        let mut points = String::new();
        for (at, value) in &line.points {
            write!(points, "{:.1} {:.1} ", x(*at), y(*value))?;
        }
        writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{stroke}\" \
             stroke-linejoin=\"round\"><title>{}</title></polyline>",
            points.trim_end(),
            line.colour,
            Escaped(&line.name)
        )?;
    }
    write_names(out, chart, &y)?;
    writeln!(out, "</svg>")
}

/// The names of the lines, at their ends on the right, moved apart where they would overlap.
fn write_names(out: &mut String, chart: &LineChart, y: &dyn Fn(f64) -> f64) -> fmt::Result {
    let mut names: Vec<(f64, &Line)> = chart
        .lines
        .iter()
        .filter(|line| !line.name.is_empty())
        .filter_map(|line| line.points.last().map(|(_, value)| (y(*value), line)))
        .collect();
    names.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let mut lowest = f64::NEG_INFINITY;
    for (at, _) in &mut names {
        *at = at.max(lowest + NAME_HEIGHT);
        lowest = *at;
    }
    let too_low = (lowest - chart.height).max(0.0);
    for (at, line) in names {
        writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" style=\"fill: {}\">{}</text>",
            chart.width + 8.0,
            at - too_low + 4.0,
            line.colour,
            Escaped(&line.name)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_at_round_numbers() {
        assert_eq!(Scale::Share(1.0).ticks(4.0), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(Scale::Seconds(100.0).ticks(7.0), [0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0]);
        assert_eq!(Scale::Seconds(1000.0).text(600.0), "10 min");
        assert_eq!(Scale::Count(101.0).ticks(4.0), [0.0, 50.0, 100.0]);
        assert_eq!(Scale::Share(1.0).text(0.925), "92.5 %");
    }

    #[test]
    fn nothing_to_draw_is_no_division_by_zero() {
        let line =
            Line { name: "<b>".to_owned(), colour: "red".to_owned(), thin: false, points: vec![(0.0, 0.0)] };
        let chart = LineChart {
            label: "nothing".to_owned(),
            width: 100.0,
            height: 50.0,
            x: Scale::Seconds(0.0),
            y: Scale::Count(f64::NAN),
            lines: vec![line],
            marks: vec![(f64::MAX, "far".to_owned())],
        };
        let mut out = String::new();
        write_lines(&mut out, &chart).unwrap();
        assert!(!out.contains("NaN") && !out.contains("inf") && !out.contains("<b>"), "{out}");
    }
}
