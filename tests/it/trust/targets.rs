//! Where hostile bytes go in: six entrances, each with what may come out. `fuzz/` has a libFuzzer target for each.
//!
//! Whoever calls them looks for panics and for time. They look for the rest themselves: an error of ours that says "bug",
//! and requests outside of the warehouse's own folders. This file stands alone, so that `fuzz/` can take it as it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use bytes::Bytes;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_timetravel::store::layout::{
    CheckpointName, LogRoot, data_file as data_path, parse_commit_name, parse_data_file_name, table_of,
};
use datafusion_timetravel::store::testing::CountingStore;
use datafusion_timetravel::store::{Digest, Store, TableId};
use datafusion_timetravel::{Code, Error, SessionContextExt, TimeTravel, is_complete, split_statements};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

/// Objects by path.
pub type Files = BTreeMap<Path, Bytes>;

/// A warehouse as this crate writes it: what inputs are put into, and what mutations begin with.
#[derive(Debug)]
pub struct Seed {
    pub files: Files,
    pub table: TableId,
}

/// One made once for all inputs.
pub fn seed() -> &'static Seed {
    static SEED: OnceLock<Seed> = OnceLock::new();
    SEED.get_or_init(|| {
        // Not on the caller's runtime, which may be busy with the caller.
        let made = std::thread::spawn(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(make())
        });
        made.join().unwrap()
    })
}

async fn make() -> Seed {
    let objects = Arc::new(InMemory::new());
    let (tt, ctx) = open(Arc::clone(&objects) as _).await.unwrap();
    for sql in [
        "CREATE TABLE t (k BIGINT PRIMARY KEY, v STRING, d DECIMAL(10, 2)) TBLPROPERTIES ('note' = 'x')",
        "INSERT INTO t VALUES (1, 'one', 1.5), (2, 'two', NULL), (3, NULL, 2)",
        "INSERT INTO t VALUES (2, 'zwei', 7)",
        "DELETE FROM t WHERE k = 3",
        "ALTER TABLE t ADD COLUMN w INT",
        "INSERT INTO t VALUES (5, 'five', 5, 5)",
        "INSERT OVERWRITE t SELECT * FROM t WHERE k < 5",
        "INSERT INTO t VALUES (6, 'six', 6, 6)",
    ] {
        tt.sql(&ctx, sql).await.unwrap().collect().await.unwrap();
    }
    tt.flush().await;
    let mut files = Files::new();
    let metas: Vec<_> = objects.list(None).try_collect().await.unwrap();
    for meta in metas {
        files.insert(meta.location.clone(), objects.get(&meta.location).await.unwrap().bytes().await.unwrap());
    }
    let table = files.keys().find_map(table_of).unwrap();
    Seed { files, table }
}

async fn open(objects: Arc<dyn ObjectStore>) -> Result<(TimeTravel, SessionContext), Error> {
    let tt = TimeTravel::with_store(Store::new(objects, Path::default())).await?;
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_default_catalog_and_schema("warehouse", "default")
        .with_create_default_catalog_and_schema(false);
    let ctx = SessionContext::new_with_config(config);
    ctx.with_timetravel("warehouse", &tt).await.unwrap();
    Ok((tt, ctx))
}

/// The content of a commit file with the trailer that fits it.
pub fn sealed(content: &[u8]) -> Vec<u8> {
    let mut file = content.to_vec();
    if !file.ends_with(b"\n") {
        file.push(b'\n');
    }
    let lines = file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    let digest = Digest::of(&file);
    file.extend_from_slice(format!("{{\"actions\":{},\"digest\":\"{digest}\"}}\n", lines.saturating_sub(1)).as_bytes());
    file
}

/// The header and the actions of a commit file, without those that it carries.
pub fn content(file: &[u8]) -> Vec<u8> {
    let lines = file.split_inclusive(|byte| *byte == b'\n');
    lines.take_while(|line| !line.starts_with(b"{\"actions\":")).flatten().copied().collect()
}

