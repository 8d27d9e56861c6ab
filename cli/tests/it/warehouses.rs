//! Warehouses on disk: what outlives a process, and what another process sees.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::Place;

const CREATE: &str = "CREATE TABLE prices (item VARCHAR NOT NULL, price BIGINT, PRIMARY KEY (item))";

#[test]
fn a_warehouse_outlives_the_process() {
    let place = Place::new();
    place.out(&["-q", "-c", CREATE, "-c", "INSERT INTO prices VALUES ('apple', 1), ('bread', 2)"]);
    place.out(&["-q", "-c", "INSERT INTO prices VALUES ('apple', 3)"]);
    let csv = |sql: &str| place.out(&["-q", "--format", "csv", "-c", sql]);
    assert_eq!(csv("SELECT * FROM prices ORDER BY item"), "item,price\napple,3\nbread,2\n");
    assert_eq!(csv("SELECT * FROM prices VERSION AS OF 2 ORDER BY item"), "item,price\napple,1\nbread,2\n");
    assert_eq!(csv("SELECT count(*) AS n FROM warehouse.default.prices"), "n\n2\n");
}

#[test]
fn processes_see_each_others_commits_at_their_next_statement() {
    let place = Place::new();
    let binary = assert_cmd::cargo::cargo_bin!("timetravel-cli");
    let mut first = std::process::Command::new(binary)
        .current_dir(place.path())
        .env_remove("TIMETRAVEL_WAREHOUSE")
        .args(["-q", "--format", "nd-json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to_first = first.stdin.take().unwrap();
    let mut from_first = BufReader::new(first.stdout.take().unwrap()).lines();
    // Each statement gives one line.
    let mut ask = |sql: &str| {
        writeln!(to_first, "{sql};").unwrap();
        to_first.flush().unwrap();
        from_first.next().unwrap().unwrap()
    };
    let price = "SELECT max(price) AS p FROM prices";

    assert_eq!(ask(&format!("{CREATE}; INSERT INTO prices VALUES ('apple', 1)")), r#"{"count":1}"#);
    assert_eq!(ask(price), r#"{"p":1}"#);
    place.out(&["-q", "-c", "INSERT INTO prices VALUES ('apple', 5)", "-c", "CREATE TABLE other AS SELECT 9 AS n"]);
    assert_eq!(ask(price), r#"{"p":5}"#);
    assert_eq!(ask("SELECT n FROM other"), r#"{"n":9}"#);
    assert_eq!(ask("INSERT INTO prices VALUES ('bread', 6)"), r#"{"count":1}"#);
    let sum = "SELECT sum(price) AS s FROM prices";
    assert_eq!(place.out(&["-q", "--format", "csv", "-c", sum]), "s\n11\n");

    drop(to_first);
    assert!(first.wait().unwrap().success());
}

#[test]
fn a_pinned_clock_gives_the_same_history_again() {
    let run = || {
        let place = Place::new();
        let now = ["--now", "2026-01-31 12:00:00", "-q", "--format", "csv"];
        let arguments = |sql| [&now[..], &["-c", sql]].concat();
        place.out(&arguments(CREATE));
        place.out(&arguments("INSERT INTO prices VALUES ('apple', 1); INSERT INTO prices VALUES ('apple', 2)"));
        place.out(&arguments("SELECT version, timestamp, operation, actor FROM history('prices') ORDER BY version"))
    };
    let first = run();
    assert_eq!(first, run());
    let times: Vec<&str> = first.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(times.len(), 3, "{first}");
    assert!(times.iter().all(|time| time.starts_with("2026-01-31T12:00:00")), "{first}");
    // RFC 3339 leaves trailing zeros of a second away in threes, so compare what follows the second as a number.
    let micros: Vec<u64> = times
        .iter()
        .map(|time| {
            let digits: String = time[19..].chars().filter(char::is_ascii_digit).take(6).collect();
            format!("{digits:0<6}").parse().unwrap()
        })
        .collect();
    assert!(micros.windows(2).all(|pair| pair[0] < pair[1]), "{first}");
}

#[test]
fn the_caller_is_in_the_history() {
    let place = Place::new();
    place.out(&["-q", "--user", "alice", "-c", CREATE]);
    place.out(&["-q", "-c", "INSERT INTO prices VALUES ('apple', 1)"]);
    let out = place.out(&["-q", "--format", "csv", "-c", "SELECT actor FROM history('prices') ORDER BY version"]);
    assert_eq!(out, "actor\nalice\ntester\n");
}

#[test]
fn several_warehouses_meet_in_a_statement() {
    let place = Place::new();
    place.out(&["-q", "--warehouse", "./b", "-c", CREATE, "-c", "INSERT INTO prices VALUES ('apple', 4)"]);
    let both = ["-q", "--format", "csv", "--warehouse", "./a", "--warehouse", "other=./b"];
    place.out(&[&both[..], &["-c", CREATE, "-c", "INSERT INTO prices SELECT * FROM other.default.prices"]].concat());
    let out = place.out(&["-q", "--format", "csv", "--warehouse", "./a", "-c", "SELECT * FROM prices"]);
    assert_eq!(out, "item,price\napple,4\n");
    let (_, errors) = place.fails(&["--warehouse", "./a", "--warehouse", "./x/a", "-c", "SELECT 1"], "");
    assert!(errors.contains("two warehouses are named 'a'"), "{errors}");
}

#[test]
fn the_warehouse_may_come_from_the_environment() {
    let place = Place::new();
    let root = place.path().join("lake");
    place.shell(&["-q", "-c", CREATE]).env("TIMETRAVEL_WAREHOUSE", &root).assert().success();
    assert!(root.exists() && !place.path().join("warehouse").exists());
    let out = place.out(&[
        "-q",
        "--format",
        "csv",
        "--warehouse",
        "./lake",
        "-c",
        "SELECT count(*) AS n FROM lake.default.prices",
    ]);
    assert_eq!(out, "n\n0\n");
}

#[test]
fn the_project_names_the_catalog() {
    let place = Place::new();
    let out = place.out(&[
        "-q",
        "--format",
        "csv",
        "--project",
        "shop",
        "-c",
        CREATE,
        "-c",
        "SELECT count(*) AS n FROM shop.default.prices",
    ]);
    assert_eq!(out, "n\n0\n");
}
