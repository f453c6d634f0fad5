//! The flags of `sprat set`.

use clap::{Args, ValueEnum};

use super::{DaemonAt, WhichArgs};
use crate::cli::values::byte_count;

/// A limit that can be taken away.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum LimitArg<T> {
    /// That of the torrent's label, or of all.
    Default,
    /// None.
    Unlimited,
    /// This.
    Limit(T),
}

/// Where in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueueArg {
    /// Before all others.
    Top,
    /// One place earlier.
    Up,
    /// One place later.
    Down,
    /// After all others.
    Bottom,
}

/// `sprat set`
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// Which.
    #[command(flatten)]
    pub(crate) which: WhichArgs,

    /// What.
    #[command(flatten)]
    pub(crate) change: ChangeArgs,

    /// The daemon.
    #[command(flatten)]
    pub(crate) at: DaemonAt,
}

/// What is changed of a torrent.
#[derive(Debug, Default, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ChangeArgs {
    /// Call it by this name; empty is its own.
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// Give it this label; empty is none.
    #[arg(long, value_name = "LABEL")]
    pub(crate) set_label: Option<String>,

    /// Tag it with this word. Can be given several times.
    #[arg(long, value_name = "TAG")]
    pub(crate) add_tag: Vec<String>,

    /// Take this tag away. Can be given several times.
    #[arg(long, value_name = "TAG")]
    pub(crate) remove_tag: Vec<String>,

    /// The most to receive, bytes per second (K, M and G are allowed), or `unlimited`.
    #[arg(long, value_name = "RATE", value_parser = rate_limit)]
    pub(crate) download_limit: Option<LimitArg<u64>>,

    /// The most to send, bytes per second, or `unlimited`.
    #[arg(long, value_name = "RATE", value_parser = rate_limit)]
    pub(crate) upload_limit: Option<LimitArg<u64>>,

    /// Connections at most, or `default`: as many as any torrent may have.
    #[arg(long, value_name = "N", value_parser = connection_limit)]
    pub(crate) connections: Option<LimitArg<u64>>,

    /// It has given enough after so many bytes for each byte of its content: a number, `unlimited` or `default`.
    #[arg(long, value_name = "RATIO", value_parser = ratio_limit)]
    pub(crate) ratio: Option<LimitArg<f64>>,

    /// It has given enough after seeding for so long: `90m`, `12h`, `7d`, `unlimited` or `default`.
    #[arg(long, value_name = "TIME", value_parser = time_limit)]
    pub(crate) seed_time: Option<LimitArg<u64>>,

    /// It has given enough when nobody has wanted anything for so long: as --seed-time.
    #[arg(long, value_name = "TIME", value_parser = time_limit)]
    pub(crate) idle_time: Option<LimitArg<u64>>,

    /// Whether to fetch the pieces in order.
    #[arg(long, value_name = "YES|NO", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) sequential: Option<bool>,

    /// Whether to fetch the first and last pieces of each file before all others.
    #[arg(long, value_name = "YES|NO", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) first_last: Option<bool>,

    /// Whether to give each piece to as few peers as possible, as the only seed of a new torrent.
    #[arg(long, value_name = "YES|NO", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) super_seeding: Option<bool>,

    /// Its place in the queue.
    #[arg(long, value_enum, value_name = "PLACE")]
    pub(crate) queue: Option<QueueArg>,
}

fn rate_limit(text: &str) -> Result<LimitArg<u64>, String> {
    match text {
        "unlimited" => Ok(LimitArg::Unlimited),
        _ => byte_count(text).map(LimitArg::Limit),
    }
}

fn connection_limit(text: &str) -> Result<LimitArg<u64>, String> {
    match text {
        "default" => Ok(LimitArg::Default),
        _ => {
            let most = text.parse().ok().filter(|most| *most > 0);
            most.map(LimitArg::Limit)
                .ok_or_else(|| format!("`{text}` is not a number above 0, nor `default`"))
        }
    }
}

fn ratio_limit(text: &str) -> Result<LimitArg<f64>, String> {
    match text {
        "unlimited" => Ok(LimitArg::Unlimited),
        "default" => Ok(LimitArg::Default),
        _ => {
            let ratio = text.parse::<f64>().ok().filter(|ratio| ratio.is_finite() && *ratio >= 0.0);
            let wrong = || format!("`{text}` is not a ratio such as 1.5, nor `unlimited` or `default`");
            ratio.map(LimitArg::Limit).ok_or_else(wrong)
        }
    }
}

/// Seconds.
fn time_limit(text: &str) -> Result<LimitArg<u64>, String> {
    match text {
        "unlimited" => return Ok(LimitArg::Unlimited),
        "default" => return Ok(LimitArg::Default),
        _ => {}
    }
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<u64>().ok());
    let seconds = number.and_then(|number| number.checked_mul(unit)).filter(|_| unit > 0);
    let wrong = || format!("`{text}` is not a time such as 90m, 12h or 7d, nor `unlimited` or `default`");
    seconds.map(LimitArg::Limit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_with_units_or_words() {
        assert_eq!(rate_limit("2M"), Ok(LimitArg::Limit(2 << 20)));
        assert_eq!(rate_limit("unlimited"), Ok(LimitArg::Unlimited));
        assert_eq!(ratio_limit("1.5"), Ok(LimitArg::Limit(1.5)));
        assert_eq!(ratio_limit("default"), Ok(LimitArg::Default));
        assert_eq!(time_limit("90m"), Ok(LimitArg::Limit(5400)));
        assert_eq!(time_limit("7d"), Ok(LimitArg::Limit(604_800)));
        for wrong in ["", "7", "d", "-1d", "1.5h", "99999999999999999999d", "7ä"] {
            assert!(time_limit(wrong).is_err(), "{wrong}");
        }
        assert_eq!(connection_limit("default"), Ok(LimitArg::Default));
        for wrong in ["", "0", "-1", "unlimited"] {
            assert!(connection_limit(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "-1", "nan", "inf"] {
            assert!(ratio_limit(wrong).is_err(), "{wrong}");
        }
    }
}
