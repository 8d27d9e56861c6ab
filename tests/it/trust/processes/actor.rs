//! One of the processes: what it does, and its record of that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs::File;
use std::io::Write;

use datafusion_timetravel::Code;
use datafusion_timetravel::log::CommitStatus;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use crate::lake::{Session, ours};
use crate::trust::history::Effect;

/// The accounts of the bank, each with this much at first.
pub(super) const ACCOUNTS: std::ops::Range<i64> = 0..8;
pub(super) const EACH: i64 = 100;
/// The keys with which everything else is done.
pub(super) const KEYS: std::ops::Range<i64> = 100..130;
/// The names that the table has in turn.
pub(super) const MAIN: [&str; 2] = ["main", "moved"];
/// The names over which tables come and go.
pub(super) const NAMES: [&str; 3] = ["a", "b", "c"];

/// One of the processes.
pub(super) struct Actor {
    pub(super) name: String,
    pub(super) rng: StdRng,
    pub(super) session: Session,
    pub(super) record: File,
    /// Which of the two names the table had last.
    pub(super) at: usize,
    pub(super) made: u64,
    pub(super) done: u64,
    /// Versions that are read again and again.
    pub(super) pinned: Vec<u64>,
}

impl Actor {
    fn write(&mut self, line: &Value) {
        // One write, so that a kill leaves whole lines, and in order.
        self.record.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn main(&self) -> &'static str {
        MAIN[self.at]
    }

