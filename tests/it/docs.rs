//! The documentation agrees with the code: error codes, and links between pages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use datafusion_timetravel::Code;

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// The codes that a page has a heading for.
fn headings(page: &str) -> Vec<&str> {
    page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect()
}

#[test]
fn every_error_code_is_documented_in_order() {
    let page = read("docs/errors.md");
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(headings(&page), codes, "docs/errors.md has a heading per code, in the order of Code::ALL");
}

#[test]
fn no_page_names_a_code_that_is_not_there() {
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    for path in pages() {
        let text = read(&path);
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let code = word.starts_with("TT_") && word.len() > 3 && !word.ends_with('_');
            assert!(!code || codes.contains(word), "{}: no code {word}", path.display());
        }
    }
}

#[test]
fn relative_links_lead_somewhere() {
    for path in pages() {
        let text = read(&path);
        for rest in text.split("](").skip(1) {
            let target = rest.split([')', '#', ' ']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let file = path.parent().unwrap().join(target);
            assert!(file.exists(), "{}: the link {target} leads nowhere", path.display());
        }
    }
}

/// Every Markdown page.
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/spec", "tests/slt"] {
        for entry in std::fs::read_dir(Path::new("./").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Rules of docs/spec/requirements.md: `| R001 | …`.
fn rules(page: &str) -> BTreeSet<u32> {
    page.lines().filter_map(|line| line.strip_prefix("| R")?.get(..3)?.parse().ok()).collect()
}

/// Rules named in a text: `R012`, `R012-R015`.
fn cited(text: &str) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut before: Option<u32> = None;
    for (at, _) in text.match_indices('R') {
        let Some(rule) = text.get(at + 1..at + 4).and_then(|digits| digits.parse::<u32>().ok()) else { continue };
        let from = match before {
            // A range: the rule before stands right in front, with a dash between.
            Some(from) if text[..at].ends_with(&format!("R{from:03}-")) => from,
            _ => rule,
        };
        found.extend(from..=rule);
        before = Some(rule);
    }
    found
}

fn tests_in(folder: &Path, found: &mut BTreeSet<u32>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => tests_in(&path, found),
            false if path.extension().is_some_and(|end| end == "rs" || end == "slt") => {
                found.extend(cited(&read(path)));
            }
            false => {}
        }
    }
}

/// `cargo xtask requirements` shows what this prints.
#[test]
fn every_rule_is_cited_by_a_test_or_says_why_not() {
    let rules = rules(&read("docs/spec/requirements.md"));
    let excused = self::rules(&read("docs/spec/untested.md"));
    let mut tested = BTreeSet::new();
    for folder in ["tests", "cli/tests"] {
        tests_in(Path::new(folder), &mut tested);
    }
    let show = |rules: &BTreeSet<u32>| rules.iter().map(|rule| format!("R{rule:03}")).collect::<Vec<_>>().join(" ");
    let tested: BTreeSet<u32> = tested.intersection(&rules).copied().collect();
    println!(
        "{} rules, {} cited by tests, {} without a test: {}",
        rules.len(),
        tested.len(),
        excused.len(),
        show(&excused)
    );
    let open: BTreeSet<u32> =
        rules.iter().filter(|rule| !tested.contains(rule) && !excused.contains(rule)).copied().collect();
    assert!(open.is_empty(), "neither cited by a test nor in docs/spec/untested.md: {}", show(&open));
    let stale: BTreeSet<u32> =
        excused.iter().filter(|rule| tested.contains(rule) || !rules.contains(rule)).copied().collect();
    assert!(stale.is_empty(), "in docs/spec/untested.md, but cited by a test or no rule: {}", show(&stale));
}
