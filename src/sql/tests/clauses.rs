//! Version clauses: where they stand, what stays stock, what is refused.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{TableFactor, VisitorMut};
use datafusion::sql::sqlparser::dialect::{
    DatabricksDialect, Dialect, DuckDbDialect, GenericDialect, PostgreSqlDialect, SnowflakeDialect, SparkSqlDialect,
};

use super::super::{Parsed, Statement, Syntax, VersionRange, VersionUnit, parse, version_of, visit_mut};
use super::{error, only, refused, tree};
use crate::error::Code;

/// The clauses of a statement as `table[ alias]: UNIT range`, in order.
fn clauses(parsed: &Parsed<'_>) -> Vec<String> {
    struct Collect(Vec<String>);
    impl VisitorMut for Collect {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
            let TableFactor::Table { name, alias, .. } = &*factor else { return ControlFlow::Continue(()) };
            if let Some(clause) = version_of(factor).unwrap() {
                let alias = alias
                    .as_ref()
                    .map_or(String::new(), |alias| format!(" {}", alias.to_string().trim_start_matches("AS ")));
                let unit = if clause.unit == VersionUnit::Version { "V" } else { "T" };
                let range = match clause.range {
                    VersionRange::AsOf(expr) => format!("{expr}"),
                    VersionRange::Between(low, high) => format!("({low}, {high}]"),
                };
                self.0.push(format!("{name}{alias}: {unit} {range}"));
            }
            ControlFlow::Continue(())
        }
    }
    let mut collect = Collect(Vec::new());
    let _ = visit_mut(&mut tree(parsed).expect("a tree"), &mut collect);
    collect.0
}

