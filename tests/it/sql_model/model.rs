//! The oracle: rows and the version that wrote each, kept as plain lists, one per version. It knows neither files, orders
//! nor lifetimes, and shares no code with the crate.

use std::collections::{BTreeMap, BTreeSet};

use super::shape::{Col, Row, Shape, Type};

/// A partition; of a table without partition columns there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The version that made this incarnation.
    pub(super) born: usize,
    pub(super) rows: Vec<Row>,
    /// Without a key: what was appended, whatever UPDATE and DELETE did since.
    pub(super) appended: Vec<Row>,
    /// The versions that wrote data which is or was in it, since it was emptied as a whole.
    pub(super) writes: BTreeSet<usize>,
}

impl Part {
    fn new(born: usize) -> Self {
        Self { born, rows: vec![], appended: vec![], writes: BTreeSet::new() }
    }
}

/// A version: what it holds and what made it.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) operation: &'static str,
    pub(super) alive: bool,
    pub(super) cols: Vec<Col>,
    pub(super) parts: BTreeMap<usize, Part>,
    /// Partitions that it touched beside those that differ.
    pub(super) touched: BTreeSet<usize>,
    /// Which partitions it touched can't be told from rows.
    pub(super) loose: bool,
}

/// What a statement must do.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    Commit(Version),
    Nothing,
    /// One commit or none: whether there are files without rows can't be told from rows.
    Maybe(Version),
    /// An error with this code.
    Refused(&'static str),
}

/// A table with all its versions; the first is version 1.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) shape: Shape,
    pub(super) versions: Vec<Version>,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) dropped: bool,
}

impl Table {
    pub(super) fn new(name: &str, shape: Shape, cols: Vec<Col>, rows: &[Row]) -> Self {
        let mut parts = BTreeMap::new();
        if !shape.partitioned() {
            parts.insert(0, Part::new(1));
        }
        let mut first =
            Version { operation: "CREATE", alive: true, cols, parts, touched: BTreeSet::new(), loose: false };
        write(&mut first, shape, 1, rows);
        Self::with_first(name, shape, first)
    }

    pub(super) fn with_first(name: &str, shape: Shape, first: Version) -> Self {
        let (name, id, properties) = (name.to_owned(), String::new(), BTreeMap::new());
        Self { name, id, shape, versions: vec![first], properties, dropped: false }
    }

    pub(super) fn head(&self) -> usize {
        self.versions.len()
    }

    pub(super) fn at(&self, version: usize) -> &Version {
        &self.versions[version - 1]
    }

    pub(super) fn now(&self) -> &Version {
        self.at(self.head())
    }

    pub(super) fn cols(&self) -> &[Col] {
        &self.now().cols
    }

    pub(super) fn rows_at(&self, version: usize) -> Vec<Row> {
        self.at(version).parts.values().flat_map(|part| part.rows.clone()).collect()
    }

    /// The rows written in `(a, b]` that count at `b`.
    pub(super) fn between(&self, a: usize, b: usize) -> Vec<Row> {
        let parts = self.at(b).parts.values();
        let counted = parts.flat_map(|part| if self.shape.keyed { &part.rows } else { &part.appended });
        counted.filter(|row| a < row.lsn && row.lsn <= b).cloned().collect()
    }

    /// The next version, as the last one but for what made it.
    pub(super) fn next(&self, operation: &'static str) -> Version {
        Version { operation, touched: BTreeSet::new(), loose: false, ..self.now().clone() }
    }

    /// Whether columns of `base` fit the head: all there with their types, and none came back that was dropped before.
    fn fits(&self, base: usize) -> bool {
        let (old, new) = (&self.at(base).cols, self.cols());
        let has = |cols: &[Col], col: &Col| cols.iter().any(|c| c.id == col.id && c.ty == col.ty);
        let known = |col: &Col| (1..=base).any(|v| self.at(v).cols.iter().any(|c| c.id == col.id));
        old.iter().all(|col| has(new, col)) && new.iter().all(|col| has(old, col) || !known(col))
    }

