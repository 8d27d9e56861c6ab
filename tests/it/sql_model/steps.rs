//! Random statements, each with what it does to the oracle.

use rand::Rng;
use rand::rngs::StdRng;

use super::model::{Condition, KINDS, Kind, PARTITIONS, Row, Table, dd, hh, quoted};

const KEYS: i64 = 12;

/// What the statement is expected to commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commits {
    /// As many as the oracle made.
    AsModel,
    /// None or one, with the content that the oracle has.
    NoneOr(&'static str),
    /// It fails and changes nothing.
    Refused,
}

/// A statement; the oracle's table is already what it must become.
pub(super) struct Step {
    pub(super) sql: String,
    pub(super) commits: Commits,
}

fn row(rng: &mut StdRng, kind: Kind) -> Row {
    let partition = if kind.partitioned() { rng.random_range(0..PARTITIONS) } else { 0 };
    let v = rng.random_bool(0.85).then(|| rng.random_range(0..50));
    Row { partition, k: rng.random_range(0..KEYS), v }
}

fn rows(rng: &mut StdRng, kind: Kind) -> Vec<Row> {
    let count = if rng.random_bool(0.05) { rng.random_range(20..60) } else { rng.random_range(1..7) };
    (0..count).map(|_| row(rng, kind)).collect()
}

pub(super) fn condition(rng: &mut StdRng, kind: Kind, depth: u32, subqueries: bool) -> Condition {
    match rng.random_range(0..12) {
        0 => Condition::True,
        1 | 2 => Condition::KeyIs(rng.random_range(0..KEYS)),
        3 => Condition::KeyIn((0..rng.random_range(1..5)).map(|_| rng.random_range(0..KEYS)).collect()),
        4 | 5 => Condition::ValueBelow(rng.random_range(0..40)),
        6 => Condition::ValueIsNull,
        7 => Condition::TextIs(rng.random_range(0..5)),
        8 if kind.partitioned() => Condition::PartitionIs(rng.random_range(0..PARTITIONS)),
        9 if kind.partitioned() => Condition::DayIs(rng.random_range(0..PARTITIONS)),
        8 | 9 if subqueries => Condition::KeyOfValueBelow(rng.random_range(0..40)),
        10 if depth > 0 => {
            let one = condition(rng, kind, depth - 1, subqueries);
            Condition::Both(Box::new(one), Box::new(condition(rng, kind, depth - 1, subqueries)))
        }
        11 if depth > 0 => {
            let one = condition(rng, kind, depth - 1, subqueries);
            // A subquery under OR is a mark join, of which there are enough elsewhere.
            Condition::Either(Box::new(one), Box::new(condition(rng, kind, depth - 1, subqueries)))
        }
        _ => Condition::KeyIs(rng.random_range(0..KEYS)),
    }
}

/// `(…), (…)` with so many of the partition's columns.
fn tuples(rows: &[Row], kind: Kind, partition_columns: usize) -> String {
    let tuple = |row: &Row| {
        let mut values = row.values(kind);
        let partition = [quoted(dd(row.partition)), hh(row.partition).to_string()];
        values.extend(partition.into_iter().skip(2 - partition_columns));
        format!("({})", values.join(", "))
    };
    rows.iter().map(tuple).collect::<Vec<_>>().join(", ")
}

/// CREATE TABLE, empty or with rows.
pub(super) fn create(rng: &mut StdRng, name: &str) -> (Step, Table) {
    let kind = KINDS[rng.random_range(0..KINDS.len())];
    let properties = "TBLPROPERTIES ('acid.data.retain.hours'='168')";
    let rows = if rng.random_bool(0.3) { rows(rng, kind) } else { vec![] };
    let definition = kind.definition();
    let sql = match rows.is_empty() {
        true => format!("CREATE TABLE {name} {definition} {properties}"),
        false => {
            let values = tuples(&rows, kind, if kind.partitioned() { 2 } else { 0 });
            format!("CREATE TABLE {name} {definition} {properties} AS SELECT * FROM (VALUES {values}) AS x")
        }
    };
    (Step { sql, commits: Commits::AsModel }, Table::new(name, kind, &rows))
}

