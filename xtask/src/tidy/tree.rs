//! The sources, read and parsed once for all rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use syn::Item;

use super::Problem;

/// The text files that the rules look at, by path relative to the root (with forward slashes).
pub(super) struct SourceTree {
    /// Every file and directory, read or not: what a link may point to.
    paths: BTreeSet<String>,
    rust: BTreeMap<String, RustFile>,
    /// Modules that their parent compiles for tests only, as paths without `.rs`.
    test_modules: BTreeSet<String>,
    markdown: BTreeMap<String, String>,
}

/// A Rust source file.
pub(super) struct RustFile {
    pub(super) text: String,
    /// What `syn` made of it.
    pub(super) syntax: syn::Result<syn::File>,
}

/// Directories that are not ours to judge.
const FOREIGN: [&str; 5] = ["target", ".git", "corpus", "artifacts", "node_modules"];

impl SourceTree {
    /// Reads every source below a directory.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut paths = BTreeSet::new();
        let mut open = vec![root.to_owned()];
        while let Some(directory) = open.pop() {
            let entries = fs::read_dir(&directory).with_context(|| format!("{}", directory.display()))?;
            for entry in entries {
                let entry = entry?;
                let path = entry.path();
                let relative = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
                if entry.file_type()?.is_dir() {
                    if !FOREIGN.iter().any(|name| entry.file_name() == *name) {
                        open.push(path);
                    }
                } else if relative.ends_with(".rs") || relative.ends_with(".md") {
                    files.push((relative.clone(), fs::read_to_string(&path).context(relative.clone())?));
                }
                paths.insert(relative);
            }
        }
        Ok(Self::from_files(paths, files))
    }

    /// A tree that exists only in a test.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files: Vec<_> = files.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())).collect();
        Self::from_files(files.iter().map(|(path, _)| path.clone()).collect(), files)
    }

    fn from_files(paths: BTreeSet<String>, files: Vec<(String, String)>) -> Self {
        let mut tree =
            Self { paths, rust: BTreeMap::new(), test_modules: BTreeSet::new(), markdown: BTreeMap::new() };
        for (path, text) in files {
            if path.ends_with(".rs") {
                let syntax = syn::parse_file(&text);
                tree.test_modules.extend(syntax.iter().flat_map(|syntax| test_modules(&path, syntax)));
                tree.rust.insert(path, RustFile { text, syntax });
            } else {
                tree.markdown.insert(path, text);
            }
        }
        tree
    }

    /// Every Rust file with its path.
    pub(super) fn rust_files(&self) -> impl Iterator<Item = (&str, &RustFile)> {
        self.rust.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// Every Markdown file with its path.
    pub(super) fn markdown_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.markdown.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The text of one Markdown file.
    pub(super) fn markdown(&self, path: &str) -> Option<&str> {
        self.markdown.get(path).map(String::as_str)
    }

    /// Whether a file or directory exists.
    pub(super) fn contains(&self, path: &str) -> bool {
        path.is_empty() || self.paths.contains(path)
    }

    /// Whether a file holds nothing but tests: it lies in a directory for them, or below a module for them.
    pub(super) fn is_test_file(&self, path: &str) -> bool {
        let is_below = |module: &String| {
            path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        path.contains("/tests/") || path.contains("/benches/") || self.test_modules.iter().any(is_below)
    }

    /// Files that do not parse would silently escape the other rules.
    pub(super) fn parse_errors(&self) -> Vec<Problem> {
        self.rust_files()
            .filter_map(|(path, file)| {
                let error = file.syntax.as_ref().err()?;
                Some(Problem::new(path, error.span().start().line, format!("cannot be parsed: {error}")))
            })
            .collect()
    }

    /// How many files the rules looked at.
    pub(super) fn file_count(&self) -> usize {
        self.rust.len() + self.markdown.len()
    }
}

/// The modules that a file declares for tests only and that lie in files of their own, as paths without `.rs`.
fn test_modules(path: &str, syntax: &syn::File) -> Vec<String> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let directory = match name {
        "lib.rs" | "main.rs" | "mod.rs" => directory,
        _ => path.trim_end_matches(".rs"),
    };
    let declared = syntax.items.iter().filter(|item| is_test_item(item)).filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() => Some(format!("{directory}/{}", module.ident)),
        _ => None,
    });
    declared.collect()
}

/// Whether an item is compiled only for tests.
pub(super) fn is_test_item(item: &Item) -> bool {
    let attributes = match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}