/// Statements that look at all that a log can say.
const STATEMENTS: [&str; 18] = [
    "SELECT * FROM t",
    "SELECT count(*), min(k), max(v), sum(d) FROM t",
    "SELECT * FROM t WHERE k > 1 AND v < 'x' ORDER BY k LIMIT 2",
    "SELECT * FROM t VERSION AS OF 2",
    "SELECT * FROM t VERSION BETWEEN 1 AND 2",
    "SELECT * FROM t TIMESTAMP AS OF CURRENT_TIMESTAMP()",
    "SELECT * FROM history('t')",
    "SHOW HISTORY FOR TABLE t",
    "SHOW HISTORY FOR TABLES",
    "DESC EXTENDED t",
    "SHOW PARTITIONS t",
    "VERIFY TABLE t",
    "VACUUM DRY RUN",
    "PURGE TABLE t DRY RUN",
    "INSERT INTO t (k, v) VALUES (1, 'x')",
    "UPDATE t SET v = 'y' WHERE k = 1",
    "ALTER TABLE t COMPACT MAJOR",
    "RESTORE TABLE t TO LSN '2'",
];

/// Opens the warehouse and runs some of the statements. Says what must not have happened.
pub async fn use_all(files: &Files, choice: u64) -> Result<(), String> {
    let objects = Arc::new(InMemory::new());
    for (path, bytes) in files {
        objects.put(path, bytes.clone().into()).await.unwrap();
    }
    let counts = CountingStore::new(objects);
    let check = |what: &str, error: &Error| match error.code() {
        Code::Internal => Err(format!("{what}: {error}")),
        _ => Ok(()),
    };
    match open(Arc::new(counts.clone())).await {
        Err(error) => check("open", &error)?,
        Ok((tt, ctx)) => {
            let chosen = (0..4).map(|at| (choice >> (at * 8)) as usize % STATEMENTS.len());
            for sql in std::iter::once(0).chain(chosen).map(|at| STATEMENTS[at]) {
                let outcome = Box::pin(async { tt.sql(&ctx, sql).await?.collect().await }).await;
                if let Some(error) = outcome.as_ref().err().and_then(Error::find) {
                    check(sql, error)?;
                }
            }
            tt.flush().await;
        }
    }
    let is_ours =
        |path: &str| path.is_empty() || ["_catalog", "tables", "_probe"].iter().any(|own| path.starts_with(own));
    match counts.trace().iter().find(|call| !is_ours(call.path.as_ref()) || call.path.as_ref().contains("..")) {
        Some(call) => Err(format!("a request outside of the warehouse: {call:?}")),
        None => Ok(()),
    }
}

/// A table's log whose second commit has this content, and ends there.
pub async fn log_entry(content: &[u8], choice: u64) -> Result<(), String> {
    let mut files = seed().files.clone();
    let root = LogRoot::Table(seed().table);
    files.retain(|path, _| !path.as_ref().starts_with(root.folder().as_ref()) || path.as_ref().contains("/data/"));
    files.insert(root.commit(1), seed().files[&root.commit(1)].clone());
    files.insert(root.commit(2), sealed(content).into());
    use_all(&files, choice).await
}

/// A catalog whose second commit has this content.
pub async fn catalog_record(content: &[u8], choice: u64) -> Result<(), String> {
    let mut files = seed().files.clone();
    files.insert(LogRoot::Catalog.commit(2), sealed(content).into());
    use_all(&files, choice).await
}

