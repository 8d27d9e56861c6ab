//! The commit protocol under faults: at every put of every verb an answer gets lost, is wrong, or comes late, and still
//! the statement happens exactly once, or says that it doesn't know and `commit_status` does (invariants 3 and 12).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch};
use datafusion::catalog::{CatalogProvider, MemTable, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion_timetravel::log::CommitStatus;
use datafusion_timetravel::store::testing::{Call, CountingStore, Fault, FaultStore, Op, Rule};
use datafusion_timetravel::store::{ObjectStore, Path, layout};
use datafusion_timetravel::{Code, UnknownCommit};
use object_store::memory::InMemory;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use super::lake::{Contents, Session, ours};
use super::trust::report::report;

/// The tables that every verb finds. `seven` is one commit before its first checkpoint.
const START: &[&str] = &[
    "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)",
    "INSERT INTO t VALUES (1, 10), (2, 20)",
    "INSERT INTO t VALUES (2, 21), (3, 30)",
    "CREATE TABLE p (k BIGINT PRIMARY KEY, v BIGINT) PARTITIONED BY (d STRING)",
    "INSERT INTO p VALUES (1, 1, 'a'), (2, 2, 'b')",
    "CREATE TABLE log (k BIGINT, v BIGINT)",
    "INSERT INTO log VALUES (1, 10), (1, 10), (2, 20)",
    "CREATE TABLE large (k BIGINT PRIMARY KEY, v BYTEA)",
    "CREATE TABLE seven (k BIGINT PRIMARY KEY, v BIGINT)",
    "ALTER TABLE seven SET TBLPROPERTIES ('x' = '2')",
    "ALTER TABLE seven SET TBLPROPERTIES ('x' = '3')",
    "ALTER TABLE seven SET TBLPROPERTIES ('x' = '4')",
    "ALTER TABLE seven SET TBLPROPERTIES ('x' = '5')",
    "ALTER TABLE seven SET TBLPROPERTIES ('x' = '6')",
];

/// How long an unclear commit is pursued here.
const PATIENCE: Duration = Duration::from_millis(120);

/// What goes wrong with a put.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// Once.
    Once(Fault),
    /// With this object for good.
    Always(Fault),
    /// All that follows fails too, as if the network were gone.
    Down(Fault),
    /// Once, and the slot can't be read back at first.
    Blind(Fault),
}

const TROUBLES: &[Trouble] = &[
    Trouble::Once(Fault::FailBefore),
    Trouble::Once(Fault::ApplyThenError),
    Trouble::Once(Fault::Timeout { applied: true }),
    Trouble::Once(Fault::Timeout { applied: false }),
    Trouble::Once(Fault::Conflict409),
    Trouble::Once(Fault::LateApply { after: None }),
    Trouble::Once(Fault::LateApply { after: Some(1) }),
    Trouble::Once(Fault::Precondition412),
    Trouble::Always(Fault::Conflict409),
    Trouble::Always(Fault::LateApply { after: None }),
    Trouble::Always(Fault::FailBefore),
    Trouble::Down(Fault::Kill { applied: true }),
    Trouble::Down(Fault::Kill { applied: false }),
    Trouble::Blind(Fault::ApplyThenError),
    Trouble::Blind(Fault::Timeout { applied: false }),
    Trouble::Blind(Fault::LateApply { after: Some(1) }),
];

/// A warehouse in memory, and copies of it.
async fn prepared() -> Arc<InMemory> {
    let objects = Arc::new(InMemory::new());
    let session = Session::open(Arc::clone(&objects) as _).await;
    for sql in START {
        session.ok(sql).await;
    }
    session.tt.flush().await;
    objects
}

fn is_log(path: &Path) -> bool {
    path.as_ref().contains("/_log/")
}

/// A put of a clean run, and how often its object was asked for before.
struct Put {
    path: Path,
    looked_for: u64,
}

fn large_source_for(session: &Session, sql: &str) {
    if sql.contains("memory.public.large") {
        large_source(session);
    }
}

