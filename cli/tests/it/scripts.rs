//! `-c`, `-f`, standard input, formats and errors.

use crate::Place;

#[test]
fn commands_run_in_order_and_share_a_session() {
    let place = Place::new();
    let out = place.out(&["-q", "--format", "csv", "-c", "SELECT 1 AS a; SELECT 'x;y' AS b", "-c", "SELECT 3 AS c"]);
    assert_eq!(out, "a\n1\nb\nx;y\nc\n3\n");
}

#[test]
fn tables_are_the_usual_form() {
    let out = Place::new().out(&["-c", "SELECT 1 AS a, NULL AS b"]);
    assert!(out.starts_with(
        "+---+------+\n| a | b    |\n+---+------+\n| 1 | NULL |\n+---+------+\n1 row(s) fetched.\nElapsed "
    ));
    let quiet = Place::new().out(&["-q", "-c", "SELECT 1 AS a"]);
    assert_eq!(quiet, "+---+\n| a |\n+---+\n| 1 |\n+---+\n");
}

#[test]
fn formats_are_for_programs() {
    let place = Place::new();
    let sql = "SELECT * FROM (VALUES (1, 'x'), (2, 'y')) AS t(a, b) ORDER BY a";
    let format = |name| place.out(&["-q", "--format", name, "-c", sql]);
    assert_eq!(format("csv"), "a,b\n1,x\n2,y\n");
    assert_eq!(format("tsv"), "a\tb\n1\tx\n2\ty\n");
    assert_eq!(format("json"), "[{\"a\":1,\"b\":\"x\"},{\"a\":2,\"b\":\"y\"}]\n");
    assert_eq!(format("nd-json"), "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n");
}

#[test]
fn maxrows_bounds_a_table_and_nothing_else() {
    let place = Place::new();
    let sql = "SELECT value FROM generate_series(1, 5)";
    let table = place.out(&["--maxrows", "2", "-c", sql]);
    assert!(table.contains("| 2 ") && !table.contains("| 3 "), "{table}");
    assert!(table.contains("5 row(s) fetched. (First 2 displayed. Use --maxrows to adjust)"), "{table}");
    assert_eq!(place.out(&["-q", "--maxrows", "2", "--format", "csv", "-c", sql]).lines().count(), 6);
}

#[test]
fn files_hold_comments_and_statements_over_lines() {
    let place = Place::new();
    let script = "#!/usr/bin/env timetravel-cli\n-- a; comment\nSELECT\n  1 AS a; SELECT 2 AS b -- no end\n";
    std::fs::write(place.path().join("one.sql"), script).unwrap();
    std::fs::write(place.path().join("two.sql"), "SELECT 3 AS c;").unwrap();
    let out = place.out(&["-q", "--format", "csv", "-f", "one.sql", "-f", "two.sql"]);
    assert_eq!(out, "a\n1\nb\n2\nc\n3\n");
}

#[test]
fn standard_input_is_a_script() {
    let place = Place::new();
    let run = |stdin: &str| {
        let output = place.shell(&["-q", "--format", "csv"]).write_stdin(stdin).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run("SELECT 1\n AS a;\nSELECT 'x;\ny' AS b"), "a\n1\nb\n\"x;\ny\"\n");
    assert_eq!(run(""), "");
    assert_eq!(run("-- nothing\n"), "");
}

#[test]
fn the_first_error_ends_a_script() {
    let place = Place::new();
    std::fs::write(place.path().join("bad.sql"), "SELECT 1 AS a; SELECT nothing; SELECT 2 AS b;").unwrap();
    let text = "SELECT 1 AS a; SELECT nothing; SELECT 2 AS b;";
    for (arguments, stdin) in [
        (&["-q", "--format", "csv", "-f", "bad.sql"][..], ""),
        (&["-q", "--format", "csv", "-c", text], ""),
        (&["-q", "--format", "csv", "-c", "SELECT 1 AS a", "-c", "SELECT nothing", "-c", "SELECT 2 AS b"], ""),
        (&["-q", "--format", "csv"], text),
    ] {
        let (out, errors) = place.fails(arguments, stdin);
        assert_eq!(out, "a\n1\n", "{arguments:?}");
        assert!(errors.starts_with("Error: ") && errors.contains("nothing"), "{errors}");
    }
}

#[test]
fn keep_going_runs_the_rest_and_fails_all_the_same() {
    let (out, errors) =
        Place::new().fails(&["-q", "--format", "csv", "--keep-going"], "SELECT nothing;\nSELECT 2 AS b;\n");
    assert_eq!(out, "b\n2\n");
    assert_eq!(errors.lines().filter(|line| line.starts_with("Error: ")).count(), 1);
}

#[test]
fn a_missing_file_and_a_wrong_option_are_told() {
    let place = Place::new();
    let (_, errors) = place.fails(&["-f", "absent.sql"], "");
    assert!(errors.contains("absent.sql"), "{errors}");
    for wrong in [["--now", "yesterday"], ["-m", "much"], ["-b", "0"], ["--format", "xml"]] {
        place.shell(&wrong).assert().code(2);
    }
}

#[test]
fn files_are_read_and_written_as_in_datafusion_cli() {
    let place = Place::new();
    std::fs::write(place.path().join("in.csv"), "a,b\n1,x\n2,y\n").unwrap();
    let out = place.out(&["-q", "--format", "csv", "-c", "SELECT sum(a) AS s FROM 'in.csv'"]);
    assert_eq!(out, "s\n3\n");
    let copy = "CREATE EXTERNAL TABLE datafusion.public.e STORED AS CSV LOCATION 'in.csv' OPTIONS ('format.has_header' 'true'); \
                COPY (SELECT a + 1 AS c FROM datafusion.public.e ORDER BY a) TO 'out.csv' STORED AS CSV OPTIONS ('format.has_header' 'true')";
    place.out(&["-q", "-c", copy]);
    assert_eq!(std::fs::read_to_string(place.path().join("out.csv")).unwrap(), "c\n2\n3\n");
}

#[test]
fn scripts_are_never_asked() {
    let out = Place::new().out(&["-q", "-c", "CREATE TABLE t (a BIGINT); DROP TABLE t; DROP TABLE IF EXISTS t"]);
    assert_eq!(out, "");
}

#[test]
fn a_write_tells_how_many_rows_it_affected() {
    let place = Place::new();
    let out = place.out(&["-c", "CREATE TABLE t (a BIGINT)", "-c", "INSERT INTO t VALUES (1), (2)"]);
    assert!(
        out.starts_with("0 row(s) fetched.\nElapsed ") && out.contains("\n\n2 row(s) affected.\nElapsed "),
        "{out}"
    );
    assert_eq!(place.out(&["-q", "-c", "INSERT INTO t VALUES (3)"]), "");
    assert_eq!(place.out(&["-q", "--format", "csv", "-c", "INSERT INTO t VALUES (3)"]), "count\n1\n");
}
