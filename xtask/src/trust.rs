//! `cargo xtask trust`: the trust programme (docs/reliability.md), and a table of what it counted.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::servers;
use crate::task::{Install, Outcome, cargo, run};

/// The tests of the programme, by the modules in which they are.
const TESTS: [&str; 7] = ["trust::", "protocol::", "two_logs::", "processes::", "laws::", "sweep", "dml_races::"];

/// Runs the programme; with `long` its ignored tests only, which are the same at sizes that take hours.
pub(crate) fn trust(long: bool) -> Outcome {
    if let Outcome::Missing(why) | Outcome::Failed(why) = servers::ready(Install::Yes) {
        println!("what needs object-store servers is left out: {why}");
    }
    let report = std::env::temp_dir().join(format!("timetravel-trust-{}", std::process::id()));
    let start = Instant::now();
    let mut command = cargo();
    command.args(["test", "--workspace", "--test", "it", "--"]).args(TESTS).env("TIMETRAVEL_TRUST_REPORT", &report);
    if long {
        command.arg("--ignored");
    }
    let outcome = run(&mut command);
    let lines = std::fs::read_to_string(&report).unwrap_or_default();
    if let Err(error) = std::fs::remove_file(&report)
        && outcome == Outcome::Passed
    {
        return Outcome::Failed(format!("the programme counted nothing ({error})"));
    }
    println!("\n{}", table(&lines));
    let violations = if outcome == Outcome::Passed { "violations: 0" } else { "VIOLATIONS: see above" };
    println!("{violations}, {:.0} seconds", start.elapsed().as_secs_f64());
    outcome
}

/// The lines `part<TAB>figure=count<TAB>…` as a table, and the sum of each figure.
fn table(lines: &str) -> String {
    let mut parts: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for line in lines.lines() {
        let mut fields = line.split('\t');
        let part = fields.next().unwrap_or_default();
        let counted = parts.entry(part).or_default();
        for (name, count) in fields.filter_map(|field| field.split_once('=')) {
            *counted.entry(name).or_default() += count.parse::<u64>().unwrap_or_default();
        }
    }
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    let mut text = String::new();
    for (part, figures) in &parts {
        for (name, count) in figures {
            *sums.entry(name).or_default() += count;
        }
        text.push_str(&format!("{part:<36}{}\n", shown(figures)));
    }
    text.push_str(&format!("{:<36}{}", "all", shown(&sums)));
    text
}

fn shown(figures: &BTreeMap<&str, u64>) -> String {
    figures.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::table;

    #[test]
    fn figures_are_summed() {
        let table = table("kills\tkills=150\tcommits=9\nbit rot\tflips=7\nkills\tkills=5\n");
        let lines: Vec<&str> = table.lines().map(str::trim_end).collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("bit rot ") && lines[0].ends_with(" 7 flips"));
        assert!(lines[1].ends_with(" 9 commits, 155 kills"));
        assert!(lines[2].ends_with(" 9 commits, 7 flips, 155 kills"));
    }
}