/// `memory.public.large`: rows that make a file too large for one put.
fn large_source(session: &Session) {
    static ROWS: LazyLock<RecordBatch> = LazyLock::new(large_rows);
    let rows = ROWS.clone();
    let (catalog, schema) = (MemoryCatalogProvider::new(), MemorySchemaProvider::new());
    let table = MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap();
    schema.register_table("large".to_owned(), Arc::new(table)).unwrap();
    catalog.register_schema("public", Arc::new(schema)).unwrap();
    session.ctx.register_catalog("memory", Arc::new(catalog));
}

fn large_rows() -> RecordBatch {
    let mut bytes = vec![0_u8; 90 << 17];
    StdRng::seed_from_u64(1).fill_bytes(&mut bytes);
    RecordBatch::try_from_iter([
        ("k", Arc::new(Int64Array::from_iter_values(0..90)) as ArrayRef),
        ("v", Arc::new(BinaryArray::from_iter_values(bytes.chunks(1 << 17))) as ArrayRef),
    ])
    .unwrap()
}

/// The puts of a clean run, in order, and what it leaves.
async fn clean_run(start: &InMemory, sql: &str) -> (Vec<Put>, Contents) {
    let objects = Arc::new(start.fork());
    let counting = CountingStore::new(Arc::clone(&objects) as _);
    let session = Session::open(Arc::new(counting.clone())).await;
    counting.reset();
    large_source_for(&session, sql);
    session.ok(sql).await;
    session.tt.flush().await;
    let trace = counting.trace();
    let looked_for = |path: &Path, at: usize| {
        trace[..at].iter().filter(|call| call.op == Op::Get && call.path == *path).count() as u64
    };
    let puts = trace.iter().enumerate().filter(|(_, call)| call.op == Op::Put);
    let puts =
        puts.map(|(at, Call { path, .. })| Put { path: path.clone(), looked_for: looked_for(path, at) }).collect();
    (puts, Contents::of(objects).await)
}

/// One verb, one put, one trouble.
async fn one(start: &InMemory, before: &Contents, after: &Contents, sql: &str, k: usize, put: &Put, trouble: Trouble) {
    let (put, looked_for) = (&put.path, put.looked_for);
    let what = format!("{sql}, put {k} ({put}), {trouble:?}");
    let inner = Arc::new(start.fork());
    let objects: Arc<dyn ObjectStore> = Arc::clone(&inner) as _;
    let faults = FaultStore::new(Arc::clone(&objects), 1);
    let patience = if matches!(trouble, Trouble::Blind(_)) { 40 * PATIENCE } else { PATIENCE };
    let session = Session::impatient(Arc::new(faults.clone()), patience).await;
    faults.add(match trouble {
        Trouble::Once(fault) | Trouble::Down(fault) | Trouble::Blind(fault) => {
            Rule::on(Op::Put).nth(k as u64).fault(fault)
        }
        // Retries of the k-th put are the only puts that follow it in the same log; fresh names can't be foretold.
        Trouble::Always(fault) => Rule::on(Op::Put).from(k as u64).fault(fault),
    });
    if matches!(trouble, Trouble::Blind(_)) {
        for failing in 1..=2 {
            faults.add(Rule::on(Op::Get).path(put.as_ref()).nth(looked_for + failing));
        }
    }
    large_source_for(&session, sql);
    let result = session.run(sql).await;
    session.tt.flush().await;
    assert!(faults.fired() > 0 || matches!(trouble, Trouble::Once(Fault::Precondition412)), "{what}: nothing happened");
    faults.clear();
    faults.revive();

    let mut unknown = None;
    match &result {
        Ok(_) => {
            let now = Contents::of(Arc::clone(&objects)).await;
            assert_eq!(now, *after, "{what}: said to be done");
        }
        Err(error) => {
            let error = ours(error);
            match error.code() {
                Code::CommitStateUnknown => unknown = Some(error.unknown_commit().unwrap()),
                Code::StoreUnavailable => {}
                other => panic!("{what}: {other:?}: {error}"),
            }
        }
    }
    if is_log(put) {
        let may_fail = matches!(trouble, Trouble::Always(_) | Trouble::Down(_));
        assert!(result.is_ok() || may_fail, "{what}: {result:?}");
        assert!(result.is_ok() || unknown.is_some(), "{what}: {result:?} instead of CommitStateUnknown");
    } else {
        let log_failed = matches!(trouble, Trouble::Always(_) | Trouble::Down(_));
        assert!(unknown.is_none() || log_failed, "{what}: {result:?}");
    }

    // A request on its way lands now; whoever has its place keeps it.
    let asked = match unknown {
        Some(unknown) => Some(session.tt.commit_status(unknown).await.unwrap()),
        None => None,
    };
    faults.release().await;
    let now = settled(&session, &objects, before, after, &what, asked, unknown).await;

    // Where nothing had happened, the same statement works again, and the next one does, for whoever asks.
    let fresh = Session::open(Arc::clone(&objects)).await;
    large_source_for(&fresh, sql);
    if !now.looks_like(after) {
        let again = if k.is_multiple_of(2) { &session } else { &fresh };
        again.ok(sql).await;
        assert!(Contents::of(Arc::clone(&objects)).await.looks_like(after), "{what}: run again");
    }
    for next in [&session, &fresh] {
        next.ok("CREATE TABLE IF NOT EXISTS following (k BIGINT PRIMARY KEY, v BIGINT)").await;
        let count = next.number("SELECT count(*) FROM following").await;
        next.ok(&format!("INSERT INTO following VALUES ({count}, 1)")).await;
        assert_eq!(next.number("SELECT count(*) FROM following").await, count + 1, "{what}");
    }
}

