//! Whether what happened in a simulation was right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use datafusion_timetravel::auth::Caller;
use datafusion_timetravel::log::{CommitOptions, CommitStatus, Operation};
use datafusion_timetravel::ops::{Pin, plan};
use datafusion_timetravel::store::layout::{self, LogRoot};
use datafusion_timetravel::store::{CommitId, Digest, FileId, Ids, Path, Store, TableId};
use datafusion_timetravel::table::TableLog;

use super::{ACCOUNTS, Actor, EACH, Sum, World, name};
use crate::trust::history::{Effect, Outcome, Statement};
use crate::trust::logs;

/// Everybody who didn't know asks.
pub(super) async fn settle(world: &Arc<World>, first: &Actor, id: TableId) {
    let caller = Caller { actor: "actor0".into(), reason: Some("last".into()) };
    world.notes.lock().unwrap().statements.push(Statement {
        tag: "last".into(),
        log: None,
        effect: Effect::Nothing,
        start: u64::MAX - 1,
        end: Some(u64::MAX),
        outcome: Outcome::Done,
        may_do_nothing: true,
        atomic: true,
        said: String::new(),
    });
    let pin = Pin::new(first.warehouse(), &caller).await.unwrap();
    let table = pin.table(&name("main")).await.unwrap();
    let touch = BTreeMap::from([("comment.by".to_owned(), Some("last".to_owned()))]);
    let options = CommitOptions::new(CommitId::from_u128(first.ids.next()), Operation::Alter, "actor0");
    let options = CommitOptions { reason: Some("last".into()), ..options };
    let plan =
        move |head: &datafusion_timetravel::table::TableSnapshot| plan::set_properties(head, "main", touch.clone());
    table.log.commit(table.snapshot, options, plan).await.unwrap();
    let unknown = std::mem::take(&mut world.notes.lock().unwrap().unknown);
    for (at, commit) in unknown {
        let status = first.tt.commit_status(commit).await.unwrap();
        let settled = match status {
            CommitStatus::Committed { .. } => Some(true),
            CommitStatus::NotCommitted => Some(false),
            CommitStatus::Undecided => None,
        };
        assert!(settled.is_some() || commit.table != Some(id), "{commit:?} is undecided although later commits stand");
        let mut notes = world.notes.lock().unwrap();
        // A table's first commit may stand without the name that would make it seen.
        if notes.statements[at].log.is_some() {
            notes.statements[at].outcome = Outcome::Unknown(settled);
        }
    }
}

pub(super) async fn verify(world: &Arc<World>, seed: u64, main: TableId) -> Result<Sum, String> {
    let store = Store::new(Arc::clone(&world.objects), Path::default());
    let (mut history, _) = logs::read(&store).await;
    history.bank = Some((ACCOUNTS, ACCOUNTS.count() as i64 * EACH));
    let (gone, faults) = {
        let mut notes = world.notes.lock().unwrap();
        history.statements = std::mem::take(&mut notes.statements);
        history.reads = std::mem::take(&mut notes.reads);
        (notes.gone, notes.faults)
    };
    for statement in &mut history.statements {
        if statement.log.is_some() {
            statement.log = Some(main.to_string());
        }
    }
    let mut violations = history.violations();
    // No file that a log names was deleted.
    let snapshot = TableLog::new(store.clone(), LogRoot::Table(main)).snapshot().await.unwrap();
    let objects = store.list(&layout::data_folder(main)).await.unwrap();
    let there: HashSet<FileId> =
        objects.iter().filter_map(|o| Some(layout::parse_data_file_name(o.location.filename()?)?.0)).collect();
    let kept = snapshot.state.files().filter(|entry| !snapshot.state.is_gone(entry.file.id));
    let lost: Vec<FileId> = kept.map(|entry| entry.file.id).filter(|file| !there.contains(file)).collect();
    if !lost.is_empty() {
        violations.push(format!("files that the log names are gone: {lost:?}"));
    }
    let lines = world.trace.lines();
    let deleted = lines.iter().filter(|line| line.contains(" Delete ") && line.contains("/data/")).count() as u64;
    let sum = Sum {
        commits: history.commits.len() as u64,
        statements: history.statements.len() as u64,
        reads: history.reads.len() as u64,
        gone,
        faults,
        deleted,
        trace: Digest::of(lines.join("\n").as_bytes()).as_u128(),
        lines,
    };
    match violations.is_empty() {
        true => Ok(sum),
        false => Err(format!("TIMETRAVEL_SEED={seed}: {} violations:\n{}", violations.len(), violations.join("\n"))),
    }
}
