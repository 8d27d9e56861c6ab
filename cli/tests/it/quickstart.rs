//! The quick start prints what README says.

use std::path::{Path, PathBuf};

use crate::Place;

const MARKER: &str = "<!-- quickstart-output -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What the output says but for row counts and times.
fn results(text: &str) -> Vec<String> {
    let is_result = |line: &&str| {
        !line.trim().is_empty()
            && !line.contains("row(s) fetched")
            && !line.contains("row(s) affected")
            && !line.starts_with("Elapsed ")
    };
    text.lines().filter(is_result).map(|line| line.trim_end().to_string()).collect()
}

#[test]
fn the_output_is_that_of_readme_also_the_second_time() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md is there");
    let (_, after) = readme.split_once(MARKER).expect("README.md has the marker before the quick start's output");
    let (_, block) = after.split_once("```").expect("a fenced block follows the marker");
    let (block, _) = block.split_once("```").expect("the fenced block ends");
    // The first line is the fence's language.
    let (_, expected) = block.split_once('\n').unwrap();

    let place = Place::new();
    let script = root().join("examples/quickstart.sql");
    for _ in 0..2 {
        let out = place.out(&["-f", script.to_str().unwrap()]);
        assert_eq!(results(&out), results(expected), "README should say:\n{out}");
    }
}
