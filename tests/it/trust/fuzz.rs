//! Hostile input (T5): mutations of what this crate writes, by seed, through every entrance of [`targets`](super::targets).
//!
//! No panic of ours, no error that says "bug", no request outside of the warehouse, and no case that takes long. A failure
//! prints its seed and case; `TIMETRAVEL_SEED` replays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::future::Future;
use std::time::{Duration, Instant};

use datafusion_timetravel::store::layout::LogRoot;
use serde_json::{Value, json};

use super::mutate::{mutate_bytes, mutate_json, mutate_lines, mutate_sql};
use super::panics::{STACK, on_threads, runtime, watched};
use super::report::report;
use super::targets::{self, seed};
use crate::laws::rng::Rng;

/// No case may take longer on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
const THREADS: usize = 2;

fn first_seed() -> u64 {
    let seed = std::env::var("TIMETRAVEL_SEED").ok().map_or_else(rand::random::<u32>, |text| text.parse().unwrap());
    println!("TIMETRAVEL_SEED={seed}");
    u64::from(seed)
}

/// Runs the cases of an entrance, and counts panics of other crates that were caught.
fn fuzz<F: Future<Output = Result<(), String>>>(name: &str, cases: u64, case: impl Fn(Rng) -> F + Sync) {
    let seed = first_seed();
    let started = Instant::now();
    let found = on_threads(THREADS, STACK, |thread| {
        let runtime = runtime();
        let (mut theirs, mut escaped, mut wrong) = (vec![], 0, vec![]);
        for number in (thread as u64..cases).step_by(THREADS) {
            let begun = Instant::now();
            let rng = Rng::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
            let (outcome, panics) = runtime.block_on(watched(case(rng)));
            theirs.extend(panics.theirs);
            if let Some(panic) = panics.ours.first() {
                wrong.push(format!("case {number}: {panic}"));
            }
            match outcome {
                Some(Ok(())) => {}
                Some(Err(what)) => wrong.push(format!("case {number}: {what}")),
                None => escaped += 1,
            }
            if begun.elapsed() > LIMIT {
                wrong.push(format!("case {number} took {:?}", begun.elapsed()));
            }
        }
        (theirs, escaped, wrong)
    });
    let theirs: Vec<_> = found.iter().flat_map(|(theirs, _, _)| theirs).collect();
    let wrong: Vec<_> = found.iter().flat_map(|(_, _, wrong)| wrong).collect();
    let escaped: u64 = found.iter().map(|(_, escaped, _)| escaped).sum();
    println!("fuzz {name}: {:.1} s", started.elapsed().as_secs_f64());
    for panic in theirs.iter().take(5) {
        println!("of another crate: {panic}");
    }
    report(&format!("fuzz {name}"), &[("cases", cases), ("panics of other crates", theirs.len() as u64)]);
    assert!(wrong.is_empty(), "seed {seed}, {} wrong, of them:\n{}", wrong.len(), join(&wrong));
    assert_eq!(escaped, 0, "seed {seed}: panics of other crates came through: {}", join(&theirs));
}

fn join(texts: &[&String]) -> String {
    texts.iter().take(10).map(|text| text.as_str()).collect::<Vec<_>>().join("\n")
}

/// The contents of the commits of a log, oldest first.
fn contents(root: LogRoot) -> Vec<Vec<u8>> {
    let commits = (1..).map_while(|lsn| seed().files.get(&root.commit(lsn)));
    commits.map(|file| targets::content(file)).collect()
}

fn log_entries(cases: u64) {
    let contents = contents(LogRoot::Table(seed().table));
    fuzz("log entry", cases, |mut rng| {
        // The second commit of the log with actions of any.
        let mut lines = contents[1].clone();
        if rng.chance(50) {
            let other = rng.pick(&contents[1..]);
            let header = lines.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            let actions = other.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            lines = [&lines[..header], &other[actions..]].concat();
        }
        let content = mutate_lines(&lines, &mut rng);
        let choice = rng.below(u64::MAX);
        async move { targets::log_entry(&content, choice).await }
    });
}

