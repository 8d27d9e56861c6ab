//! Real servers: the laws that the commit protocol takes for granted, many processes on one table, and commits whose
//! answers get lost on the wire; and stores that ignore put-if-absent, which are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use datafusion_timetravel::log::CommitStatus;
use datafusion_timetravel::store::testing::{Fault, FaultStore, Op, Rule, laws};
use datafusion_timetravel::store::{ObjectStore, Path, Store};
use datafusion_timetravel::{Code, Error, TimeTravel};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::memory::InMemory;

use super::http::{self, Reply, Request, answer};
use super::local_servers::{Kind, Server, builder, options, start, store, url};
use super::report::report;
use crate::lake::{Session, ours};
use crate::processes;

/// More objects than a page of a listing has: each is there as soon as it was put, in order, and the rest behind any.
async fn paging(store: &Store) {
    const OBJECTS: usize = 1_100;
    let folder = Path::from("pages");
    let path = |n: usize| folder.clone().join(format!("{n:016}.json"));
    let put = |n: usize| async move { store.put_new(&path(n), Bytes::from(n.to_string())).await };
    stream::iter((0..OBJECTS).rev()).map(put).buffer_unordered(16).try_collect::<Vec<()>>().await.unwrap();
    let names = |metas: Vec<object_store::ObjectMeta>| metas.into_iter().map(|meta| meta.location).collect::<Vec<_>>();
    let all: Vec<Path> = (0..OBJECTS).map(path).collect();
    assert_eq!(names(store.list(&folder).await.unwrap()), all);
    for after in [0, 500, 998, 999, 1_000, OBJECTS - 1] {
        assert_eq!(names(store.list_after(&folder, &path(after)).await.unwrap()), all[after + 1..]);
    }
    for n in [0, 999, 1_000, OBJECTS - 1] {
        store.delete(&path(n)).await.unwrap();
        assert_eq!(store.read(&path(n)).await.unwrap(), None);
    }
    assert_eq!(store.list(&folder).await.unwrap().len(), OBJECTS - 4);
}

