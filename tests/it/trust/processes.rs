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

use datafusion_timetravel::catalog::{CatalogLog, CatalogState, DEFAULT_SCHEMA, Object, TableName};
use datafusion_timetravel::log::{CommitStatus, Log, Lsn, State};
use datafusion_timetravel::store::layout::LogRoot;
use datafusion_timetravel::store::{Durability, Store};
use datafusion_timetravel::table::TableLog;
use datafusion_timetravel::{Code, TimeTravel};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::history::{Commit, Effect, History, Outcome, Read, Rows, Statement};
use super::report::report;
use crate::lake::{Session, ours, store, table_id};

const LAKE: &str = "TIMETRAVEL_TRUST_LAKE";
const RECORD: &str = "TIMETRAVEL_TRUST_RECORD";
const NAME: &str = "TIMETRAVEL_TRUST_NAME";
const SEED: &str = "TIMETRAVEL_TRUST_SEED";
const COMMITS: &str = "TIMETRAVEL_TRUST_COMMITS";
const SECONDS: &str = "TIMETRAVEL_TRUST_SECONDS";

/// The accounts of the bank, each with this much at first.
const ACCOUNTS: std::ops::Range<i64> = 0..8;
const EACH: i64 = 100;
/// The keys with which everything else is done.
const KEYS: std::ops::Range<i64> = 100..130;
/// The names that the table has in turn.
const MAIN: [&str; 2] = ["main", "moved"];
/// The names over which tables come and go.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// One of the processes.
struct Actor {
    name: String,
    rng: StdRng,
    session: Session,
    record: File,
    /// Which of the two names the table had last.
    at: usize,
    made: u64,
    done: u64,
    /// Versions that are read again and again.
    pinned: Vec<u64>,
}

impl Actor {
    fn write(&mut self, line: &Value) {
        // One write, so that a kill leaves whole lines, and in order.
        self.record.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn main(&self) -> &'static str {
        MAIN[self.at]
    }

