//! Ordinary SQL is untouched: plain DataFusion statements give the same through `tt.sql` as through `ctx.sql`.
//!
//! Each script runs three times, each in a fresh session and folder: through `tt.sql`, through `ctx.sql` beside a
//! warehouse, and in a session that never heard of one. `$DIR` is the folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::path::Path;

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_timetravel::{SessionContextExt, TimeTravel};

/// Scripts; the statements of one share a session. Errors are compared as well.
const SCRIPTS: &[&[&str]] = &[
    // Expressions and literals.
    &["SELECT 1 + 1 AS two, 'x' || 'y' AS xy, NULL AS nothing, true AND NULL AS unknown"],
    &["SELECT 'VERSION AS OF 1', 'it''s -- no comment', $$dollar$$"],
    &["SELECT DATE '2024-02-29' + INTERVAL '1 year', TIMESTAMP '2024-03-01T00:00:00Z', CAST('1.50' AS DECIMAL(10, 2))"],
    &["SELECT [1, 2, 3] AS list, make_array(1, 2)[1] AS first, struct(1 AS a, 'b' AS b) AS s, map(['k'], [1]) AS m"],
    &["SELECT arrow_typeof(1), arrow_cast(1, 'UInt8'), 7 % 3, -7 / 2, 2.5 * 2, round(2.567, 1)"],
    &["SELECT CASE WHEN 1 > 2 THEN 'a' ELSE 'b' END, coalesce(NULL, 3), nullif(1, 1), 1 IN (1, 2), 5 BETWEEN 1 AND 9"],
    &[
        "SELECT upper('a'), substr('hello', 2, 3), regexp_replace('aXb', 'X', '-'), split_part('a/b', '/', 2), 'abc' LIKE 'a%'",
    ],
    &["/* a comment */ SELECT 1 -- and another\n"],
    // Words that version clauses use.
    &["SELECT version, timestamp FROM (SELECT 1 AS version, 2 AS timestamp)"],
    &["SELECT version FROM (VALUES (1), (5)) AS v(version) WHERE version BETWEEN 1 AND 3"],
    &[
        "SELECT timestamp FROM (VALUES (1), (5)) AS timestamp(timestamp) WHERE timestamp BETWEEN 1 AND 3 AND timestamp.timestamp > 0",
    ],
    &[
        "SELECT at.at, history.history, \"between\".x FROM (SELECT 1 AS at) AS at, (SELECT 2 AS history) AS history, (SELECT 3 AS x) AS \"between\"",
    ],
    &[
        "WITH version AS (SELECT 1 AS of), restore AS (SELECT 2 AS purge) SELECT version.of, restore.purge FROM version, restore",
    ],
    &["SELECT 1 AS version, 2 AS at, 3 AS history, 4 AS lsn, 5 AS vacuum, 6 AS compact, 7 AS lifecycle"],
    &["SELECT v.version FROM (SELECT 1 AS version) v WHERE v.version = 1 ORDER BY version LIMIT 1"],
    &[
        "SELECT version + 1 AS incremental FROM (SELECT 1 AS version) AS incremental GROUP BY version HAVING version > 0",
    ],
    &[
        "CREATE TABLE history (version INT, at INT)",
        "INSERT INTO history VALUES (1, 2), (3, 4)",
        "SELECT * FROM history ORDER BY version",
        "SELECT h.version FROM history h WHERE h.at BETWEEN 1 AND 2",
    ],
    &[
        "CREATE TABLE version (timestamp TIMESTAMP)",
        "SELECT * FROM version",
        "SELECT * FROM version AS version",
        "SELECT timestamp FROM version timestamp",
    ],
    // Queries.
    &["SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(x, y) ORDER BY x DESC", "VALUES (1, 'a'), (2, NULL)"],
    &["SELECT a.x, b.y FROM (VALUES (1), (2)) a(x) LEFT JOIN (VALUES (2, 'two')) b(x, y) ON a.x = b.x ORDER BY 1"],
    &["SELECT a.x FROM (VALUES (1), (2)) a(x) LEFT ANTI JOIN (VALUES (2)) b(x) ON a.x = b.x"],
    &["SELECT a.x FROM (VALUES (1), (2)) a(x) FULL OUTER JOIN (VALUES (2), (3)) b(x) USING (x) ORDER BY 1"],
    &["SELECT count(*) FROM generate_series(1, 10) a CROSS JOIN generate_series(1, 3) b", "SELECT * FROM range(0, 3)"],
    &[
        "SELECT x, sum(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM generate_series(1, 5) AS t(x) ORDER BY x",
    ],
    &[
        "SELECT g, row_number() OVER (PARTITION BY g ORDER BY x DESC) AS n, lag(x) OVER (ORDER BY x) AS before FROM (VALUES ('a', 1), ('a', 2), ('b', 3)) AS t(g, x) ORDER BY x",
    ],
    &[
        "SELECT g, x FROM (VALUES ('a', 1), ('a', 2)) AS t(g, x) QUALIFY row_number() OVER (PARTITION BY g ORDER BY x) = 1",
    ],
    &[
        "SELECT g, count(*), sum(x) FILTER (WHERE x > 1), array_agg(x ORDER BY x) FROM (VALUES ('a', 1), ('b', 2), ('b', 3)) AS t(g, x) GROUP BY g HAVING count(*) > 0 ORDER BY g",
    ],
    &["SELECT a, b, sum(x) FROM (VALUES (1, 2, 3), (1, 3, 4)) AS t(a, b, x) GROUP BY ROLLUP (a, b) ORDER BY a, b"],
    &[
        "WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT * FROM a UNION ALL SELECT * FROM b ORDER BY x",
    ],
    &["WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n WHERE x < 5) SELECT sum(x) FROM n"],
    &[
        "SELECT x FROM generate_series(1, 5) AS t(x) EXCEPT SELECT 3 ORDER BY x",
        "SELECT 1 INTERSECT SELECT 1",
        "SELECT DISTINCT x % 2 AS y FROM generate_series(1, 5) AS t(x) ORDER BY y",
    ],
    &[
        "SELECT unnest([1, 2, 3]) AS x",
        "SELECT * FROM UNNEST([1, 2]) AS u(x)",
        "SELECT x FROM (SELECT [1, 2] AS l) s, UNNEST(s.l) AS u(x)",
    ],
    &["SELECT * FROM generate_series(1, 9) AS t(x) ORDER BY x LIMIT 2 OFFSET 3"],
    &["SELECT (SELECT max(x) FROM generate_series(1, 3) AS t(x)) AS m, EXISTS (SELECT 1) AS e, 2 IN (SELECT 2) AS i"],
    &["SELECT * EXCEPT (y) FROM (SELECT 1 AS x, 2 AS y)", "SELECT * REPLACE (5 AS x) FROM (SELECT 1 AS x, 2 AS y)"],
    &["SELECT t.x FROM (SELECT 1 AS x) t WHERE EXISTS (SELECT 1 FROM (SELECT 1 AS x) u WHERE u.x = t.x)"],
    // Tables in memory, views, DML.
    &[
        "CREATE TABLE t (k INT, v TEXT)",
        "INSERT INTO t VALUES (1, 'a'), (1, 'a'), (2, NULL)",
        "INSERT INTO t (v) SELECT 'x'",
        "SELECT * FROM t ORDER BY k, v",
        "SELECT count(*) FROM t",
    ],
    &[
        "CREATE TABLE t AS SELECT 1 AS x",
        "CREATE TABLE IF NOT EXISTS t AS SELECT 2 AS x",
        "SELECT * FROM t",
        "CREATE OR REPLACE TABLE t AS SELECT 3 AS x",
        "SELECT * FROM t",
        "DROP TABLE t",
        "SELECT * FROM t",
    ],
    &[
        "CREATE TABLE t (k INT PRIMARY KEY, v INT DEFAULT 7)",
        "INSERT INTO t (k) VALUES (1)",
        "SELECT * FROM t",
        "DESCRIBE t",
    ],
    &[
        "CREATE TABLE t AS VALUES (1), (2), (3)",
        "DELETE FROM t WHERE column1 = 2",
        "UPDATE t SET column1 = 9 WHERE column1 = 1",
        "SELECT * FROM t ORDER BY 1",
        "INSERT OVERWRITE t VALUES (4)",
        "SELECT * FROM t",
        "TRUNCATE TABLE t",
    ],
    &[
        "CREATE VIEW v AS SELECT 1 AS version",
        "SELECT * FROM v",
        "SELECT version FROM v AS at",
        "CREATE OR REPLACE VIEW v AS SELECT 2 AS x",
        "SELECT * FROM v",
        "DROP VIEW v",
        "DROP VIEW IF EXISTS v",
    ],
    &[
        "CREATE SCHEMA s",
        "CREATE TABLE s.t AS SELECT 1 AS x",
        "SELECT * FROM s.t",
        "SELECT * FROM datafusion.s.t",
        "DROP TABLE s.t",
        "DROP SCHEMA s",
    ],
    &[
        "CREATE DATABASE other",
        "CREATE SCHEMA other.s",
        "CREATE TABLE other.s.t AS SELECT 1 AS x",
        "SELECT * FROM other.s.t",
    ],
    &["CREATE FUNCTION f(INT) RETURNS INT RETURN $1 + 1", "DROP FUNCTION IF EXISTS f"],
    // Files.
    &[
        "CREATE EXTERNAL TABLE c STORED AS CSV LOCATION '$DIR/in.csv' OPTIONS ('format.has_header' 'true')",
        "SELECT * FROM c ORDER BY id",
        "SELECT count(*) FROM c WHERE version > 1",
        "DESCRIBE c",
        "SHOW COLUMNS FROM c",
        "DROP TABLE c",
    ],
    &[
        "CREATE EXTERNAL TABLE c (id BIGINT, name VARCHAR, version INT) STORED AS CSV LOCATION '$DIR/in.csv' OPTIONS ('format.has_header' 'true')",
        "SELECT name FROM c WHERE version BETWEEN 1 AND 2 ORDER BY name",
    ],
    &[
        "COPY (SELECT 1 AS x UNION ALL SELECT 2) TO '$DIR/out.parquet' STORED AS PARQUET",
        "CREATE EXTERNAL TABLE p STORED AS PARQUET LOCATION '$DIR/out.parquet'",
        "SELECT * FROM p ORDER BY x",
        "SELECT * FROM p WHERE x > 1",
    ],
    &[
        "COPY (VALUES (1, 'a'), (2, 'b')) TO '$DIR/out.csv' STORED AS CSV OPTIONS ('format.has_header' 'true')",
        "COPY (SELECT 1 AS x, 'a' AS y) TO '$DIR/parts/' STORED AS PARQUET PARTITIONED BY (y)",
        "CREATE EXTERNAL TABLE p (x BIGINT, y VARCHAR) STORED AS PARQUET PARTITIONED BY (y) LOCATION '$DIR/parts/'",
        "SELECT * FROM p",
    ],
    &[
        "COPY (SELECT 1 AS x) TO '$DIR/grow/a.parquet' STORED AS PARQUET",
        "CREATE EXTERNAL TABLE g STORED AS PARQUET LOCATION '$DIR/grow/'",
        "INSERT INTO g VALUES (2)",
        "SELECT * FROM g ORDER BY x",
    ],
    // About the session.
    &[
        "SET datafusion.execution.batch_size = 1024",
        "SHOW datafusion.execution.batch_size",
        "RESET datafusion.execution.batch_size",
        "SHOW datafusion.execution.batch_size",
    ],
    &["SET TIME ZONE = '+02:00'", "SHOW TIME ZONE", "SELECT arrow_typeof(now())", "SET nonsense.option = 1"],
    &[
        "SELECT name FROM information_schema.df_settings WHERE name LIKE '%batch_size' ORDER BY name",
        "SELECT count(*) > 10 FROM information_schema.df_settings",
    ],
    &[
        "CREATE TABLE t (k INT)",
        "SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_catalog = 'datafusion' ORDER BY 1, 2",
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 't'",
    ],
    &["PREPARE p(INT) AS SELECT $1 + 1 AS version", "EXECUTE p(41)", "DEALLOCATE p", "EXECUTE p(41)"],
    &[
        "EXPLAIN SELECT x, sum(x) FROM (VALUES (1), (2)) AS t(x) GROUP BY x",
        "EXPLAIN FORMAT TREE SELECT 1",
        "EXPLAIN VERBOSE SELECT 1",
    ],
    &["BEGIN", "COMMIT", "ROLLBACK"],
    // Wrong ones are wrong in the same words.
    &["SELECT FROM WHERE"],
    &["SELEC 1"],
    &[
        "SELECT * FROM nowhere",
        "SELECT nothing FROM (SELECT 1 AS x)",
        "SELECT no_such_function(1)",
        "DROP TABLE nowhere",
        "INSERT INTO nowhere VALUES (1)",
    ],
    &["SELECT 1 / 0", "SELECT CAST('x' AS INT)", "SELECT 1 + 'x'", "CREATE TABLE t (k INT); CREATE TABLE u (k INT)"],
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Through {
    Warehouse,
    Context,
    PlainContext,
}

/// Runs a script and tells what each statement gave.
async fn run(script: &[&str], through: Through) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.csv"), "id,name,version\n2,b,1\n1,a,2\n3,c,3\n").unwrap();
    let ctx =
        SessionContext::new_with_config(SessionConfig::new().with_information_schema(true).with_target_partitions(2));
    let tt = TimeTravel::open("memory://").await.unwrap();
    if through != Through::PlainContext {
        ctx.with_timetravel("tt", &tt).await.unwrap();
    }
    let mut told = vec![];
    for sql in script {
        let sql = sql.replace("$DIR", &folder.path().to_string_lossy());
        let frame = match through {
            Through::Warehouse => tt.sql(&ctx, &sql).await,
            Through::Context | Through::PlainContext => ctx.sql(&sql).await,
        };
        told.push(tell(frame, folder.path()).await);
    }
    told
}

