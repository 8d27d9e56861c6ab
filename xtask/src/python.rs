//! `cargo xtask python`: the wheel of the workspace's build, installed in an environment of its own below the target
//! directory, and the package's tests on it.
//!
//! The library is the one that `cargo build --workspace` makes, so that DataFusion isn't built a second time.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::task::{Outcome, cargo, output, root, run};

const LIBRARY: &str = "datafusion_timetravel_native";

/// Builds and installs the wheel, then runs the tests; the arguments are pytest's.
pub(crate) fn test(arguments: &[&str]) -> Outcome {
    if output(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_err() {
        return Outcome::Missing("python3 with venv is not installed: the Python package is not tested".into());
    }
    let steps = || -> Result<Outcome, String> {
        done(run(cargo().args(["build", "--workspace", "--all-targets"])))?;
        let target = target_directory()?;
        let python = environment(&target)?;
        let wheel = pack(&python, &target)?;
        done(run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--force-reinstall"])
            .arg(wheel)))?;
        // Not from the package's folder, whose sources would stand before what is installed.
        let mut pytest = Command::new(&python);
        pytest.current_dir(root()).args(["-m", "pytest", "-q", "-c", "python/pyproject.toml", "--rootdir", "python"]);
        Ok(run(pytest.args(if arguments.is_empty() { &["python/tests"] } else { arguments })))
    };
    steps().unwrap_or_else(Outcome::Failed)
}

fn done(outcome: Outcome) -> Result<(), String> {
    match outcome {
        Outcome::Passed => Ok(()),
        Outcome::Missing(why) | Outcome::Failed(why) => Err(why),
    }
}

fn target_directory() -> Result<PathBuf, String> {
    let metadata = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let marker = "\"target_directory\":\"";
    let found = metadata.split(marker).nth(1).and_then(|rest| rest.split('"').next());
    found.map(PathBuf::from).ok_or_else(|| "cargo metadata names no target directory".to_string())
}

/// The interpreter of an environment with all that the tests need; made anew when the list of that changes.
fn environment(target: &Path) -> Result<PathBuf, String> {
    let folder = target.join("python").join("venv");
    let python =
        if cfg!(windows) { folder.join("Scripts").join("python.exe") } else { folder.join("bin").join("python") };
    let list = root().join("python").join("requirements-test.txt");
    let wanted = std::fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let installed = folder.join("requirements-test.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    done(run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder)))?;
    done(run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&list)))?;
    std::fs::write(&installed, wanted).map_err(|error| format!("{}: {error}", installed.display()))?;
    Ok(python)
}

/// The wheel of the library that cargo built.
fn pack(python: &Path, target: &Path) -> Result<PathBuf, String> {
    let name = format!("{}{LIBRARY}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = target.join("debug").join(name);
    let tools = python.parent().unwrap_or(python);
    let path = std::env::join_paths(
        std::iter::once(tools.to_path_buf())
            .chain(std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect::<Vec<_>>()),
    );
    let path = path.map_err(|error| error.to_string())?;
    let mut command = Command::new(python);
    command.arg(root().join("python").join("pack.py")).arg(library).arg(target.join("python").join("wheels"));
    Ok(PathBuf::from(output(command.env("PATH", path))?.trim()))
}
