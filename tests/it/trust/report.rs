//! What a part of the programme counted, for the table of `cargo xtask trust`.

use std::io::Write;

/// Where the counts of a run are collected: a line for each part, `part<TAB>figure=count<TAB>…`.
const FILE: &str = "TIMETRAVEL_TRUST_REPORT";

/// Prints what a part of the programme counted, and adds it to the file that `cargo xtask trust` prints as a table.
///
/// The names of the figures stand there as they are: `cases`, `seeds`, `kills`, `flips`, `commits`, `bugs caught`. Violations
/// are not reported: each fails its test.
pub fn report(part: &str, figures: &[(&str, u64)]) {
    let figures = figures.iter().map(|(name, count)| format!("\t{name}={count}"));
    let line = std::iter::once(part.to_owned()).chain(figures).collect::<String>();
    println!("trust: {line}");
    if let Some(path) = std::env::var_os(FILE) {
        let mut file =
            std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the report can be opened");
        writeln!(file, "{line}").expect("the report can be written");
    }
}