/// Names, types and rows, or the error.
async fn tell(frame: Result<DataFrame>, folder: &Path) -> String {
    let mut told = String::new();
    let rows = match frame {
        Ok(frame) => {
            let fields = frame.schema().fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type()));
            writeln!(told, "({})", fields.collect::<Vec<_>>().join(", ")).unwrap();
            frame.collect().await
        }
        Err(error) => Err(error),
    };
    match rows {
        Ok(batches) => write!(told, "{}", pretty_format_batches(&batches).unwrap()).unwrap(),
        Err(error) => write!(told, "{}", error.strip_backtrace()).unwrap(),
    }
    let path = folder.to_string_lossy();
    told.replace(path.as_ref(), "$DIR").replace(path.trim_start_matches('/'), "$DIR")
}

/// Syntax errors have our code in front; and EXPLAIN VERBOSE lists our analyzer rule too.
fn alike(ours: &str, theirs: &str) -> bool {
    let lines = |text: &str| {
        text.lines().filter(|line| !line.contains("timetravel_dml")).map(str::to_owned).collect::<Vec<_>>()
    };
    let (ours_wrong, theirs_wrong) =
        (ours.strip_prefix("External error: TT_SYNTAX: "), theirs.strip_prefix("SQL error: ParserError("));
    match (ours_wrong, theirs_wrong) {
        (Some(ours), Some(theirs)) => theirs.contains(ours),
        (Some(ours), None) => ours.contains("several statements") && theirs.contains("single SQL statement"),
        _ => lines(ours) == lines(theirs),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_statements_give_the_same() {
    assert!(SCRIPTS.iter().map(|script| script.len()).sum::<usize>() >= 60);
    let mut differences = String::new();
    for script in SCRIPTS {
        let ours = run(script, Through::Warehouse).await;
        for other in [Through::Context, Through::PlainContext] {
            for ((sql, ours), theirs) in script.iter().zip(&ours).zip(run(script, other).await) {
                if !alike(ours, &theirs) {
                    writeln!(differences, "{sql}\n--- tt.sql\n{ours}\n--- {other:?}\n{theirs}\n").unwrap();
                }
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}