    fn keys(&mut self, most: usize) -> Vec<i64> {
        let count = self.rng.random_range(1..=most);
        let mut keys: Vec<i64> = (0..count).map(|_| self.rng.random_range(KEYS)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn pairs(&mut self, most: usize) -> Vec<(i64, i64)> {
        self.keys(most).into_iter().map(|key| (key, self.rng.random_range(-99..100))).collect()
    }

    /// Runs a statement under a name of its own, and records it before and after.
    pub(super) async fn run(
        &mut self,
        log: Option<&str>,
        effect: Effect,
        may_do_nothing: bool,
        sql: &str,
    ) -> Result<(), Code> {
        self.made += 1;
        let tag = format!("{}-{}", self.name, self.made);
        self.write(
            &json!({ "start": tag, "log": log, "effect": effect.to_json(), "nothing": may_do_nothing, "sql": sql }),
        );
        let tt = self.session.tt.with_caller(self.name.clone(), Some(tag.clone()));
        let result = Session { tt, ctx: self.session.ctx.clone() }.run(sql).await;
        let (outcome, code) = match &result {
            Ok(_) => (json!({ "end": tag, "outcome": "done" }), None),
            Err(error) => {
                let error = ours(error);
                let outcome = match error.code() {
                    Code::CommitStateUnknown => {
                        let status = self.session.tt.commit_status(error.unknown_commit().unwrap()).await.unwrap();
                        let settled = match status {
                            CommitStatus::Committed { .. } => Some(true),
                            CommitStatus::NotCommitted => Some(false),
                            CommitStatus::Undecided => None,
                        };
                        json!({ "end": tag, "outcome": "unknown", "settled": settled })
                    }
                    Code::Conflict
                    | Code::TableDropped
                    | Code::TableExists
                    | Code::TableNotFound
                    | Code::NotRestorable
                    | Code::SchemaNotSame
                    | Code::VersionOutOfRange => json!({ "end": tag, "outcome": "failed", "said": error.to_string() }),
                    code => panic!("{}: {sql}: {code:?}: {error}", self.name),
                };
                (outcome, Some(error.code()))
            }
        };
        self.write(&outcome);
        match code {
            None => {
                self.done += 1;
                Ok(())
            }
            Some(code) => Err(code),
        }
    }

    /// A statement on the table, by the name that it had last; another time by the other.
    pub(super) async fn on_main(&mut self, effect: Effect, may_do_nothing: bool, sql: &str) {
        let result = self.run(Some("main"), effect, may_do_nothing, sql).await;
        if matches!(result, Err(Code::TableNotFound | Code::TableDropped)) {
            self.at = 1 - self.at;
            self.undrop().await;
        }
    }

    /// Brings the table back if it is dropped: whoever dropped it may have died.
    pub(super) async fn undrop(&mut self) {
        for _ in 0..20 {
            let rows = self.session.ok("SHOW HISTORY FOR TABLES").await;
            let words = rows.iter().map(|row| row.split(' ').collect::<Vec<_>>());
            let mut tables = words.filter(|words| MAIN.contains(&words[0]));
            let Some(words) = tables.next() else { return };
            if *words.last().unwrap() == "NULL" {
                return;
            }
            let sql = format!("RESTORE TABLE {} ('id'='{}')", words[0], words[1]);
            if self.run(Some("main"), Effect::Undrop, true, &sql).await.is_ok() {
                return;
            }
        }
    }

    pub(super) async fn read(&mut self, version: Option<u64>) {
        self.made += 1;
        let id = format!("{}-{}", self.name, self.made);
        self.write(&json!({ "look": id }));
        let clause = version.map_or(String::new(), |version| format!(" VERSION AS OF {version}"));
        let sql = format!("SELECT k, v FROM {}{clause} ORDER BY k", self.main());
        match self.session.run(&sql).await {
            Ok(rows) => {
                let pairs = rows.iter().map(|row| row.split_once(' ').unwrap());
                let rows: Vec<(i64, i64)> = pairs.map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
                self.write(&json!({ "read": id, "version": version, "rows": rows }));
            }
            Err(error) => {
                let code = ours(&error).code();
                let moved = matches!(code, Code::TableNotFound | Code::TableDropped);
                assert!(moved, "{}: {sql}: {error}", self.name);
                self.at = 1 - self.at;
            }
        }
    }

    pub(super) async fn latest(&mut self) -> Option<u64> {
        let sql = format!("SELECT get_latest_version('{}')", self.main());
        match self.session.run(&sql).await {
            Ok(rows) => rows[0].parse().ok(),
            Err(_) => {
                self.at = 1 - self.at;
                None
            }
        }
    }

    pub(super) async fn step(&mut self) {
        let t = self.main();
        match self.rng.random_range(0..100) {
            0..34 => {
                let pairs = self.pairs(3);
                let sql = format!("INSERT INTO {t} VALUES {}", list(&pairs));
                self.on_main(Effect::Put(pairs), false, &sql).await;
            }
            34..46 => {
                let (a, b) = (self.rng.random_range(ACCOUNTS), self.rng.random_range(ACCOUNTS));
                if a == b {
                    return;
                }
                let by = self.rng.random_range(1..20);
                let sql =
                    format!("UPDATE {t} SET v = v + CASE k WHEN {a} THEN -{by} ELSE {by} END WHERE k IN ({a}, {b})");
                self.on_main(Effect::Add(vec![(a, -by), (b, by)]), false, &sql).await;
            }
            46..52 => {
                let (key, by) = (self.rng.random_range(KEYS), self.rng.random_range(1..9));
                let sql = format!("UPDATE {t} SET v = v + {by} WHERE k = {key}");
                self.on_main(Effect::Add(vec![(key, by)]), false, &sql).await;
            }
            52..58 => {
                let keys = self.keys(3);
                let text: Vec<String> = keys.iter().map(i64::to_string).collect();
                let sql = format!("DELETE FROM {t} WHERE k IN ({})", text.join(", "));
                self.on_main(Effect::Delete(keys), false, &sql).await;
            }
            58..66 => {
                let pairs = self.pairs(3);
                let sql = format!(
                    "MERGE INTO {t} USING (VALUES {}) AS s (k, v) ON {t}.k = s.k WHEN MATCHED THEN UPDATE SET v = {t}.v + s.v WHEN NOT MATCHED THEN INSERT VALUES (s.k, s.v)",
                    list(&pairs)
                );
                self.on_main(Effect::Merge(pairs), false, &sql).await;
            }
            66..71 => {
                let kind = ["MAJOR", "MINOR"].choose(&mut self.rng).unwrap();
                self.on_main(Effect::Nothing, true, &format!("ALTER TABLE {t} COMPACT {kind}")).await;
            }
            71..74 => {
                let Some(latest) = self.latest().await else { return };
                let version = self.rng.random_range(2..=latest);
                let sql = format!("RESTORE TABLE {} TO LSN '{version}'", self.main());
                self.on_main(Effect::Restore(version), false, &sql).await;
            }
            74..77 => {
                let value = self.rng.random_range(0..1000);
                let sql = format!("ALTER TABLE {t} SET TBLPROPERTIES ('x' = '{value}')");
                self.on_main(Effect::Nothing, true, &sql).await;
            }
            77 => {
                let other = MAIN[1 - self.at];
                if self.run(None, Effect::Nothing, false, &format!("ALTER TABLE {t} RENAME TO {other}")).await.is_ok() {
                    self.at = 1 - self.at;
                }
            }
            78 => {
                let _ = self.run(Some("main"), Effect::Drop, false, &format!("DROP TABLE {t}")).await;
                self.undrop().await;
            }
            79..90 => self.names().await,
            90..94 => self.read(None).await,
            _ => {
                if self.pinned.len() < 3
                    && let Some(latest) = self.latest().await
                {
                    let version = self.rng.random_range(2..=latest);
                    self.pinned.push(version);
                }
                let version = self.pinned.choose(&mut self.rng).copied();
                self.read(version).await;
            }
        }
    }

    /// Tables that come and go under few names.
    pub(super) async fn names(&mut self) {
        let name = *NAMES.choose(&mut self.rng).unwrap();
        let sql = match self.rng.random_range(0..8) {
            0..3 => format!("CREATE TABLE {name} (k BIGINT PRIMARY KEY)"),
            3 => format!("CREATE TABLE {name} AS SELECT 1 AS k"),
            4 => format!("DROP TABLE {name}"),
            5 => {
                let other = *NAMES.choose(&mut self.rng).unwrap();
                if other == name {
                    return;
                }
                format!("ALTER TABLE {name} RENAME TO {other}")
            }
            _ => {
                let rows = self.session.ok("SHOW HISTORY FOR TABLES").await;
                let words: Vec<Vec<&str>> = rows.iter().map(|row| row.split(' ').collect()).collect();
                let mut dropped: Vec<_> =
                    words.iter().filter(|w| w[0] == name && *w.last().unwrap() != "NULL").collect();
                dropped.reverse();
                let Some(words) = dropped.first() else { return };
                format!("RESTORE TABLE {name} ('id'='{}')", words[1])
            }
        };
        let _ = self.run(None, Effect::Nothing, sql.starts_with("RESTORE"), &sql).await;
    }
}

pub(super) fn list(pairs: &[(i64, i64)]) -> String {
    let rows: Vec<String> = pairs.iter().map(|(key, value)| format!("({key}, {value})")).collect();
    rows.join(", ")
}
