//! The layers of ARCHITECTURE.md, checked: imports point left only, and engines and clients stay where they belong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

/// Each module of the crate and what it may use beside itself and `error`; from left to right.
const LAYERS: &[(&str, &[&str])] = &[
    ("store", &[]),
    ("log", &["store"]),
    ("table", &["store", "log"]),
    ("catalog", &["store", "log"]),
    ("auth", &["catalog"]),
    ("merge", &["store", "log", "table"]),
    ("scan", &["store", "log", "table", "merge"]),
    ("write", &["store", "log", "table", "merge"]),
    ("ops", &["store", "log", "table", "catalog", "auth", "merge", "scan", "write"]),
    ("provider", &["store", "log", "table", "catalog", "auth", "merge", "scan", "write", "ops"]),
    ("sql", &["store", "log", "table", "catalog", "auth", "merge", "scan", "write", "ops", "provider"]),
    ("session", &["store", "log", "table", "catalog", "auth", "merge", "scan", "write", "ops", "provider", "sql"]),
];

/// Where DataFusion is known: from L3 upwards, and in the error that crosses it.
const DATAFUSION: &[&str] = &["merge", "scan", "write", "ops", "provider", "sql", "session", "error"];

/// Where the object store's client is known: in L0, and where Parquet readers and writers take it.
const OBJECT_STORE: &[&str] = &["store", "merge", "scan", "write"];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The top module that a file of `src` belongs to.
fn module(path: &Path) -> String {
    let first = path.strip_prefix("src").unwrap().components().next().unwrap();
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The code without comments and without an inline test module at its end.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The top modules that the code names after `crate::`, one by one or in braces.
fn uses(code: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            found.push(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for c in group.chars() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => found.push(word(std::mem::take(&mut item).trim())),
                _ if depth == 0 => item.push(c),
                _ => {}
            }
        }
        found.push(word(item.trim()));
    }
    found.retain(|name| !name.is_empty());
    found
}

#[test]
fn imports_point_left_only() {
    let mut wrong = Vec::new();
    for path in rust_files(Path::new("src")) {
        let module = module(&path);
        if module == "lib" || module == "error" {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            panic!("{}: a new module; give it a place in LAYERS", path.display());
        };
        for used in uses(&code(&path)) {
            let error = ["error", "Error", "ErrorKind", "Code", "Result"].contains(&used.as_str());
            if used != module && !error && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {module} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn engines_and_clients_stay_in_their_layers() {
    let mut wrong = Vec::new();
    for path in rust_files(Path::new("src")) {
        let (module, code) = (module(&path), code(&path));
        for (name, allowed) in [("datafusion", DATAFUSION), ("object_store", OBJECT_STORE)] {
            let named = code.match_indices(&format!("{name}::")).any(|(at, _)| {
                // Not the end of a longer word, and not DataFusion's re-export of the client's name in a path.
                !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if named && module != "lib" && !allowed.contains(&module.as_str()) {
                wrong.push(format!("{}: {module} uses {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for folder in ["src", "udfs/src", "cli/src", "xtask/src", "tests/it"] {
        for path in rust_files(Path::new(folder)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().count();
            if lines > 500 {
                wrong.push(format!("{}: {lines} lines, split it by 500", path.display()));
            }
            // Tests of a module stand beside it, and it says what it is.
            let tests = path.ends_with("tests.rs") || path.ends_with("tests/mod.rs");
            if !text.starts_with("//!") && !tests {
                wrong.push(format!("{}: does not open with //! and what it is", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn groups_of_imports_are_understood() {
    assert_eq!(uses("use crate::store::Lsn;"), ["store"]);
    assert_eq!(uses("use crate::{error::Result, log::{Lsn, Log}, table};"), ["error", "log", "table"]);
    assert_eq!(uses("fn f(x: &crate::catalog::Name) -> pub(crate) u8"), ["catalog"]);
}
