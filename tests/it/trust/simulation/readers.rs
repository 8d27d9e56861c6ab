//! What readers see, with all the time that they take, and which files may be gone meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion_timetravel::Code;
use datafusion_timetravel::auth::Caller;
use datafusion_timetravel::log::Lsn;
use datafusion_timetravel::ops::version::{self, PurgedHistory};
use datafusion_timetravel::ops::{PinnedTable, VersionSpec};
use datafusion_timetravel::store::layout::LogRoot;
use datafusion_timetravel::store::{Clock, FileId, Path, Store};
use datafusion_timetravel::table::{Action, TableLog};
use rand::Rng;

use super::{Actor, DAY, HOUR, SKEW};
use crate::trust::history::{Read, Rows};
use crate::trust::virtual_time::SkewedClock;

impl Actor {
    pub(super) async fn reads(&mut self) {
        let start = self.world.notes.lock().unwrap().tick();
        let began = self.world.time.now();
        let Ok((pin, table)) = self.pinned(&Caller::default()).await else { return };
        let head = table.snapshot.lsn.get();
        let newest = self.rng.random_range(0..3) == 0;
        let version = if newest { head } else { self.rng.random_range(2.min(head)..=head) };
        let spec = VersionSpec::Version(version as i64);
        let found = match version::as_of(&pin, &table, pin.now(), spec, PurgedHistory::Error).await {
            Ok(lsn) => lsn,
            Err(error) => {
                let clear = matches!(error.code(), Code::VersionTooOld | Code::SnapshotGone | Code::StoreUnavailable);
                assert!(clear && !newest, "seed {}: {:?}: {error}", self.seed, error.code());
                self.world.notes.lock().unwrap().gone += 1;
                return;
            }
        };
        let mut files = table.snapshot.state.visible_at(found);
        let mut rows: BTreeMap<i64, Option<i64>> = BTreeMap::new();
        files.sort_by_key(|entry| entry.order);
        for entry in files {
            // A reader may take its time between two files.
            if self.rng.random_range(0..30) == 0 {
                let most = if self.rng.random_range(0..4) == 0 { 72 } else { 12 };
                self.world.time.sleep(self.rng.random_range(0..most) * HOUR).await;
            }
            let file = entry.file.id;
            match self.rows(table.id, vec![entry]).await {
                Ok(more) => rows.extend(more),
                Err(error) if error.code() == Code::StoreUnavailable => return,
                Err(error) => {
                    assert_eq!(error.code(), Code::SnapshotGone, "seed {}: {error}", self.seed);
                    let took = self.world.time.now() - began;
                    let (seed, fair) = (self.seed, self.may_be_gone(&table, file).await);
                    assert!(fair, "seed {seed}: a live file of version {version} is gone: {error}, {took:?}");
                    self.world.notes.lock().unwrap().gone += 1;
                    return;
                }
            }
        }
        let rows: Rows = rows.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let mut notes = self.world.notes.lock().unwrap();
        let end = notes.tick();
        notes.reads.push(Read { log: table.id.to_string(), version: Some(version), rows, start, end });
    }

    /// Whether the file may have been deleted by now: somebody purged the table since it was pinned, or the file is read by
    /// no version since a day or more, give or take what clocks are wrong. Asked without faults: the answer must be true.
    pub(super) async fn may_be_gone(&self, table: &PinnedTable, file: FileId) -> bool {
        let log = TableLog::new(Store::new(Arc::clone(&self.world.objects), Path::default()), LogRoot::Table(table.id));
        let head = log.snapshot().await.unwrap();
        if head.state.info().unwrap().purged.is_some_and(|purged| purged > table.snapshot.lsn) {
            return true;
        }
        // The entry itself may have been swept; the commits are there.
        let (mut ended, mut lsn) = (None, Lsn::FIRST);
        while let Some(commit) = log.read_commit(lsn).await.unwrap() {
            for action in &commit.actions {
                match action {
                    // A file that no version reads may still be counted; that keeps it for ranges that begin before it.
                    Action::Close { file: closed, .. } if *closed == file => ended = ended.or(Some(commit.header.time)),
                    Action::Reopen { file: reopened, visible: true, .. } if *reopened == file => ended = None,
                    _ => {}
                }
            }
            lsn = lsn.next();
        }
        let latest = SkewedClock { time: self.world.time.clone(), skew: SKEW }.now();
        let fair = ended.is_some_and(|ended| latest.since(ended) >= DAY);
        if !fair {
            println!("pinned at {}, now {latest}, head {}, file ended {ended:?}", table.snapshot.lsn, head.lsn);
            for info in log.commits(&head, Lsn::FIRST, head.lsn).await.unwrap() {
                let commit = log.read_commit(info.lsn).await.unwrap().unwrap();
                let about: Vec<&Action> =
                    commit.actions.iter().filter(|a| format!("{a:?}").contains(&file.to_string())).collect();
                println!("{} {} {} {:?} {about:?}", info.lsn, info.time, info.operation, info.reason);
            }
        }
        fair
    }

    /// Whether somebody purged the table since it was pinned. Asked without faults: the answer must be true.
    pub(super) async fn purged_since(&self, table: &PinnedTable) -> bool {
        let log = TableLog::new(Store::new(Arc::clone(&self.world.objects), Path::default()), LogRoot::Table(table.id));
        let purged = log.snapshot().await.unwrap().state.info().unwrap().purged;
        purged.is_some_and(|purged| purged > table.snapshot.lsn)
    }
}
