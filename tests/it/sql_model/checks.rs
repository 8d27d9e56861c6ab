//! What can be asked of a table, beside what the model says.

use std::collections::BTreeMap;

use datafusion_timetravel::store::Timestamp;
use rand::Rng;

use super::Sequence;
use super::condition::condition;
use super::model::Table;
use super::shape::{Row, quoted};

/// Statements per statement that reads many versions.
const TOGETHER: usize = 5;

impl Sequence {
    pub(super) async fn check_now(&mut self, at: usize) {
        let table = &self.tables[at];
        let expected = shown(table, table.head(), table.rows_at(table.head()));
        let sql = format!("SELECT * FROM {}", table.name);
        let rows = self.rows(&sql).await;
        same("the content now", expected, rows);
    }

    /// A dropped table is unknown by its name, and its history is there by its id.
    pub(super) async fn check_dropped(&mut self, at: usize) {
        let table = self.tables[at].clone();
        if self.tables.iter().all(|other| other.dropped || other.name != table.name) {
            let error = self.run_sql(0, &format!("SELECT * FROM {}", table.name)).await.unwrap_err();
            assert!(error.contains("TT_TABLE_DROPPED") || error.contains("TT_TABLE_NOT_FOUND"), "{error}");
        }
        let sql = format!("SHOW HISTORY FOR TABLE {} ('id'='{}')", table.name, table.id);
        let found = self.rows(&sql).await;
        check_history(&table, &found);
    }

    /// Everything that can be asked of one table; of many versions some.
    pub(super) async fn check_all(&mut self, at: usize) {
        let table = self.tables[at].clone();
        let (name, head) = (&table.name, table.head());
        let history = self.rows(&format!("SHOW HISTORY FOR TABLE {name}")).await;
        check_history(&table, &history);
        assert_eq!(self.observer.properties(&table.id).await, table.properties, "the properties of {name}");
        let times = self.observer.times(&table.id).await;
        assert!(times.is_sorted_by(|a, b| a < b), "commit times {times:?}");
        self.check_now(at).await;
        self.check_partitions(&table).await;

        // One statement for many versions: they must not be taken for each other.
        let mut parts = vec![];
        let mut ask = |tag: String, v: usize, from: String, rows: Vec<Row>| {
            let lines = shown(&table, v, rows).into_iter().map(|row| format!("{tag}|{row}")).collect::<Vec<_>>();
            let line = table.shape.line(&table.at(v).cols);
            parts.push((format!("SELECT '{tag}' AS tag, {line} AS line FROM {from}"), lines));
        };
        let rng = &mut self.steps.rng;
        let mut versions: Vec<usize> = (1..=head).collect();
        while versions.len() > 6 {
            versions.swap_remove(rng.random_range(0..versions.len()));
        }
        for v in versions {
            let from = match rng.random_range(0..4) {
                0 => format!("{name} TIMESTAMP AS OF {}", time(times[v - 1])),
                1 => format!("at('{name}', {v})"),
                _ => format!("{name} VERSION AS OF {v}"),
            };
            ask(format!("at {v}"), v, from, table.rows_at(v));
        }
        for _ in 0..3 {
            let (a, b) = (rng.random_range(1..=head), rng.random_range(1..=head));
            let (a, b) = (a.min(b), a.max(b));
            let from = match rng.random_range(0..3) {
                0 => format!("{name} TIMESTAMP BETWEEN {} AND {}", time(times[a - 1]), time(times[b - 1])),
                1 => format!("incremental('{name}', {a}, {b})"),
                _ => format!("{name} VERSION BETWEEN {a} AND {b}"),
            };
            ask(format!("({a} {b}]"), b, from, table.between(a, b));
        }
        let v = rng.random_range(1..=head);
        let filter = condition(rng, table.shape, &table.at(v).cols, 2);
        let mut rows = table.rows_at(v);
        rows.retain(|row| filter.holds(row));
        let from = format!("{name} VERSION AS OF {v} WHERE {}", filter.sql(table.shape));
        ask(format!("filter at {v}"), v, from, rows);
        for parts in parts.chunks(TOGETHER) {
            let sql = parts.iter().map(|(sql, _)| sql.as_str()).collect::<Vec<_>>().join(" UNION ALL ");
            let rows = self.rows(&sql).await;
            same(&format!("the versions of {name}"), parts.iter().flat_map(|(_, rows)| rows.clone()).collect(), rows);
        }
        self.check_numbers(&table).await;
    }

