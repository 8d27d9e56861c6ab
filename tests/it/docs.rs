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