const SERVED: &[(&str, &[&str])] = &[
    // The documents.
    (
        "SELECT * FROM mf_tt2 TIMESTAMP AS OF '2023-06-26 09:33:00' WHERE dd = '01' AND hh = '01'",
        &["mf_tt2: T '2023-06-26 09:33:00'"],
    ),
    ("SELECT * FROM mf_tt2 VERSION AS OF 2 WHERE dd = '01'", &["mf_tt2: V 2"]),
    ("SELECT * FROM mf_tt2 TIMESTAMP AS OF current_timestamp() WHERE dd = '01'", &["mf_tt2: T current_timestamp()"]),
    (
        "SELECT * FROM mf_tt2 TIMESTAMP AS OF current_timestamp() - 10 WHERE dd = '01'",
        &["mf_tt2: T current_timestamp() - 10"],
    ),
    ("SELECT * FROM mf_tt2 TIMESTAMP AS OF getDate() + 5", &["mf_tt2: T getDate() + 5"]),
    (
        "SELECT * FROM mf_tt2 TIMESTAMP AS OF get_latest_timestamp('mf_tt2', 2) WHERE dd = '01'",
        &["mf_tt2: T get_latest_timestamp('mf_tt2', 2)"],
    ),
    (
        "SELECT * FROM mf_dt version AS OF get_latest_version('mf_dt')\n WHERE dd = '01'",
        &["mf_dt: V get_latest_version('mf_dt')"],
    ),
    (
        "SELECT * FROM mf_tt2 TIMESTAMP BETWEEN '2023-06-26 09:31:40' AND '2023-06-26 09:32:00' WHERE dd = '01' AND hh = '01'",
        &["mf_tt2: T ('2023-06-26 09:31:40', '2023-06-26 09:32:00']"],
    ),
    ("SELECT * FROM mf_tt2 version BETWEEN 2 AND 3 WHERE dd = '01' AND hh = '01'", &["mf_tt2: V (2, 3]"]),
    (
        "SELECT * FROM mf_tt2 TIMESTAMP BETWEEN current_timestamp() - 301 AND current_timestamp() WHERE dd = '01' AND hh='01'",
        &["mf_tt2: T (current_timestamp() - 301, current_timestamp()]"],
    ),
    (
        "SELECT * FROM mf_tt2 VERSION BETWEEN get_latest_version('mf_tt2', 3) AND get_latest_version('mf_tt2') WHERE dd = '01'",
        &["mf_tt2: V (get_latest_version('mf_tt2', 3), get_latest_version('mf_tt2')]"],
    ),
    // Spellings.
    ("SELECT * FROM t FOR VERSION AS OF 3", &["t: V 3"]),
    ("SELECT * FROM t FOR TIMESTAMP AS OF '2023-01-01' x", &["t x: T '2023-01-01'"]),
    ("SELECT * FROM t FOR SYSTEM_TIME AS OF now()", &["t: T now()"]),
    ("SELECT * FROM t VERSION AS OF '0000000000000004'", &["t: V '0000000000000004'"]),
    (
        "SELECT * FROM t TIMESTAMP AS OF TIMESTAMP '2023-01-01 00:00:00' - INTERVAL '1' DAY",
        &["t: T TIMESTAMP '2023-01-01 00:00:00' - INTERVAL '1' DAY"],
    ),
    ("SELECT * FROM t VERSION AS OF $1", &["t: V $1"]),
    ("SELECT * FROM t /* c */ VERSION -- x\n AS OF 3", &["t: V 3"]),
    // Names and aliases, before and after.
    ("SELECT * FROM p.s.t VERSION AS OF 3 AS x", &["p.s.t x: V 3"]),
    ("SELECT * FROM s.t x VERSION AS OF 3", &["s.t x: V 3"]),
    ("SELECT * FROM t AS x VERSION AS OF 3 WHERE x.a = 1", &["t x: V 3"]),
    ("SELECT * FROM \"S\".\"T\" \"X\" VERSION AS OF 3", &["\"S\".\"T\" \"X\": V 3"]),
    ("SELECT * FROM t AS x (a, b) VERSION AS OF 3", &["t x (a, b): V 3"]),
    ("SELECT * FROM t VERSION BETWEEN 1 AND 2 x", &["t x: V (1, 2]"]),
    ("SELECT * FROM version VERSION AS OF 3 version", &["version version: V 3"]),
    ("SELECT * FROM timestamp timestamp TIMESTAMP AS OF 'x'", &["timestamp timestamp: T 'x'"]),
    ("SELECT * FROM output VERSION AS OF 3", &["output: V 3"]),
    // Everywhere a table stands.
    ("SELECT * FROM t VERSION AS OF 1 a JOIN t VERSION AS OF 2 b ON a.k = b.k", &["t a: V 1", "t b: V 2"]),
    ("SELECT * FROM t a VERSION AS OF 1 LEFT JOIN u b TIMESTAMP AS OF 'x' USING (k)", &["t a: V 1", "u b: T 'x'"]),
    ("SELECT * FROM a, b VERSION AS OF 2, c x VERSION AS OF 3", &["b: V 2", "c x: V 3"]),
    ("SELECT * FROM (a VERSION AS OF 1 JOIN b ON true)", &["a: V 1"]),
    ("SELECT * FROM (SELECT * FROM t VERSION AS OF 2) d", &["t: V 2"]),
    ("WITH c AS (SELECT * FROM t VERSION AS OF 2) SELECT * FROM c, u VERSION AS OF 3", &["t: V 2", "u: V 3"]),
    ("SELECT (SELECT max(v) FROM t VERSION AS OF 5), (SELECT max(v) FROM t)", &["t: V 5"]),
    (
        "SELECT * FROM t WHERE k IN (SELECT k FROM t VERSION AS OF 5) AND k NOT IN (SELECT k FROM t VERSION AS OF 6)",
        &["t: V 5", "t: V 6"],
    ),
    ("SELECT * FROM t VERSION AS OF 1 EXCEPT SELECT * FROM t VERSION AS OF 2", &["t: V 1", "t: V 2"]),
    ("SELECT * FROM t VERSION AS OF 1 UNION ALL SELECT * FROM t ORDER BY 1 LIMIT 3", &["t: V 1"]),
    ("INSERT INTO x SELECT * FROM t VERSION AS OF 2", &["t: V 2"]),
    ("INSERT OVERWRITE x PARTITION (a='1') SELECT * FROM t VERSION AS OF 2", &["t: V 2"]),
    ("CREATE VIEW v AS SELECT * FROM t VERSION AS OF 2", &["t: V 2"]),
    ("CREATE TABLE x AS SELECT * FROM t VERSION AS OF 2", &["t: V 2"]),
    ("MERGE INTO x USING t VERSION AS OF 2 s ON x.k = s.k WHEN MATCHED THEN DELETE", &["t s: V 2"]),
    (
        "MERGE INTO x USING (SELECT * FROM t VERSION BETWEEN 1 AND 2) s ON x.k = s.k WHEN MATCHED THEN DELETE",
        &["t: V (1, 2]"],
    ),
    ("DELETE FROM x WHERE k IN (SELECT k FROM t VERSION AS OF 2)", &["t: V 2"]),
    ("UPDATE x SET a = (SELECT max(a) FROM t VERSION AS OF 2)", &["t: V 2"]),
    ("UPDATE x SET a = t.a FROM t VERSION AS OF 2 WHERE x.k = t.k", &["t: V 2"]),
    ("EXPLAIN SELECT * FROM t VERSION AS OF 2", &["t: V 2"]),
    ("EXPLAIN ANALYZE VERBOSE SELECT * FROM t VERSION AS OF 2", &["t: V 2"]),
    ("PREPARE p AS SELECT * FROM t VERSION AS OF $1", &["t: V $1"]),
    ("COPY (SELECT * FROM t VERSION AS OF 2) TO 'x.parquet'", &["t: V 2"]),
    // Words that look like a clause, next to a real one.
    ("SELECT version FROM t VERSION AS OF 2", &["t: V 2"]),
    ("SELECT version AS of, a AS version FROM t VERSION AS OF 2", &["t: V 2"]),
    ("SELECT * FROM t VERSION AS OF 2 WHERE version BETWEEN 1 AND 2 AND NOT timestamp BETWEEN 3 AND 4", &["t: V 2"]),
    (
        "SELECT * FROM t VERSION AS OF 2 x WHERE (x.a OR version BETWEEN 1 AND 2) AND x.timestamp BETWEEN 1 AND 2",
        &["t x: V 2"],
    ),
    ("SELECT CASE WHEN version BETWEEN 1 AND 2 THEN 1 END FROM t VERSION AS OF 2", &["t: V 2"]),
    ("SELECT * FROM t VERSION AS OF 2 WHERE (a AND version BETWEEN 1 AND 3)", &["t: V 2"]),
    ("SELECT * FROM t VERSION AS OF 2 at JOIN u history ON version BETWEEN 1 AND 2", &["t at: V 2"]),
    ("SELECT a IS DISTINCT FROM version FROM t VERSION AS OF 2", &["t: V 2"]),
];

