//! The checker of histories: from what many writers and readers saw, and from the logs as they are afterwards, whether
//! what was promised was kept. A pure function; it knows neither SQL nor stores.
//!
//! No order has to be guessed as others do: the log is the order of versions. Checked is that it is one (no gap, no fork,
//! times strictly up), that it has what was acknowledged exactly once and what failed never, that it agrees with real time,
//! and that every read equals its replay.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use serde_json::{Value, json};

/// The rows of a table: key and value.
pub type Rows = BTreeMap<i64, i64>;

/// What a statement makes of the rows. Its other effects don't matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Inserts, and replaces by key.
    Put(Vec<(i64, i64)>),
    /// Adds to the value where the key is there.
    Add(Vec<(i64, i64)>),
    /// Removes the keys.
    Delete(Vec<i64>),
    /// Adds to the value where the key is there, inserts where it is not.
    Merge(Vec<(i64, i64)>),
    /// Replaces everything.
    Overwrite(Vec<(i64, i64)>),
    /// Brings back the rows of a version.
    Restore(u64),
    /// Takes all rows away, with the table.
    Drop,
    /// Brings back what the last drop took.
    Undrop,
    /// Changes no row.
    Nothing,
}

/// How a statement ended, for whoever ran it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It said that it was done.
    Done,
    /// It said that nothing was done.
    Failed,
    /// It said that it doesn't know; what `commit_status` said then, if it was asked and knew.
    Unknown(Option<bool>),
    /// Its process died, or it was given up.
    Lost,
}

/// A statement. Moments are positions in one record, so that they are ordered as real time is.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its name, which its commits carry.
    pub tag: String,
    /// The log of the rows that it changes; none where it changes no rows that are looked at.
    pub log: Option<String>,
    pub effect: Effect,
    pub start: u64,
    pub end: Option<u64>,
    pub outcome: Outcome,
    /// Whether it may be done without a commit, as a compaction may that finds nothing to do.
    pub may_do_nothing: bool,
    /// Whether it is done whole or not at all. A clean-up makes several commits, and may fail between them.
    pub atomic: bool,
    /// What it said when it failed.
    pub said: String,
}

/// A commit, as the log has it.
#[derive(Debug, Clone)]
pub struct Commit {
    pub log: String,
    pub version: u64,
    pub id: String,
    pub tag: String,
    pub time: i64,
    pub digest: String,
    pub previous: Option<String>,
}

/// What somebody read.
#[derive(Debug, Clone)]
pub struct Read {
    pub log: String,
    /// None where the newest was asked for.
    pub version: Option<u64>,
    pub rows: Rows,
    pub start: u64,
    pub end: u64,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub statements: Vec<Statement>,
    pub commits: Vec<Commit>,
    pub reads: Vec<Read>,
    /// By version of the catalog: each name with each live table that has it.
    pub names: Vec<(u64, Vec<(String, String)>)>,
    /// Keys whose values add up to the same sum at all times, once the first of them are there.
    pub bank: Option<(Range<i64>, i64)>,
}

/// The rows after the effect.
pub fn apply(effect: &Effect, rows: &Rows, at: impl Fn(u64) -> Option<Rows>) -> Option<Rows> {
    let mut rows = rows.clone();
    match effect {
        Effect::Put(put) => rows.extend(put.iter().copied()),
        Effect::Add(deltas) => {
            for (key, delta) in deltas {
                rows.entry(*key).and_modify(|value| *value += delta);
            }
        }
        Effect::Delete(keys) => rows.retain(|key, _| !keys.contains(key)),
        Effect::Merge(deltas) => {
            for (key, delta) in deltas {
                rows.entry(*key).and_modify(|value| *value += delta).or_insert(*delta);
            }
        }
        Effect::Overwrite(put) => rows = put.iter().copied().collect(),
        Effect::Restore(version) => rows = at(*version)?,
        Effect::Drop => rows.clear(),
        // Which drop it undoes is known to the replay only.
        Effect::Undrop | Effect::Nothing => {}
    }
    Some(rows)
}

