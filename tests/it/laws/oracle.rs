//! What the table should hold: the rows of each LSN, kept as rows. It knows neither files, orders nor lifetimes, and
//! shares no code with the crate but error codes and the operations' names.

use std::collections::{BTreeMap, BTreeSet};

use datafusion_timetravel::Code;
use datafusion_timetravel::log::Operation;

pub type Key = i64;

/// A column's identity, which no other column of any table ever has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ColId(pub u32);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Col {
    pub id: ColId,
    pub name: String,
}

/// Values by column; NULL where there is none.
pub type Cells = BTreeMap<ColId, i64>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub cells: Cells,
    /// The LSN that wrote it.
    pub lsn: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// The LSN that made this incarnation.
    pub born: u64,
    pub rows: BTreeMap<Key, Row>,
    /// The data commits whose rows are or were in it, since it was last emptied as a whole.
    pub writes: BTreeSet<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    pub alive: bool,
    pub cols: Vec<Col>,
    pub parts: BTreeMap<String, Part>,
}

/// What a verb must do on a head.
#[derive(Debug, Clone)]
pub enum Verdict {
    Commit(Version),
    Nothing,
    Refused(Code),
    /// Whether there is something to do depends on what rows can't tell: files that hold no row.
    Maybe(Version),
    /// It may be refused, because files were replaced, but if it commits then to this.
    Free(Version, Code),
}

/// What a draft needs of the head.
#[derive(Debug, Clone)]
pub enum Need {
    Nothing,
    /// These partitions, or all, as they were.
    Unchanged(Option<BTreeSet<String>>),
    /// The files of this partition.
    Live(String),
}

#[derive(Debug, Default, Clone)]
pub struct Oracle {
    versions: Vec<Version>,
    ops: Vec<Operation>,
    compacted: Vec<Option<String>>,
    /// Per version: the oldest that sweeps have left, and whether a VACUUM took entries, so that what changed is judged
    /// by files that hold the same rows too.
    swept: Vec<(u64, bool)>,
    /// Where an incarnation of a partition ended last, and whether by a DROP.
    ended: BTreeMap<(String, u64), (u64, bool)>,
}

impl Oracle {
    pub fn head(&self) -> u64 {
        self.versions.len() as u64
    }

    pub fn at(&self, v: u64) -> &Version {
        &self.versions[v as usize - 1]
    }

    pub fn latest(&self) -> &Version {
        self.at(self.head())
    }

    pub fn push(&mut self, version: Version, op: Operation, compacted: Option<String>) {
        let n = self.head() + 1;
        if let Some(before) = self.versions.last().filter(|before| before.alive && version.alive) {
            for (value, part) in &before.parts {
                if version.parts.get(value).is_none_or(|now| now.born != part.born) {
                    self.ended.insert((value.clone(), part.born), (n, op == Operation::Drop));
                }
            }
        }
        self.versions.push(version);
        self.ops.push(op);
        self.compacted.push(compacted);
        self.swept.push(self.swept.last().copied().unwrap_or((1, false)));
    }

    /// The latest version is that of a sweep which left `oldest` and later ones.
    pub fn sweep(&mut self, oldest: u64, vacuum: bool) {
        let (before, vacuumed) = self.swept.pop().unwrap();
        self.swept.push((before.max(oldest), vacuumed || vacuum));
    }

    /// The oldest version that sweeps have left at `head`.
    pub fn oldest(&self, head: u64) -> u64 {
        self.swept[head as usize - 1].0
    }

    fn vacuumed(&self, head: u64) -> bool {
        self.swept[head as usize - 1].1
    }

    /// Incarnations that ended, with the LSN that ended them.
    pub fn ended(&self) -> Vec<(String, u64, u64, bool)> {
        self.ended.iter().map(|((value, born), (lsn, drop))| (value.clone(), *born, *lsn, *drop)).collect()
    }

    pub fn dropped_at(&self) -> Option<u64> {
        let head = self.head();
        if self.latest().alive {
            return None;
        }
        (1..=head).rev().find(|v| *v == 1 || self.at(*v - 1).alive)
    }