/// A statement on the table.
pub(super) fn statement(rng: &mut StdRng, table: &mut Table) -> Step {
    match rng.random_range(0..100) {
        0..40 => insert(rng, table),
        40..48 => insert_select(rng, table),
        48..52 => refused(rng, table),
        52..68 => overwrite(rng, table),
        68..84 if table.kind.keyed() => delete(rng, table),
        84..94 => {
            let kind = if rng.random_bool(0.5) { "MAJOR" } else { "MINOR" };
            Step { sql: format!("ALTER TABLE {} COMPACT {kind}", table.name), commits: Commits::NoneOr("COMPACT") }
        }
        94..97 => alter(rng, table),
        _ => insert(rng, table),
    }
}

fn insert(rng: &mut StdRng, table: &mut Table) -> Step {
    let (name, kind) = (table.name.clone(), table.kind);
    let mut rows = rows(rng, kind);
    let mut one_partition = |rng: &mut StdRng| {
        let partition = rng.random_range(0..PARTITIONS);
        rows.iter_mut().for_each(|row| row.partition = partition);
        partition
    };
    let sql = match rng.random_range(0..4) {
        0 if kind.partitioned() => {
            let p = one_partition(rng);
            let values = tuples(&rows, kind, 0);
            format!("INSERT INTO {name} PARTITION (dd={}, hh={}) VALUES {values}", quoted(dd(p)), hh(p))
        }
        1 if kind.partitioned() => {
            let p = one_partition(rng);
            let values = tuples(&rows, kind, 1);
            format!("INSERT INTO TABLE {name} PARTITION (dd={}, hh) VALUES {values}", quoted(dd(p)))
        }
        2 if kind.partitioned() => format!("INSERT INTO {name} PARTITION (dd, hh) VALUES {}", tuples(&rows, kind, 2)),
        _ => {
            let columns = if rng.random_bool(0.3) { format!(" ({})", kind.columns()) } else { String::new() };
            format!(
                "INSERT INTO {name}{columns} VALUES {}",
                tuples(&rows, kind, if kind.partitioned() { 2 } else { 0 })
            )
        }
    };
    table.insert(&rows);
    Step { sql, commits: Commits::AsModel }
}

/// From a version of the table itself.
fn insert_select(rng: &mut StdRng, table: &mut Table) -> Step {
    if table.now().len() > 80 {
        return insert(rng, table);
    }
    let version = rng.random_range(1..=table.head());
    let current = rng.random_bool(0.4);
    let condition = condition(rng, table.kind, 1, false);
    let from = if current { table.name.clone() } else { format!("{} VERSION AS OF {version}", table.name) };
    let columns = table.kind.columns();
    let sql = format!("INSERT INTO {} SELECT {columns} FROM {from} WHERE {}", table.name, condition.sql(table));
    let mut rows = table.at(if current { table.head() } else { version });
    rows.retain(|row| condition.holds(row, table));
    if !rows.is_empty() {
        table.insert(&rows);
    }
    Step { sql, commits: Commits::AsModel }
}

/// One wrong row among right ones.
fn refused(rng: &mut StdRng, table: &Table) -> Step {
    let kind = table.kind;
    let rows = rows(rng, kind);
    let mut tuples = tuples(&rows, kind, if kind.partitioned() { 2 } else { 0 });
    let wrong = match kind {
        Kind::CompositeKey => "(1, NULL, 1, 's1')",
        Kind::PartitionedKeyed | Kind::PartitionedAppend if rng.random_bool(0.5) => "(1, 1, 's1', '', 1)",
        Kind::PartitionedKeyed | Kind::PartitionedAppend => "(1, 1, 's1', 'a', NULL)",
        _ => "(NULL, 1, 's1')",
    };
    tuples.push_str(&format!(", {wrong}"));
    let verb = if rng.random_bool(0.5) { "INTO" } else { "OVERWRITE" };
    Step { sql: format!("INSERT {verb} {} VALUES {tuples}", table.name), commits: Commits::Refused }
}

