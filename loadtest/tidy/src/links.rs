//! Links between our pages: what they lead to is there, and so is the heading that they name.

use std::collections::BTreeMap;

/// What a page's links are wrong about. `pages` has the text of every page by its path; `is_there` knows all files.
#[must_use]
pub fn complaints(pages: &BTreeMap<String, String>, is_there: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in pages {
        for target in prose(text).flat_map(targets) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { beside(path, file) };
            if !is_there(&file) {
                found.push(format!("{path}: leads to {target}, which is not there"));
            } else if !heading.is_empty()
                && pages.get(&file).is_some_and(|text| !headings(text).any(|there| there == heading))
            {
                found.push(format!("{path}: leads to {target}, and {file} has no such heading"));
            }
        }
    }
    found
}

/// Lines that are not shown as code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Where a line's links lead within the project.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let ends = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    ends.filter(|target| !target.contains("://") && !target.contains(' ') && !target.starts_with('/'))
}

/// The names that GitHub gives a page's headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter(|line| line.starts_with('#')).map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|letter| letter.is_alphanumeric() || "-_ ".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    })
}

/// The path of `target` as it is written in the page at `path`.
fn beside(path: &str, target: &str) -> String {
    let mut parts = path.split('/').collect::<Vec<_>>();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_complained_of() {
        let page = "# A\n[a](../b.md#two-words) [b](c.md) [c](#a) [d](https://x#y)\n```\n[e](none.md)\n# No\n```\n[f](#no) [g](/docs)\n";
        let pages = [("docs/a.md", page), ("b.md", "## `Two` words\n")];
        let pages = BTreeMap::from(pages.map(|(path, text)| (path.to_owned(), text.to_owned())));
        let found = complaints(&pages, |path| pages.contains_key(path));
        let expected = [
            "docs/a.md: leads to c.md, which is not there",
            "docs/a.md: leads to #no, and docs/a.md has no such heading",
        ];
        assert_eq!(found, expected);
    }
}
