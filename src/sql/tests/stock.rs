//! What stock DataFusion accepts parses exactly as there, and nothing makes the front end panic.

use datafusion::sql::parser::DFParser;
use datafusion::sql::sqlparser::dialect::{
    AnsiDialect, BigQueryDialect, ClickHouseDialect, DatabricksDialect, Dialect, DuckDbDialect, GenericDialect,
    HiveDialect, MsSqlDialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect, SnowflakeDialect, SparkSqlDialect,
};
use datafusion::sql::sqlparser::tokenizer::Tokenizer;

use super::super::{Syntax, is_complete, parse};
use super::tree;

const ORDINARY: &[&str] = &[
    "SELECT 1",
    "SELECT a, b AS c FROM t WHERE a > 1 AND b LIKE 'x%' ORDER BY 1 DESC LIMIT 3 OFFSET 2",
    "SELECT version FROM t",
    "SELECT t.version, version AS of, timestamp AS at FROM t",
    "SELECT * FROM t version",
    "SELECT * FROM t AS timestamp",
    "SELECT * FROM version",
    "SELECT * FROM version version",
    "SELECT * FROM history, of, at, before",
    "SELECT * FROM t at",
    "SELECT * FROM t AS between_",
    "SELECT * FROM t WHERE ts BETWEEN 1 AND 2",
    "SELECT * FROM t x WHERE x.timestamp BETWEEN 1 AND 2 AND x.version BETWEEN 3 AND 4",
    "SELECT version BETWEEN 1 AND 2, (version BETWEEN 1 AND 2) FROM t",
    "SELECT * FROM t version JOIN u timestamp ON version.a = timestamp.a",
    "SELECT history FROM t GROUP BY history HAVING count(*) > 1",
    "SELECT TIMESTAMP '2020-01-01 00:00:00', DATE '2020-01-01', INTERVAL '1' DAY",
    "WITH version AS (SELECT 1 AS timestamp) SELECT * FROM version",
    "SELECT * FROM (SELECT a FROM t UNION ALL SELECT b FROM u) x",
    "SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t",
    "SELECT CASE WHEN a = 1 THEN 'x' ELSE 'y' END, CAST(a AS BIGINT) FROM t",
    "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a) AND a IN (SELECT a FROM v)",
    "VALUES (1, 'a'), (2, 'b')",
    "INSERT INTO t VALUES (1, 'a')",
    "INSERT INTO t (a, b) SELECT a, b FROM u",
    "INSERT INTO s.t SELECT * FROM u ORDER BY 1",
    "INSERT OVERWRITE TABLE t SELECT * FROM u",
    "UPDATE t SET version = 2 WHERE timestamp BETWEEN 1 AND 2",
    "DELETE FROM t WHERE version = 1",
    "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = u.b WHEN NOT MATCHED THEN INSERT (a, b) VALUES (u.a, u.b)",
    "CREATE TABLE version (version INT, timestamp TIMESTAMP, PRIMARY KEY (version))",
    "CREATE TABLE x AS SELECT version FROM t",
    "CREATE OR REPLACE VIEW v AS SELECT version FROM t version",
    "CREATE EXTERNAL TABLE t (a INT) STORED AS CSV LOCATION 'x.csv' OPTIONS ('a' 'b')",
    "COPY t TO 'x.parquet' STORED AS PARQUET",
    "COPY (SELECT version FROM t) TO 'x.csv'",
    "DROP TABLE IF EXISTS version",
    "DROP TABLE a, b",
    "DROP VIEW v",
    "CREATE SCHEMA s",
    "DROP SCHEMA s CASCADE",
    "TRUNCATE TABLE t",
    "ALTER TABLE t RENAME TO u",
    "ALTER TABLE t ADD COLUMN a INT",
    "EXPLAIN SELECT * FROM t version",
    "EXPLAIN ANALYZE SELECT 1",
    "EXPLAIN INSERT INTO t SELECT 1",
    "DESCRIBE t",
    "SHOW TABLES",
    "SHOW COLUMNS FROM t",
    "SHOW datafusion.execution.time_zone",
    "SET datafusion.execution.time_zone = '+00:00'",
    "RESET datafusion.execution.time_zone",
    "PREPARE p AS SELECT $1",
    "EXECUTE p(1)",
    "DEALLOCATE p",
    "BEGIN",
    "COMMIT",
    "START TRANSACTION",
    "SELECT * FROM t CLUSTER BY a",
    "SELECT * FROM t TABLESAMPLE BERNOULLI (10)",
    "SELECT * FROM generate_series(1, 3) AS g(version)",
    "SELECT * FROM t PARTITION (p0)",
    "CREATE FUNCTION f(INT) RETURNS INT RETURN $1",
];