    /// Whether columns of `base` fit at `head`: all there still, and none that was there before `base` has come back.
    fn fits(&self, base: u64, head: u64) -> bool {
        let (old, new) = (&self.at(base).cols, &self.at(head).cols);
        let has = |cols: &[Col], id: ColId| cols.iter().any(|col| col.id == id);
        let known = |id: ColId| (1..=base).any(|v| has(&self.at(v).cols, id));
        old.iter().all(|col| has(new, col.id)) && new.iter().all(|col| has(old, col.id) || !known(col.id))
    }

    fn unchanged(&self, base: u64, head: u64, values: Option<&BTreeSet<String>>) -> bool {
        let view = |v: u64| -> Vec<(&String, u64, &BTreeSet<u64>)> {
            let parts = self.at(v).parts.iter().filter(|(value, _)| values.is_none_or(|set| set.contains(*value)));
            parts.map(|(value, part)| (value, part.born, &part.writes)).collect()
        };
        (base..=head).all(|v| self.at(v).alive && view(v) == view(base))
    }

    /// Whether nothing can have replaced files of the partition between `base` and `head`.
    fn only_added(&self, base: u64, head: u64, value: &str) -> bool {
        let born = self.at(base).parts[value].born;
        (base + 1..=head).all(|v| {
            let (before, now) = (self.at(v - 1).parts.get(value), self.at(v).parts.get(value));
            let (Some(before), Some(now)) = (before, now) else { return false };
            let quiet = self.ops[v as usize - 1] != Operation::Restore
                && self.compacted[v as usize - 1].as_deref() != Some(value);
            now.born == born && before.writes.is_subset(&now.writes) && quiet
        })
    }

    pub fn draft(&self, base: u64, head: u64, need: &Need, apply: &dyn Fn(&mut Version, u64)) -> Verdict {
        if !self.at(head).alive {
            return Verdict::Refused(Code::TableDropped);
        }
        if !self.fits(base, head) {
            return Verdict::Refused(Code::Conflict);
        }
        let mut next = self.at(head).clone();
        apply(&mut next, head + 1);
        match need {
            Need::Unchanged(values) if !self.unchanged(base, head, values.as_ref()) => Verdict::Refused(Code::Conflict),
            Need::Live(value) => {
                let same =
                    self.at(head).parts.get(value).is_some_and(|part| part.born == self.at(base).parts[value].born);
                match self.only_added(base, head, value) {
                    true => Verdict::Commit(next),
                    false if same => Verdict::Free(next, Code::Conflict),
                    false => Verdict::Refused(Code::Conflict),
                }
            }
            Need::Unchanged(_) if self.vacuumed(head) => Verdict::Free(next, Code::Conflict),
            _ => Verdict::Commit(next),
        }
    }

    /// Replaces partitions' content: those named, or all that are there.
    pub fn overwrite(
        &self,
        base: u64,
        head: u64,
        replaced: Option<&BTreeSet<String>>,
        rows: &BTreeMap<String, BTreeMap<Key, Cells>>,
    ) -> Verdict {
        if !self.at(head).alive {
            return Verdict::Refused(Code::TableDropped);
        }
        if !self.fits(base, head) {
            return Verdict::Refused(Code::Conflict);
        }
        let n = head + 1;
        let mut next = self.at(head).clone();
        let mut sure = false;
        for (_, part) in next.parts.iter_mut().filter(|(value, _)| replaced.is_none_or(|set| set.contains(*value))) {
            sure |= !part.rows.is_empty();
            part.rows.clear();
            part.writes.clear();
        }
        for (value, new) in rows.iter().filter(|(_, new)| !new.is_empty()) {
            sure = true;
            for (key, cells) in new {
                put(&mut next, value, n, *key, Some(cells.clone()));
            }
        }
        if sure {
            return Verdict::Commit(next);
        }
        // Without a row there may yet be files with nothing but tombstones, which the commit then ends.
        match next == *self.at(head) {
            true => Verdict::Nothing,
            false => Verdict::Maybe(next),
        }
    }

    pub fn truncate(&self, head: u64, values: Option<&BTreeSet<String>>) -> Verdict {
        let now = self.at(head);
        if now.alive && values.is_some_and(|set| set.iter().any(|value| !now.parts.contains_key(value))) {
            return Verdict::Refused(Code::PartitionNotFound);
        }
        self.overwrite(head, head, values, &BTreeMap::new())
    }

