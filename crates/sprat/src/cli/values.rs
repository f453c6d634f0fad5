//! What the value of a flag may look like.

/// `4096`, `64K`, `1.5M`, `2G`.
pub(crate) fn byte_count(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a number of bytes such as 4096, 64K, 1.5M or 2G");
    let trimmed = text.trim_end_matches("iB").trim_end_matches('B');
    let (digits, unit) = match trimmed.chars().last() {
        Some('k' | 'K') => (trimmed.get(..trimmed.len() - 1).unwrap_or_default(), 1_u64 << 10),
        Some('m' | 'M') => (trimmed.get(..trimmed.len() - 1).unwrap_or_default(), 1 << 20),
        Some('g' | 'G') => (trimmed.get(..trimmed.len() - 1).unwrap_or_default(), 1 << 30),
        _ => (trimmed, 1),
    };
    if let Ok(whole) = digits.parse::<u64>() {
        return whole.checked_mul(unit).ok_or_else(wrong);
    }
    let fraction = digits.parse::<f64>().map_err(|_| wrong())?;
    let bytes = fraction * unit as f64;
    // Exact up to 2^53; nobody means more with a fraction.
    if bytes.is_finite() && (0.0..9.0e15).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

/// With less, nothing would be left for peers.
const LEAST_MEMORY: u64 = 64 << 20;

/// Bytes of memory, as [`byte_count`] reads them.
pub(crate) fn memory_size(text: &str) -> Result<usize, String> {
    let bytes = byte_count(text)?;
    if bytes < LEAST_MEMORY {
        return Err(format!("`{text}` is not enough: at least 64M are needed"));
    }
    usize::try_from(bytes).map_err(|_| format!("`{text}` is more than this machine can have"))
}

/// File numbers of a torrent: `0,3-5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileNumbers(Vec<std::ops::RangeInclusive<usize>>);

impl FileNumbers {
    /// What is listed; an error for a person.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let range = |part: &str| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
            (from <= to).then_some(from..=to)
        };
        let ranges = text.split(',').map(range).collect::<Option<Vec<_>>>();
        ranges.map(Self).ok_or_else(|| format!("`{text}` is not a list of file numbers such as 0,3-5"))
    }

    /// Whether `number` is among them.
    pub(crate) fn contains(&self, number: usize) -> bool {
        self.0.iter().any(|range| range.contains(&number))
    }

    /// As the wire has them.
    pub(crate) fn ranges(&self) -> Vec<std::ops::RangeInclusive<u32>> {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.0.iter().map(|range| number(*range.start())..=number(*range.end())).collect()
    }

    /// The highest of them.
    pub(crate) fn highest(&self) -> usize {
        self.0.iter().map(|range| *range.end()).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_have_units() {
        assert_eq!(byte_count("4096"), Ok(4096));
        assert_eq!(byte_count("64K"), Ok(65536));
        assert_eq!(byte_count("1.5MiB"), Ok(1_572_864));
        assert_eq!(byte_count("2G"), Ok(2 << 30));
        for wrong in ["", "x", "-1", "1T", "99999999999G", "nan", "1e400"] {
            assert!(byte_count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn memory_is_64_mib_at_least() {
        assert_eq!(memory_size("64M"), Ok(64 << 20));
        assert!(memory_size("65535K").is_err());
    }

    #[test]
    fn file_numbers_are_lists_of_ranges() {
        let numbers = FileNumbers::parse("0,3-5").unwrap();
        assert!(numbers.contains(0) && numbers.contains(4) && !numbers.contains(2));
        assert_eq!(numbers.highest(), 5);
        assert!(FileNumbers::parse("5-3").is_err() && FileNumbers::parse("a").is_err());
    }
}
