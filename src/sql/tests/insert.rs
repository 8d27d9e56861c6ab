//! INSERT: its parts and its rewriting.

use datafusion::sql::sqlparser::dialect::{
    BigQueryDialect, Dialect, GenericDialect, HiveDialect, MySqlDialect, PostgreSqlDialect,
};

use super::super::{Insert, Statement, Syntax, insert_of, insert_rewrite, parse};
use super::{one, refused};
use crate::error::Code;

fn insert(sql: &str) -> Insert {
    match one(sql) {
        Statement::Insert(insert) => *insert,
        other => panic!("{sql}\n  {other:?}"),
    }
}

fn partition(insert: &Insert) -> Vec<String> {
    let text = |(k, v): &(String, Option<_>)| {
        v.as_ref().map_or(k.clone(), |v: &datafusion::sql::sqlparser::ast::Expr| format!("{k}={v}"))
    };
    insert.partition.iter().map(text).collect()
}

#[test]
fn parts() {
    let given = insert(
        "INSERT OVERWRITE TABLE s.T PARTITION (Dd=\"01\", hh) (a, \"B\") VALUES (\"x\", -1, concat(\"y\", 'z'))",
    );
    assert_eq!(given.table.to_string(), "s.t");
    assert!(given.overwrite);
    assert_eq!(partition(&given), ["dd='01'", "hh"]);
    assert_eq!(given.columns, ["a", "B"]);
    assert_eq!(given.source.to_string(), "VALUES ('x', -1, concat('y', 'z'))");
    // Before or after the column list is the same.
    assert_eq!(
        given,
        insert(
            "INSERT OVERWRITE TABLE s.T (a, \"B\") PARTITION (Dd=\"01\", hh) VALUES (\"x\", -1, concat(\"y\", 'z'))"
        )
    );

    let plain = insert("INSERT INTO t SELECT \"a\" FROM u VERSION AS OF 3 x");
    assert_eq!((plain.overwrite, plain.partition.len(), plain.columns.len()), (false, 0, 0));
    assert_eq!(plain.source.to_string(), "SELECT \"a\" FROM u x VERSION AS OF 3");
    // A double-quoted name in a subquery of VALUES stays a name.
    let nested = insert("INSERT INTO t VALUES (\"a\", (SELECT \"b\" FROM u))");
    assert_eq!(nested.source.to_string(), "VALUES ('a', (SELECT \"b\" FROM u))");
    let parenthesised = insert("INSERT INTO t PARTITION (a='1') (SELECT 1)");
    assert_eq!(parenthesised.columns.len(), 0);
}

#[test]
fn every_dialect_reads_the_clause() {
    let dialects: [&dyn Dialect; 4] = [&PostgreSqlDialect {}, &HiveDialect {}, &MySqlDialect {}, &BigQueryDialect {}];
    for dialect in dialects {
        for sql in [
            "INSERT INTO t PARTITION (dd='01', hh) (a) VALUES ('x', '1')",
            "INSERT INTO t (a) PARTITION (dd=\"01\", hh) VALUES (\"x\", '1')",
        ] {
            let parsed = parse(sql, Syntax::new(dialect)).unwrap();
            let Statement::Insert(insert) = &parsed[0].statement else { panic!("{sql}") };
            assert_eq!(partition(insert), ["dd='01'", "hh"], "{dialect:?}");
            assert_eq!(insert.columns, ["a"]);
            assert_eq!(insert.source.to_string(), "VALUES ('x', '1')");
        }
    }
}

#[test]
fn other_inserts_stay_with_datafusion() {
    for sql in [
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO t VALUES (1) RETURNING a",
        "REPLACE INTO t VALUES (1)",
        "INSERT INTO t DEFAULT VALUES",
    ] {
        assert!(matches!(one(sql), Statement::DataFusion(_)), "{sql}");
    }
}