/// What `commit_status` says agrees with what is there, and the statement was done once or not at all.
async fn settled(
    session: &Session,
    objects: &Arc<dyn ObjectStore>,
    before: &Contents,
    after: &Contents,
    what: &str,
    asked: Option<CommitStatus>,
    unknown: Option<UnknownCommit>,
) -> Contents {
    let now = Contents::of(Arc::clone(objects)).await;
    // A verb over two logs is seen from its deciding commit on; its second commit may be missing for now.
    assert!(now.looks_like(before) || now.looks_like(after), "{what}: neither before nor after:\n{now:#?}");
    assert!(now.catalog >= before.catalog && now.catalog <= after.catalog, "{what}: {now:#?}");
    for (name, head) in &now.heads {
        let allowed = before.heads.get(name).into_iter().chain(after.heads.get(name));
        let allowed: Vec<u64> = allowed.copied().collect();
        let renamed = name == "renamed" && *head + 1 == after.heads[name];
        assert!(allowed.contains(head) || renamed, "{what}: {name} is at {head}, not {allowed:?}");
    }
    let Some(unknown) = unknown else { return now };
    let status = session.tt.commit_status(unknown).await.unwrap();
    match (asked.unwrap(), status) {
        (CommitStatus::Committed { lsn, .. }, CommitStatus::Committed { lsn: again, .. }) => assert_eq!(lsn, again),
        (CommitStatus::Undecided, _) | (CommitStatus::NotCommitted, CommitStatus::NotCommitted) => {}
        changed => panic!("{what}: commit_status changed its mind: {changed:?}"),
    }
    if let CommitStatus::Committed { lsn, .. } = status {
        assert_eq!(lsn.get(), unknown.lsn, "{what}: the same slot while it is unclear");
    }
    now
}

