//! Every statement on a table that exists, never existed, was dropped, or was renamed away gives the documented answer.
//!
//! The statements are those of `statement_syntax()`: a new one without a row here fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use datafusion::common::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_timetravel::{Code, Error, SessionContextExt, TimeTravel, statement_syntax};

use Answer::{Done, Dropped, Fails, Unknown};

/// Statements that other work is building: each is to get its rows, and this list to become empty.
const WITHOUT_ROWS_YET: &[&str] = &["PURGE TABLE", "VACUUM", "SETPROJECT"];

/// Statements that name no table.
const OF_NO_TABLE: &[&str] = &["CREATE SCHEMA", "DROP SCHEMA", "SHOW HISTORY FOR TABLES"];

/// What a statement answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Done,
    /// There is nothing of that name.
    Unknown,
    /// It was dropped: the message names its id and the RESTORE that would bring it back.
    Dropped,
    Fails(Code),
}

/// What happened to the table `t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Exists,
    Absent,
    Dropped,
    RenamedAway,
}

const STATES: [State; 4] = [State::Exists, State::Absent, State::Dropped, State::RenamedAway];

/// A statement by its name in `statement_syntax()`, its text, and the answer per state. `{id}` is the id of the table, or
/// one that no table has.
type Row = (&'static str, &'static str, [Answer; 4]);

/// A statement that needs the table.
const fn needs(name: &'static str, sql: &'static str) -> Row {
    (name, sql, [Done, Unknown, Dropped, Unknown])
}

/// A statement that makes do without it.
const fn always(name: &'static str, sql: &'static str) -> Row {
    (name, sql, [Done, Done, Done, Done])
}

