//! The rules of the house that neither rustc nor clippy knows.
//!
//! Each rule is a function from sources to [`Problem`]s, has its own file, and tests which plant a violation.
//! Long files and functions are only reported: they are smells to look at, not numbers to be gamed.

mod edges;
mod length;
mod links;
mod modules;
mod sources;
mod tree;

use anyhow::Result;

use self::tree::SourceTree;
use crate::report::Outcome;
use crate::workspace::Workspace;

/// A broken rule, at a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    /// Relative to the workspace's root, with forward slashes.
    file: String,
    /// From 1; 0 means the file as a whole.
    line: usize,
    text: String,
}

impl Problem {
    fn new(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, text: text.into() }
    }
}

/// Checks the whole workspace and prints what is wrong.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome> {
    let tree = SourceTree::load(&workspace.root)?;
    let mut problems = edges::check(&workspace.packages);
    problems.extend(tree.parse_errors());
    problems.extend(modules::check(&tree));
    problems.extend(sources::check(&tree));
    problems.extend(links::check(&tree));
    problems.sort();
    let smells = length::report(&tree);
    for smell in &smells {
        println!("smell    {smell}");
    }
    for Problem { file, line, text } in &problems {
        println!("problem  {file}:{line}: {text}");
    }
    let verdict =
        format!("{} files, {} problems, {} smells", tree.file_count(), problems.len(), smells.len());
    Ok(if problems.is_empty() { Outcome::Passed(verdict) } else { Outcome::Failed(verdict) })
}
