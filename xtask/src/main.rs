//! `cargo xtask`: the few commands of this repository, with nothing but Rust needed.
//!
//! It only starts cargo; what is built and tested is cargo's business. Every build is of the whole workspace, so that all
//! commands share one set of features and nothing is built twice.
#![allow(clippy::print_stdout, reason = "it reports to the terminal")]

mod deny;
mod features;
mod python;
mod servers;
mod suite;
mod task;
mod trust;

use std::process::ExitCode;

use task::{Outcome, cargo, run};

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  test [--long] [--strict]        format, builds, tests, examples and lints
      --long                      also the ignored tests, and the library without its features
      --strict                    what is missing (an example, a cargo component) is a failure
  quickstart                      the shell's quick start on ./warehouse
  tpch [--release] [--scale N]    TPC-H in keyed tables, with refresh rounds; the scale is 0.01 by default
  bench restore [--release] [--rows N,N] [--rounds N]
                                  what RESTORE costs by the size of the table; up to 6 million rows with --release
  python [pytest's options]       the Python package: its wheel in an environment of its own, and its tests
  trust [--long]                  the trust programme and its counts; --long: at sizes that take hours
  requirements                    which rules of docs/spec/requirements.md tests cite
  servers                         installs object-store servers for the tests, below the target directory
  deny                            checks licences, sources and advisories of all dependencies
  features                        compares the features of the shell's build with those of the workspace's";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test", options @ ..] => match suite::Options::parse(options) {
            Ok(options) => return suite::test(options),
            Err(wrong) => return usage(&format!("unknown option {wrong}")),
        },
        ["quickstart"] => {
            run(cargo().args(["run", "--package", "timetravel-cli", "--", "-f", "examples/quickstart.sql"]))
        }
        ["tpch", options @ ..] => tpch(options),
        ["bench", "restore", options @ ..] => bench("restore", options),
        ["python", options @ ..] => python::test(options),
        ["trust"] => trust::trust(false),
        ["trust", "--long"] => trust::trust(true),
        ["requirements"] => run(cargo()
            .args(["test", "--quiet", "--workspace", "--test", "it", "--"])
            .args(["--nocapture", "docs::every_rule"])),
        ["features"] => features::compare(),
        ["servers"] => servers::ready(task::Install::Yes),
        ["deny"] => deny::check(task::Install::Yes),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        [] => return usage("a command is missing"),
        [other, ..] => return usage(&format!("unknown command {other}")),
    };
    match outcome {
        Outcome::Passed => ExitCode::SUCCESS,
        Outcome::Missing(why) | Outcome::Failed(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Options that xtask doesn't know go to the example.
fn tpch(options: &[&str]) -> Outcome {
    let (release, others): (Vec<&str>, Vec<&str>) = options.iter().partition(|option| **option == "--release");
    let mut command = cargo();
    command.arg("run").args(release).args(["--example", "tpch", "--"]).args(&others);
    if !others.contains(&"--scale") {
        command.args(["--scale", "0.01"]);
    }
    run(&mut command)
}

/// Options that xtask doesn't know go to the benchmark.
fn bench(name: &str, options: &[&str]) -> Outcome {
    let (release, others): (Vec<&str>, Vec<&str>) = options.iter().partition(|option| **option == "--release");
    let profile = if release.is_empty() { "dev" } else { "release" };
    run(cargo().args(["bench", "--profile", profile, "--bench", name, "--"]).args(&others))
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("xtask: {problem}\n\n{USAGE}");
    ExitCode::from(2)
}