const ROWS: &[Row] = &[
    ("CREATE TABLE", "CREATE TABLE t (k BIGINT)", [Fails(Code::TableExists), Done, Done, Done]),
    ("CREATE TABLE", "CREATE TABLE t AS SELECT 1 AS k", [Fails(Code::TableExists), Done, Done, Done]),
    always("CREATE TABLE", "CREATE TABLE IF NOT EXISTS t (k BIGINT)"),
    always("CREATE TABLE", "CREATE OR REPLACE TABLE t (k BIGINT)"),
    needs("CREATE TABLE", "CREATE TABLE fresh AS SELECT * FROM t"),
    ("CREATE VIEW", "CREATE VIEW t AS SELECT 1 AS k", [Fails(Code::TableExists), Done, Done, Done]),
    needs("CREATE VIEW", "CREATE VIEW fresh AS SELECT * FROM t"),
    needs("DROP TABLE", "DROP TABLE t"),
    always("DROP TABLE", "DROP TABLE IF EXISTS t"),
    ("DROP VIEW", "DROP VIEW t", [Fails(Code::InvalidArgument), Unknown, Unknown, Unknown]),
    needs("TRUNCATE", "TRUNCATE TABLE t"),
    needs("TRUNCATE", "TRUNCATE TABLE t PARTITION (ds='x')"),
    always("TRUNCATE", "TRUNCATE TABLE IF EXISTS t"),
    needs("ALTER TABLE", "ALTER TABLE t SET TBLPROPERTIES ('a'='b')"),
    needs("ALTER TABLE", "ALTER TABLE t UNSET TBLPROPERTIES ('team')"),
    needs("ALTER TABLE", "ALTER TABLE t SET LIFECYCLE 9"),
    needs("ALTER TABLE", "ALTER TABLE t SET COMMENT 'x'"),
    needs("ALTER TABLE", "ALTER TABLE t DISABLE LIFECYCLE"),
    needs("ALTER TABLE", "ALTER TABLE t PARTITION (ds='x') ENABLE LIFECYCLE"),
    needs("ALTER TABLE", "ALTER TABLE t TOUCH"),
    needs("ALTER TABLE", "ALTER TABLE t PARTITION (ds='x') TOUCH"),
    needs("ALTER TABLE", "ALTER TABLE t COMPACT MAJOR"),
    needs("ALTER TABLE", "ALTER TABLE t PARTITION (ds='x') COMPACT MAJOR"),
    needs("ALTER TABLE", "ALTER TABLE t COMPACT MINOR"),
    needs("ALTER TABLE", "ALTER TABLE t RENAME TO fresh"),
    needs("ALTER TABLE", "ALTER TABLE t ADD PARTITION (ds='y')"),
    needs("ALTER TABLE", "ALTER TABLE t DROP PARTITION (ds='x')"),
    needs("ALTER TABLE", "ALTER TABLE t DROP IF EXISTS PARTITION (ds='y')"),
    needs("ALTER TABLE", "ALTER TABLE t ADD COLUMN c BIGINT"),
    needs("ALTER TABLE", "ALTER TABLE t DROP COLUMN v"),
    needs("ALTER TABLE", "ALTER TABLE t RENAME COLUMN v TO w"),
    needs("ALTER TABLE", "ALTER TABLE t CHANGE COLUMN v COMMENT 'x'"),
    needs("ALTER TABLE", "ALTER TABLE t ALTER COLUMN n TYPE BIGINT"),
    always("ALTER TABLE", "ALTER TABLE IF EXISTS t ADD COLUMN c BIGINT"),
    needs("INSERT", "INSERT INTO t VALUES (2, 'b', 2, 'x')"),
    needs("INSERT", "INSERT OVERWRITE t PARTITION (ds='x') VALUES (2, 'b', 2)"),
    needs("INSERT", "INSERT INTO other SELECT k FROM t"),
    needs("DELETE", "DELETE FROM t WHERE k = 1"),
    needs("UPDATE", "UPDATE t SET n = n + 1"),
    needs("MERGE", "MERGE INTO t USING (SELECT 1 AS k) s ON t.k = s.k WHEN MATCHED THEN DELETE"),
    needs("MERGE", "MERGE INTO other USING t ON other.k = t.k WHEN NOT MATCHED THEN INSERT (k) VALUES (t.k)"),
    needs("VERIFY TABLE", "VERIFY TABLE t"),
    needs("DELETE", "DELETE FROM t AS x USING other AS o WHERE x.k = o.k"),
    needs("UPDATE", "UPDATE t SET v = 'c' WHERE k = 1"),
    needs("UPDATE", "UPDATE t SET v = 'c' FROM other WHERE t.k = other.k"),
    needs("MERGE", "MERGE INTO t USING other ON t.k = other.k WHEN MATCHED THEN DELETE"),
    needs("MERGE", "MERGE INTO other USING t ON t.k = other.k WHEN MATCHED THEN DELETE"),
    needs("SELECT", "SELECT * FROM t"),
    needs("SELECT", "SELECT * FROM other WHERE k IN (SELECT k FROM t)"),
    needs("SELECT", "SELECT get_latest_version('t')"),
    needs("SELECT", "SELECT get_latest_timestamp('t', 1)"),
    needs("SELECT", "SELECT * FROM at('t', 1)"),
    needs("SELECT", "SELECT * FROM incremental('t', 1, 2)"),
    needs("SELECT", "SELECT * FROM history('t')"),
    needs("SELECT", "SELECT * FROM partitions('t')"),
    needs("SELECT", "SELECT * FROM files('t')"),
    always("SELECT", "SELECT * FROM tables()"),
    always("SELECT", "SELECT * FROM audit()"),
    needs("VERSION AS OF", "SELECT * FROM t VERSION AS OF 1"),
    needs("VERSION AS OF", "SELECT * FROM other VERSION AS OF get_latest_version('t') - 1"),
    needs("TIMESTAMP AS OF", "SELECT * FROM t TIMESTAMP AS OF now()"),
    needs("VERSION BETWEEN", "SELECT * FROM t VERSION BETWEEN 1 AND 2"),
    needs(
        "TIMESTAMP BETWEEN",
        "SELECT * FROM t TIMESTAMP BETWEEN get_latest_timestamp('t', 2) AND get_latest_timestamp('t')",
    ),
    needs("EXPLAIN", "EXPLAIN SELECT * FROM t VERSION AS OF 1"),
    needs("EXPLAIN", "EXPLAIN INSERT INTO t VALUES (2, 'b', 2, 'x')"),
    needs("PREPARE", "PREPARE p AS SELECT * FROM t"),
    needs("PREPARE", "PREPARE p AS INSERT INTO t VALUES (2, 'b', 2, 'x')"),
    needs("SHOW HISTORY FOR TABLE", "SHOW HISTORY FOR TABLE t"),
    needs("SHOW HISTORY FOR TABLE", "SHOW HISTORY FOR TABLE t PARTITION (ds='x')"),
    ("SHOW HISTORY FOR TABLE", "SHOW HISTORY FOR TABLE t ('id'='{id}')", [Done, Unknown, Done, Unknown]),
    needs("SHOW PARTITIONS", "SHOW PARTITIONS t"),
    needs("SHOW PARTITIONS", "LIST PARTITIONS t"),
    needs("DESC", "DESC t"),
    needs("DESC", "DESC EXTENDED t"),
    needs("RESTORE TABLE", "RESTORE TABLE t TO LSN '2'"),
    needs("RESTORE TABLE", "RESTORE TABLE t PARTITION (ds='x') TO LSN '2'"),
    needs("RESTORE TABLE", "RESTORE TABLE t TO LSN '2' AS fresh"),
    ("RESTORE TABLE", "RESTORE TABLE t ('id'='{id}')", [Fails(Code::TableExists), Unknown, Done, Unknown]),
];

