//! `cargo xtask test`: the steps, what is quick first, and a table of how they ended.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::task::{Install, Outcome, cargo, output, root, run};
use crate::{deny, features, python, servers};

/// The examples that must be there and run.
const EXAMPLES: [&str; 4] = ["quickstart", "existing_session", "as_of", "upsert_stream"];

/// What to run besides the usual.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Options {
    long: bool,
    strict: bool,
}

impl Options {
    /// Gives the first word that is no option back.
    pub(crate) fn parse<'a>(words: &[&'a str]) -> Result<Self, &'a str> {
        let mut options = Self::default();
        for word in words {
            match *word {
                "--long" => options.long = true,
                "--strict" => options.strict = true,
                other => return Err(other),
            }
        }
        Ok(options)
    }
}

struct Step {
    name: String,
    action: Box<dyn Fn() -> Outcome>,
    /// Without it the later steps make no sense.
    needed: bool,
}

fn step(name: impl Into<String>, action: impl Fn() -> Outcome + 'static) -> Step {
    Step { name: name.into(), action: Box::new(action), needed: false }
}

fn steps(options: Options) -> Vec<Step> {
    let install = if options.strict { Install::Yes } else { Install::No };
    let mut steps = vec![
        step("format", || component("fmt", &["fmt", "--all", "--check"])),
        step("features", features::compare),
        step("dependencies", move || deny::check(install)),
        step("object-store servers", move || servers::ready(install)),
        Step { needed: true, ..step("build", || cargo_run(&["build", "--workspace", "--all-targets"])) },
        step("shell rebuilds nothing", shell_rebuilds_nothing),
        step("tests", move || {
            let strict = if options.strict { "1" } else { "0" };
            run(cargo().args(["test", "--workspace", "--no-fail-fast"]).env("TIMETRAVEL_STRICT", strict))
        }),
        step("quickstart.sql", quickstart),
    ];
    steps.extend(EXAMPLES.map(|name| step(format!("example {name}"), move || example(name))));
    steps.push(step("python", || python::test(&[])));
    steps.push(step("clippy", || {
        component("clippy", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])
    }));
    if options.long {
        steps.push(step("ignored tests", || cargo_run(&["test", "--workspace", "--", "--ignored"])));
        steps.push(step("library without features", || {
            cargo_run(&["check", "--package", "datafusion-timetravel", "--no-default-features"])
        }));
    }
    steps
}

/// Runs the steps; all of them, but for a build that fails.
fn run_steps(options: Options) -> Vec<(String, Outcome, Duration)> {
    let mut results = Vec::new();
    for step in steps(options) {
        println!("\n=== {}", step.name);
        let start = Instant::now();
        let outcome = match (step.action)() {
            Outcome::Missing(what) if options.strict => Outcome::Failed(what),
            outcome => outcome,
        };
        if let Outcome::Failed(why) | Outcome::Missing(why) = &outcome {
            println!("{why}");
        }
        let ends = step.needed && outcome != Outcome::Passed;
        results.push((step.name, outcome, start.elapsed()));
        if ends {
            break;
        }
    }
    results
}

/// Runs the suite and prints its table.
pub(crate) fn test(options: Options) -> ExitCode {
    let start = Instant::now();
    let results = run_steps(options);
    println!("\n{:<28}{:<10}{:>10}", "step", "result", "seconds");
    for (name, outcome, time) in &results {
        println!("{name:<28}{:<10}{:>10.1}", word(outcome), time.as_secs_f64());
    }
    let failed = results.iter().filter(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_))).count();
    let verdict = if failed == 0 { "passed".to_string() } else { format!("{failed} failed") };
    println!("{:<28}{verdict:<10}{:>10.1}", "all", start.elapsed().as_secs_f64());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Missing(_) => "missing",
        Outcome::Failed(_) => "FAILED",
    }
}

fn cargo_run(arguments: &[&str]) -> Outcome {
    run(cargo().args(arguments))
}

/// Runs a cargo command that comes with a component of the toolchain, if that is installed.
fn component(name: &str, arguments: &[&str]) -> Outcome {
    match output(cargo().args([name, "--version"])) {
        Ok(_) => cargo_run(arguments),
        Err(_) => Outcome::Missing(format!("cargo {name} is not installed")),
    }
}

/// README's second command must start at once after its first, whichever comes first.
fn shell_rebuilds_nothing() -> Outcome {
    let mut command = cargo();
    command.args(["build", "--package", "timetravel-cli", "--message-format", "json"]);
    match output(&mut command) {
        Ok(messages) => {
            let built: Vec<&str> = messages
                .lines()
                .filter(|line| line.contains("\"reason\":\"compiler-artifact\"") && line.contains("\"fresh\":false"))
                .collect();
            match built.len() {
                0 => Outcome::Passed,
                count => Outcome::Failed(format!("{count} crates were built again:\n{}", built.join("\n"))),
            }
        }
        Err(why) => Outcome::Failed(why),
    }
}

/// The quick start in a warehouse of its own, twice, since it must run again.
fn quickstart() -> Outcome {
    let script = "examples/quickstart.sql";
    if !root().join(script).exists() {
        return Outcome::Missing(format!("{script} is not there"));
    }
    let warehouse = std::env::temp_dir().join(format!("timetravel-quickstart-{}", std::process::id()));
    let again =
        || run(cargo().args(["run", "--package", "timetravel-cli", "--", "-f", script, "--warehouse"]).arg(&warehouse));
    let outcome = match again() {
        Outcome::Passed => again(),
        other => other,
    };
    match std::fs::remove_dir_all(&warehouse) {
        Err(error) if outcome == Outcome::Passed => {
            Outcome::Failed(format!("{} can't be removed: {error}", warehouse.display()))
        }
        _ => outcome,
    }
}

fn example(name: &str) -> Outcome {
    let path = root().join("examples");
    if !path.join(name).with_extension("rs").exists() && !path.join(name).join("main.rs").exists() {
        return Outcome::Missing(format!("examples/{name}.rs is not there"));
    }
    cargo_run(&["run", "--quiet", "--example", name])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_known_or_refused() {
        assert_eq!(Options::parse(&["--strict", "--long"]), Ok(Options { long: true, strict: true }));
        assert_eq!(Options::parse(&["--strict", "--fast"]), Err("--fast"));
    }

    #[test]
    fn what_is_quick_comes_first() {
        let names: Vec<String> = steps(Options::default()).into_iter().map(|step| step.name).collect();
        let place = |name: &str| names.iter().position(|other| other == name);
        assert!(
            place("format") < place("build") && place("build") < place("tests") && place("tests") < place("clippy")
        );
    }
}