    async fn check_partitions(&mut self, table: &Table) {
        if !table.shape.partitioned() {
            return;
        }
        let listed = self.rows(&format!("LIST PARTITIONS {}", table.name)).await;
        let expected = table.now().parts.keys().map(|place| table.shape.place_name(*place)).collect();
        same(&format!("the partitions of {}", table.name), expected, listed);
    }

    /// Counts of versions, and `get_latest_version`.
    async fn check_numbers(&mut self, table: &Table) {
        let name = &table.name;
        let operations: Vec<usize> = (1..=table.head()).rev().filter(|v| table.at(*v).operation != "ALTER").collect();
        let n = 1 + self.below(operations.len());
        let mut asked =
            vec![format!("(SELECT count(*) FROM {name}) AS now"), format!("get_latest_version('{name}', {n})")];
        let mut numbers = vec![table.rows_at(table.head()).len(), operations[n - 1]];
        let v = 1 + self.below(table.head());
        asked.push(format!("(SELECT count(*) FROM {name} VERSION AS OF {v}) AS old"));
        numbers.push(table.rows_at(v).len());
        let rows = self.rows(&format!("SELECT {}", asked.join(", "))).await;
        let numbers = numbers.iter().map(usize::to_string).collect::<Vec<_>>().join("|");
        assert_eq!(rows, [numbers], "numbers of {name}, expected on the right");
    }
}

/// Every version is a line of the table, or one of each partition that it touched.
fn check_history(table: &Table, found: &[String]) {
    let mut lines: BTreeMap<usize, Vec<(String, String, String)>> = BTreeMap::new();
    for line in found {
        // The name of an object may hold what separates columns.
        let fields: Vec<&str> = line.split('|').collect();
        let (kind, last) = (fields[0].to_owned(), fields.len());
        let object = if kind == "TABLE" { String::new() } else { fields[2..last - 3].join("|") };
        let version = fields[last - 3].parse().unwrap();
        lines.entry(version).or_default().push((kind, object, fields[last - 1].to_owned()));
    }
    let name = &table.name;
    assert_eq!(lines.keys().copied().collect::<Vec<_>>(), (1..=table.head()).collect::<Vec<_>>(), "LSNs of {name}");
    for (version, mut found) in lines {
        let operation = table.at(version).operation;
        if table.at(version).loose {
            assert!(found.iter().all(|(.., op)| op == operation || op == "CREATE"), "{version} of {name}: {found:?}");
            continue;
        }
        let line = |(place, operation): (Option<usize>, &str)| match place {
            Some(place) => ("PARTITION".to_owned(), table.shape.place_name(place), operation.to_owned()),
            None => ("TABLE".to_owned(), String::new(), operation.to_owned()),
        };
        let mut expected: Vec<_> = table.history(version).into_iter().map(line).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "the history of version {version} of {name}, expected on the right");
    }
}

/// A commit's time, exactly.
fn time(time: Timestamp) -> String {
    let micros = time.as_micros();
    format!("arrow_cast({micros}, {})", quoted("Timestamp(Microsecond, None)"))
}

pub(super) fn shown(table: &Table, version: usize, rows: Vec<Row>) -> Vec<String> {
    rows.iter().map(|row| table.shape.shown(row, &table.at(version).cols)).collect()
}

/// Compares as multisets and tells the difference only.
pub(super) fn same(what: &str, mut expected: Vec<String>, mut found: Vec<String>) {
    expected.sort_unstable();
    found.sort_unstable();
    if expected == found {
        return;
    }
    let mut extra = found;
    let mut missing = vec![];
    for row in expected {
        match extra.iter().position(|other| *other == row) {
            Some(at) => drop(extra.swap_remove(at)),
            None => missing.push(row),
        }
    }
    panic!("{what}: missing {missing:#?}, too many {extra:#?}");
}