fn overwrite(rng: &mut StdRng, table: &mut Table) -> Step {
    let (name, kind) = (table.name.clone(), table.kind);
    let mut rows = if rng.random_bool(0.15) { vec![] } else { rows(rng, kind) };
    let source = |rows: &[Row], partition_columns: usize| match rows.is_empty() {
        false => format!("VALUES {}", tuples(rows, kind, partition_columns)),
        true => {
            let columns: Vec<&str> = kind.columns().split(", ").collect();
            let own = columns.len() - if kind.partitioned() { 2 - partition_columns } else { 0 };
            let mut wanted = columns[..own].to_vec();
            if partition_columns == 1 {
                wanted[own - 1] = "hh";
            }
            format!("SELECT {} FROM {name} WHERE false", wanted.join(", "))
        }
    };
    if !kind.partitioned() {
        let sql = format!("INSERT OVERWRITE {name} {}", source(&rows, 0));
        return replaced(table, sql, rows, |_| true);
    }
    let partition = rng.random_range(0..PARTITIONS);
    match rng.random_range(0..3) {
        0 => {
            rows.iter_mut().for_each(|row| row.partition = partition);
            let (day, hour) = (quoted(dd(partition)), hh(partition));
            let sql = format!("INSERT OVERWRITE TABLE {name} PARTITION (dd={day}, hh={hour}) {}", source(&rows, 0));
            replaced(table, sql, rows, move |p| p == partition)
        }
        1 => {
            // The day is given, the hour is each row's.
            rows.iter_mut().for_each(|row| row.partition = partition / 2 * 2 + row.partition % 2);
            let sql =
                format!("INSERT OVERWRITE {name} PARTITION (dd={}, hh) {}", quoted(dd(partition)), source(&rows, 1));
            let held: Vec<usize> = rows.iter().map(|row| row.partition).collect();
            replaced(table, sql, rows, move |p| held.contains(&p))
        }
        _ => {
            let clause = if rng.random_bool(0.5) { " PARTITION (dd, hh)" } else { "" };
            let sql = format!("INSERT OVERWRITE TABLE {name}{clause} {}", source(&rows, 2));
            let held: Vec<usize> = rows.iter().map(|row| row.partition).collect();
            replaced(table, sql, rows, move |p| held.contains(&p))
        }
    }
}

fn replaced(table: &mut Table, sql: String, rows: Vec<Row>, scope: impl Fn(usize) -> bool) -> Step {
    if rows.is_empty() && !table.now().iter().any(|stored| scope(stored.row.partition)) {
        // Files without living rows may be there to end.
        return Step { sql, commits: Commits::NoneOr("OVERWRITE") };
    }
    table.overwrite(scope, &rows);
    Step { sql, commits: Commits::AsModel }
}

fn delete(rng: &mut StdRng, table: &mut Table) -> Step {
    let condition = condition(rng, table.kind, 2, true);
    let sql = match condition {
        Condition::True if rng.random_bool(0.5) => format!("DELETE FROM {}", table.name),
        _ => format!("DELETE FROM {} WHERE {}", table.name, condition.sql(table)),
    };
    let before = table.clone();
    if before.now().iter().any(|stored| condition.holds(&stored.row, &before)) {
        table.delete(|row| condition.holds(row, &before));
    }
    Step { sql, commits: Commits::AsModel }
}

fn alter(rng: &mut StdRng, table: &mut Table) -> Step {
    let sql = match rng.random_range(0..3) {
        0 => format!("ALTER TABLE {} SET TBLPROPERTIES ('note'='{}')", table.name, rng.random::<u64>()),
        1 => format!(
            "ALTER TABLE {} SET TBLPROPERTIES ('acid.data.retain.hours'='168', 'n'='{}')",
            table.name,
            rng.random::<u64>()
        ),
        _ => format!("ALTER TABLE {} SET COMMENT '{}'", table.name, rng.random::<u64>()),
    };
    table.same("ALTER");
    Step { sql, commits: Commits::AsModel }
}
