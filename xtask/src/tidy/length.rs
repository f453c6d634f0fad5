//! Long files and long functions, as a report: something to look at, not a number to be gamed.

use syn::spanned::Spanned as _;
use syn::visit::Visit;
use syn::{ImplItemFn, Item, ItemFn, Signature, TraitItemFn};

use super::tree::{SourceTree, is_test_item};

/// Lines of a file that are not tests.
const FILE_LINES: usize = 600;
/// Lines of a function, signature and braces included.
const FUNCTION_LINES: usize = 70;

/// One line for each long file and function of the shipped code.
pub(super) fn report(tree: &SourceTree) -> Vec<String> {
    let mut smells = Vec::new();
    for (path, file) in tree.rust_files().filter(|(path, _)| !tree.is_test_file(path)) {
        let Ok(syntax) = &file.syntax else { continue };
        let in_tests: usize = syntax.items.iter().filter(|item| is_test_item(item)).map(line_count).sum();
        let lines = file.text.lines().count().saturating_sub(in_tests);
        if lines > FILE_LINES {
            smells.push(format!("{path}: {lines} lines without its tests"));
        }
        let mut search = LongFunctions { path, smells: &mut smells };
        search.visit_file(syntax);
    }
    smells
}

fn line_count(node: &impl syn::spanned::Spanned) -> usize {
    let span = node.span();
    span.end().line + 1 - span.start().line
}

struct LongFunctions<'a> {
    path: &'a str,
    smells: &'a mut Vec<String>,
}

impl LongFunctions<'_> {
    fn judge(&mut self, signature: &Signature, body: &syn::Block) {
        let first = signature.span().start().line;
        let lines = body.span().end().line + 1 - first;
        if lines > FUNCTION_LINES {
            self.smells.push(format!("{}:{first}: fn {} has {lines} lines", self.path, signature.ident));
        }
    }
}

impl<'ast> Visit<'ast> for LongFunctions<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test_item(item) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.judge(&function.sig, &function.block);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.judge(&function.sig, &function.block);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.judge(&function.sig, body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_function_is_reported_but_not_a_long_test() {
        let body = "let _ = 1;\n".repeat(80);
        let source =
            format!("//! A.\nfn long() {{\n{body}}}\n#[cfg(test)]\nmod tests {{\nfn t() {{\n{body}}}\n}}\n");
        assert_eq!(report(&SourceTree::of(&[("src/a.rs", &source)])), ["src/a.rs:2: fn long has 82 lines"]);
    }

    #[test]
    fn a_long_file_is_reported_by_its_lines_without_tests() {
        let items = "const A: u8 = 1;\n".repeat(590);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{items}}}\n");
        let shipped = format!("{items}{}", "const B: u8 = 1;\n".repeat(20));
        assert_eq!(report(&SourceTree::of(&[("src/a.rs", &format!("{items}{tests}"))])), [""; 0]);
        let smells = report(&SourceTree::of(&[("src/a.rs", &format!("{shipped}{tests}"))]));
        assert_eq!(smells, ["src/a.rs: 610 lines without its tests"]);
    }
}