/// A log, replayed.
struct Log<'a> {
    commits: Vec<&'a Commit>,
    /// By version, from 0 on: the rows; shorter than the log where it can't be replayed.
    rows: Vec<Rows>,
}

impl History {
    /// Everything that is wrong.
    pub fn violations(&self) -> Vec<String> {
        let mut wrong = vec![];
        let mut logs: BTreeMap<&str, Log<'_>> = BTreeMap::new();
        for commit in &self.commits {
            logs.entry(&commit.log).or_insert_with(|| Log { commits: vec![], rows: vec![] }).commits.push(commit);
        }
        let mut tags: HashMap<&str, &Statement> = HashMap::new();
        for statement in &self.statements {
            if tags.insert(&statement.tag, statement).is_some() {
                wrong.push(format!("the record has {} twice", statement.tag));
            }
        }
        for (name, log) in &mut logs {
            log.commits.sort_by_key(|commit| commit.version);
            wrong.extend(chain(name, &log.commits));
            replay(name, log, &tags, &mut wrong);
        }
        wrong.extend(self.once(&logs));
        for (name, log) in &logs {
            wrong.extend(self.real_time(name, log, &tags));
        }
        wrong.extend(self.reads_match(&logs, &tags));
        wrong.extend(self.names_are_unique());
        wrong.extend(self.bank_holds(&logs));
        wrong
    }

    /// What was acknowledged is there once, what failed is not, what was unknown is there at most once and as settled.
    fn once(&self, logs: &BTreeMap<&str, Log<'_>>) -> Vec<String> {
        let mut wrong = vec![];
        let mut found: HashMap<&str, BTreeMap<&str, Vec<u64>>> = HashMap::new();
        let mut ids: BTreeSet<&str> = BTreeSet::new();
        for commit in &self.commits {
            found.entry(&commit.tag).or_default().entry(&commit.log).or_default().push(commit.version);
            if !ids.insert(&commit.id) {
                wrong.push(format!(
                    "commit id {} is there twice, again in {} at {}",
                    commit.id, commit.log, commit.version
                ));
            }
        }
        let none = BTreeMap::new();
        for statement in self.statements.iter().filter(|statement| statement.atomic) {
            let Statement { tag, outcome, .. } = statement;
            let found = found.get(tag.as_str()).unwrap_or(&none);
            if let Some((log, versions)) = found.iter().find(|(_, versions)| versions.len() > 1) {
                wrong.push(format!("{tag} is {} times in {log}: {versions:?}", versions.len()));
            }
            let there = match &statement.log {
                Some(log) => found.contains_key(log.as_str()),
                None => !found.is_empty(),
            };
            match outcome {
                Outcome::Done if !there && !self.needed_no_commit(statement, logs) => {
                    wrong.push(format!("{tag} was acknowledged and is nowhere: {statement:?}"));
                }
                Outcome::Failed if !found.is_empty() => {
                    wrong.push(format!("{tag} failed and is there: {found:?}: {}", statement.said));
                }
                Outcome::Unknown(Some(settled)) if *settled != there => {
                    wrong.push(format!("{tag} was settled as {settled} and is there: {there}"));
                }
                _ => {}
            }
        }
        wrong
    }

    /// Whether there was a version, while the statement ran, of which it changes nothing.
    fn needed_no_commit(&self, statement: &Statement, logs: &BTreeMap<&str, Log<'_>>) -> bool {
        if statement.may_do_nothing {
            return true;
        }
        let Some(log) = statement.log.as_deref().and_then(|log| logs.get(log)) else { return false };
        let window = self.window(log, statement.start, statement.end.unwrap_or(u64::MAX));
        window.into_iter().any(|version| {
            let Some(rows) = log.rows.get(version as usize) else { return false };
            apply(&statement.effect, rows, |v| log.rows.get(v as usize).cloned()).as_ref() == Some(rows)
        })
    }

