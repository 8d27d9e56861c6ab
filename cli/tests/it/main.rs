//! The shell as a user runs it: one process per call, on a warehouse of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod interactive;
mod quickstart;
mod scripts;
mod secrets;
mod warehouses;

use std::path::Path;

use assert_cmd::Command;
use tempfile::TempDir;

/// A folder in which the shell runs; its warehouse is `./warehouse`.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The shell, with an environment that is the same everywhere.
    fn shell(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("timetravel-cli"));
        command
            .current_dir(self.path())
            .env_remove("TIMETRAVEL_WAREHOUSE")
            .env_remove("RUST_LOG")
            .env("USER", "tester")
            .env("HOME", self.path().join("home"))
            .env("XDG_STATE_HOME", self.path().join("state"))
            .args(arguments);
        command
    }

    /// What a successful call prints.
    fn out(&self, arguments: &[&str]) -> String {
        let output = self.shell(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} failed: {errors}");
        assert_eq!(errors, "", "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a call prints that must fail: standard output, standard error.
    fn fails(&self, arguments: &[&str], stdin: &str) -> (String, String) {
        let output = self.shell(arguments).write_stdin(stdin).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}