fn catalog_records(cases: u64) {
    let first = contents(LogRoot::Catalog).remove(0);
    let mut header: Value = serde_json::from_slice(first.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    header["lsn"] = json!(2);
    header["commit"] = json!("f".repeat(32));
    header["time"] = json!(header["time"].as_i64().unwrap() + 1);
    header["previous"] = json!(datafusion_timetravel::store::Digest::of(&first).to_string());
    let table = seed().table.to_string();
    let name = |name: &str| json!({"schema": "default", "table": name});
    let actions = [
        json!({"action": "create_schema", "schema": "s"}),
        json!({"action": "drop_schema", "schema": "default"}),
        json!({"action": "create_table", "id": "e".repeat(32), "name": name("u"), "partitioned": true, "replaces": table}),
        json!({"action": "create_table", "id": table, "name": name("t"), "partitioned": false}),
        json!({"action": "drop_table", "id": table, "lsn": 3}),
        json!({"action": "rename_table", "id": table, "name": name("../../x")}),
        json!({"action": "undrop_table", "id": table, "name": name("v"), "lsn": 7}),
        json!({"action": "create_view", "name": name("w"), "query": "SELECT * FROM t, w", "columns": ["a"], "search": ["warehouse", "default"]}),
        json!({"action": "drop_view", "name": name("t")}),
        json!({"action": "share", "clone": table, "owners": [table]}),
        json!({"action": "end_share", "clone": table}),
        json!({"action": "purge_table", "id": table}),
        json!({"action": "setting", "key": "odps.timemachine.retention.days", "value": "99999999999999999999"}),
    ];
    fuzz("catalog record", cases, |mut rng| {
        let mut lines = vec![header.to_string()];
        for _ in 0..=rng.below(3) {
            lines.push(rng.pick(&actions).to_string());
        }
        let content = if rng.chance(30) {
            lines.join("\n").into_bytes()
        } else {
            mutate_lines(lines.join("\n").as_bytes(), &mut rng)
        };
        let choice = rng.below(u64::MAX);
        async move { targets::catalog_record(&content, choice).await }
    });
}

/// The rows of the seed's checkpoint as lines.
fn checkpoint_lines() -> (Vec<u8>, Vec<String>) {
    use arrow::array::AsArray;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let folder = LogRoot::Table(seed().table).checkpoints_folder();
    let file =
        seed().files.iter().find(|(path, _)| path.prefix_matches(&folder)).map(|(_, file)| file.clone()).unwrap();
    let mut lines = vec![];
    for batch in ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let live = if batch.column(1).as_boolean().value(row) { "+" } else { "-" };
            let [kind, body] = [0, 2].map(|at| batch.column(at).as_string::<i32>().value(row).to_owned());
            lines.push(format!("{kind} {live} {body}"));
        }
    }
    (file.to_vec(), lines)
}

fn checkpoints(cases: u64) {
    let (file, lines) = checkpoint_lines();
    fuzz("checkpoint", cases, |mut rng| {
        let bytes = if rng.chance(30) {
            let mut bytes = file.clone();
            (0..=rng.below(3)).for_each(|_| mutate_bytes(&mut bytes, &mut rng));
            bytes
        } else {
            let mut lines = lines.clone();
            for _ in 0..=rng.below(3) {
                let at = rng.below(lines.len() as u64) as usize;
                match rng.below(8) {
                    0 => drop(lines.remove(at)),
                    1 => lines.push(lines[at].clone()),
                    _ => {
                        let (head, body) = lines[at].split_at(lines[at].find('{').unwrap_or_default());
                        let Ok(mut value) = serde_json::from_str(body) else { continue };
                        mutate_json(&mut value, &mut rng);
                        lines[at] = format!("{head}{value}");
                    }
                }
                if lines.is_empty() {
                    break;
                }
            }
            targets::checkpoint_file(&lines.join("\n"))
        };
        let choice = rng.below(u64::MAX);
        async move { targets::checkpoint(&bytes, choice).await }
    });
}

