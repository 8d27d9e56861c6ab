//! The table as plain lists: a version is all its rows and what its commit wrote.

use std::collections::{BTreeMap, BTreeSet};

use super::terms::{Condition, Number, Row, Seen, Source};

/// The day of a row.
#[derive(Debug, Clone)]
pub enum Day {
    Same,
    Is(&'static str),
    If(Condition, &'static str),
}

impl Day {
    fn value(&self, seen: Seen<'_>) -> &'static str {
        let same = seen.row.map_or("", |row| row.d);
        match self {
            Self::Same => same,
            Self::Is(day) => day,
            Self::If(condition, day) => {
                if condition.holds(seen) == Some(true) {
                    day
                } else {
                    same
                }
            }
        }
    }
}

/// New values; none for a column that keeps its.
#[derive(Debug, Clone)]
pub struct Set {
    pub k: Option<Number>,
    pub a: Option<Number>,
    pub b: Option<Number>,
    pub d: Day,
}

impl Set {
    fn row(&self, seen: Seen<'_>) -> Row {
        let value = |number: &Option<Number>, old: fn(&Row) -> Option<i64>| match number {
            Some(number) => number.value(seen),
            None => seen.row.and_then(old),
        };
        Row {
            k: value(&self.k, |row| row.k),
            a: value(&self.a, |row| row.a),
            b: value(&self.b, |row| row.b),
            d: self.d.value(seen),
        }
    }
}

#[derive(Debug, Clone)]
pub enum Action {
    Update(Set),
    Delete,
    Insert(Set),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Matched,
    NotMatched,
    NotMatchedBySource,
}

#[derive(Debug, Clone)]
pub struct Clause {
    pub when: When,
    pub condition: Option<Condition>,
    pub action: Action,
}

/// What the rows of a join decide: what a MERGE does, an UPDATE with FROM, and without a source those without.
#[derive(Debug, Clone)]
pub struct Merge {
    pub on: Option<Condition>,
    pub clauses: Vec<Clause>,
}

#[derive(Debug, Clone, Default)]
pub struct Version {
    pub rows: Vec<Row>,
    /// By key: the row, or none where it went.
    writes: BTreeMap<(&'static str, i64), Option<Row>>,
    /// Without a key: the rows that were added.
    added: Vec<Row>,
}

#[derive(Debug, Clone)]
pub struct Table {
    pub keyed: bool,
    pub partitioned: bool,
    pub versions: Vec<Version>,
    pub sources: Vec<Source>,
}

impl Table {
    pub fn new(keyed: bool, partitioned: bool) -> Self {
        Self { keyed, partitioned, versions: vec![Version::default()], sources: vec![] }
    }

    pub fn rows(&self) -> &[Row] {
        &self.versions.last().unwrap().rows
    }

    /// A commit that changes no row.
    pub fn same(&mut self) {
        let rows = self.rows().to_vec();
        self.versions.push(Version { rows, ..Version::default() });
    }

    /// An upsert, or without a key an append.
    pub fn insert(&mut self, new: &[Row]) {
        let mut version = Version { rows: self.rows().to_vec(), ..Version::default() };
        for row in new {
            if self.keyed {
                version.rows.retain(|old| (old.d, old.k) != (row.d, row.k));
                version.writes.insert((row.d, row.k.unwrap()), Some(row.clone()));
            } else {
                version.added.push(row.clone());
            }
            version.rows.push(row.clone());
        }
        self.versions.push(version);
    }

    /// Does the statement, or nothing where it must be refused. Gives how many rows it changes.
    pub fn merge(&mut self, merge: &Merge, uses_source: bool) -> Option<usize> {
        let old = self.rows().to_vec();
        let sources = self.sources.clone();
        let mut fate: Vec<Vec<Option<Row>>> = vec![vec![]; old.len()];
        let mut new = vec![];
        let mut met = BTreeSet::new();
        let decide = |when: When, seen: Seen<'_>| {
            let holds = |clause: &&Clause| {
                clause.when == when && clause.condition.as_ref().is_none_or(|c| c.holds(seen) == Some(true))
            };
            merge.clauses.iter().find(holds).map(|clause| match &clause.action {
                Action::Delete => None,
                Action::Update(set) | Action::Insert(set) => Some(set.row(seen)),
            })
        };
        for (at, row) in old.iter().enumerate() {
            let seen = Seen { row: Some(row), source: None, sources: &sources };
            let mut matched = false;
            for (number, source) in sources.iter().enumerate().filter(|_| uses_source) {
                let seen = Seen { source: Some(source), ..seen };
                if merge.on.as_ref().is_none_or(|on| on.holds(seen) == Some(true)) {
                    matched = true;
                    met.insert(number);
                    fate[at].extend(decide(When::Matched, seen));
                }
            }
            if !matched {
                fate[at].extend(decide(When::NotMatchedBySource, seen));
            }
        }
        for (number, source) in sources.iter().enumerate().filter(|_| uses_source) {
            if !met.contains(&number) {
                let seen = Seen { row: None, source: Some(source), sources: &sources };
                new.extend(decide(When::NotMatched, seen).flatten());
            }
        }
        if fate.iter().any(|fates| fates.len() > 1) {
            return None;
        }
        self.apply(&old, &fate, new)
    }

    /// DELETE … USING: once, whatever the number of matches.
    pub fn delete_using(&mut self, on: &Condition) -> Option<usize> {
        let old = self.rows().to_vec();
        let sources = self.sources.clone();
        let goes = |row: &Row| {
            let seen = Seen { row: Some(row), source: None, sources: &sources };
            sources.iter().any(|source| on.holds(Seen { source: Some(source), ..seen }) == Some(true))
        };
        let fate: Vec<_> = old.iter().map(|row| if goes(row) { vec![None] } else { vec![] }).collect();
        self.apply(&old, &fate, vec![])
    }

    fn apply(&mut self, old: &[Row], fate: &[Vec<Option<Row>>], new: Vec<Row>) -> Option<usize> {
        let changed = fate.iter().flatten().count() + new.len();
        let mut version = Version::default();
        for (row, fate) in old.iter().zip(fate) {
            match fate.first() {
                None => version.rows.push(row.clone()),
                Some(fate) => {
                    if self.keyed {
                        version.writes.entry((row.d, row.k.unwrap())).or_insert(None);
                    }
                    version.added.extend(fate.clone());
                }
            }
        }
        version.added.extend(new);
        version.rows.extend(version.added.iter().cloned());
        if self.keyed {
            let mut keys = BTreeSet::new();
            if version.rows.iter().any(|row| row.k.is_none() || !keys.insert((row.d, row.k))) {
                return None;
            }
            for row in std::mem::take(&mut version.added) {
                version.writes.insert((row.d, row.k.unwrap()), Some(row));
            }
        }
        if changed > 0 {
            self.versions.push(version);
        }
        Some(changed)
    }

    /// The rows written after version `a`, up to `b`.
    pub fn between(&self, a: usize, b: usize) -> Vec<Row> {
        let range = &self.versions[a..b];
        if !self.keyed {
            return range.iter().flat_map(|version| version.added.iter().cloned()).collect();
        }
        let mut writes = BTreeMap::new();
        for version in range {
            writes.extend(version.writes.iter());
        }
        writes.into_values().flatten().cloned().collect()
    }
}
