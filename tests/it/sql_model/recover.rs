//! Random statements that end partitions and bring back what was: RESTORE in all its forms.

use std::collections::BTreeMap;

use super::model::{Table, Verdict};
use super::shape::Col;
use super::steps::{Effect, NAMES, Step, Steps, specs};

impl Steps {
    /// Now and then a RESTORE only tells what it would do.
    fn perhaps_dry(&mut self, sql: String, effect: Effect) -> Step {
        match self.chance(10) {
            false => Step::new(sql, effect),
            true => {
                let effect = match effect {
                    Effect::On(_, Verdict::Refused(code)) | Effect::Refused(code) => Effect::Refused(code),
                    _ => Effect::Nothing,
                };
                Step::new(format!("{sql} DRY RUN"), effect)
            }
        }
    }

    pub(super) fn restore(&mut self, at: usize, table: &Table) -> Step {
        let v = self.version(table);
        let sql = format!("RESTORE TABLE {} TO LSN '{v}'", table.name);
        self.perhaps_dry(sql, Effect::On(at, table.restore(v)))
    }

    pub(super) fn partition_restore(&mut self, at: usize, table: &Table) -> Step {
        if !table.shape.partitioned() {
            return self.restore(at, table);
        }
        let (v, places) = (self.version(table), self.places(table.shape));
        let sql = format!("RESTORE TABLE {}{} TO LSN '{v:016}'", table.name, specs(table.shape, Some(&places), " "));
        self.perhaps_dry(sql, Effect::On(at, table.restore_partitions(&places, v)))
    }

    pub(super) fn drop_partition(&mut self, at: usize, table: &Table) -> Step {
        if !table.shape.partitioned() {
            return self.overwrite(at, table);
        }
        let (places, if_exists) = (self.places(table.shape), self.chance(40));
        let word = if if_exists { " IF EXISTS" } else { "" };
        let sql = format!("ALTER TABLE {} DROP{word}{}", table.name, specs(table.shape, Some(&places), ", "));
        Step::new(sql, Effect::On(at, table.drop_partitions(&places, if_exists)))
    }

    pub(super) fn undrop_partition(&mut self, at: usize, table: &Table) -> Step {
        let ended: Vec<_> = table.ended().into_iter().collect();
        if ended.is_empty() {
            return self.drop_partition(at, table);
        }
        let count = 1 + self.below(ended.len().min(3));
        let wanted: BTreeMap<_, _> = (0..count).map(|_| ended[self.below(ended.len())]).collect();
        let ids: Vec<String> = (0..wanted.len()).map(|n| format!("PARTITION('id'='{{{n}}}')")).collect();
        let sql = format!("RESTORE TABLE {} {}", table.name, ids.join(" "));
        let verdict = match table.undrop_partitions(&wanted) {
            // Of several that are wrong, which is told isn't said.
            Verdict::Refused(_) if wanted.len() > 1 => Verdict::Refused(""),
            verdict => verdict,
        };
        let mut step = self.perhaps_dry(sql, Effect::On(at, verdict));
        step.partitions = wanted.into_keys().collect();
        step
    }

    pub(super) fn add_partition(&mut self, at: usize, table: &Table) -> Step {
        if !table.shape.partitioned() {
            return self.settings(at, table);
        }
        let (place, if_not_exists) = (self.below(table.shape.places()), self.chance(40));
        let word = if if_not_exists { " IF NOT EXISTS" } else { "" };
        let sql = format!("ALTER TABLE {} ADD{word} {}", table.name, table.shape.place_sql(place));
        Step::new(sql, Effect::On(at, table.add_partition(place, if_not_exists)))
    }

    /// RESTORE … AS a new table, an existing one, or itself.
    pub(super) fn clone_table(&mut self, at: usize, tables: &[Table], live: &[usize]) -> Step {
        let table = &tables[at];
        let v = self.version(table);
        let places = (table.shape.partitioned() && self.chance(30)).then(|| self.places(table.shape));
        let fits = |other: &usize| {
            let schema = |cols: &[Col]| cols.iter().map(|c| (c.name.clone(), c.ty)).collect::<Vec<_>>();
            let there = table.head().min(v);
            tables[*other].shape == table.shape && schema(tables[*other].cols()) == schema(&table.at(there).cols)
        };
        let fitting: Vec<usize> = live.iter().copied().filter(|other| *other != at && fits(other)).collect();
        let to = match self.below(10) {
            0..4 if !fitting.is_empty() => tables[fitting[self.below(fitting.len())]].name.clone(),
            _ => NAMES[self.below(NAMES.len())].to_owned(),
        };
        let spec = specs(table.shape, places.as_ref(), " ");
        let sql = format!("RESTORE TABLE {}{spec} TO LSN '{v}' AS {to}", table.name);
        let target = live.iter().copied().find(|other| tables[*other].name == to);
        let cols = match target {
            Some(target) => tables[target].cols().to_vec(),
            None if v > table.head() => vec![],
            None => table.at(v).cols.clone().iter().map(|col| Col { ty: col.ty, ..self.column(&col.name) }).collect(),
        };
        let n = target.map_or(1, |target| tables[target].head() + 1);
        let effect = match (table.cloned(v, places.as_ref(), &cols, n), target) {
            (Err(code), _) => Effect::Refused(code),
            (Ok(_), Some(target)) if target == at => Effect::Refused("TT_INVALID_ARGUMENT"),
            (Ok(_), Some(target)) if !fits(&target) => Effect::Refused("ODPS-0110061"),
            (Ok(content), Some(target)) => Effect::On(target, tables[target].overwrite_with(content)),
            (Ok(content), None) => {
                let mut new = Table::with_first(&to, table.shape, content);
                new.properties.clone_from(&table.properties);
                Effect::Creates(Box::new(new), None)
            }
        };
        self.perhaps_dry(sql, effect)
    }

    pub(super) fn undrop_table(&mut self, tables: &[Table]) -> Step {
        let dropped: Vec<usize> = (0..tables.len()).filter(|at| tables[*at].dropped).collect();
        let at = match dropped.is_empty() || self.chance(5) {
            true => self.below(tables.len()),
            false => dropped[self.below(dropped.len())],
        };
        let table = &tables[at];
        let sql = format!("RESTORE TABLE {} ('id'='{}')", table.name, table.id);
        let taken = tables.iter().any(|other| other.name == table.name && !other.dropped);
        let effect = if taken { Effect::Refused("TT_TABLE_EXISTS") } else { Effect::Undrops(at) };
        self.perhaps_dry(sql, effect)
    }
}
