//! Random statements: their SQL, and what they do to the model.

use rand::Rng;
use rand::rngs::StdRng;

use super::model::{Action, Clause, Day, Merge, Set, Table, When};
use super::terms::{Allowed, Condition, DAYS, Number, Row, Source};

/// A statement, and the rows that it must report; none where it must be refused.
pub struct Step {
    pub sql: String,
    pub changed: Option<usize>,
}

pub fn create(table: &Table) -> String {
    let key = if table.keyed { " PRIMARY KEY" } else { "" };
    let partitioned = if table.partitioned { " PARTITIONED BY (d STRING)" } else { "" };
    format!("CREATE TABLE t (k BIGINT{key}, a BIGINT, b BIGINT){partitioned}")
}

fn allowed(table: &Table) -> Allowed {
    Allowed { row: true, source: false, subqueries: true, days: table.partitioned }
}

fn some(number: Option<i64>) -> String {
    number.map_or_else(|| "NULL".to_owned(), |number| number.to_string())
}

pub fn insert(rng: &mut StdRng, table: &mut Table) -> Step {
    let mut rows = vec![];
    for _ in 0..rng.random_range(1..12) {
        let value = |rng: &mut StdRng| (!rng.random_bool(0.15)).then(|| rng.random_range(0..6));
        let k = if table.keyed { Some(rng.random_range(0..9)) } else { value(rng) };
        let d = if table.partitioned { DAYS[rng.random_range(0..3)] } else { "" };
        rows.push(Row { k, a: value(rng), b: value(rng), d });
    }
    let values = rows.iter().map(|row| {
        let d = if table.partitioned { format!(", '{}'", row.d) } else { String::new() };
        format!("({}, {}, {}{d})", some(row.k), some(row.a), some(row.b))
    });
    let sql = format!("INSERT INTO t VALUES {}", values.collect::<Vec<_>>().join(", "));
    table.insert(&rows);
    Step { sql, changed: Some(rows.len()) }
}

/// A new source. Its keys are unique most of the time, so that statements are not refused too often.
pub fn source(rng: &mut StdRng, table: &mut Table) -> String {
    let unique = rng.random_bool(0.8);
    let mut rows: Vec<Source> = vec![];
    for _ in 0..rng.random_range(1..6) {
        let row = Source { k: rng.random_range(0..12), a: rng.random_bool(0.9).then(|| rng.random_range(0..6)) };
        if !unique || rows.iter().all(|other| other.k != row.k) {
            rows.push(row);
        }
    }
    let values: Vec<String> = rows.iter().map(|row| format!("({}, {})", row.k, some(row.a))).collect();
    table.sources = rows;
    format!("INSERT OVERWRITE TABLE src VALUES {}", values.join(", "))
}

pub fn change(rng: &mut StdRng, table: &mut Table) -> Step {
    let condition = Condition::any(rng, allowed(table), 3);
    let filter = if rng.random_bool(0.1) { None } else { Some(condition) };
    let clause = filter.as_ref().map_or_else(String::new, |filter| format!(" WHERE {filter}"));
    let with_source = Allowed { source: true, ..allowed(table) };
    let equal = Condition::Compare(Number::K, "=", Number::SourceK);
    match rng.random_range(0..10) {
        0 | 1 => {
            let alone = Clause { when: When::NotMatchedBySource, condition: filter, action: Action::Delete };
            let changed = table.merge(&Merge { on: None, clauses: vec![alone] }, false);
            Step { sql: format!("DELETE FROM t{clause}"), changed }
        }
        2 => {
            let more = Condition::any(rng, Allowed { subqueries: false, ..with_source }, 1);
            let on = Condition::And(Box::new(equal), Box::new(more));
            let changed = table.delete_using(&on);
            Step { sql: format!("DELETE FROM t USING src AS s WHERE {on}"), changed }
        }
        3..6 => {
            let set = set(rng, table, allowed(table));
            let sql = format!("UPDATE t SET {}{clause}", assignments(&set, table));
            let alone = Clause { when: When::NotMatchedBySource, condition: filter, action: Action::Update(set) };
            Step { sql, changed: table.merge(&Merge { on: None, clauses: vec![alone] }, false) }
        }
        6 => {
            let on = Condition::And(Box::new(equal), Box::new(Condition::any(rng, with_source, 1)));
            let set = set(rng, table, Allowed { subqueries: false, ..with_source });
            let sql = format!("UPDATE t SET {} FROM src AS s WHERE {on}", assignments(&set, table));
            let matched = Clause { when: When::Matched, condition: None, action: Action::Update(set) };
            Step { sql, changed: table.merge(&Merge { on: Some(on), clauses: vec![matched] }, true) }
        }
        _ => merge(rng, table),
    }
}

