//! `sprat rm`

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use hyper::Method;
use serde_json::json;
use sprat_daemon::torrents::Summary;

use super::caller::Caller;
use super::{act, listing, naming};
use crate::cli::remote::RemoveArgs;
use crate::output::Output;
use crate::text;

/// So many torrents are named in the question.
const NAMED: usize = 10;

pub(crate) async fn run(args: RemoveArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let torrents = listing::chosen(&caller, &args.which).await?;
    if !torrents.is_empty() {
        anyhow::ensure!(args.yes || is_wanted(&torrents, args.files)?, "nothing was removed");
        // Also with `--all`: what was added since the question is not removed.
        let body = json!({ "torrents": act::hashes(&torrents), "delete_files": args.files });
        caller.tell(Method::POST, "/torrents/remove", &body).await?;
    }
    act::tell("removed", &torrents, output);
    Ok(())
}

/// Asks whoever sits at the terminal.
fn is_wanted(torrents: &[Summary], with_files: bool) -> anyhow::Result<bool> {
    let mut asking = std::io::stderr().lock();
    anyhow::ensure!(
        std::io::stdin().is_terminal() && asking.is_terminal(),
        "nobody can be asked here: say --yes to remove them"
    );
    write!(asking, "{}", question(torrents, with_files))?;
    asking.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn question(torrents: &[Summary], with_files: bool) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for one in torrents.iter().take(NAMED) {
        let _ = writeln!(out, "  {}  {}", naming::short(&one.hash), text::safe(&one.name, 200));
    }
    let more = torrents.len().saturating_sub(NAMED);
    if more > 0 {
        let _ = writeln!(out, "  and {more} more");
    }
    let files = if with_files { "and delete their files" } else { "from the list; their files stay" };
    let _ = write!(out, "Remove {files}? [y/N] ");
    out
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::summary;
    use super::*;

    #[test]
    fn the_question_says_what_is_lost() {
        let many: Vec<_> = (0..12).map(|at| summary(&format!("{at:040}"), "x\u{1b}[1m")).collect();
        let keeps = question(&many, false);
        assert!(keeps.contains("their files stay") && keeps.contains("and 2 more"), "{keeps}");
        assert!(!keeps.contains('\u{1b}'));
        assert!(question(&many, true).contains("delete their files"));
    }
}
