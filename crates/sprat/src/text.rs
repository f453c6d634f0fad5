//! Text for people: safe to print whatever it comes from, and figures with units.

use std::fmt::Write as _;
use std::time::Duration;

/// A name, message or client id from a stranger, so that it cannot move the cursor, change colours, reorder what
/// stands beside it or begin a new line. At most `most` characters.
pub(crate) fn safe(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most));
    for (at, c) in text.chars().enumerate() {
        if at == most {
            out.push('…');
            break;
        }
        if is_unprintable(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// JSON that says the same, and cannot do to a terminal what strangers' text could. Outside of strings JSON has nothing unprintable.
pub(crate) fn safe_json(json: &str) -> String {
    if !json.contains(is_unprintable) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_unprintable(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Controls (C0, C1), line and paragraph separators, and everything that changes the direction of text or is invisible.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{061c}' | '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `1.4 GiB`
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let unit_name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {unit_name}") }
}

/// `3.2 MiB/s`
pub(crate) fn rate(bytes_per_second: u64) -> String {
    format!("{}/s", bytes(bytes_per_second))
}

/// `1 h 02 min`, `3 min 20 s`, `12 s`
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// How long `left` bytes take at `rate`; `None` when that is for ever.
pub(crate) fn remaining(left: u64, rate: u64) -> Option<Duration> {
    /// Longer than this is no forecast.
    const LONGEST: u64 = 100 * 86_400;
    left.checked_div(rate).filter(|seconds| *seconds < LONGEST).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cannot_move_the_cursor() {
        assert_eq!(safe("a\x1b[2Jb\r\n", 99), "a\\u{1b}[2Jb\\u{d}\\u{a}");
        assert_eq!(safe("\u{202e}gpj.exe", 99), "\\u{202e}gpj.exe");
        assert_eq!(safe("\u{9b}31m", 99), "\\u{9b}31m");
        assert_eq!(safe("abcdef", 3), "abc…");
        assert_eq!(safe("schön 日本", 99), "schön 日本");
    }

    #[test]
    fn json_for_a_terminal_says_the_same() {
        let value = serde_json::json!({ "name": "a\u{1b}[2J\u{9b}1m\u{202e}gpj\u{e0041}ä" });
        let safe = safe_json(&value.to_string());
        assert!(!safe.contains(is_unprintable), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    #[test]
    fn figures_have_units() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
        assert_eq!(duration(Duration::from_secs(3720)), "1 h 02 min");
        assert_eq!(remaining(100, 0), None);
        assert_eq!(remaining(100, 10), Some(Duration::from_secs(10)));
    }
}
