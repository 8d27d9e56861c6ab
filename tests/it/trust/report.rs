//! What a part of the programme counted, for the table of `cargo xtask trust`.

use std::io::Write;

/// Where the counts of a run are collected, a line of JSON for each part.
const FILE: &str = "TIMETRAVEL_TRUST_REPORT";

/// Prints what a part of the programme counted, and adds it to the file that `cargo xtask trust` prints as a table.
///
/// The names of the figures stand there as they are: `cases`, `seeds`, `kills`, `flips`, `commits`, `bugs caught`. Violations
/// are not reported: each fails its test.
pub fn report(part: &str, figures: &[(&str, u64)]) {
    let figures: serde_json::Map<_, _> =
        figures.iter().map(|(name, count)| (name.to_string(), (*count).into())).collect();
    let line = serde_json::json!({ "part": part, "figures": figures });
    println!("trust: {line}");
    if let Some(path) = std::env::var_os(FILE) {
        let mut file =
            std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the report can be opened");
        writeln!(file, "{line}").expect("the report can be written");
    }
}

#[test]
fn a_part_reports_its_figures() {
    report("report", &[("parts", 1)]);
}