fn data_files(cases: u64) {
    let file = targets::first_data_file().to_vec();
    let footer = u32::from_le_bytes(file[file.len() - 8..file.len() - 4].try_into().unwrap()) as usize + 8;
    fuzz("data file", cases, |mut rng| {
        let mut bytes = file.clone();
        for _ in 0..=rng.below(4) {
            // Mostly in the footer, without changing its length.
            let from = if rng.chance(60) { bytes.len().saturating_sub(footer) } else { 0 };
            let at = from + rng.below((bytes.len() - from).max(1) as u64) as usize;
            match rng.chance(85) {
                true if at < bytes.len() => {
                    bytes[at] = if rng.chance(50) { bytes[at] ^ (1 << rng.below(8)) } else { rng.below(256) as u8 }
                }
                _ => mutate_bytes(&mut bytes, &mut rng),
            }
        }
        let choice = rng.below(u64::MAX);
        async move { targets::data_file(&bytes, choice).await }
    });
}

fn paths(cases: u64) {
    let seeds = [
        "0000000000000007.00000000000000000000000000000003.parquet",
        "index-0000000000000001-0000000000001024.00000000000000000000000000000003.parquet",
        "0000000000000042.json",
        "0123456789abcdef0123456789abcdef.base.parquet",
        "0123456789abcdef0123456789abcdef.delta.parquet",
        "0123456789abcdef0123456789abcdef",
        "tables/0123456789abcdef0123456789abcdef/data/x",
        "../tables/..%2f/./_log//a",
    ];
    fuzz("path", cases, |mut rng| {
        let mut bytes = rng.pick(&seeds).as_bytes().to_vec();
        (0..=rng.below(4)).for_each(|_| mutate_bytes(&mut bytes, &mut rng));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        async move { targets::path(&text) }
    });
}

/// The statements of the behaviour tests.
fn statements() -> Vec<String> {
    let mut found = vec![];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.into_iter().filter(|file| file.extension().is_some_and(|ext| ext == "slt")) {
        for block in std::fs::read_to_string(file).unwrap().split("\n\n") {
            let lines: Vec<&str> = block.lines().filter(|line| !line.starts_with('#')).collect();
            if let [first, rest @ ..] = lines.as_slice()
                && (first.starts_with("query") || first.starts_with("statement"))
            {
                let sql: Vec<&str> = rest.iter().take_while(|line| **line != "----").copied().collect();
                found.push(sql.join("\n"));
            }
        }
    }
    assert!(found.len() > 200, "{} statements", found.len());
    found
}

fn sql(cases: u64) {
    let corpus = statements();
    fuzz("sql", cases, |mut rng| {
        let text = mutate_sql(&corpus, &mut rng);
        async move { targets::sql(&text).await }
    });
}

#[test]
fn hostile_log_entries() {
    log_entries(300);
}

#[test]
fn hostile_catalog_records() {
    catalog_records(200);
}

#[test]
fn hostile_checkpoints() {
    checkpoints(250);
}

#[test]
fn hostile_data_files() {
    data_files(400);
}

#[test]
fn hostile_paths() {
    paths(20_000);
}

#[test]
fn hostile_statements() {
    sql(600);
}

#[test]
#[ignore = "takes long"]
fn hostile_input_for_long() {
    log_entries(20_000);
    catalog_records(10_000);
    checkpoints(20_000);
    data_files(40_000);
    paths(2_000_000);
    sql(50_000);
}

/// The bitmap of a file's rows was made before anybody had looked whether the file has them.
#[tokio::test]
async fn a_log_that_promises_half_a_trillion_rows_takes_no_memory() {
    let contents = contents(LogRoot::Table(seed().table));
    let mut lines: Vec<Value> = contents[1]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let file = &mut lines.iter_mut().find(|line| line["action"] == "add").unwrap()["file"];
    file["rows"] = json!(1_u64 << 39);
    file["tombstones"] = json!(1);
    file["row_groups"][0]["rows"] = json!(1_u64 << 39);
    let content = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    targets::log_entry(content.as_bytes(), 0).await.unwrap();
}

/// It was taken for a table of which nothing is known, and each statement told of a bug.
#[tokio::test]
async fn a_checkpoint_that_lacks_its_table_is_ignored() {
    let (_, lines) = checkpoint_lines();
    let without: Vec<String> = lines.into_iter().filter(|line| !line.starts_with("table ")).collect();
    targets::checkpoint(&targets::checkpoint_file(&without.join("\n")), 0).await.unwrap();
}