    pub fn drop_partitions(&self, head: u64, values: &BTreeSet<String>, if_exists: bool) -> Verdict {
        let now = self.at(head);
        if !now.alive {
            return Verdict::Refused(Code::TableDropped);
        }
        let missing = values.iter().any(|value| !now.parts.contains_key(value));
        if missing && !if_exists {
            return Verdict::Refused(Code::PartitionNotFound);
        }
        let mut next = now.clone();
        next.parts.retain(|value, _| !values.contains(value));
        if next == *now { Verdict::Nothing } else { Verdict::Commit(next) }
    }

    pub fn add_partition(&self, head: u64, value: &str, if_not_exists: bool) -> Verdict {
        let now = self.at(head);
        if !now.alive {
            return Verdict::Refused(Code::TableDropped);
        }
        if now.parts.contains_key(value) {
            return if if_not_exists { Verdict::Nothing } else { Verdict::Refused(Code::PartitionExists) };
        }
        let mut next = now.clone();
        next.parts.insert(value.into(), Part { born: head + 1, ..Part::default() });
        Verdict::Commit(next)
    }

    /// Whether a RESTORE after `v` changed the columns.
    fn schema_went_back(&self, v: u64, head: u64) -> bool {
        (v + 1..=head).any(|x| {
            self.ops[x as usize - 1] == Operation::Restore
                && self.at(x).cols != self.at(x - 1).cols
                && self.at(x - 1).alive
        })
    }

    pub fn undrop_partition(&self, head: u64, value: &str, born: u64, horizon: u64) -> Verdict {
        let now = self.at(head);
        if !now.alive {
            return Verdict::Refused(Code::TableDropped);
        }
        if now.parts.get(value).is_some_and(|part| part.born == born) {
            return Verdict::Refused(Code::PartitionExists);
        }
        let (ended, dropped) = (1..=head)
            .rev()
            .find_map(|v| {
                let gone = v > 1
                    && self.at(v - 1).alive
                    && self.at(v).alive
                    && self.at(v - 1).parts.get(value).is_some_and(|part| part.born == born);
                gone.then(|| (v, self.ops[v as usize - 1] == Operation::Drop))
            })
            .unwrap();
        if !dropped {
            return Verdict::Refused(Code::PartitionNotFound);
        }
        if now.parts.contains_key(value) {
            return Verdict::Refused(Code::PartitionExists);
        }
        if ended - 1 < horizon.max(self.oldest(head)) {
            return Verdict::Refused(Code::NotRestorable);
        }
        if self.schema_went_back(ended - 1, head) {
            return Verdict::Refused(Code::NotSupported);
        }
        let mut next = now.clone();
        next.parts.insert(value.into(), project(&self.at(ended - 1).parts[value], &now.cols));
        Verdict::Commit(next)
    }

    fn restorable(&self, head: u64, l: u64, horizon: u64) -> Option<Code> {
        match l {
            _ if !self.at(head).alive => Some(Code::TableDropped),
            _ if l < 1 || l > head => Some(Code::VersionOutOfRange),
            _ if l < horizon.max(self.oldest(head)) || !self.at(l).alive => Some(Code::NotRestorable),
            _ => None,
        }
    }

    pub fn restore(&self, head: u64, l: u64, horizon: u64) -> Verdict {
        if let Some(code) = self.restorable(head, l, horizon) {
            return Verdict::Refused(code);
        }
        let (now, then) = (self.at(head), self.at(l));
        match same_data(now, then) {
            true if self.vacuumed(head) => Verdict::Maybe(then.clone()),
            true => Verdict::Nothing,
            false => Verdict::Commit(then.clone()),
        }
    }

    pub fn restore_partitions(&self, head: u64, values: &BTreeSet<String>, l: u64, horizon: u64) -> Verdict {
        let now = self.at(head);
        if !now.alive {
            return Verdict::Refused(Code::TableDropped);
        }
        if values.iter().any(|value| !now.parts.contains_key(value)) {
            return Verdict::Refused(Code::PartitionNotFound);
        }
        if let Some(code) = self.restorable(head, l, horizon) {
            return Verdict::Refused(code);
        }
        if self.schema_went_back(l, head) {
            return Verdict::Refused(Code::NotSupported);
        }
        let mut next = now.clone();
        let mut changed = false;
        for value in values {
            let Some(then) = self.at(l).parts.get(value).filter(|then| then.born == now.parts[value].born) else {
                return Verdict::Refused(Code::PartitionNotFound);
            };
            if then.writes != now.parts[value].writes {
                changed = true;
                next.parts.insert(value.clone(), project(then, &now.cols));
            }
        }
        match changed {
            true => Verdict::Commit(next),
            false if self.vacuumed(head) => Verdict::Maybe(next),
            false => Verdict::Nothing,
        }
    }

