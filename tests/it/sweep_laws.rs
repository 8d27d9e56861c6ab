//! Random statements with PURGE and VACUUM between them, on a clock that jumps by hours: after every clean-up each version
//! and range inside retention is what it was, clones are whole, and the objects that are left are those that some log
//! names plus those younger than the grace (invariant 8).
//!
//! `TIMETRAVEL_SWEEP_SEQUENCES` says how many sequences; `TIMETRAVEL_SEED` replays one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use datafusion_timetravel::catalog::{CatalogLog, CatalogTable};
use datafusion_timetravel::store::layout::{self, LogRoot};
use datafusion_timetravel::store::testing::ClockedStore;
use datafusion_timetravel::store::{FileId, ManualClock, ObjectStore, SeededIds, TableId, Timestamp};
use datafusion_timetravel::table::{TableLog, TableSnapshot};
use datafusion_timetravel::{Code, TimeTravel, TimeTravelBuilder};
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::lake::{Session, ours, reachable, store};
use super::trust::report::report;

const SEQUENCES: u64 = 400;
const STEPS: usize = 50;
/// As many are under way together.
const TOGETHER: usize = 2;
const HOUR: Duration = Duration::from_secs(3600);
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// What was seen of a table, by the version that shows it.
#[derive(Default)]
struct Seen {
    /// The rows of each version when it was the latest.
    versions: BTreeMap<u64, Vec<String>>,
    /// The last PURGE.
    purged: u64,
}

struct World {
    rng: StdRng,
    clock: ManualClock,
    objects: Arc<dyn ObjectStore>,
    session: Session,
    seen: BTreeMap<TableId, Seen>,
    trace: Vec<String>,
    deleted: usize,
}

