//! Text from strangers that people will see.

/// `bytes` as text of at most `longest` characters that is safe to show on a line of a terminal or a page: what is
/// not UTF-8 is replaced; control characters, line separators and the marks that reverse the direction of text are
/// left out.
pub(crate) fn printable(bytes: &[u8], longest: usize) -> String {
    // No character has more than four bytes.
    let bytes = bytes.get(..longest.saturating_mul(4)).unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    let kept: String = text.chars().filter(|char| !is_dangerous(*char)).take(longest).collect();
    kept.trim().to_owned()
}

const fn is_dangerous(char: char) -> bool {
    matches!(
        char,
        '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_forge_a_line_is_left_out() {
        assert_eq!(printable(b"\x1b[2Jgone\r\nrate: \x07 5", 100), "[2Jgonerate:  5");
        assert_eq!(printable("evil\u{202e}txt.exe\u{9b}".as_bytes(), 100), "eviltxt.exe");
        assert_eq!(printable(b" Caf\xe9 ", 100), "Caf\u{fffd}");
        assert_eq!(printable("日本語クライアント".as_bytes(), 100), "日本語クライアント");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(printable("日本語".as_bytes(), 2), "日本");
        assert_eq!(printable("🦀🦀🦀".as_bytes(), 2), "🦀🦀");
    }
}