    pub fn drop_table(&self, head: u64) -> Verdict {
        match self.at(head).alive {
            true => Verdict::Commit(Version { alive: false, cols: self.at(head).cols.clone(), parts: BTreeMap::new() }),
            false => Verdict::Refused(Code::TableDropped),
        }
    }

    pub fn undrop_table(&self, head: u64, dropped: u64, horizon: u64) -> Verdict {
        let latest = (1..=head).rev().find(|v| *v > 1 && !self.at(*v).alive && self.at(*v - 1).alive);
        if latest != Some(dropped) {
            let undone = self.at(head).alive && dropped > 1 && !self.at(dropped).alive && self.at(dropped - 1).alive;
            return if undone { Verdict::Nothing } else { Verdict::Refused(Code::Conflict) };
        }
        if self.at(head).alive {
            return Verdict::Nothing;
        }
        if dropped - 1 < horizon.max(self.oldest(head)) {
            return Verdict::Refused(Code::NotRestorable);
        }
        Verdict::Commit(self.at(dropped - 1).clone())
    }

    pub fn alter(&self, head: u64, edit: &dyn Fn(&mut Vec<Col>) -> Option<Code>) -> Verdict {
        let now = self.at(head);
        if !now.alive {
            return Verdict::Refused(Code::TableDropped);
        }
        let mut next = now.clone();
        if let Some(code) = edit(&mut next.cols) {
            return Verdict::Refused(code);
        }
        let cols = next.cols.clone();
        next.parts.values_mut().for_each(|part| *part = project(part, &cols));
        if next == *now { Verdict::Nothing } else { Verdict::Commit(next) }
    }

    /// The content of version `l` of `source`, with the columns that the target has or gets.
    pub fn cloned(source: &Version, cols: &[Col], n: u64) -> Version {
        let mut parts = BTreeMap::new();
        for (value, part) in &source.parts {
            let rename = |cells: &Cells| -> Cells {
                source.cols.iter().zip(cols).filter_map(|(from, to)| Some((to.id, *cells.get(&from.id)?))).collect()
            };
            let rows = part.rows.iter().map(|(key, row)| (*key, Row { cells: rename(&row.cells), lsn: n })).collect();
            parts.insert(value.clone(), Part { born: n, rows, writes: BTreeSet::from([n]) });
        }
        Version { alive: true, cols: cols.to_vec(), parts }
    }

    pub fn clone_onto(&self, head: u64, source: &Version) -> Verdict {
        let now = self.at(head);
        if !now.alive {
            return Verdict::Refused(Code::TableDropped);
        }
        if !now.cols.iter().map(|col| &col.name).eq(source.cols.iter().map(|col| &col.name)) {
            return Verdict::Refused(Code::SchemaNotSame);
        }
        let next = Self::cloned(source, &now.cols, head + 1);
        match now.parts.is_empty() && next.parts.is_empty() {
            true => Verdict::Nothing,
            false => Verdict::Commit(next),
        }
    }
}

/// Writes one row, or deletes it.
pub fn put(version: &mut Version, value: &str, n: u64, key: Key, cells: Option<Cells>) {
    let part = version.parts.entry(value.into()).or_insert_with(|| Part { born: n, ..Part::default() });
    part.writes.insert(n);
    match cells {
        Some(cells) => part.rows.insert(key, Row { cells, lsn: n }),
        None => part.rows.remove(&key),
    };
}

fn project(part: &Part, cols: &[Col]) -> Part {
    let mut part = part.clone();
    for row in part.rows.values_mut() {
        row.cells.retain(|id, _| cols.iter().any(|col| col.id == *id));
    }
    part
}

fn same_data(a: &Version, b: &Version) -> bool {
    let view = |v: &Version| -> Vec<_> {
        v.parts.iter().map(|(value, part)| (value.clone(), part.born, part.writes.clone())).collect()
    };
    a.cols == b.cols && view(a) == view(b)
}
