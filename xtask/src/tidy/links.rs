//! Rules on Markdown: links inside the repository lead somewhere, and the README stays short.

use super::Problem;
use super::tree::SourceTree;

/// A README is read to the end only if it has one.
const README_LINES: usize = 120;

/// Checks every Markdown file.
pub(super) fn check(tree: &SourceTree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.markdown_files() {
        for (line, target) in links(text) {
            if let Some(reason) = broken(tree, path, target) {
                problems.push(Problem::new(path, line, format!("link to `{target}`: {reason}")));
            }
        }
    }
    if let Some(lines) = tree.markdown("README.md").map(|text| text.lines().count())
        && lines > README_LINES
    {
        let text = format!("{lines} lines; a README has at most {README_LINES}");
        problems.push(Problem::new("README.md", 0, text));
    }
    problems
}

/// The targets of `[text](target)`, with their lines, outside code blocks.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (line, content) in prose(text) {
        for (position, _) in content.match_indices("](") {
            let target = content.get(position + 2..).and_then(|rest| rest.split(')').next());
            // A title may follow the target.
            found.extend(target.and_then(|target| target.split(' ').next()).map(|target| (line, target)));
        }
    }
    found
}

/// The lines outside fenced code blocks, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            return None;
        }
        (!in_code).then_some((index + 1, line))
    })
}

fn broken(tree: &SourceTree, from: &str, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { Some(from.to_owned()) } else { resolve(from, file) };
    let Some(path) = path.filter(|path| tree.contains(path)) else {
        return Some("there is no such file");
    };
    let (Some(anchor), Some(text)) = (anchor, tree.markdown(&path)) else { return None };
    (!headings(text).any(|heading| heading == anchor)).then_some("there is no such heading")
}

/// A relative path, seen from a file, as a path from the root.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The anchors that the usual renderers make of the headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter(|(_, line)| line.starts_with('#')).map(|(_, line)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|&c| c.is_alphanumeric() || c == ' ' || c == '-' || c == '_');
        kept.map(|character| if character == ' ' { '-' } else { character }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(readme: &str) -> Vec<(usize, String)> {
        let design = "# Design\n## How it `flows`\n";
        let tree = SourceTree::of(&[("README.md", readme), ("docs/DESIGN.md", design), ("docs/a.svg", "")]);
        check(&tree).into_iter().map(|problem| (problem.line, problem.text)).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let readme = "# Top\n[a](docs/DESIGN.md#how-it-flows) ![b](./docs/a.svg \"title\") [c](#top)\n\
                      [d](https://example.org/nothing)\n```\n[e](in/code)\n```\n";
        assert_eq!(problems(readme), []);
    }

    #[test]
    fn a_link_to_nothing_is_a_problem() {
        assert_eq!(problems("\n[a](docs/GONE.md)")[0].0, 2);
        assert_eq!(problems("[a](../outside.md)").len(), 1);
        assert_eq!(problems("[a](docs/DESIGN.md#gone)").len(), 1);
    }

    #[test]
    fn a_long_readme_is_a_problem() {
        assert_eq!(problems(&"line\n".repeat(120)), []);
        assert_eq!(problems(&"line\n".repeat(121)).len(), 1);
    }
}