fn merge(rng: &mut StdRng, table: &mut Table) -> Step {
    let with_source = Allowed { source: true, ..allowed(table) };
    let equal = Condition::Compare(Number::K, "=", Number::SourceK);
    let on = match rng.random_range(0..3) {
        0 => {
            let more = Condition::any(rng, Allowed { subqueries: false, ..with_source }, 1);
            Condition::And(Box::new(equal), Box::new(more))
        }
        _ => equal,
    };
    let mut clauses = vec![];
    let mut sql = format!("MERGE INTO t USING src AS s ON {on}");
    for _ in 0..rng.random_range(1..4) {
        let when = [When::Matched, When::NotMatched, When::NotMatchedBySource][rng.random_range(0..3)];
        let (words, sees) = match when {
            When::Matched => ("MATCHED", with_source),
            When::NotMatched => ("NOT MATCHED", Allowed { row: false, ..with_source }),
            When::NotMatchedBySource => ("NOT MATCHED BY SOURCE", allowed(table)),
        };
        let condition = rng.random_bool(0.6).then(|| Condition::any(rng, sees, 2));
        sql += &format!(" WHEN {words}");
        if let Some(condition) = &condition {
            sql += &format!(" AND {condition}");
        }
        let action = match when {
            When::NotMatched => {
                let key = match rng.random_range(0..4) {
                    0 => Number::Plus(Box::new(Number::SourceK), rng.random_range(-2..3)),
                    _ => Number::SourceK,
                };
                let d = if table.partitioned { Day::Is(DAYS[rng.random_range(0..3)]) } else { Day::Same };
                let set = Set { k: Some(key), a: Some(Number::any(rng, sees, 1)), b: Some(Number::SourceA), d };
                let values = [&set.k, &set.a, &set.b].map(|value| value.as_ref().unwrap().to_string()).join(", ");
                let (column, day) = match &set.d {
                    Day::Is(day) => (", d", format!(", '{day}'")),
                    _ => ("", String::new()),
                };
                sql += &format!(" THEN INSERT (k, a, b{column}) VALUES ({values}{day})");
                Action::Insert(set)
            }
            _ if rng.random_bool(0.3) => {
                sql += " THEN DELETE";
                Action::Delete
            }
            _ => {
                let set = set(rng, table, sees);
                sql += &format!(" THEN UPDATE SET {}", assignments(&set, table));
                Action::Update(set)
            }
        };
        clauses.push(Clause { when, condition, action });
    }
    let changed = table.merge(&Merge { on: Some(on), clauses }, true);
    Step { sql, changed }
}

fn set(rng: &mut StdRng, table: &Table, sees: Allowed) -> Set {
    let k = match rng.random_range(0..10) {
        0 => Some(Number::any(rng, sees, 1)),
        1..3 => Some(Number::Plus(Box::new(Number::K), rng.random_range(-3..4))),
        3 => Some(Number::Minus(Box::new(Number::K))),
        _ => None,
    };
    let d = match rng.random_range(0..8) {
        0 if table.partitioned => Day::Is(DAYS[rng.random_range(0..3)]),
        1 if table.partitioned => Day::If(Condition::any(rng, sees, 1), DAYS[rng.random_range(0..3)]),
        _ => Day::Same,
    };
    let a = rng.random_bool(0.6).then(|| Number::any(rng, sees, 2));
    let b = match (&k, &a, &d) {
        (None, None, Day::Same) => Some(Number::any(rng, sees, 2)),
        _ => rng.random_bool(0.3).then(|| Number::any(rng, sees, 2)),
    };
    Set { k, a, b, d }
}

fn assignments(set: &Set, table: &Table) -> String {
    let columns = [("k", &set.k), ("a", &set.a), ("b", &set.b)];
    let mut parts: Vec<String> =
        columns.iter().filter_map(|(name, value)| Some(format!("{name} = {}", value.as_ref()?))).collect();
    match &set.d {
        Day::Same => {}
        Day::Is(day) => parts.push(format!("d = '{day}'")),
        Day::If(condition, day) => parts.push(format!("d = CASE WHEN {condition} THEN '{day}' ELSE t.d END")),
    }
    debug_assert!(table.partitioned || matches!(set.d, Day::Same));
    parts.join(", ")
}
