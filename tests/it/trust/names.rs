//! Hostile names (T5): of tables, columns, schemas, partitions, properties, views and warehouses, on a real disk.
//!
//! A name is taken whole or refused by a code; what is taken is found again by it; and nothing comes to lie outside of the
//! warehouse's folder, whatever the name says and wherever a link leads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::Path;

use datafusion_timetravel::{Code, Error, TimeTravel};

use super::report::report;
use crate::lake::Session;

fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "a/b",
        "/",
        "..",
        ".",
        "../../outside",
        "..\\..\\outside",
        "%2e%2e%2foutside",
        "a%2Fb%00c",
        "nul\0byte",
        "line\nbreak",
        "tab\tbell\u{7}",
        "quote\"s'and`ticks",
        "x'; DROP TABLE victim; --",
        "a.b.c",
        "a=b/c=d",
        "a,b;c",
        " space ",
        "-",
        "--x",
        "#1",
        "~",
        "CON",
        "NUL.txt",
        "été",
        "e\u{301}te\u{301}",
        "日本語",
        "\u{1f4a5}",
        "\u{202e}rtl",
        "\u{feff}bom",
        "__tt_tombstone",
        "_catalog",
        "tables",
        "SELECT",
        "$1",
        "{}",
        "NULL",
        "null",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend(["x".repeat(255), "x".repeat(257), "é".repeat(5_000), "../".repeat(3_400)]);
    names
}

fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Every path below the folder.
fn tree(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path.clone());
            }
            found.insert(path.strip_prefix(folder).unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

/// The codes with which a name may be refused.
const REFUSED: [Code; 7] = [
    Code::InvalidArgument,
    Code::InvalidSchema,
    Code::InvalidProperty,
    Code::ConstraintViolation,
    Code::NotSupported,
    Code::Syntax,
    Code::SchemaNotFound,
];

struct Place {
    dir: tempfile::TempDir,
    session: Session,
    cases: u64,
    refused: u64,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("outside")).unwrap();
        std::fs::write(dir.path().join("outside/file"), "untouched").unwrap();
        let lake = dir.path().join("deep/lake");
        let tt = TimeTravel::builder(&lake.to_string_lossy()).option("durability", "relaxed").build().await.unwrap();
        let session = Session::with(tt).await;
        session.ok("CREATE TABLE victim (k BIGINT PRIMARY KEY)").await;
        session.ok("INSERT INTO victim VALUES (1)").await;
        Self { dir, session, cases: 0, refused: 0 }
    }

    /// Whether the statement was taken; it must be, or be refused by a code.
    async fn taken(&mut self, sql: &str) -> bool {
        self.cases += 1;
        match Box::pin(self.session.run(sql)).await {
            Ok(_) => true,
            Err(error) => {
                self.refused += 1;
                let shown: String = sql.chars().take(200).collect();
                match Error::find(&error) {
                    Some(ours) => assert!(REFUSED.contains(&ours.code()), "{shown:?}: {ours}"),
                    // What stock DataFusion can't parse.
                    None => assert!(error.to_string().contains("SQL"), "{shown:?}: {error}"),
                }
                false
            }
        }
    }

    async fn ok(&self, sql: &str) {
        Box::pin(self.session.ok(sql)).await;
    }

    async fn is(&self, sql: &str, expected: &[&str]) {
        let shown: String = sql.chars().take(200).collect();
        let rows = Box::pin(self.session.run(sql)).await.unwrap_or_else(|error| panic!("{shown:?}: {error}"));
        assert_eq!(rows, expected, "{shown:?}");
    }

    fn check_disk(&self) {
        assert_eq!(std::fs::read_to_string(self.dir.path().join("outside/file")).unwrap(), "untouched");
        let outside: BTreeSet<String> =
            tree(self.dir.path()).into_iter().filter(|path| !path.starts_with("deep/lake/")).collect();
        let expected = ["deep", "deep/lake", "outside", "outside/file"].map(str::to_owned);
        assert_eq!(outside, expected.into());
        for path in tree(&self.dir.path().join("deep/lake")) {
            let ours = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
            assert!(path.chars().all(ours) && !path.contains(".."), "{path:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_names_are_data_and_never_paths() {
    let mut place = Place::new().await;
    for name in names() {
        let (id, value) = (ident(&name), text(&name));
        if place.taken(&format!("CREATE TABLE {id} (k BIGINT PRIMARY KEY, v STRING)")).await {
            place.ok(&format!("INSERT INTO {id} VALUES (1, {value})")).await;
            place.is(&format!("SELECT k FROM {id} VERSION AS OF 2 WHERE v = {value}"), &["1"]).await;
            place.is(&format!("SELECT count(*) FROM history({})", text(&id)), &["2"]).await;
            place.ok(&format!("ALTER TABLE {id} RENAME TO renamed")).await;
            place.ok(&format!("ALTER TABLE renamed RENAME TO {id}")).await;
            place.ok(&format!("VERIFY TABLE {id}")).await;
            place.ok(&format!("DROP TABLE {id}")).await;
        }
        if place.taken(&format!("CREATE SCHEMA {id}")).await {
            place.ok(&format!("CREATE TABLE {id}.t (k BIGINT)")).await;
            place.ok(&format!("INSERT INTO {id}.t VALUES (3)")).await;
            place.is(&format!("SELECT k FROM {id}.t"), &["3"]).await;
            place.ok(&format!("DROP TABLE {id}.t")).await;
            place.ok(&format!("DROP SCHEMA {id}")).await;
        }
        if place.taken(&format!("CREATE TABLE c (k BIGINT PRIMARY KEY, {id} STRING)")).await {
            place.ok(&format!("INSERT INTO c VALUES (1, {value})")).await;
            place.is(&format!("SELECT k FROM c WHERE {id} = {value}"), &["1"]).await;
            place.ok(&format!("UPDATE c SET {id} = 'new' WHERE {id} = {value}")).await;
            place.is(&format!("SELECT {id} FROM c"), &["new"]).await;
            place.ok(&format!("ALTER TABLE c RENAME COLUMN {id} TO plain")).await;
            place.is("SELECT plain FROM c", &["new"]).await;
            place.ok("DROP TABLE c").await;
        }
        place.ok("CREATE TABLE p (k BIGINT PRIMARY KEY) PARTITIONED BY (d STRING)").await;
        if place.taken(&format!("INSERT INTO p VALUES (1, {value})")).await {
            place.is(&format!("SELECT k FROM p WHERE d = {value}"), &["1"]).await;
            place.ok("ALTER TABLE p COMPACT MAJOR").await;
            place.is(&format!("SELECT count(*) FROM p WHERE d = {value}"), &["1"]).await;
            place.ok("SHOW PARTITIONS p").await;
            place.taken(&format!("ALTER TABLE p DROP PARTITION (d = {value})")).await;
        }
        place.ok("DROP TABLE p").await;
        if place.taken(&format!("CREATE TABLE q (k BIGINT) COMMENT {value} TBLPROPERTIES ({value} = {value})")).await {
            place.ok("DESC EXTENDED q").await;
            place.ok("DROP TABLE q").await;
        }
        if place.taken(&format!("CREATE VIEW {id} AS SELECT k FROM victim")).await {
            place.is(&format!("SELECT k FROM {id}"), &["1"]).await;
            place.ok(&format!("DROP VIEW {id}")).await;
        }
        place.is("SELECT k FROM victim", &["1"]).await;
    }
    place.ok("VACUUM").await;
    place.session.tt.flush().await;
    place.check_disk();
    report("hostile names", &[("names", names().len() as u64), ("cases", place.cases), ("refused", place.refused)]);
}

#[tokio::test]
async fn hostile_roots_open_where_they_say_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = 0;
    for (number, name) in names().into_iter().enumerate() {
        // A folder of its own, from which `..` leads no further than the test's.
        let root = dir.path().join(format!("{number}/a/b/c"));
        std::fs::create_dir_all(&root).unwrap();
        if name.contains("../../..") || name.starts_with('/') {
            continue;
        }
        let lake = format!("{}/{name}", root.display());
        let Ok(tt) = TimeTravel::builder(&lake).option("durability", "relaxed").build().await else { continue };
        let session = Session::with(tt).await;
        match session.run("CREATE TABLE t (k BIGINT)").await {
            Ok(_) => opened += 1,
            Err(error) => assert!(Error::find(&error).is_some_and(|error| error.code() != Code::Internal), "{error}"),
        }
        for path in tree(&dir.path().join(number.to_string())) {
            assert!(!path.contains("_catalog") || path.starts_with("a"), "{path}");
        }
    }
    assert!(opened > 10, "{opened}");
}

/// Whatever of the warehouse is made a link that leads out of it, nothing is read or written through it.
#[cfg(unix)]
#[tokio::test]
async fn links_out_of_the_root_are_not_followed() {
    use std::os::unix::fs::symlink;
    let mut cases = 0;
    for part in ["tables", "tables/*", "tables/*/data", "tables/*/_log", "_catalog", "_catalog/_log", "file"] {
        let place = Place::new().await;
        let lake = place.dir.path().join("deep/lake");
        let table = std::fs::read_dir(lake.join("tables")).unwrap().next().unwrap().unwrap().file_name();
        let outside = place.dir.path().join("outside");
        let link = match part {
            "file" => tree(&lake)
                .into_iter()
                .filter(|path| path.ends_with(".parquet"))
                .map(|path| lake.join(path))
                .next()
                .unwrap(),
            _ => lake.join(part.replace('*', &table.to_string_lossy())),
        };
        let aside = outside.join("moved");
        std::fs::rename(&link, &aside).unwrap();
        symlink(&aside, &link).unwrap();
        let before = tree(&outside);
        let before_bytes: Vec<_> = before.iter().map(|path| std::fs::read(outside.join(path)).ok()).collect();
        // A process that knows nothing yet.
        match TimeTravel::builder(&lake.to_string_lossy()).option("durability", "relaxed").build().await {
            Err(error) => assert_ne!(error.code(), Code::Internal, "{part}: {error}"),
            Ok(tt) => {
                let session = Session::with(tt).await;
                for sql in [
                    "SELECT * FROM victim",
                    "INSERT INTO victim VALUES (2)",
                    "CREATE TABLE n (k BIGINT)",
                    "VACUUM",
                    "VERIFY TABLE victim",
                ] {
                    cases += 1;
                    if let Err(error) = session.run(sql).await {
                        let ours = Error::find(&error).unwrap_or_else(|| panic!("{part}, {sql}: {error}"));
                        assert_ne!(ours.code(), Code::Internal, "{part}, {sql}: {ours}");
                    } else {
                        assert!(
                            !(sql.starts_with("SELECT * FROM victim") && part != "_catalog"),
                            "{part}: {sql} read through the link"
                        );
                    }
                }
                session.tt.flush().await;
            }
        }
        assert_eq!(tree(&outside), before, "{part}");
        let bytes: Vec<_> = before.iter().map(|path| std::fs::read(outside.join(path)).ok()).collect();
        assert!(bytes == before_bytes, "{part}: a file outside was changed");
    }
    report("links out of the root", &[("cases", cases)]);
}