impl World {
    async fn new(seed: u64) -> Self {
        let clock = ManualClock::new(Timestamp::from_millis(1_700_000_000_000));
        let objects: Arc<dyn ObjectStore> =
            Arc::new(ClockedStore::new(Arc::new(InMemory::new()), Arc::new(clock.clone())));
        // Ids order what is listed, so that a sequence follows from its seed only if they do.
        let ids = Arc::new(SeededIds::new(seed));
        let session = Session::with(builder(&clock, &objects).ids(ids).build().await.unwrap()).await;
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            clock,
            objects,
            session,
            seen: BTreeMap::new(),
            trace: vec![],
            deleted: 0,
        };
        world.run("CREATE TABLE a (k BIGINT PRIMARY KEY, v BIGINT) PARTITIONED BY (d STRING)").await;
        world.run("CREATE TABLE b (k BIGINT PRIMARY KEY, v BIGINT)").await;
        world
    }

    /// Runs a statement, which may be refused for what is there, and notes what every table shows afterwards.
    async fn run(&mut self, sql: &str) -> Option<Vec<String>> {
        let outcome = self.session.run(sql).await;
        match &outcome {
            Ok(rows) => self.trace.push(format!("{sql} -> {rows:?}")),
            Err(error) => {
                let code = ours(error).code();
                self.trace.push(format!("{sql} -> {code:?}"));
                let expected = [
                    Code::TableDropped,
                    Code::TableNotFound,
                    Code::TableExists,
                    Code::NotRestorable,
                    Code::VersionOutOfRange,
                    Code::PartitionNotFound,
                    Code::PartitionExists,
                    Code::SchemaNotSame,
                    Code::InvalidArgument,
                ];
                assert!(expected.contains(&code), "{sql}: {error}");
            }
        }
        for (name, id) in self.live().await {
            let head = self.snapshot(id).await.lsn.get();
            if !self.seen.entry(id).or_default().versions.contains_key(&head) {
                let rows = self.session.ok(&format!("SELECT * FROM {name} ORDER BY 1, 2")).await;
                self.seen.get_mut(&id).unwrap().versions.insert(head, rows);
            }
        }
        outcome.ok()
    }

    async fn catalog(&self) -> Vec<Arc<CatalogTable>> {
        let catalog = CatalogLog::new(store(Arc::clone(&self.objects)), LogRoot::Catalog).snapshot().await.unwrap();
        catalog.state.tables().cloned().collect()
    }

    async fn live(&self) -> Vec<(String, TableId)> {
        let live = self.catalog().await.into_iter().filter(|entry| entry.dropped.is_none());
        live.map(|entry| (entry.name.table.clone(), entry.id)).collect()
    }

    async fn snapshot(&self, id: TableId) -> Arc<TableSnapshot> {
        TableLog::new(store(Arc::clone(&self.objects)), LogRoot::Table(id)).snapshot().await.unwrap()
    }

    fn below(&mut self, n: u64) -> u64 {
        self.rng.random_range(0..n)
    }

    async fn step(&mut self) {
        let hours = [0, 0, 1, 5, 13, 30][self.below(6) as usize];
        // A second more each time: at the very microsecond at which a version leaves its retention, a commit decides.
        self.clock.advance(HOUR * hours + Duration::from_secs(1));
        let live = self.live().await;
        let (name, id) = match live.is_empty() {
            true => ("a".to_owned(), TableId::from_u128(0)),
            false => live[self.below(live.len() as u64) as usize].clone(),
        };
        let head = if live.is_empty() { 1 } else { self.snapshot(id).await.lsn.get() };
        let partitioned =
            !live.is_empty() && !self.snapshot(id).await.state.schema().unwrap().partition_columns.is_empty();
        let (k, v, d) = (self.below(4), self.below(100), ["x", "y"][self.below(2) as usize]);
        let row = if partitioned { format!("({k}, {v}, '{d}')") } else { format!("({k}, {v})") };
        let lsn = 1 + self.below(head);
        let sql = match self.below(20) {
            0..=5 => format!("INSERT INTO {name} VALUES {row}"),
            6 if self.below(2) == 0 => format!("UPDATE {name} SET v = v + 1 WHERE k = {k}"),
            6 | 7 => format!("INSERT OVERWRITE {name} VALUES {row}"),
            8 => format!("DELETE FROM {name} WHERE k = {k}"),
            9 => format!("ALTER TABLE {name} COMPACT MINOR"),
            10 => format!("ALTER TABLE {name} COMPACT MAJOR"),
            11 if partitioned => format!("ALTER TABLE {name} DROP PARTITION (d = '{d}')"),
            12 if partitioned => match self.dropped_partition(id).await {
                Some(partition) => format!("RESTORE TABLE {name} PARTITION('id'='{partition}')"),
                None => return,
            },
            11 | 12 => format!("TRUNCATE TABLE {name}"),
            13 | 14 => format!("RESTORE TABLE {name} TO LSN '{lsn}'"),
            15 => {
                let to = ["a", "b", "c", "e"][self.below(4) as usize];
                format!("RESTORE TABLE {name} TO LSN '{lsn}' AS {to}")
            }
            16 if self.below(2) == 0 => format!("DROP TABLE {name}"),
            16 => match self.dropped_table().await {
                Some((name, id)) if self.below(4) == 0 => format!("PURGE TABLE {name} ('id'='{id}')"),
                Some((name, id)) => format!("RESTORE TABLE {name} ('id'='{id}')"),
                None => return,
            },
            17 if self.below(2) == 0 => {
                let (hours, days) = ([0, 24, 48, 168][self.below(4) as usize], [0, 1, 3][self.below(3) as usize]);
                self.run(&format!("SETPROJECT odps.timemachine.retention.days = {days}")).await;
                format!("ALTER TABLE {name} SET TBLPROPERTIES ('acid.data.retain.hours' = '{hours}')")
            }
            17 | 18 => return self.clean_up(&format!("PURGE TABLE {name}")).await,
            _ => return self.clean_up("VACUUM").await,
        };
        self.run(&sql).await;
        if sql.contains("INSERT OVERWRITE") && self.below(3) == 0 {
            self.clean_up(&format!("PURGE TABLE {name}")).await;
        }
    }

    async fn dropped_partition(&mut self, id: TableId) -> Option<String> {
        let snapshot = self.snapshot(id).await;
        let ended: Vec<_> = snapshot.state.partitions().filter(|entry| !entry.life.is_open()).collect();
        if ended.is_empty() {
            return None;
        }
        Some(ended[self.below(ended.len() as u64) as usize].id.to_string())
    }

    async fn dropped_table(&mut self) -> Option<(String, TableId)> {
        let dropped = |entry: &Arc<CatalogTable>| entry.dropped.is_some() && entry.purged.is_none();
        let dropped: Vec<_> = self.catalog().await.into_iter().filter(dropped).collect();
        if dropped.is_empty() {
            return None;
        }
        let entry = &dropped[self.below(dropped.len() as u64) as usize];
        Some((entry.name.table.clone(), entry.id))
    }

    /// Every version and range that can be read: its rows, or the code of the refusal.
    async fn readable(&self) -> BTreeMap<(TableId, u64, u64), Result<Vec<String>, Code>> {
        let mut found = BTreeMap::new();
        // A fresh session: no file is served from a cache.
        let session = open(&self.clock, &self.objects).await;
        for (name, id) in self.live().await {
            let head = self.snapshot(id).await.lsn.get();
            let columns = self.columns(id).await;
            let versions = sampled(head, 4).into_iter().map(|v| (v, format!("{name} VERSION AS OF {v}")));
            for (v, rows) in together(&session, &columns, versions.collect()).await {
                found.insert((id, v, v), rows);
            }
            let ranges = sampled(head, 2)
                .into_iter()
                .filter(|a| *a < head)
                .map(|a| (a, format!("{name} VERSION BETWEEN {a} AND {head}")));
            for (a, rows) in together(&session, &columns, ranges.collect()).await {
                found.insert((id, a, head), rows);
            }
        }
        found
    }

    async fn columns(&self, id: TableId) -> String {
        let partitioned = !self.snapshot(id).await.state.schema().unwrap().partition_columns.is_empty();
        if partitioned { "k, v, d".to_owned() } else { "k, v".to_owned() }
    }

    async fn clean_up(&mut self, verb: &str) {
        let before = self.readable().await;
        let objects = self.data().await.len();
        let Some(rows) = self.run(verb).await else { return };
        let waits = rows.iter().any(|row| row.contains(" wait "));
        let left = self.data().await.len();
        assert!(left <= objects);
        self.deleted += objects - left;
        let purged = verb.strip_prefix("PURGE TABLE ");
        for (name, id) in self.live().await {
            if purged == Some(name.as_str()) {
                let snapshot = self.snapshot(id).await;
                let seen = self.seen.get_mut(&id).unwrap();
                seen.purged = snapshot.state.info().unwrap().purged.map_or(0, |lsn| lsn.get());
            }
        }
        let after = self.readable().await;
        for ((id, a, b), rows) in &before {
            let is_purged = purged.is_some() && self.seen[id].purged > *a;
            let now = after.get(&(*id, *a, *b));
            let what = format!("{verb}: table {id} ({a}, {b}]: was {rows:?}, is {now:?}");
            match (rows, now) {
                // Dropped by the lifecycle, or out of the window of what is looked at.
                (_, None) => {}
                (Ok(_), Some(Err(Code::SnapshotGone))) if is_purged && a != b => {}
                (Ok(_), Some(Ok(now))) if is_purged && a == b => {
                    let seen = &self.seen[id];
                    assert_eq!(*now, seen.versions[&seen.purged], "{what}");
                }
                (Ok(then), Some(Ok(now))) => assert_eq!(then, now, "{what}"),
                (Err(then), Some(Err(now))) => assert_eq!(then, now, "{what}"),
                _ => panic!("{what}"),
            }
        }
        if !waits {
            self.only_reachable(purged).await;
        }
    }

    /// What each version shows is what it showed when it was the latest, or what the PURGE left.
    async fn nothing_lost(&self) {
        for ((id, a, b), rows) in self.readable().await {
            if let (true, Ok(rows)) = (a == b, rows) {
                let seen = &self.seen[&id];
                let v = if a < seen.purged && !self.same_as_purged(id, a).await { seen.purged } else { a };
                if let Some(then) = seen.versions.get(&v) {
                    assert_eq!(&rows, then, "table {id} version {a}");
                }
            }
        }
    }

    async fn same_as_purged(&self, id: TableId, v: u64) -> bool {
        let seen = &self.seen[&id];
        seen.versions.get(&v) == seen.versions.get(&seen.purged)
    }

    async fn data(&self) -> Vec<object_store::ObjectMeta> {
        let all: Vec<_> =
            self.objects.list(Some(&layout::tables_folder())).try_collect().await.expect("a listing of memory");
        all.into_iter().filter(|meta| meta.location.as_ref().contains("/data/")).collect()
    }

    /// Of the folders that were swept, nothing is left but what a log names, and what is young.
    async fn only_reachable(&self, purged: Option<&str>) {
        let now = datafusion_timetravel::store::Clock::now(&self.clock);
        let tables = self.catalog().await;
        let reachable = reachable(&self.objects).await;
        let present: HashSet<FileId> = self.data().await.iter().filter_map(file_of).collect();
        let lost: Vec<_> = reachable.difference(&present).collect();
        assert!(lost.is_empty(), "files that a log names are gone: {lost:?}");
        for meta in self.data().await {
            let (id, file) = (layout::table_of(&meta.location).unwrap(), file_of(&meta).unwrap());
            let entry = tables.iter().find(|entry| entry.id == id);
            let swept = entry
                .is_some_and(|entry| entry.dropped.is_none() && purged.is_none_or(|name| entry.name.table == name));
            let young = now.since(meta.last_modified.into()) <= GRACE;
            assert!(!swept || young || reachable.contains(&file), "{} should be gone", meta.location);
        }
    }
}

