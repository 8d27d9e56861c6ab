//! One set of features for all builds: the shell alone must have those of the whole workspace, or `cargo run` after
//! `cargo test` would build hundreds of crates again.

use std::collections::{BTreeMap, BTreeSet};

use crate::task::{Outcome, cargo, output};

/// A crate with its version, and the features of each of its builds: for the target, for build scripts.
type Builds = BTreeMap<String, BTreeSet<String>>;

/// Fails where a crate of the shell is built with features with which the whole workspace doesn't build it. The workspace may
/// build it with others too, for a macro.
pub(crate) fn compare() -> Outcome {
    let selections =
        [&["--package", "timetravel-cli", "--edges", "normal,build"][..], &["--workspace", "--edges", "all"]];
    let [shell, workspace] = selections.map(tree);
    let (shell, workspace) = match (shell, workspace) {
        (Ok(shell), Ok(workspace)) => (shell, workspace),
        (Err(why), _) | (_, Err(why)) => return Outcome::Failed(why),
    };
    let different = differences(&shell, &workspace);
    if different.is_empty() {
        println!("{} crates of the shell have the workspace's features", shell.len());
        return Outcome::Passed;
    }
    let list = different.join("\n");
    Outcome::Failed(format!(
        "these crates have other features in a build of the shell alone:\n{list}\n\
        Add what is missing to the normal dependencies of cli/Cargo.toml."
    ))
}

fn tree(selection: &[&str]) -> Result<Builds, String> {
    let mut command = cargo();
    command.args(["tree", "--prefix", "none", "--format", "{p}|{f}|"]).args(selection);
    output(&mut command).map(|text| parse(&text))
}

/// Lines are `name version (source)|features|`, and `(*)` after it where the crate came before.
fn parse(text: &str) -> Builds {
    let mut builds = Builds::new();
    for line in text.lines() {
        let mut parts = line.split('|');
        // The lines of `--edges all` that name a feature have no parts, and are told by the crates' own lines too.
        let (Some(package), Some(features)) = (parts.next(), parts.next()) else { continue };
        let package: Vec<&str> = package.split_whitespace().take(2).collect();
        builds.entry(package.join(" ")).or_default().insert(features.to_string());
    }
    builds
}

fn differences(shell: &Builds, workspace: &Builds) -> Vec<String> {
    let show = |sets: Option<&BTreeSet<String>>| match sets {
        Some(sets) => sets.iter().map(|features| format!("[{features}]")).collect::<Vec<_>>().join(" "),
        None => "absent".to_string(),
    };
    shell
        .iter()
        .filter(|(package, features)| !workspace.get(*package).is_some_and(|builds| features.is_subset(builds)))
        .map(|(package, features)| {
            format!("  {package}: shell {}, workspace {}", show(Some(features)), show(workspace.get(package)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_with_other_features_is_told() {
        let shell = parse("a v1.0.0|std|\nb v2.0.0 (proc-macro)|x,y|\na v1.0.0|std| (*)\n");
        assert!(
            differences(&shell, &parse("a v1.0.0|std|\na feature \"std\"\nb v2.0.0|x,y|\nc v1.0.0||\n")).is_empty()
        );
        assert!(differences(&shell, &parse("a v1.0.0|std|\na v1.0.0|zeta|\nb v2.0.0|x,y|\n")).is_empty());
        let workspace = parse("a v1.0.0|std,zeta|\nb v2.0.0|x,y|\n");
        assert_eq!(differences(&shell, &workspace), ["  a v1.0.0: shell [std], workspace [std,zeta]"]);
        assert_eq!(differences(&shell, &Builds::new()).len(), 2);
    }
}
