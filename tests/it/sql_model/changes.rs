//! Random DELETE, UPDATE and MERGE.

use std::collections::BTreeSet;

use rand::Rng;

use super::condition::condition;
use super::model::Table;
use super::shape::{Col, Row, Type};
use super::steps::{Effect, Step, Steps};

impl Steps {
    pub(super) fn delete(&mut self, at: usize, table: &Table) -> Step {
        let filter = condition(&mut self.rng, table.shape, table.cols(), 2);
        let sql = format!("DELETE FROM {} WHERE {}", table.name, filter.sql(table.shape));
        Step::new(sql, Effect::On(at, table.delete(|row| filter.holds(row))))
    }

    /// New values, or another partition.
    pub(super) fn update(&mut self, at: usize, table: &Table) -> Step {
        let (shape, cols) = (table.shape, table.cols());
        let filter = condition(&mut self.rng, shape, cols, 1);
        let place = (shape.partitioned() && (cols.is_empty() || self.chance(25))).then(|| self.below(shape.places()));
        let mut sets = vec![];
        let mut changes: Vec<(Col, Option<i64>, bool)> = vec![];
        if let Some(place) = place {
            let pairs = shape.partition_columns().iter().zip(shape.place_literals(place));
            sets.extend(pairs.map(|(name, text)| format!("{name} = {text}")));
        }
        if place.is_none() && cols.is_empty() {
            return self.insert(at, table);
        }
        if !cols.is_empty() {
            let col = &cols[self.below(cols.len())];
            let (value, adds) = (self.chance(85).then(|| self.rng.random_range(0..20)), self.chance(50));
            let adds = adds && col.ty == Type::Bigint;
            sets.push(match adds {
                true => format!("{0} = {0} + 1", col.name),
                false => format!("{} = {}", col.name, col.ty.literal(value)),
            });
            changes.push((col.clone(), value, adds));
        }
        let change = move |row: &Row| {
            let mut row = row.clone();
            for (col, value, adds) in &changes {
                match (value, adds) {
                    (_, true) => drop(row.cells.entry(col.id).and_modify(|v| *v += 1)),
                    (Some(value), _) => drop(row.cells.insert(col.id, *value)),
                    (None, _) => drop(row.cells.remove(&col.id)),
                }
            }
            row.place = place.unwrap_or(row.place);
            row
        };
        let sql = format!("UPDATE {} SET {} WHERE {}", table.name, sets.join(", "), filter.sql(shape));
        Step::new(sql, Effect::On(at, table.update(|row| filter.holds(row).then(|| change(row)))))
    }

    /// Rows that match are changed or deleted, the others inserted.
    pub(super) fn merge(&mut self, at: usize, table: &Table) -> Step {
        let (name, shape, cols) = (&table.name, table.shape, table.cols());
        let mut seen = BTreeSet::new();
        let mut rows = self.rows(shape, cols);
        rows.retain(|row| seen.insert((row.place, row.k)));
        let names = shape.columns(cols);
        let keys = shape.key_columns().iter().chain(shape.partition_columns());
        let on = keys.map(|key| format!("{name}.{key} = s.{key}")).collect::<Vec<_>>().join(" AND ");
        // A column of nothing but NULL has no type in VALUES.
        let col = (!cols.is_empty()).then(|| cols[self.below(cols.len())].clone());
        let (matched, inserts) = (self.below(3), self.chance(70));
        let mut clauses = vec![];
        match (matched, &col) {
            (0, _) => clauses.push("WHEN MATCHED THEN DELETE".to_owned()),
            (1, Some(col)) => clauses.push(format!("WHEN MATCHED THEN UPDATE SET {0} = s.{0}", col.name)),
            _ => {}
        }
        if inserts || clauses.is_empty() {
            let values = names.iter().map(|name| format!("s.{name}")).collect::<Vec<_>>().join(", ");
            clauses.push(format!("WHEN NOT MATCHED THEN INSERT ({}) VALUES ({values})", names.join(", ")));
        }
        let inserts = inserts || clauses.len() == 1 && clauses[0].starts_with("WHEN NOT");
        let tuples: Vec<String> = rows.iter().map(|row| shape.tuple(row, cols, shape.levels)).collect();
        let sql = format!(
            "MERGE INTO {name} USING (VALUES {}) AS s ({}) ON {on} {}",
            tuples.join(", "),
            names.join(", "),
            clauses.join(" ")
        );
        let change = |old: &Row, new: &Row| match (matched, &col) {
            (0, _) => Some(None),
            (1, Some(col)) => {
                let mut row = old.clone();
                match new.cells.get(&col.id) {
                    Some(value) => row.cells.insert(col.id, *value),
                    None => row.cells.remove(&col.id),
                };
                Some(Some(row))
            }
            _ => None,
        };
        Step::new(sql, Effect::On(at, table.merge(&rows, change, inserts)))
    }
}
