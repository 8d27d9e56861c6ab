//! Random UPDATE and DELETE of a table without a key: files are written again without the rows that change.

use std::sync::Arc;

use datafusion_timetravel::log::Operation;
use datafusion_timetravel::ops::plan::{self, NewFiles, Rewritten};
use datafusion_timetravel::table::{FileKind, Precondition, TableSnapshot};

use super::rows::FileRows;
use super::verbs::filter;
use super::verdict::Need;
use super::version::{Version, put};
use super::world::{Planned, World};

impl World {
    /// UPDATE v = v + 1, or DELETE, of every second row of partitions of a table without a key. What it changes gets a
    /// new number.
    pub fn rewrite(&mut self, table: usize, base: Arc<TableSnapshot>, update: bool) -> Result<Option<Planned>, String> {
        if !base.state.is_alive() {
            return Ok(None);
        }
        let (places, odd) = (self.values(table), self.rng.below(3));
        let schema = base.state.schema().unwrap();
        let id = schema.columns[1].id.0;
        let (mut rewritten, mut added, mut changed) = (vec![], vec![], vec![]);
        for entry in base.state.visible_at(base.lsn) {
            let value = base.state.partition(entry.partition).unwrap().values.to_string();
            if !places.contains(&value) {
                continue;
            }
            let mut rows = self.files.read(&entry, &schema);
            let (mut gone, before) = (FileRows::new(), rows.len());
            for key in rows.keys().copied().filter(|key| odd == 2 || key.unsigned_abs() % 2 == odd).collect::<Vec<_>>()
            {
                let mut row = rows.remove(&key).flatten();
                let new = if update { Some(self.key(table)) } else { None };
                if let (Some(new), Some(cells)) = (new, &mut row) {
                    cells.entry(id).and_modify(|v| *v += 1);
                    gone.insert(new, row);
                }
                changed.push((value.clone(), key, new));
            }
            if rows.len() < before {
                let with = (!rows.is_empty()).then(|| self.files.write(self.file_id(), FileKind::Base, rows));
                rewritten.push(Rewritten { file: entry.file.id, with });
            }
            if !gone.is_empty() {
                added.push(NewFiles { partition: self.partition(&value), files: self.files_of(gone, false) });
            }
        }
        if rewritten.is_empty() {
            return Ok(None);
        }
        let unchanged = Precondition::Unchanged(filter(Some(&places)));
        let draft = plan::rewrite(&base, rewritten, added, vec![unchanged]).map_err(|e| e.to_string())?;
        let v = self.tables[table].oracle.latest().cols[0].id;
        let what = format!("{} rows of {places:?}: {changed:?}", if update { "UPDATE" } else { "DELETE" });
        let apply = move |version: &mut Version, n: u64| {
            for (value, key, new) in &changed {
                let row = version.parts.get_mut(value).and_then(|part| part.rows.remove(key));
                if let (Some(mut row), Some(new)) = (row, new) {
                    row.cells.entry(v).and_modify(|v| *v += 1);
                    put(version, value, n, *new, Some(row.cells));
                }
            }
        };
        let operation = if update { Operation::Update } else { Operation::Delete };
        Ok(self.drafted(table, base, operation, what, draft, Need::Rewrite(places), apply))
    }
}
