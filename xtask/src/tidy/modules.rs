//! No cycle between the modules of a crate: imports run one way.
//!
//! A module and its submodules are one unit when seen from outside, so the rule is about siblings: if anything
//! below `a` uses anything below `b`, then nothing below `b` may use anything below `a`, directly or in a circle.
//! What a module and its own parent share is theirs. A name that a module merely re-exports counts as a use of
//! where it comes from. Tests may look wherever they like.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Item, UseTree};

use super::Problem;
use super::tree::{SourceTree, is_test_item};

/// The names from the crate's root to a module or an item, without `crate`.
type Names = Vec<String>;

/// One crate's modules, by their names.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<Names, Module>,
}

#[derive(Default)]
struct Module {
    /// Paths in its code that begin with `crate`, `self` or `super`, made absolute, with file and line.
    uses: Vec<Use>,
    /// What its `use` items bring in: the name here, the names from the root.
    imports: BTreeMap<String, Names>,
}

#[derive(Clone)]
struct Use {
    target: Names,
    file: String,
    line: usize,
}

/// Finds the cycles of every crate.
pub(super) fn check(tree: &SourceTree) -> Vec<Problem> {
    let mut crates: BTreeMap<&str, Crate> = BTreeMap::new();
    for (path, file) in tree.rust_files().filter(|(path, _)| !tree.is_test_file(path)) {
        let (Some((root, names)), Ok(syntax)) = (module_of(path), &file.syntax) else { continue };
        crates.entry(root).or_default().read(path, &names, &syntax.items);
    }
    crates.values().flat_map(Crate::cycles).collect()
}

/// The crate and the module names of a source file below some `src`.
fn module_of(path: &str) -> Option<(&str, Names)> {
    let (root, inside) = path.split_once("src/")?;
    let mut names: Names = inside.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    let last = names.last()?;
    if last == "mod" || (names.len() == 1 && (last == "lib" || last == "main")) {
        names.pop();
    }
    (names.first().is_none_or(|first| first != "bin")).then_some((root, names))
}

impl Crate {
    /// Reads a file's items, and those of the modules written out in it.
    fn read(&mut self, file: &str, names: &Names, items: &[Item]) {
        self.modules.entry(names.clone()).or_default();
        for item in items.iter().filter(|item| !is_test_item(item)) {
            if let Item::Mod(inner) = item
                && let Some((_, items)) = &inner.content
            {
                self.read(file, &child(names, &inner.ident.to_string()), items);
                continue;
            }
            let module = self.modules.entry(names.clone()).or_default();
            if let Item::Use(item) = item {
                note_imports(&item.tree, &mut Vec::new(), names, &mut module.imports);
            }
            find_paths(item.to_token_stream(), None, &mut |path, line| {
                if let Some(target) = absolute(&path, names) {
                    module.uses.push(Use { target, file: file.to_owned(), line });
                }
            });
        }
    }

    /// The module in which a path ends, re-exports followed.
    fn resolve(&self, path: &Names) -> Names {
        let mut path = path.clone();
        // A chain of re-exports is short; the bound is for two modules that re-export each other's names.
        for _ in 0..8 {
            let depth = (0..=path.len())
                .rev()
                .find(|&depth| path.get(..depth).is_some_and(|head| self.modules.contains_key(head)))
                .unwrap_or(0);
            let (head, rest) = path.split_at(depth);
            let import = rest.first().and_then(|name| self.modules.get(head)?.imports.get(name));
            let Some(source) = import else { return head.to_vec() };
            path = source.iter().chain(rest.iter().skip(1)).cloned().collect();
        }
        path
    }

    /// The arrows between siblings, by their parent: from a child, to a child, and one example of a use.
    fn arrows(&self) -> BTreeMap<Names, BTreeMap<(String, String), Use>> {
        let mut arrows: BTreeMap<Names, BTreeMap<(String, String), Use>> = BTreeMap::new();
        for (from, module) in &self.modules {
            for one in &module.uses {
                let to = self.resolve(&one.target);
                let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                let (Some(a), Some(b)) = (from.get(shared), to.get(shared)) else { continue };
                let siblings = arrows.entry(from.iter().take(shared).cloned().collect()).or_default();
                siblings.entry((a.clone(), b.clone())).or_insert_with(|| one.clone());
            }
        }
        arrows
    }

