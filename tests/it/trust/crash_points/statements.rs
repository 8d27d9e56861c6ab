//! Every kind of statement, the tables that they find, and a statement that comes after each.

/// What every statement finds. `seven` is one commit before its first checkpoint.
pub const START: &[&str] = &[
    "SETPROJECT odps.timemachine.retention.days = 7",
    "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)",
    "INSERT INTO t VALUES (1, 10), (2, 20)",
    "INSERT INTO t VALUES (2, 21), (3, 30)",
    "INSERT INTO t VALUES (3, 31)",
    "CREATE TABLE p (k BIGINT PRIMARY KEY, v BIGINT) PARTITIONED BY (d STRING)",
    "INSERT INTO p VALUES (1, 1, 'a'), (2, 2, 'b')",
    "INSERT INTO p VALUES (1, 5, 'a')",
    "ALTER TABLE p DROP PARTITION (d = 'b')",
    "CREATE TABLE log (k BIGINT, v BIGINT)",
    "INSERT INTO log VALUES (1, 10), (1, 10), (2, 20)",
    "INSERT INTO log VALUES (3, 30)",
    "CREATE TABLE gone (k BIGINT PRIMARY KEY, v BIGINT)",
    "INSERT INTO gone VALUES (1, 1)",
    "DROP TABLE gone",
    "CREATE TABLE seven (k BIGINT PRIMARY KEY, v BIGINT)",
    "ALTER TABLE seven SET TBLPROPERTIES ('x' = '2')",
    "ALTER TABLE seven SET TBLPROPERTIES ('x' = '3')",
    "ALTER TABLE seven SET TBLPROPERTIES ('x' = '4')",
    "ALTER TABLE seven SET TBLPROPERTIES ('x' = '5')",
    "ALTER TABLE seven SET TBLPROPERTIES ('x' = '6')",
    "ALTER TABLE seven SET TBLPROPERTIES ('x' = '7')",
    "CREATE VIEW w AS SELECT k FROM t",
    "CREATE SCHEMA s",
];

/// A statement under test.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    pub sql: &'static str,
    /// What comes after it.
    pub next: &'static str,
    /// So many hours after the start.
    pub hours: u32,
    /// It is done step by step, and run again until it is done.
    pub repeat: bool,
}

const fn s(sql: &'static str, next: &'static str) -> Statement {
    Statement { sql, next, hours: 0, repeat: false }
}

/// Eight days later, when what has ended has left all windows.
const fn later(sql: &'static str, next: &'static str) -> Statement {
    Statement { sql, next, hours: 8 * 24, repeat: true }
}

