//! What RESTORE costs, from ten thousand to six million rows: no data is copied, so that times and commits stay flat.
//!
//! ```text
//! cargo xtask bench restore --release
//! cargo xtask bench restore --rows 10000,100000 --rounds 3
//! ```
//!
//! Every verb runs on a table on the local disk that was loaded, upserted and overwritten, each in one statement. Printed
//! are medians, and how many commits and data files a run of the verb added.
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_timetravel::{SessionContextExt, TimeTravel};

const QUICK: [u64; 2] = [10_000, 100_000];
const FULL: [u64; 4] = [10_000, 100_000, 1_000_000, 6_000_000];

#[derive(Debug)]
struct Args {
    rows: Vec<u64>,
    rounds: usize,
}

impl Args {
    /// Words that are no option of ours, such as cargo's `--bench`, are passed over.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let quick = cfg!(debug_assertions);
        let mut args = Self { rows: if quick { QUICK.to_vec() } else { FULL.to_vec() }, rounds: 5 };
        let number = |text: &str| {
            text.replace('_', "")
                .parse::<u64>()
                .map_err(|_| DataFusionError::Configuration(format!("{text:?} is no number of rows or rounds")))
        };
        while let Some(word) = words.next() {
            let value = |next: Option<String>| {
                next.ok_or_else(|| DataFusionError::Configuration(format!("{word} needs a value")))
            };
            match word.as_str() {
                "--rows" => args.rows = value(words.next())?.split(',').map(number).collect::<Result<_>>()?,
                "--rounds" => {
                    args.rounds = usize::try_from(number(&value(words.next())?)?).unwrap_or(usize::MAX).max(1);
                }
                _ => {}
            }
        }
        Ok(args)
    }
}

/// A warehouse in a folder of its own, with a session.
struct Lake {
    root: tempfile::TempDir,
    tt: TimeTravel,
    ctx: SessionContext,
}

impl Lake {
    async fn open() -> Result<Self> {
        let root = tempfile::tempdir()?;
        let tt = TimeTravel::open(&root.path().to_string_lossy()).await?;
        let config = SessionConfig::new()
            .with_default_catalog_and_schema("lake", "default")
            .with_create_default_catalog_and_schema(false);
        let ctx = SessionContext::new_with_config(config);
        ctx.with_timetravel("lake", &tt).await?;
        Ok(Self { root, tt, ctx })
    }

    /// Runs a statement to its end, and says how long that took.
    async fn run(&self, sql: &str) -> Result<Duration> {
        let start = Instant::now();
        self.tt.sql(&self.ctx, sql).await?.collect().await?;
        let time = start.elapsed();
        self.tt.flush().await;
        Ok(time)
    }

    async fn text(&self, sql: &str) -> Result<String> {
        let rows = self.tt.sql(&self.ctx, sql).await?.to_string().await?;
        let cell = rows.lines().nth(3).unwrap_or_default().trim_matches(['|', ' ']).to_owned();
        Ok(cell)
    }

    /// Commits and data files in the warehouse.
    fn count(&self) -> Result<(usize, usize)> {
        let files = files(self.root.path())?;
        let in_folder = |name: &str| files.iter().filter(|file| file.iter().any(|part| part == name)).count();
        Ok((in_folder("_log"), in_folder("data")))
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}

/// Times of one verb, and what a run of it added.
#[derive(Debug, Default)]
struct Measured {
    times: Vec<Duration>,
    commits: usize,
    data_files: usize,
}

impl Measured {
    async fn add(&mut self, lake: &Lake, sql: &str) -> Result<()> {
        let (commits, data_files) = lake.count()?;
        self.times.push(lake.run(sql).await?);
        let (more_commits, more_files) = lake.count()?;
        self.commits = more_commits - commits;
        self.data_files += more_files - data_files;
        Ok(())
    }

    fn line(mut self, rows: u64, files: usize, verb: &str) -> String {
        self.times.sort();
        let median = self.times.get(self.times.len() / 2).copied().unwrap_or_default();
        let milliseconds = median.as_secs_f64() * 1e3;
        format!("{rows:>10} {files:>6}  {verb:<24}{milliseconds:>10.2} {:>8} {:>11}", self.commits, self.data_files)
    }
}

async fn measure(rows: u64, rounds: usize) -> Result<Vec<String>> {
    let lake = Lake::open().await?;
    let source = |from: u64, to: u64, v: u64| {
        format!("SELECT value, value % 97 + {v}, concat('row ', value) FROM generate_series({from}, {to})")
    };
    for table in ["t", "target"] {
        lake.run(&format!("CREATE TABLE {table} (k BIGINT PRIMARY KEY, v BIGINT, s STRING)")).await?;
    }
    lake.run(&format!("INSERT INTO t {}", source(1, rows, 0))).await?;
    lake.run(&format!("INSERT INTO t {}", source(1, rows / 100, 1000))).await?;
    lake.run(&format!("INSERT OVERWRITE TABLE t {}", source(1, rows, 2000))).await?;
    let (_, files) = lake.count()?;
    let [mut restore, mut undrop, mut new, mut existing]: [Measured; 4] = Default::default();
    for round in 0..rounds {
        for version in [2, 3, 4] {
            restore.add(&lake, &format!("RESTORE TABLE t TO LSN '{version}'")).await?;
        }
        new.add(&lake, &format!("RESTORE TABLE t TO LSN '3' AS n{round}")).await?;
        existing.add(&lake, &format!("RESTORE TABLE t TO LSN '{}' AS target", 2 + round % 2)).await?;
        let id = lake.text("SELECT object_id FROM history('t') LIMIT 1").await?;
        lake.run("DROP TABLE t").await?;
        undrop.add(&lake, &format!("RESTORE TABLE t ('id'='{id}')")).await?;
    }
    // What was restored is there.
    for table in ["t", "target", "n0"] {
        let count = lake.text(&format!("SELECT count(*) FROM {table}")).await?;
        if count != rows.to_string() {
            return Err(DataFusionError::Execution(format!("{table} has {count} rows instead of {rows}")));
        }
    }
    let lines = [
        ("TO LSN", restore),
        ("TO LSN … AS new", new),
        ("TO LSN … AS existing", existing),
        ("('id'='…') of a table", undrop),
    ];
    Ok(lines.into_iter().map(|(verb, measured)| measured.line(rows, files, verb)).collect())
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse(std::env::args().skip(1))?;
    let header = format!(
        "{:>10} {:>6}  {:<24}{:>10} {:>8} {:>11}",
        "rows", "files", "RESTORE", "median ms", "commits", "data files"
    );
    println!("{header}");
    for rows in args.rows {
        for line in measure(rows, args.rounds).await? {
            println!("{line}");
        }
    }
    Ok(())
}