    fn cycles(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (parent, arrows) in self.arrows() {
            let Some(cycle) = find_cycle(&arrows) else { continue };
            let parent: String = parent.iter().map(|name| format!("{name}::")).collect();
            let examples: Vec<String> = cycle
                .iter()
                .map(|(from, to, example)| {
                    format!("{parent}{from} uses {parent}{to} ({}:{})", example.file, example.line)
                })
                .collect();
            let (_, _, first) = cycle[0];
            problems.push(Problem::new(
                &first.file,
                first.line,
                format!("modules in a circle: {}", examples.join(", ")),
            ));
        }
        problems
    }
}

fn child(parent: &Names, name: &str) -> Names {
    parent.iter().cloned().chain([name.to_owned()]).collect()
}

/// A path that begins with `crate`, `self` or `super`, seen from a module, as names from the root.
fn absolute(path: &[String], from: &Names) -> Option<Names> {
    let mut names: Names = from.clone();
    let mut rest = path.iter().peekable();
    match rest.next()?.as_str() {
        "crate" => names.clear(),
        "self" => {}
        "super" => drop(names.pop()?),
        _ => return None,
    }
    while rest.peek().is_some_and(|name| *name == "super") {
        rest.next();
        names.pop()?;
    }
    names.extend(rest.cloned());
    Some(names)
}

/// Notes which names a `use` brings into a module. A path without `crate` begins at a submodule or outside the
/// crate; taken as the former, the latter resolves to the module itself and draws no arrow.
fn note_imports(tree: &UseTree, above: &mut Names, from: &Names, imports: &mut BTreeMap<String, Names>) {
    let mut note = |name: String, path: Names| {
        let relative = || from.iter().cloned().chain(path.clone()).collect();
        imports.insert(name, absolute(&path, from).unwrap_or_else(relative));
    };
    match tree {
        UseTree::Path(path) => {
            above.push(path.ident.to_string());
            note_imports(&path.tree, above, from, imports);
            above.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| note_imports(tree, above, from, imports)),
        UseTree::Name(name) if name.ident == "self" => {
            note(above.last().cloned().unwrap_or_default(), above.clone());
        }
        UseTree::Name(name) => note(name.ident.to_string(), child(above, &name.ident.to_string())),
        UseTree::Rename(rename) => note(rename.rename.to_string(), child(above, &rename.ident.to_string())),
        UseTree::Glob(_) => {}
    }
}

/// Calls back with every path in the tokens that begins with `crate`, `self` or `super`, be it in a `use`, in
/// code or among the arguments of a macro. Inside the braces of a `use`, `prefix` is what stands before them.
fn find_paths(tokens: TokenStream, prefix: Option<&[String]>, found: &mut impl FnMut(Vec<String>, usize)) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut position = 0;
    while let Some(token) = tokens.get(position) {
        position += 1;
        match token {
            TokenTree::Group(group) => find_paths(group.stream(), None, found),
            TokenTree::Ident(name) if prefix.is_some() || is_anchor(&name.to_string()) => {
                let mut path: Vec<String> = prefix.unwrap_or_default().to_vec();
                path.push(name.to_string());
                let group = extend_path(&tokens, &mut position, &mut path);
                match group {
                    Some(group) => find_paths(group.stream(), Some(&path), found),
                    // `self` alone is a value, and `crate` alone a visibility.
                    None if path.len() > 1 => found(path, name.span().start().line),
                    None => {}
                }
                if prefix.is_some() {
                    position = after_comma(&tokens, position);
                }
            }
            _ => {}
        }
    }
}

fn is_anchor(name: &str) -> bool {
    matches!(name, "crate" | "self" | "super")
}

/// Follows `::name` as far as it goes; returns the braces if the path ends in `::{…}`.
fn extend_path<'a>(
    tokens: &'a [TokenTree],
    position: &mut usize,
    path: &mut Vec<String>,
) -> Option<&'a Group> {
    loop {
        let (Some(TokenTree::Punct(first)), Some(TokenTree::Punct(second))) =
            (tokens.get(*position), tokens.get(*position + 1))
        else {
            return None;
        };
        if first.as_char() != ':' || second.as_char() != ':' {
            return None;
        }
        match tokens.get(*position + 2) {
            Some(TokenTree::Ident(name)) => path.push(name.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                *position += 3;
                return Some(group);
            }
            _ => return None,
        }
        *position += 3;
    }
}

