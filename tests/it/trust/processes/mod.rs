//! Many processes on one table and one catalog on a local disk (T3), and killed at any moment (T6). All verbs at once,
//! readers pinned at old versions among them; afterwards the [history](super::history) of what each of them saw is checked
//! against the logs.
//!
//! The children are this test binary, started again. All write their record to one file, line by line, so that the order
//! of lines agrees with real time whatever the clocks say. `TIMETRAVEL_SEED` replays the choices, not the interleaving.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actor::{ACCOUNTS, Actor, EACH, MAIN, list};
use datafusion_timetravel::TimeTravel;
use datafusion_timetravel::catalog::{DEFAULT_SCHEMA, Object, TableName};
use datafusion_timetravel::store::{Durability, Store};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::lake::{Session, store, table_id};
use crate::trust::history::{Effect, History, Outcome, Read, Rows, Statement};
use crate::trust::logs;
use crate::trust::report::report;

mod actor;

const LAKE: &str = "TIMETRAVEL_TRUST_LAKE";
const RECORD: &str = "TIMETRAVEL_TRUST_RECORD";
const NAME: &str = "TIMETRAVEL_TRUST_NAME";
const SEED: &str = "TIMETRAVEL_TRUST_SEED";
const COMMITS: &str = "TIMETRAVEL_TRUST_COMMITS";
const SECONDS: &str = "TIMETRAVEL_TRUST_SECONDS";

/// The child's part; passes at once where this is no child.
#[tokio::test]
async fn child() {
    let Ok(lake) = std::env::var(LAKE) else { return };
    let text = |name| std::env::var(name).unwrap();
    let session = Session::with(TimeTravel::open(&lake).await.unwrap()).await;
    let (commits, seconds): (u64, u64) = (text(COMMITS).parse().unwrap(), text(SECONDS).parse().unwrap());
    let mut actor = Actor {
        name: text(NAME),
        rng: StdRng::seed_from_u64(text(SEED).parse().unwrap()),
        session,
        record: OpenOptions::new().append(true).open(text(RECORD)).unwrap(),
        at: 0,
        made: 0,
        done: 0,
        pinned: vec![],
    };
    let started = Instant::now();
    while actor.done < commits && started.elapsed() < Duration::from_secs(seconds) {
        actor.step().await;
    }
}

/// Processes that end before the warehouse goes from under them, also where a test fails.
#[derive(Default)]
struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A warehouse on disk, and the record of what is done to it.
struct Scene {
    folder: tempfile::TempDir,
    seed: u64,
}

impl Scene {
    async fn new(seed: u64) -> Self {
        println!("TIMETRAVEL_SEED={seed}");
        let scene = Self { folder: tempfile::tempdir().unwrap(), seed };
        File::create(scene.record()).unwrap();
        let session = Session::with(TimeTravel::open(&scene.lake().to_string_lossy()).await.unwrap()).await;
        let mut actor = Actor {
            name: "first".into(),
            rng: StdRng::seed_from_u64(seed),
            session,
            record: OpenOptions::new().append(true).open(scene.record()).unwrap(),
            at: 0,
            made: 0,
            done: 0,
            pinned: vec![],
        };
        let opened: Vec<(i64, i64)> = ACCOUNTS.map(|account| (account, EACH)).collect();
        actor
            .run(Some("main"), Effect::Nothing, false, "CREATE TABLE main (k BIGINT PRIMARY KEY, v BIGINT)")
            .await
            .unwrap();
        let sql = format!("INSERT INTO main VALUES {}", list(&opened));
        actor.run(Some("main"), Effect::Put(opened), false, &sql).await.unwrap();
        scene
    }

    fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    fn record(&self) -> PathBuf {
        self.folder.path().join("record")
    }

    fn store(&self) -> Store {
        store(crate::trust::power_loss::local(&self.lake(), Durability::Full))
    }

