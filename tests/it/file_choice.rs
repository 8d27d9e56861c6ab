//! The figure of the document on time travel: which files a read at each moment takes (R006, R007).
//!
//! Five writes d1 to d5, compactions b1 after the second and b2 after the fourth. The table's own log is asked what is
//! visible at each version, after SQL has written it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use datafusion_timetravel::catalog::{CatalogLog, DEFAULT_SCHEMA, Object, TableName};
use datafusion_timetravel::log::{Lsn, Operation};
use datafusion_timetravel::store::layout::LogRoot;
use datafusion_timetravel::store::{Durability, Store};
use datafusion_timetravel::table::{FileKind, TableLog, TableSnapshot};
use datafusion_timetravel::{SessionContextExt, TimeTravel};

/// The statements, with the name that the document gives to what each writes, and the version that it makes.
const STATEMENTS: &[(&str, u64, &str)] = &[
    ("", 1, "CREATE TABLE src (pk BIGINT PRIMARY KEY, val STRING)"),
    ("d1", 2, "INSERT INTO src VALUES (1, 'a'), (2, 'a')"),
    ("d2", 3, "INSERT INTO src VALUES (2, 'b'), (3, 'a')"),
    ("b1", 4, "ALTER TABLE src COMPACT MAJOR"),
    ("d3", 5, "INSERT INTO src VALUES (3, 'b'), (4, 'a')"),
    ("d4", 6, "DELETE FROM src WHERE pk = 1"),
    ("b2", 7, "ALTER TABLE src COMPACT MAJOR"),
    ("d5", 8, "INSERT INTO src VALUES (5, 'a')"),
];

/// What a read at each version takes.
const READS: &[(u64, &[&str])] = &[
    (1, &[]),
    (2, &["d1"]),
    (3, &["d1", "d2"]),
    (4, &["b1"]),
    (5, &["b1", "d3"]),
    (6, &["b1", "d3", "d4"]),
    (7, &["b2"]),
    (8, &["b2", "d5"]),
];

async fn write(url: &str) {
    let tt = TimeTravel::builder(url).durability(Durability::Relaxed).build().await.unwrap();
    let ctx = SessionContext::new();
    ctx.with_timetravel("warehouse", &tt).await.unwrap();
    for (_, _, sql) in STATEMENTS {
        let sql = sql.replace("src", "warehouse.default.src");
        tt.sql(&ctx, &sql).await.unwrap().collect().await.unwrap();
    }
}

async fn table(url: &str) -> Arc<TableSnapshot> {
    let store = Store::open(url, []).unwrap();
    let catalog = CatalogLog::new(store.clone(), LogRoot::Catalog).snapshot().await.unwrap();
    let Some(Object::Table(table)) = catalog.state.object(&TableName::new(DEFAULT_SCHEMA, "src")) else {
        panic!("no table src");
    };
    TableLog::new(store, LogRoot::Table(table.id)).snapshot().await.unwrap()
}

/// The document's names of the files that a read at the version takes, oldest first.
fn taken(table: &TableSnapshot, version: u64) -> Vec<&'static str> {
    let mut written: Vec<u64> = table.state.visible_at(Lsn::new(version)).iter().map(|entry| entry.lsn.get()).collect();
    written.sort_unstable();
    let name = |lsn: u64| STATEMENTS.iter().find(|(_, version, _)| *version == lsn).map(|(name, _, _)| *name);
    written.into_iter().map(|lsn| name(lsn).expect("a statement")).collect()
}

#[tokio::test]
async fn a_read_takes_the_newest_base_and_what_follows() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("lake").to_string_lossy().into_owned();
    write(&url).await;
    let table = table(&url).await;
    assert_eq!(table.lsn, Lsn::new(8));
    for (version, files) in READS {
        assert_eq!(taken(&table, *version), *files, "version {version}");
    }
    // b1 holds (2, b) and no longer (2, a); a base has no tombstones (R008).
    for (lsn, rows) in [(4, 3), (7, 3)] {
        let bases: Vec<_> = table.state.files().filter(|entry| entry.lsn == Lsn::new(lsn)).collect();
        assert!(bases.iter().all(|entry| entry.operation == Operation::Compact && entry.file.kind == FileKind::Base));
        assert_eq!(bases.iter().map(|entry| entry.file.rows).sum::<u64>(), rows, "rows of the base at {lsn}");
    }
}
