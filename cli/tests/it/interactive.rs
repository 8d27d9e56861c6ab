//! The prompt, with statements from a pipe instead of a keyboard.

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