    fn start(&self, name: &str, seed: u64, commits: u64, seconds: u64) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "trust::processes::child", "--nocapture"])
            .env(LAKE, self.lake())
            .env(RECORD, self.record())
            .env(NAME, name)
            .env(SEED, seed.to_string())
            .env(COMMITS, commits.to_string())
            .env(SECONDS, seconds.to_string())
            // A thread of a test has 2 MiB, which a plan in a build without optimisation may need all of.
            .env("RUST_MIN_STACK", (32 << 20).to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap()
    }

    /// What happened, from the record and from the logs.
    async fn history(&self) -> History {
        let store = self.store();
        let (mut history, state) = logs::read(&store).await;
        history.bank = Some((ACCOUNTS, ACCOUNTS.count() as i64 * EACH));
        let main = MAIN.iter().find_map(|name| match state.object(&TableName::new(DEFAULT_SCHEMA, *name)) {
            Some(Object::Table(entry)) => Some(entry.id.to_string()),
            _ => None,
        });
        let main = main.unwrap_or_else(|| {
            let entry = state.tables().find(|entry| MAIN.contains(&entry.name.table.as_str()));
            entry.expect("the table is there, if only dropped").id.to_string()
        });
        self.read_record(&main, &mut history);
        history
    }

    fn read_record(&self, main: &str, history: &mut History) {
        let text = std::fs::read_to_string(self.record()).unwrap();
        let mut open: HashMap<String, usize> = HashMap::new();
        let mut looks: HashMap<String, u64> = HashMap::new();
        for (moment, line) in text.lines().enumerate() {
            let moment = moment as u64;
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let tag = |key: &str| line[key].as_str().map(str::to_owned);
            if let Some(tag) = tag("start") {
                open.insert(tag.clone(), history.statements.len());
                history.statements.push(Statement {
                    tag,
                    log: line["log"].as_str().map(|_| main.to_owned()),
                    effect: Effect::from_json(&line["effect"]),
                    start: moment,
                    end: None,
                    outcome: Outcome::Lost,
                    may_do_nothing: line["nothing"].as_bool().unwrap(),
                    atomic: true,
                    said: String::new(),
                });
            } else if let Some(tag) = tag("end") {
                let statement = &mut history.statements[open[&tag]];
                statement.end = Some(moment);
                statement.said = line["said"].as_str().unwrap_or_default().to_owned();
                statement.outcome = match line["outcome"].as_str().unwrap() {
                    "done" => Outcome::Done,
                    "failed" => Outcome::Failed,
                    _ => Outcome::Unknown(line["settled"].as_bool()),
                };
            } else if let Some(look) = tag("look") {
                looks.insert(look, moment);
            } else if let Some(look) = tag("read") {
                let rows = line["rows"].as_array().unwrap().iter();
                let rows: Rows = rows.map(|row| (row[0].as_i64().unwrap(), row[1].as_i64().unwrap())).collect();
                let version = line["version"].as_u64();
                history.reads.push(Read { log: main.to_owned(), version, rows, start: looks[&look], end: moment });
            }
        }
    }

    /// Checks the history, with reads of versions by a fresh process added to it. Gives it back.
    async fn check(&self, reads: usize) -> History {
        let session = Session::with(TimeTravel::open(&self.lake().to_string_lossy()).await.unwrap()).await;
        let mut actor = Actor {
            name: "last".into(),
            rng: StdRng::seed_from_u64(self.seed),
            session,
            record: OpenOptions::new().append(true).open(self.record()).unwrap(),
            at: 0,
            made: 0,
            done: 0,
            pinned: vec![],
        };
        actor.undrop().await;
        let latest = match actor.latest().await {
            Some(latest) => latest,
            None => actor.latest().await.expect("the table has one of its names"),
        };
        for _ in 0..reads {
            let version = actor.rng.random_range(2..=latest);
            actor.read(Some(version)).await;
        }
        actor.read(None).await;
        let history = self.history().await;
        let violations = history.violations();
        if !violations.is_empty() {
            let kept = std::env::temp_dir().join(format!("timetravel-history-{}", self.seed));
            let _ = std::fs::copy(self.record(), &kept);
            let (count, shown) = (violations.len(), violations.iter().take(12).cloned().collect::<Vec<_>>().join("\n"));
            panic!("TIMETRAVEL_SEED={}, record in {}: {count} violations:\n{shown}", self.seed, kept.display());
        }
        history
    }
}

