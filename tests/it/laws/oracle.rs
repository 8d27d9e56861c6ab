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
    /// Whether it is a BIGINT already; an INT can become one.
    pub wide: bool,
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
    /// Without a key: what was appended, whatever UPDATE and DELETE did since. A row's number stands for the row then.
    pub appended: BTreeMap<Key, Row>,
    /// The data commits whose rows are or were in it, since it was last emptied as a whole.
    pub writes: BTreeSet<u64>,
    /// The LSN whose time is its LastModifiedTime.
    pub modified: u64,
}

/// What RESTORE leaves as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    pub properties: BTreeMap<String, String>,
    pub days: Option<u32>,
    pub disabled: bool,
    /// Partitions that lifecycle leaves alone, by value and birth.
    pub disabled_parts: BTreeSet<(String, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    pub alive: bool,
    pub keyed: bool,
    pub cols: Vec<Col>,
    pub parts: BTreeMap<String, Part>,
    pub settings: Settings,
    /// The LSN whose time is its LastModifiedTime.
    pub modified: u64,
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
    /// These partitions as they were, and the files of them that are rewritten.
    Rewrite(BTreeSet<String>),
}

#[derive(Debug, Default, Clone)]
pub struct Oracle {
    pub partitioned: bool,
    /// How many partition columns there are.
    pub levels: usize,
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
    pub fn new(levels: usize) -> Self {
        Self { partitioned: levels > 0, levels, ..Self::default() }
    }

    pub fn head(&self) -> u64 {
        self.versions.len() as u64
    }

    pub fn at(&self, v: u64) -> &Version {
        &self.versions[v as usize - 1]
    }

    pub fn latest(&self) -> &Version {
        self.at(self.head())
    }

    pub fn push(&mut self, mut version: Version, op: Operation, compacted: Option<String>) {
        let n = self.head() + 1;
        if op.is_data() && op != Operation::Compact {
            version.modified = n;
            for (value, part) in version.parts.iter_mut().filter(|(_, part)| part.modified != n) {
                let before = self.versions.last().and_then(|before| before.parts.get(value));
                let empty = |part: &Part| part.rows.is_empty() && part.appended.is_empty();
                match before.filter(|before| before.born == part.born) {
                    Some(before) if before.writes == part.writes && before.rows == part.rows => {}
                    // Where no row went and none came there may have been no file.
                    Some(before) if empty(before) && empty(part) => part.modified = 0,
                    _ => part.modified = n,
                }
            }
        }
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
        let kept = |col: &Col| new.iter().any(|now| now.id == col.id && now.wide == col.wide);
        old.iter().all(kept) && new.iter().all(|col| has(old, col.id) || !known(col.id))
    }