/// Rows of a checkpoint as lines of kind, `+` or `-`, and body.
pub fn checkpoint_file(lines: &str) -> Vec<u8> {
    let rows: Vec<(&str, bool, &str)> = lines
        .lines()
        .map(|line| {
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            let (live, body) = rest.split_once(' ').unwrap_or((rest, ""));
            (kind, live == "+", body)
        })
        .collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("kind", Arc::new(rows.iter().map(|row| Some(row.0)).collect::<StringArray>())),
        ("live", Arc::new(rows.iter().map(|row| Some(row.1)).collect::<BooleanArray>())),
        ("body", Arc::new(rows.iter().map(|row| Some(row.2)).collect::<StringArray>())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut file = vec![];
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

/// A table whose only checkpoint is this file, with the name that fits it.
pub async fn checkpoint(file: &[u8], choice: u64) -> Result<(), String> {
    let mut files = seed().files.clone();
    let root = LogRoot::Table(seed().table);
    let lsn = files.keys().find_map(|path| match CheckpointName::parse(path.filename()?)? {
        CheckpointName::State { lsn, .. } => Some(lsn),
        CheckpointName::Index { .. } => None,
    });
    let lsn = lsn.expect("a checkpoint");
    files.retain(|path, _| !path.as_ref().contains("/checkpoints/"));
    let name = CheckpointName::State { lsn, digest: Digest::of(file) };
    files.insert(root.checkpoint(name), Bytes::copy_from_slice(file));
    use_all(&files, choice).await
}

/// The log of `t` up to the first write, and the bytes of the file that it names.
pub fn first_data_file() -> Bytes {
    let (path, _) = named_file(&commit_of_data());
    seed().files[&path].clone()
}

fn commit_of_data() -> Vec<Value> {
    let file = &seed().files[&LogRoot::Table(seed().table).commit(2)];
    let lines = content(file);
    lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn named_file(lines: &[Value]) -> (Path, usize) {
    let at = lines.iter().position(|line| line["action"] == "add").unwrap();
    let id = lines[at]["file"]["id"].as_str().unwrap();
    let names = seed().files.keys().filter_map(|path| parse_data_file_name(path.filename()?));
    let (id, kind) = names.into_iter().find(|(known, _)| known.to_string() == id).unwrap();
    (data_path(seed().table, id, kind), at)
}

/// A table whose first data file is these bytes, with a log that says so: no checksum protects the decoder.
pub async fn data_file(file: &[u8], choice: u64) -> Result<(), String> {
    let mut lines = commit_of_data();
    let (path, at) = named_file(&lines);
    let size = file.len() as u64;
    let tail = file.len().checked_sub(8).and_then(|from| file.get(from..from + 4));
    let footer = tail.map_or(0, |tail| u64::from(u32::from_le_bytes(tail.try_into().unwrap())) + 8);
    let known = lines[at]["file"].as_object_mut().unwrap();
    known.insert("size".into(), json!(size));
    known.insert("digest".into(), json!(Digest::of(file).to_string()));
    known.insert("footer".into(), json!(footer.min(size)));
    for group in known["row_groups"].as_array_mut().unwrap() {
        group["end"] = json!(group["end"].as_u64().unwrap().min(size));
        group["start"] = json!(group["start"].as_u64().unwrap().min(size));
    }
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    let mut files = seed().files.clone();
    let root = LogRoot::Table(seed().table);
    files.retain(|path, _| !path.as_ref().starts_with(root.folder().as_ref()));
    files.insert(root.commit(1), seed().files[&root.commit(1)].clone());
    files.insert(root.commit(2), sealed(text.join("\n").as_bytes()).into());
    files.insert(path, Bytes::copy_from_slice(file));
    use_all(&files, choice).await
}

/// A text as a path, a name in the store, and an id.
pub fn path(text: &str) -> Result<(), String> {
    let round_trip = |of: &str, made: Option<String>| match made {
        Some(made) if made != text => Err(format!("{text:?} is taken for the {of} {made:?}")),
        _ => Ok(()),
    };
    round_trip("checkpoint", CheckpointName::parse(text).map(|name| name.to_string()))?;
    round_trip("commit", parse_commit_name(text).map(|lsn| format!("{lsn:016}.json")))?;
    round_trip("table id", text.parse::<TableId>().ok().map(|id| id.to_string()))?;
    if let Some((id, _)) = parse_data_file_name(text)
        && !text.starts_with(&id.to_string())
    {
        return Err(format!("{text:?} is taken for the data file {id}"));
    }
    for path in [Path::parse(text).ok(), Some(Path::from(text))].into_iter().flatten() {
        if let Some(id) = table_of(&path)
            && !path.as_ref().starts_with(LogRoot::Table(id).folder().as_ref())
        {
            return Err(format!("{text:?} is taken for a path of table {id}"));
        }
    }
    Ok(())
}

/// A text as a statement, which is planned and not run.
pub async fn sql(text: &str) -> Result<(), String> {
    if let Ok(statements) = split_statements(text)
        && statements.iter().map(String::len).sum::<usize>() > text.len() + statements.len()
    {
        return Err(format!("{text:?} splits into more than it has: {statements:?}"));
    }
    let _ = is_complete(text);
    let objects = Arc::new(InMemory::new());
    for (path, bytes) in &seed().files {
        objects.put(path, bytes.clone().into()).await.unwrap();
    }
    let (tt, ctx) = open(objects).await.map_err(|error| error.to_string())?;
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    match tt.sql_with_options(&ctx, text, options).await {
        Err(error) => match Error::find(&error) {
            Some(ours) if ours.code() == Code::Internal => Err(format!("{text:?}: {ours}")),
            _ => Ok(()),
        },
        Ok(_) => Ok(()),
    }
}
