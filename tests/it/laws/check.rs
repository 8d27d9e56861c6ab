//! After a sequence: every version, every recent range, and the invariants of the log and the timeline.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use datafusion_timetravel::log::State;
use datafusion_timetravel::table::{Column, TableSnapshot, TableState};

use super::oracle::Version;
use super::rows::Content;
use super::world::{Table, World, lsn};

impl World {
    pub async fn check(&self) -> Result<(), String> {
        for table in &self.tables {
            let head = self.replays(table).await.map_err(|e| format!("{}: {e}", table.name))?;
            self.versions(table, &head)?;
            self.ranges(table, &head)?;
            timeline(table, &head)?;
            settings(table, &head)?;
        }
        Ok(())
    }

    /// Invariants 3 and 9: both handles, a fresh one (which starts at a checkpoint where there is one) and a replay of
    /// every commit agree.
    async fn replays(&self, table: &Table) -> Result<TableSnapshot, String> {
        // To fold every commit again costs more than to make it: now and then, and wherever there are checkpoints.
        let again = self.has_checkpoints() || self.seed.is_multiple_of(4);
        let mut snapshots = vec![];
        for (at, log) in table.logs.iter().enumerate() {
            log.flush().await;
            if again || at == 0 || log.cached().is_some_and(|snapshot| snapshot.lsn.get() == table.oracle.head()) {
                snapshots.push(log.snapshot().await.map_err(|e| e.to_string())?);
            }
        }
        if self.has_checkpoints() {
            snapshots.push(self.handle(table.id).snapshot().await.map_err(|e| e.to_string())?);
        }
        let mut replayed = if again { TableState::default() } else { snapshots[0].state.clone() };
        for v in (1..=table.oracle.head()).filter(|_| again) {
            let commit = table.logs[0]
                .read_commit(lsn(v))
                .await
                .map_err(|e| e.to_string())?
                .ok_or_else(|| format!("LSN {v} is missing"))?;
            replayed.apply(&commit.header, &commit.actions).map_err(|e| e.to_string())?;
        }
        let head = &snapshots[0];
        for snapshot in &snapshots {
            if snapshot.lsn.get() != table.oracle.head() {
                return Err(format!("a handle sees {} and not {}", snapshot.lsn, table.oracle.head()));
            }
            if snapshot.state != replayed {
                return Err("replay of a checkpoint and the tail differs from a replay of all".into());
            }
            if snapshot.index != head.index {
                return Err("the commit index of a checkpoint and the tail differs".into());
            }
        }
        let infos = table.logs[0].commits(head, lsn(1), head.lsn).await.map_err(|e| e.to_string())?;
        let lsns: Vec<u64> = infos.iter().map(|info| info.lsn.get()).collect();
        if lsns != (1..=table.oracle.head()).collect::<Vec<_>>() {
            return Err(format!("LSNs have gaps: {lsns:?}"));
        }
        if infos.windows(2).any(|pair| pair[0].time >= pair[1].time) {
            return Err("times do not grow".into());
        }
        Ok(head.as_ref().clone())
    }

    /// AS OF every version: columns, partitions with their incarnations, and rows.
    fn versions(&self, table: &Table, head: &TableSnapshot) -> Result<(), String> {
        let state = &head.state;
        for v in 1..=table.oracle.head() {
            let expected = table.oracle.at(v);
            let at = |what: &str| format!("{}@{v}: {what}", table.name);
            let schema = state.schema_at(lsn(v)).map_err(|e| e.to_string())?;
            if state.is_alive_at(lsn(v)) != expected.alive {
                return Err(at("alive or not"));
            }
            let names: Vec<&str> = schema.columns.iter().skip(1).map(|column| column.name.as_str()).collect();
            let wanted: Vec<&str> = expected.cols.iter().map(|col| col.name.as_str()).collect();
            let wide = |column: &Column| column.data_type == DataType::Int64;
            if !schema.columns.iter().skip(1).map(wide).eq(expected.cols.iter().map(|col| col.wide)) {
                return Err(at("types of columns"));
            }
            if names != wanted {
                return Err(at(&format!("columns {names:?}, expected {wanted:?}")));
            }
            let partitions: BTreeMap<String, u64> = state
                .partitions_at(lsn(v))
                .iter()
                .map(|entry| (entry.values.to_string(), entry.life.spans()[0].since.get()))
                .collect();
            let wanted: BTreeMap<String, u64> =
                expected.parts.iter().map(|(value, part)| (value.clone(), part.born)).collect();
            if partitions != wanted {
                return Err(at(&format!("partitions {partitions:?}, expected {wanted:?}")));
            }
            if v < table.oracle.oldest(table.oracle.head()) {
                continue;
            }
            let visible = state.visible_at(lsn(v));
            if let Some(entry) = visible.iter().find(|entry| state.is_gone(entry.file.id)) {
                return Err(at(&format!("{entry:?} was purged")));
            }
            let got = self.files.content(state, &visible, &schema).map_err(|e| at(&e))?;
            let wanted = content(expected, true, |_| true);
            if got != wanted {
                return Err(at(&format!("AS OF gives {got:?}, expected {wanted:?}")));
            }
        }
        Ok(())
    }