#[test]
fn prepared_inserts_keep_their_partition() {
    use datafusion::sql::parser::Statement as DFStatement;
    use datafusion::sql::sqlparser::ast;
    for sql in [
        "PREPARE p AS INSERT INTO t PARTITION (dd='01') VALUES ($1, $2)",
        "PREPARE p (INT, INT) AS INSERT INTO t PARTITION (dd='01') (a, b) VALUES ($1, $2)",
    ] {
        for dialect in [&GenericDialect {} as &dyn Dialect, &PostgreSqlDialect {}] {
            let mut parsed = parse(sql, Syntax::new(dialect)).unwrap();
            let Statement::DataFusion(statement) = parsed.pop().unwrap().statement else { panic!("{sql}") };
            let DFStatement::Statement(statement) = *statement else { panic!("{sql}") };
            let ast::Statement::Prepare { statement, .. } = *statement else { panic!("{sql}") };
            let ast::Statement::Insert(inner) = *statement else { panic!("{sql}") };
            assert_eq!(partition(&insert_of(&inner).unwrap().unwrap()), ["dd='01'"], "{sql}");
        }
    }
}

fn rewritten(sql: &str) -> String {
    let insert = insert(sql);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (columns, source) = insert_rewrite(&insert, &names(&["pk", "val"]), &names(&["dd", "hh"])).unwrap();
    insert.plain(&columns, source).to_string()
}

#[test]
fn rewriting() {
    let dd = "\"__tt_partition_dd\"";
    let cases = [
        (
            "INSERT INTO t VALUES (1, 2, 'a', 'b')",
            "INSERT INTO t (\"pk\", \"val\", \"dd\", \"hh\") VALUES (1, 2, 'a', 'b')".to_owned(),
        ),
        ("INSERT INTO t (hh, pk) SELECT 1, 2", "INSERT INTO t (\"hh\", \"pk\") SELECT 1, 2".to_owned()),
        (
            "INSERT INTO t PARTITION (dd='01', hh='02') VALUES (1, 1), (2, 2)",
            "INSERT INTO t (\"pk\", \"val\", \"dd\", \"hh\") VALUES (1, 1, '01', '02'), (2, 2, '01', '02')".to_owned(),
        ),
        (
            "INSERT INTO t PARTITION (hh, dd='01') (val, pk) VALUES (1, 2, 'h')",
            "INSERT INTO t (\"val\", \"pk\", \"hh\", \"dd\") VALUES (1, 2, 'h', '01')".to_owned(),
        ),
        (
            "INSERT OVERWRITE t PARTITION (dd='01', hh) SELECT a.x, b.x, c FROM a, b ORDER BY c LIMIT 3",
            format!(
                "INSERT OVERWRITE t (\"pk\", \"val\", \"hh\", \"dd\") SELECT a.x, b.x, c, '01' AS {dd} FROM a, b ORDER BY c LIMIT 3"
            ),
        ),
        (
            "INSERT INTO t PARTITION (dd='01', hh) SELECT 1, 2, 3 UNION ALL (VALUES (4, 5, 6))",
            format!(
                "INSERT INTO t (\"pk\", \"val\", \"hh\", \"dd\") SELECT 1, 2, 3, '01' AS {dd} UNION ALL (VALUES (4, 5, 6, '01'))"
            ),
        ),
        (
            "INSERT INTO t PARTITION (dd='01', hh) TABLE u",
            format!(
                "INSERT INTO t (\"pk\", \"val\", \"hh\", \"dd\") SELECT *, '01' AS {dd} FROM (TABLE u) AS __tt_source"
            ),
        ),
        (
            "INSERT INTO t PARTITION (dd, hh) SELECT * FROM u",
            "INSERT INTO t (\"pk\", \"val\", \"dd\", \"hh\") SELECT * FROM u".to_owned(),
        ),
        (
            "INSERT INTO t PARTITION (dd='01', hh) (hh, pk, val) SELECT * FROM u VERSION AS OF 2",
            format!("INSERT INTO t (\"hh\", \"pk\", \"val\", \"dd\") SELECT *, '01' AS {dd} FROM u VERSION AS OF 2"),
        ),
    ];
    for (sql, expected) in cases {
        assert_eq!(rewritten(sql), expected, "{sql}");
    }
}