/// So many versions up to the latest: it, the one before, and others that are spread evenly over the history.
fn sampled(head: u64, count: u64) -> BTreeSet<u64> {
    let spread = (1..=count).map(|n| head * n / (count + 1)).filter(|v| *v > 0);
    spread.chain([head, head.saturating_sub(1).max(1)]).collect()
}

/// What each relation shows, or the code of its refusal: asked in one statement, and one by one where that is refused.
async fn together(
    session: &Session,
    columns: &str,
    relations: Vec<(u64, String)>,
) -> BTreeMap<u64, Result<Vec<String>, Code>> {
    let asked =
        relations.iter().map(|(tag, from)| format!("SELECT CAST({tag} AS BIGINT) AS tag, {columns} FROM {from}"));
    let sql = asked.collect::<Vec<_>>().join(" UNION ALL ");
    let mut found: BTreeMap<_, _> = relations.iter().map(|(tag, _)| (*tag, Ok(vec![]))).collect();
    if relations.len() > 1
        && let Ok(rows) = session.run(&format!("SELECT * FROM ({sql}) ORDER BY 1, 2, 3")).await
    {
        for row in rows {
            let (tag, row) = row.split_once(' ').unwrap();
            found.get_mut(&tag.parse().unwrap()).unwrap().as_mut().unwrap().push(row.to_owned());
        }
        return found;
    }
    for (tag, from) in relations {
        let rows = session.run(&format!("SELECT {columns} FROM {from} ORDER BY 1, 2")).await;
        found.insert(tag, rows.map_err(|error| ours(&error).code()));
    }
    found
}

