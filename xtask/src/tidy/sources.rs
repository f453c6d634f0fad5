//! Rules on single Rust files: their name, their first line, what they import, what they leave undone.

use syn::visit::Visit;
use syn::{Item, ItemUse, UseTree};

use super::Problem;
use super::tree::{SourceTree, is_test_item};

/// Names that say nothing about what is inside, and so attract everything.
const BANNED_NAMES: [&str; 7] = ["utils", "util", "common", "misc", "helpers", "helper", "types"];

/// Marks of unfinished work. They need the number of the issue in which the work waits.
const MARKS: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// Applies every rule to every file.
pub(super) fn check(tree: &SourceTree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, file) in tree.rust_files() {
        problems.extend(banned_name(path));
        problems.extend(missing_introduction(path, &file.text));
        problems.extend(unfinished_work(path, &file.text));
        if let Ok(syntax) = &file.syntax {
            problems.extend(glob_imports(path, syntax, tree.is_test_file(path)));
        }
    }
    problems
}

fn banned_name(path: &str) -> Option<Problem> {
    let name = path.split('/').find(|part| BANNED_NAMES.contains(&part.trim_end_matches(".rs")))?;
    Some(Problem::new(path, 0, format!("`{name}` says nothing: name the file by what is in it")))
}

fn missing_introduction(path: &str, text: &str) -> Option<Problem> {
    // The tests of a module are introduced by the module.
    let missing = !path.ends_with("/tests.rs") && !text.trim_start().starts_with("//!");
    missing.then(|| Problem::new(path, 1, "the file does not begin with `//!` and what it is for"))
}

fn unfinished_work(path: &str, text: &str) -> Vec<Problem> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| line.split_once("//").is_some_and(|(_, comment)| is_unfinished(comment)))
        .map(|(index, _)| {
            Problem::new(path, index + 1, "unfinished work without the number of its issue (#12)")
        })
        .collect()
}

fn is_unfinished(comment: &str) -> bool {
    let mut words = comment.split(|character: char| !character.is_alphanumeric());
    let has_issue = comment.match_indices('#').any(|(position, _)| {
        comment.get(position + 1..).is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
    });
    words.any(|word| MARKS.contains(&word)) && !has_issue
}

/// A glob import hides where a name comes from. Tests may take all of the module they test, and a prelude.
fn glob_imports(path: &str, syntax: &syn::File, in_test: bool) -> Vec<Problem> {
    let mut search = GlobSearch { path, in_test, problems: Vec::new() };
    search.visit_file(syntax);
    search.problems
}

struct GlobSearch<'a> {
    path: &'a str,
    in_test: bool,
    problems: Vec<Problem>,
}

impl<'ast> Visit<'ast> for GlobSearch<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let outer = self.in_test;
        self.in_test |= is_test_item(item);
        syn::visit::visit_item(self, item);
        self.in_test = outer;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut open = vec![(&item.tree, String::new())];
        while let Some((tree, parent)) = open.pop() {
            match tree {
                UseTree::Path(path) => open.push((&path.tree, path.ident.to_string())),
                UseTree::Group(group) => open.extend(group.items.iter().map(|tree| (tree, parent.clone()))),
                UseTree::Glob(glob) if !(self.in_test && (parent == "super" || parent == "prelude")) => {
                    let line = glob.star_token.spans[0].start().line;
                    self.problems.push(Problem::new(
                        self.path,
                        line,
                        "a glob import hides where names come from",
                    ));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str, source: &str) -> Vec<(usize, String)> {
        let problems = check(&SourceTree::of(&[(path, source)]));
        problems.into_iter().map(|problem| (problem.line, problem.text)).collect()
    }

    #[test]
    fn a_clean_file_has_no_problem() {
        assert_eq!(texts("crates/a/src/lib.rs", "//! What it is.\nuse std::fmt;\n// Not the TODOs.\n"), []);
    }

    #[test]
    fn a_name_that_says_nothing_is_a_problem() {
        assert_eq!(texts("crates/a/src/utils.rs", "//! Things.").len(), 1);
        assert_eq!(texts("crates/a/src/helpers/mod.rs", "//! Things.").len(), 1);
    }

    #[test]
    fn a_file_without_an_introduction_is_a_problem() {
        assert_eq!(texts("crates/a/src/lib.rs", "use std::fmt;").len(), 1);
    }

    #[test]
    fn unfinished_work_needs_an_issue() {
        let marked = concat!("//! A.\nfn f() {} // TO", "DO: later");
        assert_eq!(texts("crates/a/src/lib.rs", marked)[0].0, 2);
        let with_issue = concat!("//! A.\nfn f() {} // TO", "DO(#12): later");
        assert_eq!(texts("crates/a/src/lib.rs", with_issue), []);
    }

    #[test]
    fn a_glob_import_is_a_problem_outside_tests() {
        assert_eq!(texts("crates/a/src/lib.rs", "//! A.\nuse std::fmt::*;")[0].0, 2);
        assert_eq!(texts("crates/a/src/lib.rs", "//! A.\nmod b { pub use super::c::{D, e::*}; }").len(), 1);
        let test = "//! A.\n#[cfg(test)] mod tests { use super::*; use proptest::prelude::*; }";
        assert_eq!(texts("crates/a/src/lib.rs", test), []);
        let parent = ("crates/a/src/b.rs", "//! A.\n#[cfg(test)] mod model;");
        let child = ("crates/a/src/b/model.rs", "//! A.\nuse super::*;");
        assert_eq!(check(&SourceTree::of(&[parent, child])), []);
        assert_eq!(check(&SourceTree::of(&[child])).len(), 1);
        assert_eq!(texts("crates/a/tests/b.rs", "//! A.\nuse std::fmt::*;").len(), 1);
    }
}
