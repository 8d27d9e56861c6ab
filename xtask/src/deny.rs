//! cargo-deny: advisories, licences, duplicate and unwanted crates, and where crates come from (`deny.toml`).

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::task::{Install, Outcome, cargo, output, run};

/// The version that is installed where there is none.
const VERSION: &str = "0.20.2";

/// Checks the dependencies of the workspace, with a cargo-deny that is built where it is missing, in minutes, if asked to; without the advisories where their database can't be had.
pub(crate) fn check(install: Install) -> Outcome {
    let Some(program) = program(install) else {
        return Outcome::Missing("cargo-deny is not installed: cargo install cargo-deny".to_owned());
    };
    let all = |checks: &[&str]| {
        let mut command = Command::new(&program);
        command.current_dir(crate::task::root()).args(["--workspace", "check"]).args(checks);
        run(&mut command)
    };
    match output(Command::new(&program).current_dir(crate::task::root()).args(["fetch", "db"])) {
        Ok(_) => all(&["advisories", "bans", "licenses", "sources"]),
        Err(why) => {
            let last = why.lines().last().unwrap_or_default();
            println!("the advisories can't be fetched and are NOT checked: {last}");
            all(&["bans", "licenses", "sources"])
        }
    }
}

fn program(install: Install) -> Option<PathBuf> {
    if output(Command::new("cargo-deny").arg("--version")).is_ok() {
        return Some("cargo-deny".into());
    }
    // <target>/debug/xtask
    let exe = std::env::current_exe().ok()?;
    let root = exe.ancestors().nth(2)?.join("tools");
    let own = own_program(&root);
    if !own.exists() && install == Install::Yes {
        let mut command = cargo();
        command.args(["install", "cargo-deny", "--debug", "--locked", "--version", VERSION, "--root"]).arg(&root);
        // Its crates are not those of this workspace.
        command.env_remove("CARGO_TARGET_DIR");
        if run(&mut command) != Outcome::Passed {
            return None;
        }
    }
    own.exists().then_some(own)
}

fn own_program(root: &Path) -> PathBuf {
    root.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX))
}