    fn keys(&mut self, most: usize) -> Vec<i64> {
        let count = self.rng.random_range(1..=most);
        let mut keys: Vec<i64> = (0..count).map(|_| self.rng.random_range(KEYS)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn pairs(&mut self, most: usize) -> Vec<(i64, i64)> {
        self.keys(most).into_iter().map(|key| (key, self.rng.random_range(-99..100))).collect()
    }

    /// Runs a statement under a name of its own, and records it before and after.
    async fn run(&mut self, log: Option<&str>, effect: Effect, may_do_nothing: bool, sql: &str) -> Result<(), Code> {
        self.made += 1;
        let tag = format!("{}-{}", self.name, self.made);
        self.write(&json!({ "start": tag, "log": log, "effect": effect.to_json(), "nothing": may_do_nothing, "sql": sql }));
        let tt = self.session.tt.with_caller(self.name.clone(), Some(tag.clone()));
        let result = Session { tt, ctx: self.session.ctx.clone() }.run(sql).await;
        let (outcome, code) = match &result {
            Ok(_) => (json!({ "end": tag, "outcome": "done" }), None),
            Err(error) => {
                let error = ours(error);
                let outcome = match error.code() {
                    Code::CommitStateUnknown => {
                        let status = self.session.tt.commit_status(error.unknown_commit().unwrap()).await.unwrap();
                        let settled = match status {
                            CommitStatus::Committed { .. } => Some(true),
                            CommitStatus::NotCommitted => Some(false),
                            CommitStatus::Undecided => None,
                        };
                        json!({ "end": tag, "outcome": "unknown", "settled": settled })
                    }
                    Code::Conflict
                    | Code::TableDropped
                    | Code::TableExists
                    | Code::TableNotFound
                    | Code::NotRestorable
                    | Code::SchemaNotSame
                    | Code::VersionOutOfRange => json!({ "end": tag, "outcome": "failed", "said": error.to_string() }),
                    code => panic!("{}: {sql}: {code:?}: {error}", self.name),
                };
                (outcome, Some(error.code()))
            }
        };
        self.write(&outcome);
        match code {
            None => {
                self.done += 1;
                Ok(())
            }
            Some(code) => Err(code),
        }
    }

    /// A statement on the table, by the name that it had last; another time by the other.
    async fn on_main(&mut self, effect: Effect, may_do_nothing: bool, sql: &str) {
        let result = self.run(Some("main"), effect, may_do_nothing, sql).await;
        if matches!(result, Err(Code::TableNotFound | Code::TableDropped)) {
            self.at = 1 - self.at;
            self.undrop().await;
        }
    }

    /// Brings the table back if it is dropped: whoever dropped it may have died.
    async fn undrop(&mut self) {
        for _ in 0..20 {
            let rows = self.session.ok("SHOW HISTORY FOR TABLES").await;
            let words = rows.iter().map(|row| row.split(' ').collect::<Vec<_>>());
            let mut tables = words.filter(|words| MAIN.contains(&words[0]));
            let Some(words) = tables.next() else { return };
            if *words.last().unwrap() == "NULL" {
                return;
            }
            let sql = format!("RESTORE TABLE {} ('id'='{}')", words[0], words[1]);
            if self.run(Some("main"), Effect::Undrop, true, &sql).await.is_ok() {
                return;
            }
        }
    }

    async fn read(&mut self, version: Option<u64>) {
        self.made += 1;
        let id = format!("{}-{}", self.name, self.made);
        self.write(&json!({ "look": id }));
        let clause = version.map_or(String::new(), |version| format!(" VERSION AS OF {version}"));
        let sql = format!("SELECT k, v FROM {}{clause} ORDER BY k", self.main());
        match self.session.run(&sql).await {
            Ok(rows) => {
                let pairs = rows.iter().map(|row| row.split_once(' ').unwrap());
                let rows: Vec<(i64, i64)> = pairs.map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
                self.write(&json!({ "read": id, "version": version, "rows": rows }));
            }
            Err(error) => {
                let code = ours(&error).code();
                let moved = matches!(code, Code::TableNotFound | Code::TableDropped);
                assert!(moved, "{}: {sql}: {error}", self.name);
                self.at = 1 - self.at;
            }
        }
    }

    async fn latest(&mut self) -> Option<u64> {
        let sql = format!("SELECT get_latest_version('{}')", self.main());
        match self.session.run(&sql).await {
            Ok(rows) => rows[0].parse().ok(),
            Err(_) => {
                self.at = 1 - self.at;
                None
            }
        }
    }

    async fn step(&mut self) {
        let t = self.main();
        match self.rng.random_range(0..100) {
            0..34 => {
                let pairs = self.pairs(3);
                let sql = format!("INSERT INTO {t} VALUES {}", list(&pairs));
                self.on_main(Effect::Put(pairs), false, &sql).await;
            }
            34..46 => {
                let (a, b) = (self.rng.random_range(ACCOUNTS), self.rng.random_range(ACCOUNTS));
                if a == b {
                    return;
                }
                let by = self.rng.random_range(1..20);
                let sql = format!("UPDATE {t} SET v = v + CASE k WHEN {a} THEN -{by} ELSE {by} END WHERE k IN ({a}, {b})");
                self.on_main(Effect::Add(vec![(a, -by), (b, by)]), false, &sql).await;
            }
            46..52 => {
                let (key, by) = (self.rng.random_range(KEYS), self.rng.random_range(1..9));
                let sql = format!("UPDATE {t} SET v = v + {by} WHERE k = {key}");
                self.on_main(Effect::Add(vec![(key, by)]), false, &sql).await;
            }
            52..58 => {
                let keys = self.keys(3);
                let text: Vec<String> = keys.iter().map(i64::to_string).collect();
                let sql = format!("DELETE FROM {t} WHERE k IN ({})", text.join(", "));
                self.on_main(Effect::Delete(keys), false, &sql).await;
            }
            58..66 => {
                let pairs = self.pairs(3);
                let sql = format!(
                    "MERGE INTO {t} USING (VALUES {}) AS s (k, v) ON {t}.k = s.k WHEN MATCHED THEN UPDATE SET v = {t}.v + s.v WHEN NOT MATCHED THEN INSERT VALUES (s.k, s.v)",
                    list(&pairs)
                );
                self.on_main(Effect::Merge(pairs), false, &sql).await;
            }
            66..71 => {
                let kind = ["MAJOR", "MINOR"].choose(&mut self.rng).unwrap();
                self.on_main(Effect::Nothing, true, &format!("ALTER TABLE {t} COMPACT {kind}")).await;
            }
            71..74 => {
                let Some(latest) = self.latest().await else { return };
                let version = self.rng.random_range(2..=latest);
                let sql = format!("RESTORE TABLE {} TO LSN '{version}'", self.main());
                self.on_main(Effect::Restore(version), false, &sql).await;
            }
            74..77 => {
                let value = self.rng.random_range(0..1000);
                let sql = format!("ALTER TABLE {t} SET TBLPROPERTIES ('x' = '{value}')");
                self.on_main(Effect::Nothing, true, &sql).await;
            }
            77 => {
                let other = MAIN[1 - self.at];
                if self.run(None, Effect::Nothing, false, &format!("ALTER TABLE {t} RENAME TO {other}")).await.is_ok() {
                    self.at = 1 - self.at;
                }
            }
            78 => {
                let _ = self.run(Some("main"), Effect::Drop, false, &format!("DROP TABLE {t}")).await;
                self.undrop().await;
            }
            79..90 => self.names().await,
            90..94 => self.read(None).await,
            _ => {
                if self.pinned.len() < 3
                    && let Some(latest) = self.latest().await
                {
                    let version = self.rng.random_range(2..=latest);
                    self.pinned.push(version);
                }
                let version = self.pinned.choose(&mut self.rng).copied();
                self.read(version).await;
            }
        }
    }

    /// Tables that come and go under few names.
    async fn names(&mut self) {
        let name = *NAMES.choose(&mut self.rng).unwrap();
        let sql = match self.rng.random_range(0..8) {
            0..3 => format!("CREATE TABLE {name} (k BIGINT PRIMARY KEY)"),
            3 => format!("CREATE TABLE {name} AS SELECT 1 AS k"),
            4 => format!("DROP TABLE {name}"),
            5 => {
                let other = *NAMES.choose(&mut self.rng).unwrap();
                if other == name {
                    return;
                }
                format!("ALTER TABLE {name} RENAME TO {other}")
            }
            _ => {
                let rows = self.session.ok("SHOW HISTORY FOR TABLES").await;
                let words: Vec<Vec<&str>> = rows.iter().map(|row| row.split(' ').collect()).collect();
                let mut dropped: Vec<_> = words.iter().filter(|w| w[0] == name && *w.last().unwrap() != "NULL").collect();
                dropped.reverse();
                let Some(words) = dropped.first() else { return };
                format!("RESTORE TABLE {name} ('id'='{}')", words[1])
            }
        };
        let _ = self.run(None, Effect::Nothing, sql.starts_with("RESTORE"), &sql).await;
    }
}

fn list(pairs: &[(i64, i64)]) -> String {
    let rows: Vec<String> = pairs.iter().map(|(key, value)| format!("({key}, {value})")).collect();
    rows.join(", ")
}

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
        actor.run(Some("main"), Effect::Nothing, false, "CREATE TABLE main (k BIGINT PRIMARY KEY, v BIGINT)").await.unwrap();
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
        store(super::power_loss::local(&self.lake(), Durability::Full))
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
        let mut history = History { bank: Some((ACCOUNTS, ACCOUNTS.count() as i64 * EACH)), ..History::default() };
        let catalog = CatalogLog::new(store.clone(), LogRoot::Catalog);
        let mut state = CatalogState::default();
        let mut lsn = Lsn::FIRST;
        while let Some(commit) = catalog.read_commit(lsn).await.unwrap() {
            state.apply(&commit.header, &commit.actions).unwrap();
            let live = state.tables().filter(|entry| entry.dropped.is_none());
            history.names.push((lsn.get(), live.map(|e| (e.name.to_string(), e.id.to_string())).collect()));
            lsn = lsn.next();
        }
        commits_of(&catalog, &mut history.commits).await;
        for entry in state.tables() {
            commits_of(&TableLog::new(store.clone(), LogRoot::Table(entry.id)), &mut history.commits).await;
        }
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

pub async fn commits_of<S: State>(log: &Log<S>, commits: &mut Vec<Commit>) {
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
    report("kill -9", &[("kills", killed), ("commits", commits), ("cases", lost), ("seeds", 1)]);
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
    let id = table_id(super::power_loss::local(Path::new(&scene.lake()), Durability::Full), "main").await;
    assert!(good.commits.iter().any(|commit| commit.log == id.to_string()));
    let mut record = OpenOptions::new().append(true).open(scene.record()).unwrap();
    let put = Effect::Put(vec![(1, 1)]).to_json();
    writeln!(record, "{}", json!({ "start": "x", "log": "main", "effect": put, "nothing": false })).unwrap();
    writeln!(record, "{}", json!({ "end": "x", "outcome": "done" })).unwrap();
    assert!(scene.history().await.violations().iter().any(|text| text.contains("nowhere")));
}