    /// The versions that may have been the newest at some moment from `start` to `end`.
    fn window(&self, log: &Log<'_>, start: u64, end: u64) -> Range<u64> {
        let (mut first, mut last) = (0, log.commits.len() as u64);
        let versions: HashMap<&str, u64> = log.commits.iter().map(|c| (c.tag.as_str(), c.version)).collect();
        for statement in &self.statements {
            let Some(version) = versions.get(statement.tag.as_str()) else { continue };
            if statement.outcome == Outcome::Done && statement.end.is_some_and(|ended| ended < start) {
                first = first.max(*version);
            }
            if statement.start > end {
                last = last.min(version - 1);
            }
        }
        first..last + 1
    }

    /// What was acknowledged before another began comes before it.
    fn real_time(&self, name: &str, log: &Log<'_>, tags: &HashMap<&str, &Statement>) -> Vec<String> {
        let mut starts: Vec<(u64, &Commit)> = vec![];
        let mut ends: Vec<(u64, &Commit)> = vec![];
        for commit in &log.commits {
            let Some(statement) = tags.get(commit.tag.as_str()) else { continue };
            starts.push((statement.start, commit));
            if let (Outcome::Done, Some(end)) = (statement.outcome, statement.end) {
                ends.push((end, commit));
            }
        }
        starts.sort_by_key(|(moment, _)| *moment);
        ends.sort_by_key(|(moment, _)| *moment);
        let (mut ended, mut newest): (_, Option<&Commit>) = (ends.iter().peekable(), None);
        let mut wrong = vec![];
        for (start, commit) in starts {
            while let Some((_, done)) = ended.next_if(|(end, _)| *end < start) {
                newest = newest.filter(|newest| newest.version > done.version).or(Some(done));
            }
            if let Some(done) = newest.filter(|done| done.version > commit.version) {
                let (a, b) = (&done.tag, &commit.tag);
                wrong.push(format!("{name}: {a} at {} ended before {b} at {} began", done.version, commit.version));
            }
        }
        wrong
    }

    fn reads_match(&self, logs: &BTreeMap<&str, Log<'_>>, tags: &HashMap<&str, &Statement>) -> Vec<String> {
        let mut wrong = vec![];
        for read in &self.reads {
            let Some(log) = logs.get(read.log.as_str()) else {
                wrong.push(format!("{} was read and has no commit", read.log));
                continue;
            };
            let versions = match read.version {
                Some(version) => version..version + 1,
                None => self.window(log, read.start, read.end),
            };
            if !versions.clone().any(|version| log.rows.get(version as usize) == Some(&read.rows)) {
                let expected = log.rows.get(versions.start as usize);
                let by =
                    log.commits.get(versions.start.wrapping_sub(1) as usize).and_then(|c| tags.get(c.tag.as_str()));
                wrong.push(format!(
                    "a read of {} at {versions:?} gave {:?} and the replay says {expected:?} (after {by:?})",
                    read.log, read.rows
                ));
            }
        }
        wrong
    }

    fn names_are_unique(&self) -> Vec<String> {
        let mut wrong = vec![];
        for (version, names) in &self.names {
            let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
            let mut tables: BTreeMap<&str, &str> = BTreeMap::new();
            for (name, table) in names {
                if let Some(other) = seen.insert(name, table) {
                    wrong.push(format!("catalog {version}: {name} is the name of {other} and of {table}"));
                }
                if let Some(other) = tables.insert(table, name) {
                    wrong.push(format!("catalog {version}: table {table} is called {other} and {name}"));
                }
            }
        }
        wrong
    }

    fn bank_holds(&self, logs: &BTreeMap<&str, Log<'_>>) -> Vec<String> {
        let Some((keys, expected)) = &self.bank else { return vec![] };
        let sum = |rows: &Rows| rows.range(keys.clone()).map(|(_, value)| value).sum::<i64>();
        let opened = |rows: &Rows| rows.range(keys.clone()).next().is_some();
        let versions = logs.iter().flat_map(|(name, log)| {
            log.rows.iter().enumerate().map(move |(version, rows)| (format!("{name} at {version}"), rows))
        });
        let reads = self.reads.iter().map(|read| (format!("a read of {} at {:?}", read.log, read.version), &read.rows));
        let all = versions.chain(reads).filter(|(_, rows)| opened(rows) && sum(rows) != *expected);
        all.map(|(what, rows)| format!("{what}: the accounts hold {} and not {expected}", sum(rows))).collect()
    }
}

