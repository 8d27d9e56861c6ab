//! Real processes on one local warehouse: killed at any moment, and racing each other. What was acknowledged stays, once.
//!
//! The child is this test binary itself, started again with what to do in its environment. `TIMETRAVEL_SEED` replays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use datafusion_timetravel::TimeTravel;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::lake::Session;
use super::trust::report::report;

pub const LAKE: &str = "TIMETRAVEL_CHILD_LAKE";
pub const ACKS: &str = "TIMETRAVEL_CHILD_ACKS";
pub const FIRST: &str = "TIMETRAVEL_CHILD_FIRST_KEY";
pub const COUNT: &str = "TIMETRAVEL_CHILD_COUNT";

fn seed() -> u64 {
    let seed = std::env::var("TIMETRAVEL_SEED").ok().map_or_else(rand::random, |text| text.parse().expect("a number"));
    println!("TIMETRAVEL_SEED={seed}");
    seed
}

/// The child's part; passes at once where this is no child.
#[tokio::test]
async fn child() {
    let Ok(lake) = std::env::var(LAKE) else { return };
    let number = |name| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let (first, count) = (number(FIRST), number(COUNT));
    let mut acks = OpenOptions::new().append(true).create(true).open(std::env::var(ACKS).unwrap()).unwrap();
    let session = Session::with(TimeTravel::open(&lake).await.unwrap()).await;
    for key in first..first + count {
        session.ok(&format!("INSERT INTO t VALUES ({key}, {key}), (0, {key})")).await;
        let version = session.number("SELECT get_latest_version('t')").await;
        // One write, so that a kill leaves whole lines.
        acks.write_all(format!("{key} {version}\n").as_bytes()).unwrap();
    }
}

/// A process that upserts `count` keys from `first` on, and notes each that was acknowledged.
pub fn start(lake: &Path, acks: &Path, first: u64, count: u64) -> Child {
    start_with(lake, acks, first, count, &[])
}

/// As [`start`], with more in its environment.
pub fn start_with(lake: &Path, acks: &Path, first: u64, count: u64, env: &[(&str, String)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::child", "--nocapture"])
        .env(LAKE, lake)
        .env(ACKS, acks)
        .env(FIRST, first.to_string())
        .env(COUNT, count.to_string())
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Acknowledged keys with the version that was the newest then.
pub fn acknowledged(path: &Path) -> BTreeMap<u64, u64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut acks = BTreeMap::new();
    for line in text.lines() {
        let (key, version) = line.split_once(' ').unwrap();
        assert!(acks.insert(key.parse().unwrap(), version.parse().unwrap()).is_none(), "{line} twice");
    }
    acks
}

pub async fn create(lake: &Path) -> Session {
    let session = Session::with(TimeTravel::open(&lake.to_string_lossy()).await.unwrap()).await;
    session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY, last BIGINT)").await;
    session
}

/// Every version is there, and each but the first is one upsert of one new key. Gives the keys.
pub async fn verify(session: &Session, acks: &BTreeMap<u64, u64>) -> Vec<u64> {
    let latest = session.number("SELECT get_latest_version('t')").await;
    let versions = session.ok("SELECT version FROM history('t') ORDER BY version").await;
    let expected: Vec<String> = (1..=latest).map(|version| version.to_string()).collect();
    assert_eq!(versions.iter().map(|v| v.trim_start_matches('0')).collect::<Vec<_>>(), expected, "no gap");
    let rows = session.ok("SELECT k FROM t WHERE k > 0 ORDER BY k").await;
    let keys: Vec<u64> = rows.iter().map(|row| row.parse().unwrap()).collect();
    assert!(keys.is_sorted_by(|a, b| a < b), "no key twice");
    assert_eq!(keys.len() as u64, latest - 1, "each version is one upsert, done once");
    for (key, version) in acks {
        assert!(keys.binary_search(key).is_ok(), "key {key}, acknowledged at version {version}, is lost");
    }
    assert_eq!(session.number("SELECT count(*) FROM t").await, keys.len() as u64 + 1);
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_lose_nothing() {
    const KILLS: u64 = 50;
    const KEYS: u64 = 100_000;
    let mut random = StdRng::seed_from_u64(seed());
    let folder = tempfile::tempdir().unwrap();
    let (lake, acks) = (folder.path().join("lake"), folder.path().join("acks"));
    let session = create(&lake).await;
    File::create(&acks).unwrap();
    for round in 0..KILLS {
        let before = std::fs::metadata(&acks).unwrap().len();
        let mut child = start(&lake, &acks, 1 + round * KEYS, KEYS);
        // Every fifth dies wherever it is while it starts; the others after they have done something.
        let started = tokio::time::Instant::now();
        while round % 5 != 0 && std::fs::metadata(&acks).unwrap().len() == before {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            assert!(started.elapsed() < Duration::from_secs(60), "the child does nothing");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_micros(random.random_range(0..200_000))).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let acks = acknowledged(&acks);
    let keys = verify(&session, &acks).await;
    println!("{} acknowledged, {} stored", acks.len(), keys.len());
    report("kill -9", &[("kills", KILLS), ("commits", keys.len() as u64)]);
    assert!(acks.len() as u64 >= KILLS / 2, "{} acknowledged", acks.len());
    assert!(keys.len() - acks.len() <= KILLS as usize, "at most the last of each process was done without its word");
    // One process at a time: the newest version at the acknowledgement is the one that it acknowledges.
    let versions: Vec<(&u64, &u64)> = acks.iter().collect();
    assert!(versions.is_sorted_by(|a, b| a.1 < b.1), "{versions:?}");
    for (key, version) in versions.iter().step_by(versions.len().div_ceil(12)) {
        let changed =
            session.ok(&format!("SELECT k FROM t VERSION AS OF {version} WHERE last = {key} ORDER BY k")).await;
        assert_eq!(changed, ["0".to_owned(), key.to_string()], "version {version}");
        let earlier =
            session.number(&format!("SELECT count(*) FROM t VERSION AS OF {} WHERE k = {key}", **version - 1)).await;
        assert_eq!(earlier, 0, "version {version}");
    }
    let fresh = Session::with(TimeTravel::open(&lake.to_string_lossy()).await.unwrap()).await;
    verify(&fresh, &acks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_race() {
    const EACH: u64 = 200;
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    let session = create(&lake).await;
    let files = [folder.path().join("one"), folder.path().join("two")];
    let children: Vec<Child> =
        files.iter().zip([1, 1_000_001]).map(|(acks, first)| start(&lake, acks, first, EACH)).collect();
    for mut child in children {
        let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        assert!(status.success(), "{status}");
    }
    let mut acks = acknowledged(&files[0]);
    acks.extend(acknowledged(&files[1]));
    assert_eq!(acks.len() as u64, 2 * EACH);
    report("two processes", &[("commits", 2 * EACH)]);
    let keys = verify(&session, &acks).await;
    assert_eq!(keys.len() as u64, 2 * EACH);
    assert_eq!(session.number("SELECT get_latest_version('t')").await, 2 * EACH + 1);
    // Of the row that both write, the last commit's version stays.
    let last = session.number("SELECT last FROM t WHERE k = 0").await;
    assert!(acks.contains_key(&last));
    assert!(last % 1_000_000 == EACH, "one of the two wrote last: {last}");
}