#[test]
fn rewriting_refuses() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let rewrite =
        |sql: &str, partitions: &[&str]| insert_rewrite(&insert(sql), &names(&["pk"]), &names(partitions)).unwrap_err();
    assert_eq!(rewrite("INSERT INTO t PARTITION (x='1') VALUES (1)", &["dd"]).code(), Code::ColumnNotFound);
    assert_eq!(rewrite("INSERT INTO t PARTITION (dd='1') VALUES (1)", &["dd", "hh"]).code(), Code::InvalidArgument);
    assert_eq!(rewrite("INSERT INTO t PARTITION (dd='1') VALUES (1)", &[]).code(), Code::InvalidArgument);
    assert_eq!(
        rewrite("INSERT INTO t PARTITION (dd='1') (dd, pk) VALUES (1, 2)", &["dd"]).code(),
        Code::InvalidArgument
    );
    refused("INSERT INTO t PARTITION (dd='1', dd='2') VALUES (1)", Code::Syntax, "twice");
    refused("INSERT INTO t PARTITION (dd=pk) SELECT pk FROM u", Code::Syntax, "constant");
    refused("INSERT INTO t PARTITION (dd > '1') VALUES (1)", Code::Syntax, "constant");
    refused("INSERT INTO t VERSION AS OF 3 VALUES (1)", Code::NotVersioned, "VERSION AS OF 3");
}

/// What DataFusion makes of a rewritten statement, against tables in memory.
#[tokio::test]
async fn rewritten_inserts_run() {
    use datafusion::prelude::SessionContext;
    let context = SessionContext::new();
    let run = async |sql: &str| context.sql(sql).await.unwrap().collect().await.unwrap();
    run("CREATE TABLE t (pk BIGINT, val BIGINT, dd VARCHAR, hh VARCHAR)").await;
    run("CREATE TABLE u AS SELECT 7::BIGINT AS x, 'h7' AS h").await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for sql in [
        "INSERT INTO t PARTITION (dd='01', hh='01') VALUES (1, 10), (2, 20)",
        "INSERT INTO t PARTITION (dd='01', hh) VALUES (3, 30, \"h3\")",
        "INSERT INTO t PARTITION (dd='02', hh='02') SELECT a.x, b.x FROM u a, u b",
        "INSERT INTO t PARTITION (dd='01', hh='01') SELECT x, count(*) FROM u GROUP BY x UNION ALL VALUES (8, 80)",
        "INSERT INTO t PARTITION (dd='03', hh) (val, pk) SELECT DISTINCT x, x + 1, h FROM u ORDER BY x",
    ] {
        let insert = insert(sql);
        let (columns, source) = insert_rewrite(&insert, &names(&["pk", "val"]), &names(&["dd", "hh"])).unwrap();
        let state = context.state();
        let plan =
            state.statement_to_plan(insert.plain(&columns, source)).await.unwrap_or_else(|e| panic!("{sql}\n {e}"));
        context.execute_logical_plan(plan).await.unwrap().collect().await.unwrap();
    }
    let rows = run("SELECT * FROM t ORDER BY pk, dd, hh").await;
    let shown = arrow::util::pretty::pretty_format_batches(&rows).unwrap().to_string();
    let expected = [
        "| 1  | 10  | 01 | 01 |",
        "| 2  | 20  | 01 | 01 |",
        "| 3  | 30  | 01 | h3 |",
        "| 7  | 1   | 01 | 01 |",
        "| 7  | 7   | 02 | 02 |",
        "| 8  | 80  | 01 | 01 |",
        "| 8  | 7   | 03 | h7 |",
    ];
    assert_eq!(shown.lines().filter(|line| line.starts_with("| ")).skip(1).collect::<Vec<_>>(), expected);
}
