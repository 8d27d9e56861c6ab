//! What a table holds at one LSN, as rows; and when two of them are the same data.

use std::collections::{BTreeMap, BTreeSet};

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

pub fn unknown_times(mut version: Version, values: &BTreeSet<String>) -> Version {
    version.parts.iter_mut().filter(|(value, _)| values.contains(*value)).for_each(|(_, part)| part.modified = 0);
    version
}

/// Whether two states of a partition are the same data; without a row in either that can't always be told, because a
/// clone of a partition without rows has files or not.
pub fn same_part(keyed: bool, a: &Part, b: &Part) -> Option<bool> {
    let keys = |part: &Part| part.rows.keys().copied().collect::<Vec<_>>();
    match a.writes == b.writes && (keyed || keys(a) == keys(b)) {
        true => Some(true),
        false if [a, b].iter().all(|part| part.rows.is_empty() && part.appended.is_empty()) => None,
        false => Some(false),
    }
}

pub fn project(part: &Part, cols: &[Col]) -> Part {
    let mut part = part.clone();
    for row in part.rows.values_mut().chain(part.appended.values_mut()) {
        row.cells.retain(|id, _| cols.iter().any(|col| col.id == *id));
    }
    part
}

pub fn same_data(a: &Version, b: &Version) -> Option<bool> {
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
    pub fn keyed_or_kept(&self, before: &Self, keyed: bool) -> bool {
        keyed || before.rows.keys().all(|key| self.rows.contains_key(key))
    }
}