pub const STATEMENTS: &[Statement] = &[
    s("CREATE TABLE n (k BIGINT PRIMARY KEY, v BIGINT)", "INSERT INTO n VALUES (1, 1)"),
    s("CREATE TABLE n AS SELECT * FROM t", "INSERT INTO n VALUES (9, 9)"),
    s(
        "CREATE TABLE n (k BIGINT PRIMARY KEY, v BIGINT) PARTITIONED BY (d STRING) AS SELECT k, v, CASE WHEN k = 1 THEN 'a' ELSE 'b' END AS d FROM t",
        "INSERT INTO n VALUES (9, 9, 'c')",
    ),
    s("CREATE OR REPLACE TABLE t (x BIGINT)", "INSERT INTO t VALUES (5)"),
    s("CREATE OR REPLACE TABLE t AS SELECT k, v + 1 AS v FROM t", "DROP TABLE t"),
    s("INSERT INTO t VALUES (2, 22), (4, 40)", "UPDATE t SET v = v + 1"),
    s("INSERT INTO p SELECT k + 10, v, CASE WHEN k = 1 THEN 'a' ELSE 'n' END FROM t", "DELETE FROM p WHERE k < 12"),
    s("INSERT INTO log VALUES (4, 40)", "DELETE FROM log WHERE k = 1"),
    s("INSERT INTO seven VALUES (1, 1)", "INSERT INTO seven VALUES (2, 2)"),
    s("INSERT OVERWRITE TABLE t VALUES (7, 70)", "INSERT INTO t VALUES (1, 1)"),
    s("INSERT OVERWRITE TABLE p SELECT k, v, 'n' FROM t", "INSERT INTO p VALUES (1, 1, 'n')"),
    s("INSERT OVERWRITE TABLE p PARTITION (d = 'a') VALUES (7, 70)", "INSERT INTO p VALUES (1, 1, 'a')"),
    s("DELETE FROM t WHERE k = 2", "INSERT INTO t VALUES (2, 0)"),
    s("DELETE FROM t WHERE k IN (SELECT k FROM p)", "INSERT INTO t VALUES (2, 0)"),
    s("DELETE FROM log WHERE k = 1", "INSERT INTO log VALUES (1, 1)"),
    s("UPDATE t SET v = v + 1 WHERE k <= 2", "UPDATE t SET v = v + 1"),
    s("UPDATE log SET v = 7 WHERE k = 2", "DELETE FROM log"),
    s(
        "MERGE INTO p USING t ON p.k = t.k WHEN MATCHED THEN UPDATE SET v = t.v, d = 'c' WHEN NOT MATCHED THEN INSERT VALUES (t.k, t.v, 'a')",
        "ALTER TABLE p COMPACT MAJOR",
    ),
    s(
        "MERGE INTO t USING p ON t.k = p.k WHEN MATCHED AND t.k = 1 THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (p.k, p.v)",
        "INSERT INTO t VALUES (1, 1)",
    ),
    s("ALTER TABLE p PARTITION (d = 'a') COMPACT MAJOR", "DELETE FROM p"),
    s("ALTER TABLE t COMPACT MAJOR", "DELETE FROM t WHERE k = 1"),
    s("ALTER TABLE t COMPACT MINOR", "DELETE FROM t WHERE k = 1"),
    s("ALTER TABLE log COMPACT MAJOR", "DELETE FROM log WHERE k = 1"),
    s("ALTER TABLE t SET TBLPROPERTIES ('comment.by' = 'me')", "ALTER TABLE t UNSET TBLPROPERTIES ('comment.by')"),
    s("ALTER TABLE seven UNSET TBLPROPERTIES ('x')", "INSERT INTO seven VALUES (1, 1)"),
    s("ALTER TABLE t SET COMMENT 'mine'", "INSERT INTO t VALUES (9, 9)"),
    s("ALTER TABLE t SET LIFECYCLE 30", "INSERT INTO t VALUES (9, 9)"),
    s("ALTER TABLE t DISABLE LIFECYCLE", "INSERT INTO t VALUES (9, 9)"),
    s("ALTER TABLE p PARTITION (d = 'a') TOUCH", "INSERT INTO p VALUES (9, 9, 'a')"),
    s("ALTER TABLE p ADD PARTITION (d = 'x')", "INSERT INTO p VALUES (9, 9, 'x')"),
    s("ALTER TABLE p DROP PARTITION (d = 'a')", "INSERT INTO p VALUES (9, 9, 'a')"),
    s("ALTER TABLE t ADD COLUMNS (x BIGINT)", "INSERT INTO t VALUES (9, 9, 9)"),
    s("ALTER TABLE t DROP COLUMN v", "INSERT INTO t VALUES (9)"),
    s("ALTER TABLE t RENAME COLUMN v TO u", "UPDATE t SET u = 0"),
    s("ALTER TABLE t RENAME TO r", "INSERT INTO r VALUES (7, 7)"),
    s("TRUNCATE TABLE t", "INSERT INTO t VALUES (7, 7)"),
    s("TRUNCATE TABLE p PARTITION (d = 'a')", "INSERT INTO p VALUES (7, 7, 'a')"),
    s("DROP TABLE t", "CREATE TABLE t (z BIGINT)"),
    s("RESTORE TABLE t TO LSN '2'", "INSERT INTO t VALUES (7, 7)"),
    s("RESTORE TABLE p PARTITION (d = 'a') TO LSN '2'", "INSERT INTO p VALUES (7, 7, 'a')"),
    s("RESTORE TABLE p PARTITION('id'='$part')", "INSERT INTO p VALUES (7, 7, 'b')"),
    s("RESTORE TABLE t TO LSN '2' AS n", "INSERT INTO n VALUES (7, 7)"),
    s("RESTORE TABLE t TO LSN '2' AS seven", "INSERT INTO seven VALUES (7, 7)"),
    s("RESTORE TABLE gone ('id'='$gone')", "INSERT INTO gone VALUES (3, 3)"),
    s("RESTORE TABLE p PARTITION (d = 'a') TO LSN '2' AS n", "INSERT INTO n VALUES (7, 7, 'a')"),
    s("PURGE TABLE p", "INSERT INTO p VALUES (7, 7, 'a')"),
    s("PURGE TABLE gone ('id'='$gone')", "CREATE TABLE gone (z BIGINT)"),
    later("VACUUM", "INSERT INTO t VALUES (7, 7)"),
    later("VACUUM p", "INSERT INTO p VALUES (7, 7, 'a')"),
    s("SETPROJECT odps.timemachine.retention.days = 9", "INSERT INTO t VALUES (7, 7)"),
    s("CREATE VIEW x AS SELECT v FROM t", "DROP VIEW x"),
    s("CREATE OR REPLACE VIEW w AS SELECT v FROM t", "DROP VIEW w"),
    s("DROP VIEW w", "CREATE VIEW w AS SELECT v FROM t"),
    s("CREATE SCHEMA z", "CREATE VIEW z.x AS SELECT 1 AS k"),
    s("DROP SCHEMA s", "CREATE SCHEMA s"),
];

/// Statements of which each is the first of its warehouse.
pub const FIRST: &[Statement] = &[
    s("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)", "INSERT INTO t VALUES (1, 1)"),
    s("CREATE SCHEMA z", "CREATE TABLE t AS SELECT 1 AS k"),
    s("CREATE VIEW w AS SELECT 1 AS k", "CREATE TABLE t AS SELECT * FROM w"),
    s("SETPROJECT odps.timemachine.retention.days = 9", "CREATE SCHEMA z"),
];