/// Every trouble at every put of the verb.
async fn verb(sql: &str) {
    let start = prepared().await;
    let before = Contents::of(Arc::new(start.fork())).await;
    let (puts, after) = clean_run(&start, sql).await;
    assert!(puts.iter().any(|put| is_log(&put.path)), "{sql}");
    let mut cases = 0;
    for (at, put) in puts.iter().enumerate() {
        let large = sql.contains("memory.public.large");
        if large && is_log(&put.path) {
            continue;
        }
        for trouble in TROUBLES {
            // No store says of a part of an upload that it exists.
            if large && matches!(trouble, Trouble::Once(Fault::Conflict409) | Trouble::Always(_) | Trouble::Blind(_)) {
                continue;
            }
            one(&start, &before, &after, sql, at + 1, put, *trouble).await;
            cases += 1;
        }
        if is_log(&put.path) {
            for refusal in [None, Some(Fault::Precondition412)] {
                race(&start, &after, sql, at + 1, &put.path, refusal).await;
                cases += 1;
            }
        }
    }
    report("commit protocol", &[("cases", cases)]);
}

/// Somebody else takes the slot just before the k-th put, and the store refuses with 409 or 412.
async fn race(start: &InMemory, after: &Contents, sql: &str, k: usize, put: &Path, refusal: Option<Fault>) {
    let what = format!("{sql}, put {k} ({put}) loses a race, refused with {refusal:?}");
    let objects: Arc<dyn ObjectStore> = Arc::new(start.fork());
    let refusing = FaultStore::new(Arc::clone(&objects), 1);
    if let Some(fault) = refusal {
        refusing.add(Rule::on(Op::Put).fault(fault));
    }
    let hanging = FaultStore::new(Arc::new(refusing), 1);
    let session = Session::impatient(Arc::new(hanging.clone()), Duration::from_secs(5)).await;
    hanging.add(Rule::on(Op::Put).nth(k as u64).fault(Fault::HangUntilReleased));
    let running = tokio::spawn({
        let (session, sql) = (session.clone(), sql.to_owned());
        async move { session.run(&sql).await }
    });
    while hanging.fired() == 0 && !running.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let other = Session::open(Arc::clone(&objects)).await;
    let sneaked = match put.as_ref().starts_with("_catalog") {
        true => other.run("CREATE SCHEMA sneaked").await.is_ok(),
        false => {
            let mut done = false;
            for (name, sneak) in [
                ("t", "INSERT INTO t VALUES (99, 99)"),
                ("p", "INSERT INTO p VALUES (99, 99, 'z')"),
                ("seven", "INSERT INTO seven VALUES (99, 99)"),
            ] {
                let id = super::lake::table_id(
                    Arc::clone(&objects),
                    if name == "t" && sql.contains("RENAME") { "renamed" } else { name },
                );
                let sneak =
                    if sql.contains("RENAME") { sneak.replace("INTO t ", "INTO renamed ") } else { sneak.to_owned() };
                if layout::table_of(put) == Some(id.await) {
                    other.ok(&sneak).await;
                    done = true;
                }
            }
            done
        }
    };
    hanging.release().await;
    let result = running.await.unwrap();
    session.tt.flush().await;
    if let Err(error) = &result {
        panic!("{what}: {error}");
    }
    let now = Contents::of(Arc::clone(&objects)).await;
    let mut expected = after.clone();
    if sneaked && put.as_ref().starts_with("_catalog") {
        assert_eq!(now.catalog, after.catalog + 1, "{what}");
        expected.others = now.others.clone();
        assert!(now.others.contains(&"sneaked".to_owned()), "{what}");
    }
    for (name, rows) in &now.tables {
        let mut rows = rows.clone();
        let had = rows.len();
        rows.retain(|row| !row.starts_with("99 99"));
        assert!(had - rows.len() <= 1, "{what}: {rows:?}");
        assert_eq!(Some(&rows), after.tables.get(name), "{what}: table {name}");
    }
    assert_eq!(now.others, expected.others, "{what}");
    assert_eq!(now.tables.keys().collect::<Vec<_>>(), after.tables.keys().collect::<Vec<_>>(), "{what}");
}

macro_rules! verbs {
    ($($name:ident: $sql:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            verb($sql).await;
        }
    )*};
}