/// Behind the next comma, so that the `as name` of a `use` is not taken for a path.
fn after_comma(tokens: &[TokenTree], position: usize) -> usize {
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    tokens.iter().skip(position).position(is_comma).map_or(tokens.len(), |offset| position + offset + 1)
}

/// A shortest circle of arrows, if there is one.
fn find_cycle(arrows: &BTreeMap<(String, String), Use>) -> Option<Vec<(&str, &str, &Use)>> {
    let starts: BTreeSet<&str> = arrows.keys().map(|(from, _)| from.as_str()).collect();
    starts.into_iter().filter_map(|start| shortest_way_back(arrows, start)).min_by_key(Vec::len)
}

/// Breadth-first search from a module back to itself.
fn shortest_way_back<'a>(
    arrows: &'a BTreeMap<(String, String), Use>,
    start: &'a str,
) -> Option<Vec<(&'a str, &'a str, &'a Use)>> {
    let mut ways = vec![(start, Vec::new())];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for (end, way) in ways {
            for ((from, to), example) in arrows.iter().filter(|((from, _), _)| from == end) {
                let way: Vec<_> =
                    way.iter().copied().chain([(from.as_str(), to.as_str(), example)]).collect();
                if to == start {
                    return Some(way);
                }
                if seen.insert(to.as_str()) {
                    longer.push((to.as_str(), way));
                }
            }
        }
        ways = longer;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problems of a crate with modules `a` and `b`.
    fn problems(a: &str, b: &str) -> Vec<String> {
        problems_of(&[("c/src/lib.rs", "mod a; mod b;"), ("c/src/a.rs", a), ("c/src/b.rs", b)])
    }

    fn problems_of(files: &[(&str, &str)]) -> Vec<String> {
        check(&SourceTree::of(files)).into_iter().map(|problem| problem.text).collect()
    }

    #[test]
    fn imports_in_one_direction_are_fine() {
        assert_eq!(problems("use crate::b::B;", "pub struct B;"), [""; 0]);
    }

    #[test]
    fn a_circle_is_found_in_whatever_form_it_is_written() {
        let circle = ["modules in a circle: a uses b (c/src/a.rs:1), b uses a (c/src/b.rs:1)"];
        assert_eq!(problems("use crate::b::B;", "use super::a::A;"), circle);
        assert_eq!(problems("use crate::{b::{B as C}, c};", "fn f() -> crate::a::A {}"), circle);
        assert_eq!(problems("fn f() { g!(x, crate::b::B) }", "fn f() { super::a::A.g() }"), circle);
        assert_eq!(problems("fn f() { use crate::b; }", "mod d { use super::super::a::A; }"), circle);
    }

    #[test]
    fn a_circle_through_a_third_module_is_found() {
        let files = [
            ("c/src/a.rs", "use crate::b::B;"),
            ("c/src/b/mod.rs", "use crate::d::D;"),
            ("c/src/d/e.rs", "use crate::a::A;"),
            ("c/src/d.rs", ""),
        ];
        assert_eq!(problems_of(&files).len(), 1);
    }

    #[test]
    fn a_circle_through_a_re_export_is_found() {
        let root = ("c/src/lib.rs", "mod a; mod b; pub use self::a::A; pub use b::B;");
        let files = [root, ("c/src/a.rs", "use crate::B;"), ("c/src/b.rs", "use crate::A;")];
        assert_eq!(problems_of(&files).len(), 1);
    }

    #[test]
    fn a_parent_and_its_child_are_one_unit() {
        let files = [("c/src/a.rs", "use self::d::D;"), ("c/src/a/d.rs", "use super::A; use crate::a::B;")];
        assert_eq!(problems_of(&files), [""; 0]);
    }

    #[test]
    fn tests_comments_and_visibilities_are_no_imports() {
        let b = "//! See crate::a::A.\npub(crate) struct B;\n#[cfg(test)] mod tests { use crate::a::A; }";
        assert_eq!(problems("use crate::b::B;", b), [""; 0]);
    }
}