/// A warehouse in which that happened to `t`; gives the id of `t`.
async fn warehouse(state: State) -> (TimeTravel, SessionContext, String) {
    let tt = TimeTravel::open("memory://").await.unwrap();
    let config = SessionConfig::new()
        .with_default_catalog_and_schema("lake", "default")
        .with_create_default_catalog_and_schema(false);
    let ctx = SessionContext::new_with_config(config);
    ctx.with_timetravel("lake", &tt).await.unwrap();
    run(&tt, &ctx, "CREATE TABLE other (k BIGINT)").await.unwrap();
    if state == State::Absent {
        return (tt, ctx, "0".repeat(32));
    }
    let create = "CREATE TABLE t (k BIGINT PRIMARY KEY, v STRING, n INT) PARTITIONED BY (ds STRING) \
                  TBLPROPERTIES ('team'='blue') LIFECYCLE 3";
    run(&tt, &ctx, create).await.unwrap();
    run(&tt, &ctx, "INSERT INTO t VALUES (1, 'a', 1, 'x')").await.unwrap();
    let catalog = tt.sql(&ctx, "SHOW HISTORY FOR TABLES LIKE 't'").await.unwrap().collect().await.unwrap();
    let shown = arrow::util::pretty::pretty_format_batches(&catalog).unwrap().to_string();
    let is_id = |word: &&str| word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let id = shown.split_whitespace().find(is_id).unwrap_or_else(|| panic!("no id in {shown}")).to_owned();
    match state {
        State::Dropped => run(&tt, &ctx, "DROP TABLE t").await.unwrap(),
        State::RenamedAway => run(&tt, &ctx, "ALTER TABLE t RENAME TO moved").await.unwrap(),
        State::Exists | State::Absent => {}
    }
    (tt, ctx, id)
}

async fn run(tt: &TimeTravel, ctx: &SessionContext, sql: &str) -> Result<(), DataFusionError> {
    tt.sql(ctx, sql).await?.collect().await.map(|_| ())
}

/// Whether the answer is the documented one; what it is, where it is not.
fn judge(answer: Answer, result: &Result<(), DataFusionError>, id: &str) -> Result<(), String> {
    let code = result.as_ref().err().and_then(Error::find).map(Error::code);
    let text = result.as_ref().err().map_or_else(|| "it was done".to_owned(), ToString::to_string);
    let is_so = match answer {
        Done => result.is_ok(),
        Fails(wanted) => code == Some(wanted),
        // Of a name in a query DataFusion itself says that.
        Unknown => code == Some(Code::TableNotFound) || (code.is_none() && text.contains("not found")),
        Dropped => code == Some(Code::TableDropped) && text.contains(id) && text.contains("RESTORE TABLE t"),
    };
    if is_so { Ok(()) } else { Err(text) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_in_every_state_gives_the_documented_answer() {
    let mut wrong = String::new();
    for (name, sql, answers) in ROWS {
        for (state, answer) in STATES.into_iter().zip(answers) {
            let (tt, ctx, id) = warehouse(state).await;
            let result = run(&tt, &ctx, &sql.replace("{id}", &id)).await;
            if let Err(text) = judge(*answer, &result, &id) {
                writeln!(wrong, "{name}, table {state:?}: {sql}\n  should give {answer:?}, but: {text}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_statement_has_a_row() {
    let rows: BTreeSet<&str> = ROWS.iter().map(|(name, ..)| *name).collect();
    let known: BTreeSet<&str> = statement_syntax().map(|syntax| syntax.name).collect();
    let excused: BTreeSet<&str> = OF_NO_TABLE.iter().chain(WITHOUT_ROWS_YET).copied().collect();
    let missing: Vec<_> = known.iter().filter(|name| !rows.contains(*name) && !excused.contains(*name)).collect();
    assert!(missing.is_empty(), "statements without a row in {}: {missing:?}", file!());
    let twice: Vec<_> = excused.intersection(&rows).collect();
    assert!(twice.is_empty(), "statements that have rows and are excused: {twice:?}");
    let gone: Vec<_> = excused.difference(&known).collect();
    assert!(gone.is_empty(), "excused statements that are not there: {gone:?}");
}
