//! `sprat files`

use hyper::Method;
use serde::Serialize;
use serde_json::json;
use sprat_daemon::service::{FileDetails, Priority};

use super::caller::Caller;
use super::table::{Heading, table};
use super::{act, listing, words};
use crate::cli::FileNumbers;
use crate::cli::remote::FilesArgs;
use crate::output::Output;
use crate::text;

pub(crate) const HEADINGS: [Heading; 5] = [
    Heading::figure("number"),
    Heading::figure("done"),
    Heading::figure("size"),
    Heading::text("wanted"),
    Heading::long("path"),
];

/// A file, by the number that people give it: padding is not counted. `index` of the API counts it.
#[derive(Debug, Serialize)]
struct Numbered<'a> {
    number: usize,
    #[serde(flatten)]
    file: &'a FileDetails,
}

pub(crate) async fn run(args: FilesArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let torrent = listing::one(&caller, &args.torrent).await?;
    let path = format!("/torrents/{}/files", torrent.hash);
    let files: Vec<FileDetails> = caller.get(&path).await?;
    let changes = changes(&args, &files)?;
    if !changes.is_empty() {
        for (priority, indices) in changes {
            let body = json!({ "files": indices, "priority": priority });
            caller.tell(Method::PATCH, &path, &body).await?;
        }
        act::tell("changed", &[torrent], output);
        return Ok(());
    }
    for (number, file) in files.iter().enumerate() {
        output.object(&Numbered { number, file });
    }
    let rows = files.iter().enumerate().map(|(number, file)| row(number, file));
    output.result(table(&HEADINGS, rows));
    Ok(())
}

/// Which files are to be wanted how much, by the numbers that the API gives them.
fn changes(args: &FilesArgs, files: &[FileDetails]) -> anyhow::Result<Vec<(Priority, Vec<usize>)>> {
    let wanted = [
        (Priority::Skip, &args.skip),
        (Priority::Low, &args.low),
        (Priority::Normal, &args.normal),
        (Priority::High, &args.high),
    ];
    let mut changes = Vec::new();
    for (priority, numbers) in wanted {
        if let Some(numbers) = numbers {
            check(numbers, files.len())?;
            changes.push((priority, indices(files, |number| numbers.contains(number))));
        }
    }
    if let Some(only) = &args.only {
        check(only, files.len())?;
        changes.push((Priority::Normal, indices(files, |number| only.contains(number))));
        changes.push((Priority::Skip, indices(files, |number| !only.contains(number))));
    }
    changes.retain(|(_, indices)| !indices.is_empty());
    Ok(changes)
}

fn indices(files: &[FileDetails], is_meant: impl Fn(usize) -> bool) -> Vec<usize> {
    files.iter().enumerate().filter(|(number, _)| is_meant(*number)).map(|(_, file)| file.index).collect()
}

/// Whether there are files of these numbers.
pub(super) fn check(numbers: &FileNumbers, files: usize) -> anyhow::Result<()> {
    let last = files.saturating_sub(1);
    anyhow::ensure!(numbers.highest() < files, "the torrent's files are numbered 0 to {last}");
    Ok(())
}

/// A row of it: text that is safe to print.
pub(crate) fn row(number: usize, file: &FileDetails) -> Vec<String> {
    vec![
        number.to_string(),
        words::share(file.have, file.size),
        text::bytes(file.size),
        priority(file.priority).to_owned(),
        text::safe(&file.path, 500),
    ]
}

/// How much a file is wanted.
pub(crate) const fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Skip => "no",
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(words: &[&str]) -> FilesArgs {
        let cli = Cli::parse_from(["sprat", "files", "x"].iter().chain(words));
        let Command::Files(args) = cli.command else { panic!("{cli:?}") };
        args
    }

    /// As in a torrent where padding stands between the files.
    fn files() -> Vec<FileDetails> {
        let file = |index| FileDetails {
            index,
            path: format!("{index}\u{1b}"),
            size: 2,
            have: 1,
            priority: Priority::Normal,
        };
        [0, 2, 4].map(file).into()
    }

    #[test]
    fn files_are_numbered_without_padding() {
        assert!(changes(&args(&[]), &files()).unwrap().is_empty());
        let only = changes(&args(&["--only", "1"]), &files()).unwrap();
        assert_eq!(only, [(Priority::Normal, vec![2]), (Priority::Skip, vec![0, 4])]);
        let some = changes(&args(&["--high", "0-1", "--skip", "2"]), &files()).unwrap();
        assert_eq!(some, [(Priority::Skip, vec![4]), (Priority::High, vec![0, 2])]);
        assert!(changes(&args(&["--high", "3"]), &files()).unwrap_err().to_string().contains("0 to 2"));
    }

    #[test]
    fn paths_cannot_write_to_the_terminal() {
        assert_eq!(row(1, &files()[1]), ["1", "50.0 %", "2 B", "normal", "2\\u{1b}"]);
    }
}