    /// BETWEEN every recent a and b.
    fn ranges(&self, table: &Table, head: &TableSnapshot) -> Result<(), String> {
        let (state, last) = (&head.state, table.oracle.head());
        // What a PURGE took says so itself; a range from before a VACUUM is refused by its begin.
        let first = state.swept_before().map_or(1, |v| v.get()).max(last.saturating_sub(6)).max(1);
        for a in first..last {
            for b in a + 1..=last {
                if datafusion_timetravel::ops::plan::range_is_whole(state, "t", lsn(a), lsn(b)).is_err() {
                    continue;
                }
                let schema = state.schema_at(lsn(b)).map_err(|e| e.to_string())?;
                let got = self.files.content(state, &state.counted_between(lsn(a), lsn(b)), &schema)?;
                let version = table.oracle.at(b);
                let wanted = content(version, version.keyed, |w| a < w && w <= b);
                if got != wanted {
                    return Err(format!("{}: BETWEEN ({a}, {b}] gives {got:?}, expected {wanted:?}", table.name));
                }
            }
        }
        Ok(())
    }
}

/// The rows that are there, or those that were appended.
fn content(version: &Version, there: bool, written: impl Fn(u64) -> bool) -> Content {
    let mut content = Content::new();
    for (value, part) in &version.parts {
        let mut rows = BTreeMap::new();
        let of = if there { &part.rows } else { &part.appended };
        for (key, row) in of.iter().filter(|(_, row)| written(row.lsn)) {
            let cells = version.cols.iter().filter_map(|col| Some((col.name.clone(), *row.cells.get(&col.id)?)));
            rows.insert(*key, cells.collect());
        }
        if !rows.is_empty() {
            content.insert(value.clone(), rows);
        }
    }
    content
}

/// Properties, lifecycle and LastModifiedTime at the head.
fn settings(table: &Table, head: &TableSnapshot) -> Result<(), String> {
    let (info, version) = (head.state.info().map_err(|e| e.to_string())?, table.oracle.latest());
    let wanted = &version.settings;
    let wrong = |what: String| Err(format!("{}: {what}", table.name));
    if info.create.properties != wanted.properties {
        return wrong(format!("properties {:?}, expected {:?}", info.create.properties, wanted.properties));
    }
    if (info.create.lifecycle, info.lifecycle_disabled) != (wanted.days, wanted.disabled) {
        return wrong(format!("lifecycle {:?}, expected {wanted:?}", (info.create.lifecycle, info.lifecycle_disabled)));
    }
    let time = |v: u64| table.times[v as usize - 1];
    if info.modified.as_micros() != time(version.modified) {
        return wrong(format!("LastModifiedTime is not that of {}", version.modified));
    }
    for entry in head.state.open_partitions().filter(|_| version.alive && table.oracle.partitioned) {
        let value = entry.values.to_string();
        let part = &version.parts[&value];
        if part.modified > 0 && entry.modified.as_micros() != time(part.modified) {
            return wrong(format!("LastModifiedTime of partition {value} is not that of {}", part.modified));
        }
        if entry.lifecycle_disabled != wanted.disabled_parts.contains(&(value.clone(), part.born)) {
            return wrong(format!("lifecycle of partition {value}"));
        }
    }
    Ok(())
}

/// No order exceeds the LSN that added its entry, spans are in order, and nothing outlives its partition.
fn timeline(table: &Table, head: &TableSnapshot) -> Result<(), String> {
    for entry in head.state.files() {
        let wrong = |what: &str| Err(format!("{}: file {:?} {what}", table.name, entry));
        if entry.order.0 > entry.lsn {
            return wrong("has an order after its commit");
        }
        for life in [&entry.visible, &entry.counted] {
            let ends: Vec<u64> = life
                .spans()
                .iter()
                .flat_map(|span| [Some(span.since), span.until])
                .flatten()
                .map(|v| v.get())
                .collect();
            if ends.windows(2).any(|pair| pair[0] >= pair[1])
                || ends.first().is_some_and(|first| *first != entry.lsn.get())
            {
                return wrong("has spans that overlap");
            }
        }
        let open = head.state.partition(entry.partition).is_some_and(|partition| partition.life.is_open());
        if !open && (entry.visible.is_open() || entry.counted.is_open()) {
            return wrong("outlives its partition");
        }
        if entry.counted.is_open() && !entry.operation.is_counted() {
            return wrong("is counted though no data commit wrote it");
        }
    }
    Ok(())
}