fn seed() -> u64 {
    std::env::var("TIMETRAVEL_SEED").ok().map_or_else(|| rand::random_range(0..1 << 32), |text| text.parse().unwrap())
}

async fn race(processes: u64, each: u64, seconds: u64) -> u64 {
    let scene = Scene::new(seed()).await;
    let started = Instant::now();
    let mut children = Children::default();
    for p in 0..processes {
        children.0.push(scene.start(&format!("p{p}"), scene.seed ^ (p + 1), each, seconds));
    }
    for child in &mut children.0 {
        let status = tokio::task::block_in_place(|| child.wait().unwrap());
        assert!(status.success(), "TIMETRAVEL_SEED={}: {status}", scene.seed);
    }
    let history = scene.check(30).await;
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    for statement in &history.statements {
        *outcomes.entry(format!("{:?}", statement.outcome).to_lowercase()).or_default() += 1;
    }
    println!("{:?}: {} commits, {} reads, {outcomes:?}", started.elapsed(), history.commits.len(), history.reads.len());
    let commits = history.commits.len() as u64;
    report(
        "processes",
        &[
            ("processes", processes),
            ("commits", commits),
            ("cases", history.statements.len() as u64),
            ("reads", history.reads.len() as u64),
            ("seeds", 1),
        ],
    );
    commits
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_make_one_history() {
    let commits = race(8, 260, 100).await;
    // About 2,000 where two cores are free; a busy machine stops at the time.
    assert!(commits >= 500, "{commits} commits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "twenty minutes"]
async fn sixteen_processes_make_one_history() {
    race(16, 1_250, 1_500).await;
}

async fn kill(kills: u64, at_a_time: u64) {
    let scene = Scene::new(seed()).await;
    let mut random = StdRng::seed_from_u64(scene.seed);
    let mut killed = 0;
    while killed < kills {
        let before = std::fs::metadata(scene.record()).unwrap().len();
        let mut children = Children::default();
        for n in 0..at_a_time {
            children.0.push(scene.start(&format!("k{}", killed + n), random.random(), u64::MAX, 60));
        }
        // Every fifth time they die wherever they are while they start; else after one has done something.
        let started = Instant::now();
        while !(killed / at_a_time).is_multiple_of(5) && std::fs::metadata(scene.record()).unwrap().len() == before {
            assert!(started.elapsed() < Duration::from_secs(60), "the children do nothing");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        for child in &mut children.0 {
            tokio::time::sleep(Duration::from_micros(random.random_range(0..250_000))).await;
            assert!(child.try_wait().unwrap().is_none(), "TIMETRAVEL_SEED={}: a child ended by itself", scene.seed);
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
        }
    }
    let history = scene.check(30).await;
    let lost = history.statements.iter().filter(|statement| statement.outcome == Outcome::Lost).count() as u64;
    let commits = history.commits.len() as u64;
    println!("{killed} kills, {lost} statements under way, {commits} commits");
    assert!(lost >= kills / 5, "{lost} statements were under way");
    report("kill -9, all verbs", &[("kills", killed), ("commits", commits), ("cases", lost), ("seeds", 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_and_fifty_kills_lose_nothing() {
    kill(152, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten minutes"]
async fn fifteen_hundred_kills_lose_nothing() {
    kill(1_500, 4).await;
}

/// The record itself is looked after: what a record says that the logs don't is noticed.
#[tokio::test]
async fn a_record_that_lies_is_noticed() {
    let scene = Scene::new(7).await;
    let good = scene.history().await;
    assert_eq!(good.violations(), Vec::<String>::new());
    let id = table_id(crate::trust::power_loss::local(Path::new(&scene.lake()), Durability::Full), "main").await;
    assert!(good.commits.iter().any(|commit| commit.log == id.to_string()));
    let mut record = OpenOptions::new().append(true).open(scene.record()).unwrap();
    let put = Effect::Put(vec![(1, 1)]).to_json();
    writeln!(record, "{}", json!({ "start": "x", "log": "main", "effect": put, "nothing": false })).unwrap();
    writeln!(record, "{}", json!({ "end": "x", "outcome": "done" })).unwrap();
    assert!(scene.history().await.violations().iter().any(|text| text.contains("nowhere")));
}
