//! What all logs of a warehouse say, for the checker of histories.

use datafusion_timetravel::catalog::{CatalogLog, CatalogState};
use datafusion_timetravel::log::{Log, Lsn, State};
use datafusion_timetravel::store::Store;
use datafusion_timetravel::store::layout::LogRoot;
use datafusion_timetravel::table::TableLog;

use super::history::{Commit, History};

/// The commits of the catalog and of every table that ever had a name, the names at each version, and the catalog.
pub async fn read(store: &Store) -> (History, CatalogState) {
    let mut history = History::default();
    let catalog = CatalogLog::new(store.clone(), LogRoot::Catalog);
    let mut state = CatalogState::default();
    let mut lsn = Lsn::FIRST;
    while let Some(commit) = catalog.read_commit(lsn).await.unwrap() {
        state.apply(&commit.header, &commit.actions).unwrap();
        let live = state.tables().filter(|entry| entry.dropped.is_none());
        history.names.push((lsn.get(), live.map(|entry| (entry.name.to_string(), entry.id.to_string())).collect()));
        lsn = lsn.next();
    }
    commits_of(&catalog, &mut history.commits).await;
    for entry in state.tables() {
        commits_of(&TableLog::new(store.clone(), LogRoot::Table(entry.id)), &mut history.commits).await;
    }
    (history, state)
}

async fn commits_of<S: State>(log: &Log<S>, commits: &mut Vec<Commit>) {
    let mut lsn = Lsn::FIRST;
    while let Some(commit) = log.read_commit(lsn).await.unwrap() {
        commits.push(Commit {
            log: log.name(),
            version: lsn.get(),
            id: commit.header.commit.to_string(),
            tag: commit.header.reason.unwrap_or_default(),
            time: commit.header.time.as_micros(),
            digest: commit.digest.to_string(),
            previous: commit.header.previous.map(|digest| digest.to_string()),
        });
        lsn = lsn.next();
    }
}