#[test]
fn clauses_are_served() {
    for (sql, expected) in SERVED {
        assert_eq!(clauses(&only_or_query(only(sql))), *expected, "{sql}");
    }
}

/// A CTAS has its query apart.
fn only_or_query(mut parsed: Parsed<'_>) -> Parsed<'_> {
    if let Statement::CreateTable(table) = &parsed.statement {
        let query = table.query.clone().unwrap();
        let ast = datafusion::sql::sqlparser::ast::Statement::Query(query);
        parsed.statement =
            Statement::DataFusion(Box::new(datafusion::sql::parser::Statement::Statement(Box::new(ast))));
    }
    parsed
}

#[test]
fn clauses_are_served_in_other_dialects() {
    let dialects: [&dyn Dialect; 4] =
        [&PostgreSqlDialect {}, &DatabricksDialect {}, &DuckDbDialect {}, &SparkSqlDialect {}];
    let mut failures = Vec::new();
    for dialect in dialects {
        for (sql, expected) in SERVED {
            match parse(sql, Syntax::new(dialect)) {
                Ok(mut parsed) => {
                    let found = clauses(&only_or_query(parsed.pop().unwrap()));
                    if found != *expected && !found.iter().map(|f| f.replace('`', "\"")).eq(expected.iter().copied()) {
                        failures.push(format!("{sql} {dialect:?}\n  {found:?}"));
                    }
                }
                Err(error) => failures.push(format!("{sql} {dialect:?}\n  {error}")),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Invariant 11: served or refused, never ignored, whatever the dialect.
#[test]
fn clauses_are_never_dropped() {
    for dialect in super::stock::dialects() {
        let mut served = 0;
        for (sql, expected) in SERVED {
            let Ok(mut parsed) = parse(sql, Syntax::new(dialect.as_ref())) else { continue };
            let found = clauses(&only_or_query(parsed.pop().unwrap()));
            assert_eq!(found.len(), expected.len(), "{sql} {dialect:?} {found:?}");
            served += 1;
        }
        assert!(served * 10 > SERVED.len() * 9, "{dialect:?} serves {served} of {}", SERVED.len());
    }
}

#[test]
fn spliced_tree_equals_the_native_one() {
    let databricks = DatabricksDialect {};
    let native = parse("SELECT a FROM t VERSION AS OF 3 WHERE b = 1", Syntax::new(&databricks)).unwrap();
    let spliced = only("SELECT a FROM t VERSION AS OF 3 WHERE b = 1");
    assert_eq!(tree(&native[0]), tree(&spliced));
    // The alias stands before or behind.
    let before = only("SELECT a FROM t x VERSION AS OF 3 JOIN u ON true");
    let behind = only("SELECT a FROM t VERSION AS OF 3 x JOIN u ON true");
    assert_eq!(tree(&before), tree(&behind));
}

#[test]
fn misplaced_clauses_are_refused() {
    for sql in [
        "DELETE FROM t VERSION AS OF 3 WHERE a = 1",
        "DELETE FROM t x VERSION AS OF 3 WHERE a = 1",
        "UPDATE t VERSION AS OF 3 SET a = 1",
        "MERGE INTO t VERSION AS OF 3 USING u ON true WHEN MATCHED THEN DELETE",
        "INSERT INTO t VERSION AS OF 3 SELECT 1",
        "EXPLAIN DELETE FROM t VERSION AS OF 3",
        "PREPARE p AS DELETE FROM t VERSION AS OF 3",
        "SELECT * FROM (SELECT 1) VERSION AS OF 3",
        "SELECT * FROM (SELECT 1) x VERSION AS OF 3",
        "SELECT * FROM f(1) VERSION AS OF 3",
        "SELECT count(a VERSION AS OF 3) FROM t",
        "COPY t VERSION AS OF 3 TO 'x'",
    ] {
        let error = error(sql);
        assert_eq!(error.code(), Code::NotVersioned, "{sql}\n  {error}");
    }
    for sql in ["DELETE FROM t VERSION AS OF 3", "UPDATE t VERSION AS OF 3 SET a = 1"] {
        let error = parse(sql, Syntax::new(&DatabricksDialect {})).unwrap_err();
        assert_eq!(error.code(), Code::NotVersioned, "{sql}\n  {error}");
    }
    for sql in [
        "SELECT * FROM t VERSION AS OF",
        "SELECT * FROM t VERSION AS OF 1 VERSION AS OF 2",
        "SELECT * FROM t VERSION AS OF 1 x VERSION AS OF 2",
        "SELECT * FROM t VERSION BETWEEN 1",
        "SELECT * FROM t VERSION BETWEEN 1 AND",
        "SELECT * FROM t VERSION OF 3",
        "DROP TABLE t VERSION AS OF 3",
    ] {
        assert!(matches!(error(sql).code(), Code::Syntax | Code::NotVersioned), "{sql}");
    }
}

#[test]
fn foreign_spellings_are_refused() {
    let mut parsed = parse("SELECT * FROM t AT(VERSION => 3)", Syntax::new(&SnowflakeDialect {})).unwrap();
    struct First(Option<TableFactor>);
    impl VisitorMut for First {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
            self.0 = Some(factor.clone());
            ControlFlow::Continue(())
        }
    }
    let mut first = First(None);
    let Statement::DataFusion(ast) = &mut parsed[0].statement else { panic!() };
    let _ = visit_mut(ast, &mut first);
    let error = version_of(&first.0.unwrap()).unwrap_err();
    assert_eq!(error.code(), Code::NotSupported);
    assert!(error.message().contains("VERSION AS OF n"), "{error}");
}

#[test]
fn row_distribution_is_explained() {
    refused("SELECT * FROM t ORDER BY a DISTRIBUTE BY b", Code::NotSupported, "DISTRIBUTE BY");
    refused("SELECT * FROM t VERSION AS OF 3 ORDER BY a SORT BY b", Code::NotSupported, "SORT BY");
}

#[test]
fn errors_name_the_furthest_place() {
    let generic = GenericDialect {};
    let message = |sql: &str| parse(sql, Syntax::new(&generic)).unwrap_err().message().to_owned();
    assert!(
        message("SELECT * FROM t VERSION AS OF 3 GROUP a").ends_with("Column: 33"),
        "{}",
        message("SELECT * FROM t VERSION AS OF 3 GROUP a")
    );
    assert!(
        message("SELECT a b c FROM t VERSION AS OF 3").contains("Column: 12"),
        "{}",
        message("SELECT a b c FROM t VERSION AS OF 3")
    );
    assert!(!message("SELECT * FROM t VERSION AS OF 3 x y").contains("__tt"));
}