/// Versions are contiguous, each follows the one before it, and times grow.
fn chain(name: &str, commits: &[&Commit]) -> Vec<String> {
    let mut wrong = vec![];
    if commits.first().is_some_and(|first| first.version != 1 || first.previous.is_some()) {
        wrong.push(format!("{name} begins at {}", commits[0].version));
    }
    for pair in commits.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        if b.version == a.version {
            wrong.push(format!("{name} forks at {}: {} and {}", a.version, a.tag, b.tag));
        } else if b.version != a.version + 1 {
            wrong.push(format!("{name} has a gap between {} and {}", a.version, b.version));
        } else if b.previous.as_ref() != Some(&a.digest) {
            wrong.push(format!("{name}: {} does not follow {}", b.version, a.version));
        }
        if b.time <= a.time {
            wrong.push(format!("{name}: the time of {} is not after that of {}", b.version, a.version));
        }
    }
    wrong
}

fn replay(name: &str, log: &mut Log<'_>, tags: &HashMap<&str, &Statement>, wrong: &mut Vec<String>) {
    log.rows.push(Rows::new());
    let mut dropped = None;
    for commit in &log.commits {
        let statement = tags.get(commit.tag.as_str());
        let effect = match statement {
            // A verb of another log that this one notes, or one that changes no rows here.
            Some(statement) if statement.log.as_deref() == Some(name) => statement.effect.clone(),
            Some(_) => Effect::Nothing,
            None => {
                wrong.push(format!("{name} at {}: nobody ran {:?}", commit.version, commit.tag));
                Effect::Nothing
            }
        };
        let last = log.rows.last().unwrap();
        let before = log.rows.len() as u64 - 1;
        let effect = match (effect, dropped) {
            (Effect::Drop, _) => {
                dropped = Some(before);
                Effect::Drop
            }
            (Effect::Undrop, Some(version)) => Effect::Restore(version),
            (effect, _) => effect,
        };
        match apply(&effect, last, |version| log.rows.get(version as usize).cloned()) {
            Some(rows) => log.rows.push(rows),
            None => return wrong.push(format!("{name} at {}: {effect:?} of what is not there yet", commit.version)),
        }
    }
}

impl Effect {
    /// What it is called in a record.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Put(rows) => json!({ "put": rows }),
            Self::Add(rows) => json!({ "add": rows }),
            Self::Delete(keys) => json!({ "delete": keys }),
            Self::Merge(rows) => json!({ "merge": rows }),
            Self::Overwrite(rows) => json!({ "overwrite": rows }),
            Self::Restore(version) => json!({ "restore": version }),
            Self::Drop => json!({ "drop": true }),
            Self::Undrop => json!({ "undrop": true }),
            Self::Nothing => json!({}),
        }
    }

    pub fn from_json(value: &Value) -> Self {
        let pairs = |value: &Value| -> Vec<(i64, i64)> {
            value
                .as_array()
                .unwrap()
                .iter()
                .map(|pair| (pair[0].as_i64().unwrap(), pair[1].as_i64().unwrap()))
                .collect()
        };
        match value.as_object().unwrap().iter().next() {
            None => Self::Nothing,
            Some((kind, value)) => match kind.as_str() {
                "put" => Self::Put(pairs(value)),
                "add" => Self::Add(pairs(value)),
                "merge" => Self::Merge(pairs(value)),
                "overwrite" => Self::Overwrite(pairs(value)),
                "delete" => Self::Delete(value.as_array().unwrap().iter().map(|key| key.as_i64().unwrap()).collect()),
                "restore" => Self::Restore(value.as_u64().unwrap()),
                "drop" => Self::Drop,
                "undrop" => Self::Undrop,
                other => panic!("no effect is called {other}"),
            },
        }
    }
}

mod tests;
