//! The prompt, with statements from a pipe instead of a keyboard.

#[cfg(unix)]
use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
    sync::mpsc,
    time::Duration,
};

use crate::Place;

/// What the prompt prints to standard output and to standard error.
fn prompt(place: &Place, input: &str) -> (String, String) {
    let output = place.shell(&["-i", "-q", "--format", "csv"]).write_stdin(input).output().unwrap();
    assert!(output.status.success());
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn statements_end_with_a_semicolon() {
    let (out, errors) =
        prompt(&Place::new(), "SELECT\n1 AS a;\n\nSELECT 2 AS b; SELECT 3 AS c;\n\\q\nSELECT 4 AS d;\n");
    assert_eq!(out, "a\n1\nb\n2\nc\n3\n");
    assert_eq!(errors, "");
}

#[test]
fn an_error_does_not_end_the_prompt() {
    let (out, errors) =
        prompt(&Place::new(), "SELECT nothing;\nSELECT 2 AS b;\n\\nothing\n\\timing maybe\nSELECT 3 AS c;\n");
    assert_eq!(out, "b\n2\nc\n3\n");
    assert_eq!(errors.lines().filter(|line| line.starts_with("Error: ")).count(), 3, "{errors}");
}

#[test]
fn the_history_is_in_the_state_directory() {
    let place = Place::new();
    prompt(&place, "SELECT 1 AS a;\n");
    prompt(&place, "SELECT 2 AS b;\n");
    let folders = ["state", "home/Library/Application Support"];
    let file = folders
        .iter()
        .map(|folder| place.path().join(folder).join("timetravel-cli/history"))
        .find(|file| file.exists());
    let history = std::fs::read_to_string(file.expect("there is a history")).unwrap();
    assert!(history.contains("SELECT 1 AS a;") && history.contains("SELECT 2 AS b;"), "{history}");
    let here = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(here.into_iter().all(|name| ["state", "home", "warehouse"].contains(&name.as_str())));
}

#[test]
fn what_takes_something_away_is_asked_about() {
    let place = Place::new();
    let create = "CREATE TABLE t (a BIGINT);\nINSERT INTO t VALUES (7);\n";
    let (out, _) = prompt(&place, &format!("{create}DROP TABLE t;\nno\nSELECT a FROM t;\n"));
    assert!(out.ends_with("a\n7\n"), "{out}");
    let (_, errors) =
        prompt(&place, "CREATE TABLE IF NOT EXISTS t (a BIGINT);\nDROP TABLE t;\nyes\nSELECT a FROM t;\n");
    assert!(errors.contains("Error: "), "{errors}");
    // The end of the input is a no.
    let (_, errors) = prompt(&place, "CREATE TABLE IF NOT EXISTS t (a BIGINT);\nDROP TABLE t;\n");
    assert!(errors.contains("Not done."), "{errors}");
}

#[test]
fn commands_of_the_shell() {
    let place = Place::new();
    let (out, errors) =
        prompt(&place, "\\pset format json\nSELECT 1 AS a;\n\\?\n\\quiet off\n\\timing off\nSELECT 2 AS b;\n");
    assert_eq!(errors, "");
    assert!(out.contains("The format is json.\n[{\"a\":1}]\n"), "{out}");
    assert!(out.contains("\\d [TABLE]"), "{out}");
    assert!(out.contains("[{\"b\":2}]\n1 row(s) fetched.\n") && !out.contains("Elapsed"), "{out}");
    let (out, errors) = prompt(&place, "CREATE TABLE prices (item BIGINT);\n\\d\n\\d prices\n");
    assert_eq!(errors, "");
    assert!(out.contains("prices") && out.contains("item"), "{out}");
}

/// Signals come from `kill`, which only Unix has.
#[cfg(unix)]
#[test]
fn ctrl_c_cancels_the_statement_and_not_the_shell() {
    let place = Place::new();
    let mut shell = std::process::Command::new(assert_cmd::cargo::cargo_bin!("timetravel-cli"))
        .current_dir(place.path())
        .env_remove("TIMETRAVEL_WAREHOUSE")
        .env("HOME", place.path())
        .env("XDG_STATE_HOME", place.path())
        .args(["-i", "-q", "--format", "csv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = shell.stdin.take().unwrap();
    let (sender, errors) = mpsc::channel();
    let stderr = BufReader::new(shell.stderr.take().unwrap());
    std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));

    writeln!(input, "SELECT count(*) AS n FROM generate_series(1, 1000000000000) WHERE value % 7 = 3;").unwrap();
    let pid = shell.id().to_string();
    let wait = Duration::from_millis(500);
    // A signal that comes before the statement runs is forgotten, so it is sent until it is heard.
    let answer = (0..120).find_map(|_| {
        std::thread::sleep(wait);
        assert!(shell.try_wait().unwrap().is_none(), "the shell has ended");
        std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
        errors.recv_timeout(wait).ok()
    });
    assert_eq!(answer.as_deref(), Some("Cancelled."));
    std::thread::sleep(wait);
    writeln!(input, "SELECT 2 AS b;").unwrap();
    drop(input);
    let output = shell.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "b\n2\n");
}