verbs! {
    create_table: "CREATE TABLE n (k BIGINT PRIMARY KEY, v BIGINT)";
    create_table_as: "CREATE TABLE n AS SELECT * FROM t";
    insert_into: "INSERT INTO t VALUES (3, 31), (4, 40)";
    insert_into_new_partitions: "INSERT INTO p VALUES (1, 9, 'a'), (5, 5, 'c')";
    insert_before_a_checkpoint: "INSERT INTO seven VALUES (1, 1)";
    insert_overwrite: "INSERT OVERWRITE TABLE t VALUES (7, 70)";
    delete: "DELETE FROM t WHERE k = 2";
    update_of_keys: "UPDATE t SET k = k + 1, v = 0 WHERE k BETWEEN 2 AND 9";
    merge: "MERGE INTO p USING t ON p.k = t.k WHEN MATCHED THEN UPDATE SET v = t.v, d = 'c' WHEN NOT MATCHED THEN INSERT VALUES (t.k, t.v, 'a')";
    delete_without_a_key: "DELETE FROM log WHERE k = 1";
    update_without_a_key: "UPDATE log SET v = 7 WHERE k = 2";
    compact: "ALTER TABLE t COMPACT MAJOR";
    set_properties: "ALTER TABLE t SET TBLPROPERTIES ('comment.by' = 'me')";
    rename: "ALTER TABLE t RENAME TO renamed";
    drop_table: "DROP TABLE t";
    create_schema: "CREATE SCHEMA s";
    insert_in_parts: "INSERT INTO large SELECT * FROM memory.public.large";
    create_or_replace: "CREATE OR REPLACE TABLE t AS SELECT k, v + 1 AS v FROM t";
    restore: "RESTORE TABLE t TO LSN '2'";
    restore_as_new: "RESTORE TABLE t TO LSN '2' AS n";
    create_view: "CREATE VIEW w AS SELECT k FROM t";
}

/// A commit whose requests are all on their way still is undecided; once another has its slot it is not committed, and
/// the late request changes nothing.
#[tokio::test]
async fn a_slot_that_another_took_settles_an_unknown_commit() {
    let start = prepared().await;
    for (sql, other) in [
        ("INSERT INTO t VALUES (3, 31)", "INSERT INTO t VALUES (77, 77)"),
        ("DELETE FROM t WHERE k = 2", "INSERT INTO t VALUES (77, 77)"),
        ("ALTER TABLE t COMPACT MAJOR", "INSERT INTO t VALUES (77, 77)"),
        ("DROP TABLE t", "INSERT INTO t VALUES (77, 77)"),
        ("ALTER TABLE t RENAME TO renamed", "CREATE SCHEMA other"),
        ("CREATE SCHEMA s", "CREATE SCHEMA other"),
    ] {
        let objects: Arc<dyn ObjectStore> = Arc::new(start.fork());
        let faults = FaultStore::new(Arc::clone(&objects), 1);
        let session = Session::impatient(Arc::new(faults.clone()), PATIENCE).await;
        faults.add(Rule::on(Op::Put).path("/_log/").fault(Fault::LateApply { after: None }));
        let error = session.run(sql).await.unwrap_err();
        assert_eq!(ours(&error).code(), Code::CommitStateUnknown, "{sql}: {error}");
        let unknown = ours(&error).unknown_commit().unwrap();
        assert_eq!(session.tt.commit_status(unknown).await.unwrap(), CommitStatus::Undecided, "{sql}");
        faults.clear();
        assert!(faults.late() > 1, "{sql}: sent again to the same slot");
        Session::open(Arc::clone(&objects)).await.ok(other).await;
        let now = Contents::of(Arc::clone(&objects)).await;
        assert_eq!(session.tt.commit_status(unknown).await.unwrap(), CommitStatus::NotCommitted, "{sql}");
        faults.release().await;
        assert_eq!(Contents::of(Arc::clone(&objects)).await, now, "{sql}");
        assert_eq!(session.tt.commit_status(unknown).await.unwrap(), CommitStatus::NotCommitted, "{sql}");
        session.ok(sql).await;
        assert_ne!(Contents::of(objects).await, now, "{sql}");
    }
}