fn file_of(meta: &object_store::ObjectMeta) -> Option<FileId> {
    layout::parse_data_file_name(meta.location.filename()?).map(|(file, _)| file)
}

async fn open(clock: &ManualClock, objects: &Arc<dyn ObjectStore>) -> Session {
    Session::with(builder(clock, objects).build().await.unwrap()).await
}

fn builder(clock: &ManualClock, objects: &Arc<dyn ObjectStore>) -> TimeTravelBuilder {
    TimeTravel::builder_with_store(store(Arc::clone(objects))).clock(Arc::new(clock.clone()))
}

/// Prints the sequence when it panics.
struct Trace<'a>(u64, &'a mut World);

impl Drop for Trace<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}\nTIMETRAVEL_SEED={}", self.1.trace.join("\n"), self.0);
        }
    }
}

async fn sequence(seed: u64) -> usize {
    let mut world = World::new(seed).await;
    let trace = Trace(seed, &mut world);
    for _ in 0..STEPS {
        trace.1.step().await;
    }
    trace.1.nothing_lost().await;
    // In every sequence something is deleted at last.
    if let Some((name, id)) = trace.1.live().await.first().cloned() {
        let partitioned = !trace.1.snapshot(id).await.state.schema().unwrap().partition_columns.is_empty();
        let row = if partitioned { "(1, 1, 'x')" } else { "(1, 1)" };
        trace.1.run(&format!("INSERT OVERWRITE {name} VALUES {row}")).await;
        trace.1.run(&format!("INSERT OVERWRITE {name} VALUES {row}")).await;
        trace.1.clock.advance(HOUR * 25);
        let before = trace.1.deleted;
        trace.1.clean_up(&format!("PURGE TABLE {name}")).await;
        assert!(trace.1.deleted > before, "PURGE deleted nothing");
    }
    trace.1.nothing_lost().await;
    trace.1.deleted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clean_ups_take_nothing_that_can_be_read() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("TIMETRAVEL_SEED") {
        println!("{} deleted", sequence(seed).await);
        return;
    }
    let mut deleted = 0;
    let count = number("TIMETRAVEL_SWEEP_SEQUENCES").unwrap_or(SEQUENCES);
    let mut running = futures::stream::iter(0..count)
        .map(|seed| async move { tokio::spawn(sequence(seed)).await.expect("a sequence") })
        .buffer_unordered(TOGETHER);
    while let Some(some) = running.next().await {
        deleted += some;
    }
    report("clean-ups", &[("seeds", count), ("files deleted", deleted as u64)]);
}