pub(super) fn dialects() -> Vec<Box<dyn Dialect>> {
    vec![
        Box::new(GenericDialect {}),
        Box::new(AnsiDialect {}),
        Box::new(BigQueryDialect {}),
        Box::new(ClickHouseDialect {}),
        Box::new(DatabricksDialect {}),
        Box::new(DuckDbDialect {}),
        Box::new(HiveDialect {}),
        Box::new(MsSqlDialect {}),
        Box::new(MySqlDialect {}),
        Box::new(PostgreSqlDialect {}),
        Box::new(SQLiteDialect {}),
        Box::new(SnowflakeDialect {}),
        Box::new(SparkSqlDialect {}),
    ]
}

#[test]
fn ordinary_sql_parses_as_stock() {
    let mut compared = 0;
    let mut failures = Vec::new();
    for dialect in dialects() {
        for sql in ORDINARY {
            let Ok(mut stock) = DFParser::parse_sql_with_dialect(sql, dialect.as_ref()) else { continue };
            compared += 1;
            match parse(sql, Syntax::new(dialect.as_ref())) {
                Ok(parsed) => {
                    let same = parsed.len() == 1 && parsed[0].text == *sql && tree(&parsed[0]) == stock.pop_front();
                    if !same {
                        failures.push(format!("{sql} {dialect:?}\n  {parsed:?}"));
                    }
                }
                Err(error) => failures.push(format!("{sql} {dialect:?}\n  {error}")),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared > 600, "only {compared} were compared");
}

#[test]
fn generic_dialect_reads_the_whole_corpus() {
    let refused: Vec<_> = ORDINARY.iter().filter(|sql| DFParser::parse_sql(sql).is_err()).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// A small generator with a fixed start: the same statements in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides.max(1) as u64).unwrap()
    }
}

#[test]
fn mangled_statements_never_panic() {
    const OURS: &[&str] = &[
        "RESTORE TABLE t PARTITION(a='1') PARTITION('id'='437b29466ba948b392b2090ec0a60fc2') TO LSN '4' AS u DRY RUN",
        "SHOW HISTORY FOR TABLE t ('id'='437b29466ba948b392b2090ec0a60fc2') PARTITION(a='1') LSN '4' LIMIT 3",
        "CREATE TABLE t (a BIGINT NOT NULL PRIMARY KEY, b DATETIME) PARTITIONED BY (d STRING) TBLPROPERTIES (\"a\"=\"b\") LIFECYCLE 3 AS SELECT 1",
        "INSERT OVERWRITE TABLE t PARTITION (a=\"1\", b) (c, d) VALUES (\"x\", 1), ((SELECT 2), 3)",
        "EXPLAIN ANALYZE INSERT INTO t PARTITION (a) SELECT * FROM u x (a, b) VERSION BETWEEN 1 AND 2",
        "SELECT * FROM (a x VERSION AS OF f(1) JOIN s.b FOR TIMESTAMP AS OF now() - 1 AS y ON x.version BETWEEN 1 AND 2), c",
        "ALTER TABLE t DROP IF EXISTS PARTITION(a='1'), PARTITION(a=2)",
        "CREATE OR REPLACE VIEW v (a) AS SELECT 1; SETPROJECT a.b = 7; DESC EXTENDED t",
    ];
    let mut dice = Dice(42);
    let dialects = dialects();
    let corpus: Vec<&str> = OURS.iter().chain(OURS).chain(ORDINARY).copied().collect();
    for _ in 0..4_000 {
        let dialect = dialects[dice.roll(dialects.len())].as_ref();
        let sql = corpus[dice.roll(corpus.len())];
        let mut words: Vec<String> =
            Tokenizer::new(dialect, sql).tokenize().unwrap().iter().map(ToString::to_string).collect();
        for _ in 0..=dice.roll(4) {
            if words.is_empty() {
                break;
            }
            let (from, to) = (dice.roll(words.len()), dice.roll(words.len()));
            match dice.roll(3) {
                0 => drop(words.remove(from)),
                1 => words.swap(from, to),
                _ => {
                    let word = words[from].clone();
                    words.insert(to, word);
                }
            }
        }
        let mangled = words.concat();
        let _ = parse(&mangled, Syntax::new(dialect));
        let _ = is_complete(&mangled, dialect);
        // Cut anywhere, in a character too many or too few.
        let cut: String = mangled.chars().take(dice.roll(mangled.len() + 1)).collect();
        let _ = parse(&cut, Syntax::new(dialect));
    }
}