    fn unchanged(&self, base: u64, head: u64, values: Option<&BTreeSet<String>>) -> bool {
        let keyed = self.at(base).keyed;
        let view = |v: u64| -> Vec<(&String, u64, &BTreeSet<u64>, Vec<Key>)> {
            let parts = self.at(v).parts.iter().filter(|(value, _)| values.is_none_or(|set| set.contains(*value)));
            let keys = |part: &Part| if keyed { vec![] } else { part.rows.keys().copied().collect() };
            parts.map(|(value, part)| (value, part.born, &part.writes, keys(part))).collect()
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
            let kept = now.keyed_or_kept(before, self.at(base).keyed);
            now.born == born && before.writes.is_subset(&now.writes) && quiet && kept
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
            Need::Rewrite(values) if !self.unchanged(base, head, Some(values)) => Verdict::Refused(Code::Conflict),
            // Without a key files decide, and what a RESTORE or a compaction did with them rows can't tell.
            Need::Unchanged(_) if !next.keyed && self.restored_since(base, head) => Verdict::Free(next, Code::Conflict),
            Need::Rewrite(values) => {
                let compacted = self.compacted[base as usize..head as usize].iter().flatten();
                let replaced = compacted.into_iter().any(|value| values.contains(value));
                match replaced || self.restored_since(base, head) {
                    true => Verdict::Free(next, Code::Conflict),
                    false => Verdict::Commit(next),
                }
            }
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

    fn restored_since(&self, base: u64, head: u64) -> bool {
        self.ops[base as usize..head as usize].contains(&Operation::Restore)
    }

    /// Whether nothing after `l` can have replaced files but compaction.
    fn quiet_since(&self, l: u64, head: u64) -> bool {
        self.ops[l as usize..head as usize].iter().all(|op| matches!(op, Operation::Compact | Operation::Alter))
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
            part.appended.clear();
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
        if let Some(code) = values.filter(|_| now.alive).and_then(|values| self.unnamed(now, values)) {
            return Verdict::Refused(code);
        }
        if now.keyed || !now.alive {
            return self.overwrite(head, head, values, &BTreeMap::new());
        }
        // Appended rows stay what was appended.
        let mut next = now.clone();
        let of = next.parts.iter_mut().filter(|(value, _)| values.is_none_or(|set| set.contains(*value)));
        of.for_each(|(_, part)| part.rows.clear());
        if next == *now { Verdict::Nothing } else { Verdict::Commit(next) }
    }

    pub fn drop_partitions(&self, head: u64, values: &BTreeSet<String>, if_exists: bool) -> Verdict {
        let now = self.at(head);
        if !now.alive {
            return Verdict::Refused(Code::TableDropped);
        }
        if !self.partitioned {
            return Verdict::Refused(Code::InvalidArgument);
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
        if !self.partitioned {
            return Verdict::Refused(Code::InvalidArgument);
        }
        if now.parts.contains_key(value) {
            return if if_not_exists { Verdict::Nothing } else { Verdict::Refused(Code::PartitionExists) };
        }
        let mut next = now.clone();
        next.parts.insert(value.into(), Part { born: head + 1, modified: head + 1, ..Part::default() });
        Verdict::Commit(next)
    }

    /// Several partitions come back, in this order, or none.
    pub fn undrop_partitions(&self, head: u64, wanted: &[(String, u64)], horizon: u64) -> Verdict {
        let mut next = self.at(head).clone();
        for (value, born) in wanted {
            match self.undrop_partition(head, value, *born, horizon) {
                Verdict::Commit(version) if !next.parts.contains_key(value) => {
                    next.parts.insert(value.clone(), version.parts[value].clone());
                }
                Verdict::Commit(_) => return Verdict::Refused(Code::PartitionExists),
                refused => return refused_after(refused, next.parts.contains_key(value)),
            }
        }
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

    fn undrop_partition(&self, head: u64, value: &str, born: u64, horizon: u64) -> Verdict {
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
        let part = project(&self.at(ended - 1).parts[value], &now.cols);
        next.parts.insert(value.into(), Part { modified: head + 1, ..part });
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
        let mut next = Version { settings: now.settings.clone(), ..then.clone() };
        next.parts.values_mut().for_each(|part| part.modified = head + 1);
        match same_data(now, then) {
            Some(false) => Verdict::Commit(next),
            Some(true) if self.vacuumed(head) => Verdict::Maybe(next),
            Some(true) if now.keyed || self.quiet_since(l, head) => Verdict::Nothing,
            _ => Verdict::Maybe(next),
        }
    }

    pub fn restore_partitions(&self, head: u64, values: &BTreeSet<String>, l: u64, horizon: u64) -> Verdict {
        let now = self.at(head);
        if !now.alive {
            return Verdict::Refused(Code::TableDropped);
        }
        if !self.partitioned {
            return Verdict::Refused(Code::InvalidArgument);
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
        let (mut changed, mut perhaps) = (false, false);
        for value in values {
            let Some(then) = self.at(l).parts.get(value).filter(|then| then.born == now.parts[value].born) else {
                return Verdict::Refused(Code::PartitionNotFound);
            };
            let (same, part) = (same_part(now.keyed, then, &now.parts[value]), project(then, &now.cols));
            if same != Some(true) || !(now.keyed || self.quiet_since(l, head)) {
                changed |= same == Some(false);
                perhaps |= same != Some(false);
                next.parts.insert(value.clone(), Part { modified: head + 1, ..part });
            }
        }
        match (changed, perhaps) {
            // Whether one of the others is touched too shows in its LastModifiedTime alone, which nothing says then.
            (true, false) if !self.vacuumed(head) => Verdict::Commit(next),
            (true, _) => Verdict::Commit(unknown_times(next, values)),
            (false, perhaps) if perhaps || self.vacuumed(head) => Verdict::Maybe(unknown_times(next, values)),
            _ => Verdict::Nothing,
        }
    }

    pub fn drop_table(&self, head: u64) -> Verdict {
        match self.at(head).alive {
            true => Verdict::Commit(Version { alive: false, parts: BTreeMap::new(), ..self.at(head).clone() }),
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
        let mut next = self.at(dropped - 1).clone();
        next.parts.values_mut().for_each(|part| part.modified = head + 1);
        Verdict::Commit(next)
    }

    /// A change of settings, or of times; a code where it is wrong.
    pub fn set(&self, head: u64, edit: &dyn Fn(&mut Version, u64) -> Option<Code>) -> Verdict {
        let now = self.at(head);
        if !now.alive {
            return Verdict::Refused(Code::TableDropped);
        }
        let mut next = now.clone();
        match edit(&mut next, head + 1) {
            Some(code) => Verdict::Refused(code),
            None if next == *now => Verdict::Nothing,
            None => Verdict::Commit(next),
        }
    }

    /// Why these partitions can't be named, if so.
    pub fn unnamed(&self, version: &Version, values: &BTreeSet<String>) -> Option<Code> {
        match values.iter().all(|value| version.parts.contains_key(value)) {
            _ if !self.partitioned => Some(Code::InvalidArgument),
            true => None,
            false => Some(Code::PartitionNotFound),
        }
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
            let rows: BTreeMap<Key, Row> = rows;
            let appended = if source.keyed { BTreeMap::new() } else { rows.clone() };
            let writes = BTreeSet::from([n]);
            parts.insert(value.clone(), Part { born: n, rows, appended, writes, modified: n });
        }
        let settings = Settings { properties: source.settings.properties.clone(), ..Settings::default() };
        Version { alive: true, keyed: source.keyed, cols: cols.to_vec(), parts, settings, modified: n }
    }

    pub fn clone_onto(&self, head: u64, of: &Self, source: &Version) -> Verdict {
        let now = self.at(head);
        if !now.alive {
            return Verdict::Refused(Code::TableDropped);
        }
        let columns = |cols: &[Col]| cols.iter().map(|col| (col.name.clone(), col.wide)).collect::<Vec<_>>();
        let levels = |oracle: &Self| (oracle.partitioned, oracle.levels);
        if columns(&now.cols) != columns(&source.cols) || now.keyed != source.keyed || levels(self) != levels(of) {
            return Verdict::Refused(Code::SchemaNotSame);
        }
        let next = Version { settings: now.settings.clone(), ..Self::cloned(source, &now.cols, head + 1) };
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
        Some(cells) => {
            if !version.keyed {
                part.appended.insert(key, Row { cells: cells.clone(), lsn: n });
            }
            part.rows.insert(key, Row { cells, lsn: n })
        }
        None => part.rows.remove(&key),
    };
}

/// Where a partition of the same value came back before it, that is told.
fn refused_after(refused: Verdict, taken: bool) -> Verdict {
    match refused {
        Verdict::Refused(Code::NotRestorable | Code::NotSupported) if taken => Verdict::Refused(Code::PartitionExists),
        other => other,
    }
}

fn unknown_times(mut version: Version, values: &BTreeSet<String>) -> Version {
    version.parts.iter_mut().filter(|(value, _)| values.contains(*value)).for_each(|(_, part)| part.modified = 0);
    version
}

/// Whether two states of a partition are the same data; without a row in either that can't always be told, because a
/// clone of a partition without rows has files or not.
fn same_part(keyed: bool, a: &Part, b: &Part) -> Option<bool> {
    let keys = |part: &Part| part.rows.keys().copied().collect::<Vec<_>>();
    match a.writes == b.writes && (keyed || keys(a) == keys(b)) {
        true => Some(true),
        false if [a, b].iter().all(|part| part.rows.is_empty() && part.appended.is_empty()) => None,
        false => Some(false),
    }
}

fn project(part: &Part, cols: &[Col]) -> Part {
    let mut part = part.clone();
    for row in part.rows.values_mut().chain(part.appended.values_mut()) {
        row.cells.retain(|id, _| cols.iter().any(|col| col.id == *id));
    }
    part
}

fn same_data(a: &Version, b: &Version) -> Option<bool> {
    let births = |v: &Version| v.parts.iter().map(|(value, part)| (value.clone(), part.born)).collect::<Vec<_>>();
    if a.cols != b.cols || births(a) != births(b) {
        return Some(false);
    }
    let parts: Vec<_> = a.parts.iter().map(|(value, part)| same_part(a.keyed, part, &b.parts[value])).collect();
    match parts.contains(&Some(false)) {
        true => Some(false),
        false => (!parts.contains(&None)).then_some(true),
    }
}

impl Part {
    /// Whether no row of an earlier state is gone; with a key files stay whatever becomes of rows.
    fn keyed_or_kept(&self, before: &Self, keyed: bool) -> bool {
        keyed || before.rows.keys().all(|key| self.rows.contains_key(key))
    }
}
