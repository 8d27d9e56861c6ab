//! Our own statements.

use datafusion::sql::sqlparser::ast::{DataType, TimezoneInfo};
use datafusion::sql::sqlparser::dialect::GenericDialect;

use super::super::forms::STATEMENTS;
use super::super::statement::*;
use super::super::{Syntax, is_complete, parse};
use super::{error, one, only, refused};
use crate::error::Code;

const ID: &str = "437b29466ba948b392b2090ec0a60fc2";
const ID2: &str = "8c85184ec0b44fba8198274401df2519";

fn path(name: &str) -> ObjectPath {
    ObjectPath { parts: name.split('.').map(str::to_owned).collect() }
}

fn spec(values: &[(&str, &str)]) -> PartitionSpec {
    PartitionSpec(values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
}

/// Every statement of the five documents, but for those with a version clause.
const DOCUMENTS: &[&str] = &[
    "setproject odps.timemachine.retention.days=7;",
    "setproject;",
    "SHOW HISTORY FOR tables;",
    "SHOW HISTORY FOR tables LIKE test_restore_1;",
    "SHOW HISTORY FOR TABLE test_restore_1;",
    "SHOW HISTORY FOR TABLE test_restore_2 ('id'='437b29466ba948b392b2090ec0a60fc2');",
    "SHOW HISTORY FOR TABLE test_restore_part_1 PARTITION(ds='20250701');",
    "SHOW HISTORY FOR TABLE test_restore_part_1 PARTITION('id'='271aebf3e17a4a8e9f6b35733bf63db4');",
    "SHOW HISTORY FOR TABLE test_restore_part_1 ('id'='fbee66b56cf544d2a9999d5d0ce5d352')\n  PARTITION(ds='20250701') PARTITION(ds='20250702');",
    "SHOW HISTORY FOR TABLE mf_tt2 PARTITION (dd='01',hh='01');",
    "show history for table test_restore_x('id'='d6266b2c49b9418cb999dc65c10ad7ae');",
    "show history for table test_restore_part_x('id'='94d436523fe14ba39f33d2dee738c018') partition(ds='20191201') partition(ds='20191202');",
    "-- Rename the conflicting table\nALTER TABLE test_restore_2 RENAME TO test_restore_2_rename;",
    "alter table test_restore_x rename to test_restore_x_rename;",
    "RESTORE TABLE test_restore_2 ('id'='437b29466ba948b392b2090ec0a60fc2');",
    "RESTORE TABLE mf_dt ('id' = 'cd607cd938dc4ca6886dd12212995604');",
    "RESTORE TABLE test_restore_1 TO LSN '0000000000000004';",
    "RESTORE TABLE test_restore_2 TO LSN '0000000000000003' AS test_restore_new;",
    "RESTORE TABLE test_restore_part_y\n  PARTITION('id'='a14d6cb4ab0c46378a6e284b257bbfaa')\n  PARTITION('id'='8c85184ec0b44fba8198274401df2519');",
    "RESTORE TABLE test_restore_part_y\n  PARTITION(ds='20250701') PARTITION(ds='20250702')\n  TO LSN '0000000000000010';",
    "RESTORE TABLE mf_dt PARTITION('id' = '51d38cc9ded344cf99188cd1a806e5d2');",
    "restore table t PARTITION(pt='1') PARTITION(pt='2') to LSN '102';",
    "restore table test_restore_x to LSN '0000000000000005' as test_restore_x_v5;",
    "restore table test_restore_part_y partition('id'='e6647109adbe44b69068a4dd83a577ad') partition('id'='bc4aaf375ab94998b02dabb0fed0b5fe');",
    "restore table test_restore_part_y partition(ds='20200101') partition(ds='20200102') to LSN '0000000000000010' as test_restore_part_y_v10;",
    "CREATE TABLE mf_dt (pk BIGINT NOT NULL PRIMARY KEY,\n val BIGINT NOT NULL)\n PARTITIONED BY (dd STRING, hh STRING)\n TBLPROPERTIES (\"transactional\"=\"true\");",
    "CREATE TABLE mf_ttt (pk BIGINT NOT NULL PRIMARY KEY, val BIGINT NOT NULL) TBLPROPERTIES (\"transactional\"=\"true\");",
    "CREATE TABLE mf_tt2 ( pk bigint NOT NULL PRIMARY KEY, val bigint NOT NULL) PARTITIONED BY (dd string, hh string) tblproperties (\"transactional\"=\"true\");",
    "Create Table test_restore_x(a string);",
    "Create Table test_restore_part_x(a string) PARTITIONED BY(ds string);",
    "Create Table test_restore_2cols(a string, b string);",
    "INSERT OVERWRITE TABLE mf_dt PARTITION(dd='01', hh='01')\n  VALUES (1, 1), (2, 2), (3, 3);",
    "INSERT INTO TABLE mf_dt PARTITION(dd='01', hh='01') VALUES (3, 30), (4, 4), (5, 5);",
    "INSERT INTO TABLE mf_ttt VALUES (1, 1), (2, 2);",
    "INSERT OVERWRITE TABLE test_restore_x values(\"0\");",
    "INSERT OVERWRITE TABLE test_restore_part_x partition(ds=\"20191201\") values (\"1\");",
    "INSERT OVERWRITE TABLE test_restore_part_y partition(ds=\"20200101\") values (\"20200101_v1\");",
    "DESC EXTENDED mf_dt;",
    "DROP TABLE mf_dt;",
    "drop table test_restore_part_x;",
    "ALTER TABLE mf_dt DROP PARTITION (dd = '01', hh = '01');",
    "alter table test_restore_part_y drop partition(ds='20191201'),partition(ds='20191202');",
    "ALTER TABLE mf_ttt compact major;",
    "ALTER TABLE mf_tt2 SET tblproperties(\"acid.incremental.query.out.of.time.range.enabled\"=\"true\");",
    "PURGE TABLE mf_ttt;",
    "list partitions test_restore_part_x;",
];

#[test]
fn documents_parse_as_ours() {
    for sql in DOCUMENTS {
        assert!(!matches!(one(sql), Statement::DataFusion(_)), "{sql}");
    }
    for sql in
        ["SELECT * FROM test_restore_1;", "select * from t where ds='20200101' or ds='20200102';", "show tables;"]
    {
        assert!(matches!(one(sql), Statement::DataFusion(_)), "{sql}");
    }
}

#[test]
fn documents_parse_as_one_script() {
    let script = DOCUMENTS.join("\n/* a; comment */ ");
    let parsed = parse(&script, Syntax::new(&GenericDialect {})).unwrap();
    assert_eq!(parsed.len(), DOCUMENTS.len());
    for (parsed, sql) in parsed.iter().zip(DOCUMENTS) {
        let expected = sql.trim_end_matches(';').trim_start_matches("-- Rename the conflicting table\n");
        assert_eq!(parsed.text, expected);
        assert_eq!(parsed.statement, one(sql));
    }
}

#[test]
fn restore_says_what() {
    let table = path("t");
    let cases = [
        (format!("RESTORE TABLE t ('id'='{ID}')"), RestoreTarget::Table { id: ID.into() }, false),
        (
            format!("restore table T (\"ID\" = \"{}\") dry run", ID.to_uppercase()),
            RestoreTarget::Table { id: ID.into() },
            true,
        ),
        (
            format!("RESTORE TABLE t PARTITION('id'='{ID}'), PARTITION(\"id\"='{ID2}')"),
            RestoreTarget::Partitions { ids: vec![ID.into(), ID2.into()] },
            false,
        ),
        ("RESTORE TABLE t TO LSN 4".into(), RestoreTarget::Lsn { partitions: vec![], lsn: 4, new_table: None }, false),
        (
            "RESTORE TABLE t TO LSN '4' DRY RUN".into(),
            RestoreTarget::Lsn { partitions: vec![], lsn: 4, new_table: None },
            true,
        ),
        (
            "RESTORE TABLE t PARTITION(id='1', n=-2) TO LSN '0000000000000010' AS p.s.\"New\"".into(),
            RestoreTarget::Lsn {
                partitions: vec![spec(&[("id", "1"), ("n", "-2")])],
                lsn: 10,
                new_table: Some(path("p.s.New")),
            },
            false,
        ),
    ];
    for (sql, target, dry_run) in cases {
        assert_eq!(one(&sql), Statement::Restore(Restore { table: table.clone(), target, dry_run }), "{sql}");
    }
    refused("RESTORE TABLE t", Code::Syntax, "TO LSN");
    refused("RESTORE TABLE t PARTITION(a='1')", Code::Syntax, "TO LSN");
    refused(&format!("RESTORE TABLE t ('id'='{ID}') TO LSN 4"), Code::NotRestorable, "its id first");
    refused(&format!("RESTORE TABLE t PARTITION('id'='{ID}') TO LSN 4"), Code::NotRestorable, "its id first");
    refused(&format!("RESTORE TABLE t ('id'='{ID}') PARTITION(a='1')"), Code::Syntax, "not both");
    refused("RESTORE TABLE t ('id'='xxxx')", Code::InvalidArgument, "32 hex digits");
    refused("RESTORE TABLE t TO LSN 'four'", Code::InvalidArgument, "'four'");
    refused("RESTORE TABLE t TO LSN '99999999999999999999999'", Code::InvalidArgument, "LSN");
    refused("RESTORE TABLE t TO LSN 4 now", Code::Syntax, "found: now");
    refused("RESTORE TABLE a.b.c.d TO LSN 4", Code::Syntax, "one, two or three parts");
    refused("RESTORE t", Code::Syntax, "RESTORE TABLE");
}

#[test]
fn history_takes_its_clauses_in_any_order() {
    let history = |from_lsn, offset, limit| {
        Statement::ShowHistory(ShowHistory { table: path("t"), id: None, partitions: vec![], from_lsn, offset, limit })
    };
    assert_eq!(one("SHOW HISTORY FOR TABLE t LIMIT 5 LSN '0000000000000003'"), history(Some(3), None, Some(5)));
    assert_eq!(one("show history for table t offset 2 limit 1"), history(None, Some(2), Some(1)));
    assert_eq!(one("show history for table t LSN 7 OFFSET 2 LIMIT 1"), history(Some(7), Some(2), Some(1)));
    assert_eq!(
        one("SHOW HISTORY FOR TABLES LIKE 'a%'"),
        Statement::ShowTablesHistory(Some(NamePattern::Like("a%".into())))
    );
    assert_eq!(
        one("SHOW HISTORY FOR TABLES LIKE S.t"),
        Statement::ShowTablesHistory(Some(NamePattern::Exact(path("s.t"))))
    );
    let both = format!("SHOW HISTORY FOR TABLE t ('id'='{ID}') PARTITION(a='1') PARTITION('id'='{ID2}') LIMIT 1");
    let Statement::ShowHistory(shown) = one(&both) else { panic!() };
    assert_eq!(shown.id.as_deref(), Some(ID));
    assert_eq!(shown.partitions, [PartitionRef::Spec(spec(&[("a", "1")])), PartitionRef::Id(ID2.into())]);
    refused("SHOW HISTORY FOR TABLE t LIMIT 1 LIMIT 2", Code::Syntax, "once");
    refused("SHOW HISTORY FOR TABLE t LIMIT -1", Code::Syntax, "number of rows");
    refused("SHOW HISTORY FOR t", Code::Syntax, "SHOW HISTORY FOR TABLE");
}

#[test]
fn alter_table_does_one_thing() {
    use AlterOperation::*;
    let days = spec(&[("ds", "1")]);
    let property = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    let cases = [
        (
            "SET TBLPROPERTIES('a'=\"b\", acid.data.retain.hours = 24)",
            SetProperties {
                properties: vec![property("a", "b"), property("acid.data.retain.hours", "24")],
                dry_run: false,
            },
        ),
        ("UNSET TBLPROPERTIES('a', \"b\")", UnsetProperties { keys: vec!["a".into(), "b".into()], if_exists: false }),
        ("UNSET TBLPROPERTIES IF EXISTS ('a')", UnsetProperties { keys: vec!["a".into()], if_exists: true }),
        ("set lifecycle 3", SetLifecycle(3)),
        ("enable lifecycle", EnableLifecycle { partition: None, enabled: true }),
        ("PARTITION(ds='1') DISABLE LIFECYCLE", EnableLifecycle { partition: Some(days.clone()), enabled: false }),
        ("touch", Touch(None)),
        ("PARTITION (ds = 1) TOUCH", Touch(Some(days.clone()))),
        ("TOUCH PARTITION (ds = \"1\")", Touch(Some(days.clone()))),
        ("COMPACT MINOR", Compact { partition: None, kind: CompactKind::Minor }),
        ("partition(ds='1') compact major", Compact { partition: Some(days.clone()), kind: CompactKind::Major }),
        ("RENAME TO s.\"U\"", RenameTo(path("s.U"))),
        ("ADD PARTITION (ds='1')", AddPartitions { partitions: vec![days.clone()], if_not_exists: false }),
        (
            "ADD IF NOT EXISTS PARTITION (ds='1') PARTITION (ds='1')",
            AddPartitions { partitions: vec![days.clone(), days.clone()], if_not_exists: true },
        ),
        (
            "DROP IF EXISTS PARTITION (ds='1'), PARTITION (ds='1')",
            DropPartitions { partitions: vec![days.clone(), days], if_exists: true },
        ),
        ("DROP COLUMN a", DropColumns { columns: vec!["a".into()], if_exists: false }),
        ("DROP COLUMNS (A, \"B\")", DropColumns { columns: vec!["a".into(), "B".into()], if_exists: false }),
        ("DROP COLUMN IF EXISTS a, b", DropColumns { columns: vec!["a".into(), "b".into()], if_exists: true }),
        ("RENAME COLUMN a TO b", RenameColumn { from: "a".into(), to: "b".into() }),
        (
            "CHANGE COLUMN a b BIGINT",
            ChangeColumn {
                column: "a".into(),
                change: ColumnChange {
                    new_name: Some("b".into()),
                    data_type: Some(DataType::BigInt(None)),
                    ..Default::default()
                },
            },
        ),
        (
            "CHANGE a a DATETIME COMMENT 'x'",
            ChangeColumn {
                column: "a".into(),
                change: ColumnChange {
                    data_type: Some(DataType::Timestamp(Some(3), TimezoneInfo::None)),
                    comment: Some("x".into()),
                    ..Default::default()
                },
            },
        ),
        (
            "ALTER COLUMN a SET DATA TYPE DOUBLE",
            ChangeColumn {
                column: "a".into(),
                change: ColumnChange {
                    data_type: Some(DataType::Double(datafusion::sql::sqlparser::ast::ExactNumberInfo::None)),
                    ..Default::default()
                },
            },
        ),
        (
            "ALTER COLUMN a TYPE BIGINT",
            ChangeColumn {
                column: "a".into(),
                change: ColumnChange { data_type: Some(DataType::BigInt(None)), ..Default::default() },
            },
        ),
        (
            "ALTER COLUMN a DROP NOT NULL",
            ChangeColumn { column: "a".into(), change: ColumnChange { drop_not_null: true, ..Default::default() } },
        ),
        ("SET COMMENT 'x'", SetComment("x".into())),
    ];
    for (rest, operation) in cases {
        let expected = Statement::AlterTable(Box::new(AlterTable { table: path("s.t"), if_exists: false, operation }));
        assert_eq!(one(&format!("ALTER TABLE s.t {rest}")), expected, "{rest}");
    }
    for (rest, names) in [
        ("ADD COLUMN c INT", vec!["c"]),
        ("ADD c INT", vec!["c"]),
        ("ADD COLUMNS (c INT COMMENT 'x', d STRING)", vec!["c", "d"]),
        ("ADD COLUMN IF NOT EXISTS c INT NOT NULL DEFAULT 3", vec!["c"]),
    ] {
        let Statement::AlterTable(alter) = one(&format!("ALTER TABLE t {rest}")) else { panic!() };
        let AddColumns { columns, .. } = alter.operation else { panic!("{rest}") };
        assert_eq!(columns.iter().map(|c| c.name.value.as_str()).collect::<Vec<_>>(), names);
    }
    refused("ALTER TABLE t SET LIFECYCLE 0", Code::InvalidProperty, "positive");
    refused("ALTER TABLE t SET LIFECYCLE -1", Code::InvalidProperty, "positive");
    refused("ALTER TABLE t SET LIFECYCLE 1.5", Code::InvalidProperty, "positive");
    refused("ALTER TABLE t COMPACT", Code::Syntax, "MAJOR or MINOR");
    refused("ALTER TABLE t ADD PRIMARY KEY (a)", Code::Syntax, "a column");
    refused("ALTER TABLE t DROP PARTITION (ds > '1')", Code::Syntax, "=");
    refused("ALTER TABLE t DROP PARTITION (ds='1', ds='2')", Code::Syntax, "twice");
    refused("ALTER TABLE t ADD PARTITION (ds=NULL)", Code::ConstraintViolation, "NULL");
    refused("ALTER TABLE t SET TBLPROPERTIES('a'='1','a'='2')", Code::InvalidProperty, "twice");
    assert!(only("ALTER TABLE t RENAME TO u").stock.is_some());
}

#[test]
fn create_table_keeps_every_clause() {
    let sql = "CREATE OR REPLACE TABLE IF NOT EXISTS p.s.T (a BIGINT NOT NULL COMMENT 'key', \"B\" DATETIME DEFAULT now(), \
               c ARRAY<DATETIME>, PRIMARY KEY (a, \"B\"), UNIQUE (c)) COMMENT \"said\" PARTITIONED BY (dd STRING COMMENT 'day', hh INT) \
               TBLPROPERTIES ('transactional'='true', \"write.bucket.num\" = 8) LIFECYCLE 30 AS SELECT * FROM u VERSION AS OF 3";
    let Statement::CreateTable(table) = one(sql) else { panic!() };
    assert_eq!(table.name, path("p.s.t"));
    assert!(table.or_replace && table.if_not_exists);
    assert_eq!(table.primary_key, ["a", "B"]);
    assert_eq!(table.columns.len(), 3);
    assert_eq!(table.columns[1].data_type, DataType::Timestamp(Some(3), TimezoneInfo::None));
    assert_eq!(table.columns[2].data_type.to_string(), "ARRAY<TIMESTAMP(3)>");
    assert_eq!(table.columns[0].to_string(), "a BIGINT NOT NULL COMMENT 'key'");
    assert_eq!(table.constraints.len(), 1);
    assert_eq!(
        table.partition_columns.iter().map(|c| c.to_string()).collect::<Vec<_>>(),
        ["dd STRING COMMENT 'day'", "hh INT"]
    );
    assert_eq!(table.properties, [("transactional".into(), "true".into()), ("write.bucket.num".into(), "8".into())]);
    assert_eq!((table.lifecycle, table.comment.as_deref()), (Some(30), Some("said")));
    assert_eq!(table.query.unwrap().to_string(), "SELECT * FROM u VERSION AS OF 3");

    for sql in [
        "CREATE TABLE t AS SELECT 1 AS a",
        "CREATE TABLE t LIFECYCLE 3 AS SELECT 1 AS a",
        "CREATE TABLE t (a INT) AS (SELECT 1)",
    ] {
        let Statement::CreateTable(table) = one(sql) else { panic!("{sql}") };
        assert!(table.query.is_some(), "{sql}");
    }
    assert!(only("CREATE TABLE t (a INT)").stock.is_some());
    assert!(only("CREATE TABLE t (a INT) LIFECYCLE 3").stock.is_none());
    // Other systems' tables stay with DataFusion.
    for sql in [
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'x'",
        "CREATE TEMPORARY TABLE t (a INT)",
        "CREATE TABLE t LIKE u",
        "CREATE TABLE t (a INT) WITH (x = 1)",
        "CREATE MATERIALIZED VIEW v AS SELECT 1",
        "CREATE TEMPORARY VIEW v AS SELECT 1",
    ] {
        assert!(matches!(one(sql), Statement::DataFusion(_)), "{sql}");
    }
    refused("CREATE TABLE t (a INT) CLUSTERED BY (a) INTO 4 BUCKETS", Code::NotSupported, "CLUSTERED BY");
    refused("CREATE TABLE t (a INT PRIMARY KEY, b INT PRIMARY KEY)", Code::InvalidSchema, "PRIMARY KEY (a, b)");
    refused("CREATE TABLE t (a INT) LIFECYCLE 0", Code::InvalidProperty, "positive");
    refused("CREATE TABLE t (a INT) LIFECYCLE 1 LIFECYCLE 2", Code::Syntax, "twice");
    refused("CREATE TABLE t (a INT) LIFECYCLE", Code::Syntax, "number of days");
}

#[test]
fn views_keep_the_text_of_their_query() {
    let sql = "  CREATE OR REPLACE VIEW v (a, \"B\")\n AS  /* é */ SELECT x AS \"é\", y FROM t VERSION AS OF 2 z -- end\n ; SELECT 1";
    let parsed = parse(sql, Syntax::new(&GenericDialect {})).unwrap();
    let Statement::CreateView(view) = &parsed[0].statement else { panic!() };
    assert_eq!(view.query_text, "SELECT x AS \"é\", y FROM t VERSION AS OF 2 z");
    assert_eq!(view.columns, ["a", "B"]);
    assert!(view.or_replace && !view.if_not_exists);
    assert_eq!(parsed[1].text, "SELECT 1");
    let stored = only(&view.query_text);
    assert_eq!(stored.text, view.query_text);
    let Statement::CreateView(view) = one("CREATE VIEW IF NOT EXISTS s.v AS (SELECT 1)") else { panic!() };
    assert_eq!((view.query_text.as_str(), view.if_not_exists, view.name), ("(SELECT 1)", true, path("s.v")));
}

#[test]
fn the_small_ones() {
    let drop = |name: &str, if_exists, purge| DropObject { name: path(name), if_exists, purge };
    let set =
        |k: &str, v: &str| Statement::SetProject(SetProject { settings: vec![(k.into(), v.into())], dry_run: false });
    let describe = |name: &str, extended| Statement::Describe(Describe { table: path(name), extended });
    let truncate = |partitions| Statement::Truncate(Truncate { table: path("t"), if_exists: false, partitions });
    let vacuum = |table: Option<&str>, dry_run| Statement::Vacuum(Vacuum { table: table.map(path), dry_run });
    let cases = [
        ("DROP TABLE IF EXISTS a.b.c", Statement::DropTable(drop("a.b.c", true, false))),
        ("DROP TABLE t PURGE", Statement::DropTable(drop("t", false, true))),
        ("DROP VIEW v", Statement::DropView(drop("v", false, false))),
        (
            "DROP SCHEMA IF EXISTS s CASCADE",
            Statement::DropSchema(DropSchema { name: path("s"), if_exists: true, cascade: true }),
        ),
        ("DROP DATABASE s", Statement::DropSchema(DropSchema { name: path("s"), if_exists: false, cascade: false })),
        (
            "CREATE SCHEMA IF NOT EXISTS p.s",
            Statement::CreateSchema(CreateSchema { name: path("p.s"), if_not_exists: true }),
        ),
        ("TRUNCATE TABLE t", truncate(vec![])),
        ("TRUNCATE TABLE t PARTITION(a='1')", truncate(vec![spec(&[("a", "1")])])),
        ("SHOW PARTITIONS t", Statement::ShowPartitions(ShowPartitions { table: path("t"), partition: None })),
        (
            "list partitions t partition(a='1')",
            Statement::ShowPartitions(ShowPartitions { table: path("t"), partition: Some(spec(&[("a", "1")])) }),
        ),
        ("DESC t", describe("t", false)),
        ("DESCRIBE EXTENDED s.t", describe("s.t", true)),
        ("DESC extended", describe("extended", false)),
        ("VACUUM", vacuum(None, false)),
        ("VACUUM DRY RUN", vacuum(None, true)),
        ("vacuum t dry run", vacuum(Some("t"), true)),
        ("VERIFY TABLE t", Statement::Verify(path("t"))),
        ("PURGE TABLE t DRY RUN", Statement::Purge(Purge { table: path("t"), id: None, dry_run: true })),
        ("setproject a.b.c = 'x y'", set("a.b.c", "x y")),
        ("SETPROJECT a=true", set("a", "true")),
        ("SETPROJECT a=-1", set("a", "-1")),
    ];
    for (sql, expected) in cases {
        assert_eq!(one(sql), expected, "{sql}");
    }
    let purge = one(&format!("PURGE TABLE t ('id'='{ID}')"));
    assert_eq!(purge, Statement::Purge(Purge { table: path("t"), id: Some(ID.into()), dry_run: false }));
    for sql in [
        "SHOW PARTITIONS",
        "SHOW history",
        "DROP TABLE a, b",
        "DESC SELECT 1",
        "SHOW TABLES",
        "SET a.b = 1",
        "RESET a.b",
    ] {
        assert!(matches!(one(sql), Statement::DataFusion(_)), "{sql}");
    }
    refused("SHOW PARTITIONS t u", Code::Syntax, "found: u");
    refused("PURGE t", Code::Syntax, "PURGE TABLE t");
    refused("SETPROJECT a", Code::Syntax, "=");
}

#[test]
fn explain_shows_plans_only() {
    assert!(matches!(one("EXPLAIN SELECT 1"), Statement::DataFusion(_)));
    assert!(matches!(one("EXPLAIN ANALYZE VERBOSE SELECT * FROM t VERSION AS OF 2"), Statement::DataFusion(_)));
    let Statement::Explain(explain) = one("EXPLAIN ANALYZE INSERT INTO t PARTITION(a='1') VALUES (1)") else {
        panic!()
    };
    assert!(explain.options.analyze);
    assert_eq!(explain.insert.partition.len(), 1);
    refused("EXPLAIN RESTORE TABLE t TO LSN 1", Code::NotSupported, "EXPLAIN shows plans");
    refused("EXPLAIN SHOW PARTITIONS t", Code::NotSupported, "EXPLAIN shows plans");
}

#[test]
fn errors_keep_line_and_column() {
    for (sql, place) in [
        ("SELECT 1;\nRESTORE TABLE t\n  TO LSN;", "the end of the statement"),
        ("SELECT 1;\nRESTORE TABLE t\n  TO LSM 3", " at Line: 3, Column: 3"),
        ("SELECT 1;\n SELECT a b c FROM t", " at Line: 2, Column: 13"),
        ("SELECT 'open", " at Line: 1, Column: 8"),
        ("ALTER TABLE t\nSET LIFECYCLE x", " at Line: 2, Column: 15"),
        ("SELECT * FROM t VERSION AS OF", "the end of the statement"),
        ("SELECT * FROM t VERSION AS OF 3 WHERE a b", " at Line: 1, Column: 41"),
        ("SELECT * FROM t\nVERSION BETWEEN 1, 2", " at Line: 2, Column: 18"),
        ("CREATE TABLE t (a INT)\nLIFECYCLE 3\nTBLPROPERTES ('a'='b')", " at Line: 3, Column: 1"),
    ] {
        let error = error(sql);
        assert!(error.message().contains(place), "{sql}\n  {error}");
    }
}

#[test]
fn completeness_of_a_line() {
    let complete = |text| is_complete(text, &GenericDialect {});
    for text in ["SELECT 1;", "SELECT 1; -- done", "SELECT ';';", "a; /* x */ ", ";"] {
        assert!(complete(text), "{text}");
    }
    for text in ["", "SELECT 1", "SELECT ';", "SELECT 1 -- ;", "SELECT 1 /* ;", "SELECT 1; SELECT 2", "SELECT \"a;"] {
        assert!(!complete(text), "{text}");
    }
}

#[test]
fn blocks_of_other_dialects_stay_whole() {
    let parsed = parse(
        "CREATE PROCEDURE p AS BEGIN SELECT 1; SELECT 2; END; SELECT 3",
        Syntax::new(&datafusion::sql::sqlparser::dialect::MsSqlDialect {}),
    );
    let parsed = parsed.unwrap();
    assert_eq!(parsed.len(), 2);
    assert_eq!(parsed[1].text, "SELECT 3");
}

#[test]
fn every_form_is_documented() {
    for form in STATEMENTS {
        assert!(!form.leading.is_empty() && !form.doc.is_empty(), "{}", form.name);
        let first = form.leading[0].split(' ').next().unwrap();
        assert!(form.syntax.starts_with(first), "{}: {}", form.name, form.syntax);
    }
}