async fn conforms(server: &Server) {
    let begun = Instant::now();
    let store = store(server.kind, server.address, "laws");
    store.ensure_safe().await.unwrap();
    let laws = laws::check_all(store.data_store(), &Path::from("laws/all")).await;
    assert_eq!(laws, Ok(()), "{:?}", server.kind);
    paging(&store).await;
    let session = Session::with(builder(server.kind, server.address, "lake").build().await.unwrap()).await;
    for sql in [
        "CREATE TABLE t (k BIGINT PRIMARY KEY, v STRING)",
        "INSERT INTO t SELECT value, repeat('x', 20) FROM generate_series(1, 50000)",
        "UPDATE t SET v = 'y' WHERE k % 10 = 0",
        "DELETE FROM t WHERE k % 3 = 0",
        "ALTER TABLE t COMPACT MAJOR",
        "SET timetravel.verify = 'always'",
        "VERIFY TABLE t",
    ] {
        session.ok(sql).await;
    }
    assert_eq!(session.number("SELECT count(*) FROM t").await, 33_334);
    assert_eq!(session.number("SELECT count(*) FROM t VERSION AS OF 2").await, 50_000);
    assert_eq!(session.number("SELECT count(*) FROM t WHERE v = 'y'").await, 3_334);
    let fresh = Session::with(builder(server.kind, server.address, "lake").build().await.unwrap()).await;
    assert_eq!(fresh.number("SELECT count(*) FROM t").await, 33_334);
    fresh.ok("DROP TABLE t").await;
    println!("{:?}: {:.1} s", server.kind, begun.elapsed().as_secs_f64());
    report(&format!("conformance {:?}", server.kind), &[("laws", 7), ("objects", 1_100)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_conforms() {
    if let Some(server) = start(Kind::S3) {
        conforms(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure_conforms() {
    if let Some(server) = start(Kind::Azure) {
        conforms(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_conforms() {
    if let Some(server) = start(Kind::Google) {
        conforms(&server).await;
    }
}

/// The part of another process, which has its options in the environment. See [`processes`].
fn child(server: &Server, lake: &str, acks: &std::path::Path, first: u64, count: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "processes::child", "--nocapture"])
        .env(processes::LAKE, url(server.kind, lake))
        .env(processes::ACKS, acks)
        .env(processes::FIRST, first.to_string())
        .env(processes::COUNT, count.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    for (key, value) in options(server.kind, server.address) {
        command.env(key.to_uppercase(), value);
    }
    command.spawn().unwrap()
}

async fn processes_race(kind: Kind, processes: u64, each: u64) {
    let Some(server) = start(kind) else { return };
    let begun = Instant::now();
    let session = Session::with(builder(kind, server.address, "race").build().await.unwrap()).await;
    session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, last BIGINT)").await;
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..processes).map(|n| folder.path().join(n.to_string())).collect();
    let children: Vec<Child> =
        files.iter().zip(0..).map(|(acks, n)| child(&server, "race", acks, 1 + n * 1_000_000, each)).collect();
    for mut child in children {
        let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        assert!(status.success(), "{status}; VERIFY TABLE: {:?}", session.run("VERIFY TABLE t").await);
    }
    let mut acks = std::collections::BTreeMap::new();
    for file in &files {
        acks.extend(processes::acknowledged(file));
    }
    assert_eq!(acks.len() as u64, processes * each);
    let keys = processes::verify(&session, &acks).await;
    assert_eq!(keys.len() as u64, processes * each);
    println!("{kind:?}: {} commits, {:.1} s", processes * each, begun.elapsed().as_secs_f64());
    report(&format!("processes on {kind:?}"), &[("processes", processes), ("commits", processes * each)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_race_on_s3() {
    processes_race(Kind::S3, 3, 15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_race_on_azure() {
    processes_race(Kind::Azure, 3, 15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long"]
async fn many_processes_race_on_s3_and_azure() {
    processes_race(Kind::S3, 8, 100).await;
    processes_race(Kind::Azure, 8, 100).await;
}

/// What the wire does to the put of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Good,
    /// Done, but the connection is closed without an answer.
    LosesAnswer,
    /// Done, but the answer is a 503.
    Says503,
    /// Not done, and the connection is closed.
    LosesRequest,
    /// Never done, and the answer is a 409.
    Says409,
    /// Forwarded without its condition.
    DropsCondition,
}

impl Wire {
    const ONCE: [Self; 3] = [Self::LosesAnswer, Self::Says503, Self::LosesRequest];

    fn is_once(self) -> bool {
        Self::ONCE.contains(&self)
    }
}

/// A proxy before the server, and what it does to the next put of a commit, or to all.
struct Proxy {
    address: SocketAddr,
    next: Arc<Mutex<Wire>>,
}

impl Proxy {
    fn new(to: SocketAddr) -> Self {
        let next = Arc::new(Mutex::new(Wire::Good));
        let shared = Arc::clone(&next);
        let address = http::serve(move |request| {
            let is_commit = request.method == "PUT" && request.path().contains("/_log/");
            let wire = {
                let mut next = shared.lock().unwrap();
                let wire = if is_commit || *next == Wire::DropsCondition { *next } else { Wire::Good };
                if wire.is_once() {
                    *next = Wire::Good;
                }
                wire
            };
            handle(to, &request, wire)
        });
        Self { address, next }
    }

    fn set(&self, wire: Wire) {
        *self.next.lock().unwrap() = wire;
    }
}

fn handle(to: SocketAddr, request: &Request, wire: Wire) -> Reply {
    if wire == Wire::LosesRequest {
        return Reply::Close;
    }
    if wire == Wire::Says409 {
        let body = b"<Error><Code>ConditionalRequestConflict</Code><Message>again</Message></Error>";
        return answer("409 Conflict", &[("Content-Type", "application/xml")], body);
    }
    let is_kept = |line: &&String| {
        let key = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        key != "connection" && !(wire == Wire::DropsCondition && key == "if-none-match")
    };
    let mut sent = request.clone();
    sent.headers = request.headers.iter().filter(is_kept).cloned().collect();
    sent.headers.push("Connection: close".to_owned());
    let Ok((_, bytes)) = http::send(to, &sent.head(), &sent.body) else { return Reply::Close };
    match wire {
        Wire::LosesAnswer => Reply::Close,
        Wire::Says503 => answer("503 Slow Down", &[], b"<Error><Code>SlowDown</Code></Error>"),
        _ => Reply::Send(bytes),
    }
}

async fn ambiguous_puts(kind: Kind) {
    let Some(server) = start(kind) else { return };
    let begun = Instant::now();
    let proxy = Proxy::new(server.address);
    let impatient = builder(kind, proxy.address, "wire").commit_deadline(Duration::from_secs(4));
    let session = Session::with(impatient.build().await.unwrap()).await;
    let direct = Session::with(builder(kind, server.address, "wire").build().await.unwrap()).await;
    session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
    session.ok("INSERT INTO t VALUES (1, 10), (2, 20), (3, 30)").await;
    let mut version = 2;
    let mut value = 10;
    let mut cases = 0;
    for wire in Wire::ONCE {
        for (sql, adds) in [
            ("INSERT INTO t VALUES (4, 40)", 0),
            ("UPDATE t SET v = v + 1 WHERE k = 1", 1),
            ("DELETE FROM t WHERE k = 4", 0),
        ] {
            proxy.set(wire);
            session.ok(sql).await;
            version += 1;
            value += adds;
            cases += 1;
            assert_eq!(*proxy.next.lock().unwrap(), Wire::Good, "{kind:?}, {wire:?}: {sql} put no commit");
            for session in [&session, &direct] {
                assert_eq!(
                    session.number("SELECT get_latest_version('t')").await,
                    version,
                    "{kind:?}, {wire:?}: {sql}"
                );
                assert_eq!(session.number("SELECT v FROM t WHERE k = 1").await, value, "{kind:?}, {wire:?}: {sql}");
            }
        }
        // The same for a table's beginning and its end, which are commits of the catalog too.
        proxy.set(wire);
        session.ok("CREATE TABLE other (k BIGINT)").await;
        proxy.set(wire);
        session.ok("DROP TABLE other").await;
        cases += 2;
    }
    assert_eq!(direct.number("SELECT count(*) FROM t").await, 3);
    // Nothing is ever stored, and the answer says that something is there.
    proxy.set(Wire::Says409);
    let error = session.run("UPDATE t SET v = v + 100 WHERE k = 1").await.unwrap_err();
    let error = ours(&error);
    assert_eq!(error.code(), Code::CommitStateUnknown, "{error}");
    let unknown = error.unknown_commit().unwrap();
    assert_eq!(unknown.lsn, version + 1);
    proxy.set(Wire::Good);
    assert_eq!(session.tt.commit_status(unknown).await.unwrap(), CommitStatus::Undecided);
    session.ok("INSERT INTO t VALUES (5, 50)").await;
    assert_eq!(session.tt.commit_status(unknown).await.unwrap(), CommitStatus::NotCommitted);
    assert_eq!(direct.number("SELECT v FROM t WHERE k = 1").await, value);
    direct.ok("VERIFY TABLE t").await;
    println!("{kind:?}: {} ambiguous puts, {:.1} s", cases + 1, begun.elapsed().as_secs_f64());
    report(&format!("ambiguous puts on {kind:?}"), &[("cases", cases + 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_on_s3_is_one_commit() {
    ambiguous_puts(Kind::S3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_on_azure_is_one_commit() {
    ambiguous_puts(Kind::Azure).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_on_google_is_one_commit() {
    ambiguous_puts(Kind::Google).await;
}

async fn is_refused(tt: TimeTravel) {
    let session = Session::with(tt).await;
    let error = session.run("CREATE TABLE t (k BIGINT)").await.unwrap_err();
    let error = Error::find(&error).unwrap();
    assert_eq!(error.code(), Code::UnsafeStore, "{error}");
    let error = session.run("CREATE TABLE t AS SELECT 1 AS k").await.unwrap_err();
    assert_eq!(ours(&error).code(), Code::UnsafeStore, "it stays refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ignores_put_if_absent_is_refused_at_create() {
    let Some(server) = start(Kind::Unsafe) else { return };
    is_refused(builder(server.kind, server.address, "lake").build().await.unwrap()).await;
    let left = store(server.kind, server.address, "lake").list(&Path::default()).await.unwrap_or_default();
    assert!(left.iter().all(|meta| meta.location.as_ref().starts_with("_probe")), "{left:?}");
    report("unsafe servers", &[("refused", 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_drops_the_condition_is_refused_at_create() {
    let Some(server) = start(Kind::S3) else { return };
    let proxy = Proxy::new(server.address);
    proxy.set(Wire::DropsCondition);
    is_refused(builder(server.kind, proxy.address, "lake").build().await.unwrap()).await;
    assert!(store(server.kind, server.address, "lake").list(&Path::default()).await.unwrap().is_empty());
    report("unsafe proxies", &[("refused", 1)]);
}

/// CREATE TABLE AS wrote its data file before it found out that the store ignores put-if-absent.
#[tokio::test]
async fn an_unsafe_store_gets_no_data_file() {
    let objects = Arc::new(InMemory::new());
    let faults = FaultStore::new(Arc::clone(&objects) as _, 1);
    faults.add(Rule::on(Op::Put).fault(Fault::IgnoreCondition));
    is_refused(TimeTravel::with_store(Store::new(Arc::new(faults), Path::default())).await.unwrap()).await;
    let left: Vec<_> = objects.list(None).try_collect().await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}
