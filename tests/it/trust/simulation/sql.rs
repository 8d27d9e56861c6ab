//! The same in SQL, with Parquet.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use datafusion_timetravel::Code;
use datafusion_timetravel::auth::Caller;
use rand::Rng;

use super::{ACCOUNTS, Actor, DAY, EACH, KEYS, Role, SKEW, Trouble};
use crate::lake::Session;
use crate::trust::history::{Effect, Read, Rows};

/// SQL, with Parquet.
impl Actor {
    pub(super) async fn sql(&mut self, effect: Option<Effect>, may_do_nothing: bool, sql: String) {
        let log = effect.as_ref().map(|_| "main");
        let statement = async move |actor: &Self, caller: Caller| {
            let Session { tt, ctx } = actor.session.clone().unwrap();
            Ok(Session { tt: tt.with_caller(caller.actor, caller.reason), ctx }.run(&sql).await?)
        };
        self.run(log, effect.unwrap_or(Effect::Nothing), may_do_nothing, statement).await;
    }

    pub(super) async fn sql_step(&mut self) {
        let pairs = self.pairs();
        let rows: Vec<String> = pairs.iter().map(|(key, value)| format!("({key}, {value})")).collect();
        let rows = rows.join(", ");
        let key = self.rng.random_range(KEYS);
        match (self.role, self.rng.random_range(0..20)) {
            (Role::Writer, 0..7) => {
                self.sql(Some(Effect::Put(pairs)), false, format!("INSERT INTO main VALUES {rows}")).await;
            }
            (Role::Writer, 7..11) => {
                let (a, b, by) = (key % 2, 2 + key % 2, self.rng.random_range(1..9));
                let sql =
                    format!("UPDATE main SET v = v + CASE k WHEN {a} THEN -{by} ELSE {by} END WHERE k IN ({a}, {b})");
                self.sql(Some(Effect::Add(vec![(a, -by), (b, by)])), false, sql).await;
            }
            (Role::Writer, 11..14) => {
                self.sql(Some(Effect::Delete(vec![key])), false, format!("DELETE FROM main WHERE k = {key}")).await;
            }
            (Role::Writer, 14..17) => {
                let sql = format!(
                    "MERGE INTO main USING (VALUES {rows}) AS s (k, v) ON main.k = s.k WHEN MATCHED THEN UPDATE SET v = main.v + s.v WHEN NOT MATCHED THEN INSERT VALUES (s.k, s.v)"
                );
                self.sql(Some(Effect::Merge(pairs)), false, sql).await;
            }
            (Role::Writer, 17) => {
                let all: Vec<(i64, i64)> = ACCOUNTS.map(|key| (key, EACH)).chain(pairs).collect();
                let rows: Vec<String> = all.iter().map(|(key, value)| format!("({key}, {value})")).collect();
                let sql = format!("INSERT OVERWRITE TABLE main VALUES {}", rows.join(", "));
                self.sql(Some(Effect::Overwrite(all)), false, sql).await;
            }
            (Role::Writer, _) => {
                let Ok((_, table)) = self.pinned(&Caller::default()).await else { return };
                let version = table.snapshot.lsn.get().saturating_sub(self.rng.random_range(0..12)).max(2);
                let sql = format!("RESTORE TABLE main TO LSN '{version}'");
                self.sql(Some(Effect::Restore(version)), false, sql).await;
            }
            (Role::Compactor, n) => {
                let kind = if n < 10 { "MAJOR" } else { "MINOR" };
                self.sql(Some(Effect::Nothing), true, format!("ALTER TABLE main COMPACT {kind}")).await;
            }
            (Role::Sweeper, 0..3) => self.sql(None, true, "PURGE TABLE main".to_owned()).await,
            (Role::Sweeper, _) => self.sql(None, true, "VACUUM".to_owned()).await,
            (Role::Reader | Role::Namer, _) => self.sql_reads().await,
        }
    }

    pub(super) async fn sql_reads(&mut self) {
        let start = self.world.notes.lock().unwrap().tick();
        let began = self.world.time.now();
        let Ok((_, table)) = self.pinned(&Caller::default()).await else { return };
        let head = table.snapshot.lsn.get();
        let newest = self.rng.random_range(0..3) == 0;
        let version = (!newest).then(|| self.rng.random_range(2.min(head)..=head));
        let clause = version.map_or(String::new(), |version| format!(" VERSION AS OF {version}"));
        let session = self.session.clone().unwrap();
        let result = session.run(&format!("SELECT k, v FROM main{clause} ORDER BY k")).await.map_err(Trouble::from);
        match result {
            Ok(rows) => {
                let pairs = rows.iter().map(|row| row.split_once(' ').unwrap());
                let rows: Rows = pairs.map(|(key, value)| (key.parse().unwrap(), value.parse().unwrap())).collect();
                let mut notes = self.world.notes.lock().unwrap();
                let end = notes.tick();
                notes.reads.push(Read { log: table.id.to_string(), version, rows, start, end });
            }
            Err(trouble) if trouble.code == Code::StoreUnavailable => {}
            Err(Trouble { code, text, .. }) => {
                assert!(
                    matches!(code, Code::VersionTooOld | Code::SnapshotGone),
                    "seed {}: {code:?}: {text}",
                    self.seed
                );
                let took = self.world.time.now() - began;
                let patient = took + 2 * Duration::from_micros(SKEW as u64) >= DAY;
                let fair = !newest || patient || self.purged_since(&table).await;
                assert!(fair, "seed {}: the newest version is gone: {text}, {took:?}", self.seed);
                self.world.notes.lock().unwrap().gone += 1;
            }
        }
    }
}