    /// Why a statement that was planned at version `base` can't be committed.
    pub(super) fn outdated(&self, base: usize) -> Option<&'static str> {
        match self.dropped {
            true => Some("TT_TABLE_DROPPED"),
            false => (!self.fits(base)).then_some("TT_CONFLICT"),
        }
    }

    /// INSERT of rows.
    pub(super) fn insert(&self, rows: &[Row]) -> Verdict {
        if rows.is_empty() {
            return Verdict::Nothing;
        }
        let mut next = self.next("APPEND");
        write(&mut next, self.shape, self.head() + 1, rows);
        Verdict::Commit(next)
    }

    /// OVERWRITE of these partitions with these rows.
    pub(super) fn overwrite(&self, places: &BTreeSet<usize>, rows: &[Row]) -> Verdict {
        let mut next = self.next("OVERWRITE");
        let (mut sure, mut perhaps) = (!rows.is_empty(), false);
        for (_, part) in next.parts.iter_mut().filter(|(place, _)| places.contains(place)) {
            sure |= !part.rows.is_empty();
            perhaps |= !part.writes.is_empty();
            *part = Part::new(part.born);
        }
        write(&mut next, self.shape, self.head() + 1, rows);
        either(sure, perhaps, next)
    }

    pub(super) fn truncate(&self, places: Option<&BTreeSet<usize>>) -> Verdict {
        if places.is_some_and(|places| places.iter().any(|place| !self.now().parts.contains_key(place))) {
            return Verdict::Refused("TT_PARTITION_NOT_FOUND");
        }
        let mut next = self.next("DELETE");
        let (mut sure, mut perhaps) = (false, false);
        for (_, part) in next.parts.iter_mut().filter(|(place, _)| places.is_none_or(|some| some.contains(place))) {
            sure |= !part.rows.is_empty();
            perhaps |= !part.writes.is_empty();
            match self.shape.keyed {
                true => *part = Part::new(part.born),
                false => part.rows.clear(),
            }
        }
        either(sure, perhaps, next)
    }

    pub(super) fn delete(&self, gone: impl Fn(&Row) -> bool) -> Verdict {
        let n = self.head() + 1;
        let mut next = self.next("DELETE");
        let mut any = false;
        for part in next.parts.values_mut() {
            let before = part.rows.len();
            part.rows.retain(|row| !gone(row));
            if part.rows.len() < before {
                any = true;
                if self.shape.keyed {
                    part.writes.insert(n);
                }
            }
        }
        either(any, false, next)
    }

    /// UPDATE of the rows that `change` gives another one for.
    pub(super) fn update(&self, change: impl Fn(&Row) -> Option<Row>) -> Verdict {
        let changed = |row: &Row| change(row).map(Some);
        self.change("UPDATE", changed, &[])
    }

    /// MERGE with these rows, each of another key: what `change` makes of a row and its match, where it does.
    pub(super) fn merge(
        &self,
        rows: &[Row],
        change: impl Fn(&Row, &Row) -> Option<Option<Row>>,
        inserts: bool,
    ) -> Verdict {
        let same = |a: &Row, b: &Row| (a.place, a.k) == (b.place, b.k);
        let now = self.rows_at(self.head());
        let new: Vec<Row> =
            rows.iter().filter(|row| inserts && !now.iter().any(|old| same(old, row))).cloned().collect();
        self.change("MERGE", |old| rows.iter().find(|row| same(old, row)).and_then(|row| change(old, row)), &new)
    }

    fn change(&self, operation: &'static str, change: impl Fn(&Row) -> Option<Option<Row>>, new: &[Row]) -> Verdict {
        let n = self.head() + 1;
        let mut next = self.next(operation);
        let (mut written, mut any) = (new.to_vec(), !new.is_empty());
        for part in next.parts.values_mut() {
            let mut kept = vec![];
            for row in &part.rows {
                match change(row) {
                    None => kept.push(row.clone()),
                    Some(changed) => {
                        any = true;
                        written.extend(changed);
                        if self.shape.keyed {
                            part.writes.insert(n);
                        }
                    }
                }
            }
            part.rows = kept;
        }
        let mut keys: BTreeSet<(usize, i64)> =
            next.parts.iter().flat_map(|(place, part)| part.rows.iter().map(|row| (*place, row.k))).collect();
        if self.shape.keyed && !written.iter().all(|row| keys.insert((row.place, row.k))) {
            return Verdict::Refused("TT_CONSTRAINT_VIOLATION");
        }
        write(&mut next, self.shape, n, &written);
        either(any, false, next)
    }

    pub(super) fn add_partition(&self, place: usize, if_not_exists: bool) -> Verdict {
        match (self.now().parts.contains_key(&place), if_not_exists) {
            (true, true) => Verdict::Nothing,
            (true, false) => Verdict::Refused("TT_PARTITION_EXISTS"),
            _ => {
                let mut next = self.next("ALTER");
                next.parts.insert(place, Part::new(self.head() + 1));
                Verdict::Commit(next)
            }
        }
    }

    pub(super) fn drop_partitions(&self, places: &BTreeSet<usize>, if_exists: bool) -> Verdict {
        let there = |place: &usize| self.now().parts.contains_key(place);
        if !if_exists && !places.iter().all(there) {
            return Verdict::Refused("TT_PARTITION_NOT_FOUND");
        }
        let mut next = self.next("DROP");
        next.parts.retain(|place, _| !places.contains(place));
        either(places.iter().any(there), false, next)
    }

    /// Incarnations that aren't there now, by place and birth, with the version that ended each last.
    pub(super) fn ended(&self) -> BTreeMap<(usize, usize), usize> {
        fn has(version: &Version, place: usize, born: usize) -> bool {
            version.parts.get(&place).is_some_and(|part| part.born == born)
        }
        let mut ended = BTreeMap::new();
        for v in 2..=self.head() {
            let (before, now) = (self.at(v - 1), self.at(v));
            if !before.alive || !now.alive {
                continue;
            }
            for (place, part) in &before.parts {
                if !has(now, *place, part.born) {
                    ended.insert((*place, part.born), v);
                }
            }
            ended.retain(|(place, born), _| !has(now, *place, *born));
        }
        ended
    }

    pub(super) fn undrop_partitions(&self, wanted: &BTreeMap<(usize, usize), usize>) -> Verdict {
        let mut next = self.next("RESTORE");
        for ((place, born), ended) in wanted {
            if self.at(*ended).operation != "DROP" {
                return Verdict::Refused("TT_PARTITION_NOT_FOUND");
            }
            if next.parts.contains_key(place) {
                return Verdict::Refused("TT_PARTITION_EXISTS");
            }
            if self.schema_went_back(ended - 1) {
                return Verdict::Refused("TT_NOT_SUPPORTED");
            }
            let part = self.at(ended - 1).parts[place].clone();
            assert_eq!(part.born, *born);
            next.parts.insert(*place, part);
        }
        Verdict::Commit(next)
    }

    /// Whether a RESTORE after `v` changed the columns.
    fn schema_went_back(&self, v: usize) -> bool {
        (v + 1..=self.head()).any(|x| self.at(x).operation == "RESTORE" && self.at(x).cols != self.at(x - 1).cols)
    }

    /// Why version `l` can't be restored.
    fn unrestorable(&self, l: usize) -> Option<&'static str> {
        match l {
            _ if l < 1 || l > self.head() => Some("TT_VERSION_OUT_OF_RANGE"),
            _ if !self.at(l).alive => Some("TT_NOT_RESTORABLE"),
            _ => None,
        }
    }

    /// Whether a partition holds the same at `l` and now: yes, no, or rows can't tell.
    fn same(&self, l: usize, then: &Part, now: &Part) -> Option<bool> {
        let sorted = |rows: &[Row]| {
            let mut rows = rows.to_vec();
            rows.sort();
            rows
        };
        if sorted(&then.rows) != sorted(&now.rows) || sorted(&then.appended) != sorted(&now.appended) {
            return Some(false);
        }
        let quiet = (l + 1..=self.head()).all(|v| matches!(self.at(v).operation, "COMPACT" | "ALTER"));
        (then.writes == now.writes && (self.shape.keyed || quiet)).then_some(true)
    }

    pub(super) fn restore(&self, l: usize) -> Verdict {
        if let Some(code) = self.unrestorable(l) {
            return Verdict::Refused(code);
        }
        let (now, then) = (self.now(), self.at(l));
        let next = Version {
            operation: "RESTORE",
            touched: then.parts.keys().copied().collect(),
            loose: false,
            ..then.clone()
        };
        let births =
            |version: &Version| version.parts.iter().map(|(place, part)| (*place, part.born)).collect::<Vec<_>>();
        if now.cols != then.cols || births(now) != births(then) {
            return Verdict::Commit(next);
        }
        let parts: Vec<_> = then.parts.iter().map(|(place, part)| self.same(l, part, &now.parts[place])).collect();
        either(parts.contains(&Some(false)), parts.contains(&None), next)
    }

    pub(super) fn restore_partitions(&self, places: &BTreeSet<usize>, l: usize) -> Verdict {
        if !places.iter().all(|place| self.now().parts.contains_key(place)) {
            return Verdict::Refused("TT_PARTITION_NOT_FOUND");
        }
        if let Some(code) = self.unrestorable(l) {
            return Verdict::Refused(code);
        }
        if self.schema_went_back(l) {
            return Verdict::Refused("TT_NOT_SUPPORTED");
        }
        let mut next = self.next("RESTORE");
        let (mut sure, mut perhaps) = (false, false);
        for place in places {
            let now = &self.now().parts[place];
            let Some(then) = self.at(l).parts.get(place).filter(|then| then.born == now.born) else {
                return Verdict::Refused("TT_PARTITION_NOT_FOUND");
            };
            match self.same(l, then, now) {
                Some(true) => {}
                same => {
                    sure |= same.is_some();
                    perhaps |= same.is_none();
                    next.loose |= same.is_none();
                    next.parts.insert(*place, then.clone());
                }
            }
        }
        either(sure, perhaps, next)
    }

    pub(super) fn drop(&mut self) {
        let next = Version { alive: false, parts: BTreeMap::new(), ..self.next("DROP") };
        self.versions.push(next);
        self.dropped = true;
    }

    pub(super) fn undrop(&mut self) {
        let before = self.at(self.head() - 1).clone();
        let touched = before.parts.keys().copied().collect();
        self.versions.push(Version { operation: "RESTORE", touched, loose: false, ..before });
        self.dropped = false;
    }

    /// A change of columns; a code where it is wrong.
    pub(super) fn alter(&self, edit: impl FnOnce(&mut Vec<Col>) -> Result<(), &'static str>) -> Verdict {
        let mut next = self.next("ALTER");
        if let Err(code) = edit(&mut next.cols) {
            return Verdict::Refused(code);
        }
        either(next.cols != *self.cols(), false, next)
    }

    /// What version `l`, or these partitions of it, is as version `n` of a table with these columns.
    pub(super) fn cloned(
        &self,
        l: usize,
        places: Option<&BTreeSet<usize>>,
        cols: &[Col],
        n: usize,
    ) -> Result<Version, &'static str> {
        if let Some(code) = self.unrestorable(l) {
            return Err(code);
        }
        let source = self.at(l);
        if places.is_some_and(|places| places.iter().any(|place| !source.parts.contains_key(place))) {
            return Err("TT_PARTITION_NOT_FOUND");
        }
        let mut clone = Version {
            operation: "CREATE",
            alive: true,
            cols: cols.to_vec(),
            parts: BTreeMap::new(),
            touched: BTreeSet::new(),
            loose: false,
        };
        for (place, part) in source.parts.iter().filter(|(place, _)| places.is_none_or(|some| some.contains(place))) {
            clone.parts.insert(*place, Part::new(n));
            let rename = |row: &Row| Row {
                cells: source
                    .cols
                    .iter()
                    .zip(cols)
                    .filter_map(|(from, to)| Some((to.id, *row.cells.get(&from.id)?)))
                    .collect(),
                ..row.clone()
            };
            write(&mut clone, self.shape, n, &part.rows.iter().map(rename).collect::<Vec<_>>());
        }
        Ok(clone)
    }

    pub(super) fn overwrite_with(&self, mut clone: Version) -> Verdict {
        clone.operation = "OVERWRITE";
        either(!clone.parts.is_empty() || !self.now().parts.is_empty(), false, clone)
    }

    /// What history says of a version: partitions and whether it made them, none for the table as a whole.
    pub(super) fn history(&self, v: usize) -> Vec<(Option<usize>, &'static str)> {
        let version = self.at(v);
        let mut lines = vec![];
        let before = if v > 1 { self.at(v - 1).parts.clone() } else { BTreeMap::new() };
        if self.shape.partitioned() && version.alive {
            for (place, part) in &version.parts {
                let old = before.get(place);
                if part.born == v {
                    lines.push((Some(*place), "CREATE"));
                } else if old != Some(part) || version.touched.contains(place) {
                    lines.push((Some(*place), version.operation));
                }
            }
            let gone = |(place, old): &(&usize, &Part)| version.parts.get(place).is_none_or(|new| new.born != old.born);
            lines.extend(before.iter().filter(gone).map(|(place, _)| (Some(*place), version.operation)));
        }
        if lines.is_empty() || version.operation == "CREATE" {
            lines.push((None, version.operation));
        }
        lines.sort_unstable();
        lines
    }
}

fn either(sure: bool, perhaps: bool, next: Version) -> Verdict {
    match (sure, perhaps) {
        (true, _) => Verdict::Commit(next),
        (false, true) => Verdict::Maybe(Version { loose: true, ..next }),
        _ => Verdict::Nothing,
    }
}

/// Writes rows as version `n`: by key where there is one.
fn write(version: &mut Version, shape: Shape, n: usize, rows: &[Row]) {
    for row in rows {
        let part = version.parts.entry(row.place).or_insert_with(|| Part::new(n));
        let row = Row { lsn: n, ..row.clone() };
        part.writes.insert(n);
        match shape.keyed {
            true => part.rows.retain(|old| old.k != row.k),
            false => part.appended.push(row.clone()),
        }
        part.rows.push(row);
    }
}

/// INT becomes BIGINT, and nothing else becomes anything.
pub(super) fn widen(cols: &mut [Col], name: &str) -> Result<(), &'static str> {
    let col = cols.iter_mut().find(|col| col.name == name).ok_or("TT_COLUMN_NOT_FOUND")?;
    match col.ty {
        Type::Text => Err("TT_INVALID_SCHEMA"),
        _ => {
            col.ty = Type::Bigint;
            Ok(())
        }
    }
}
