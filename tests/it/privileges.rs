//! Every statement with exactly the privileges of the semantics, and without each of them: a denied statement asks the
//! store nothing about the object, and an absent object looks like a refused one. (R144, R154, R190-R194)
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use datafusion::common::DataFusionError;
use datafusion_timetravel::auth::{Authorizer, Caller, Privilege, Target};
use datafusion_timetravel::store::testing::CountingStore;
use datafusion_timetravel::{Code, Error, TimeTravel};
use object_store::memory::InMemory;

use crate::lake::{Session, store};

/// A privilege on `t`, on another table, or on the project.
type Grant = (Privilege, &'static str);

/// Allows everything, or what is granted, and not what is denied.
#[derive(Debug, Default)]
struct Rules(Mutex<Rule>);

/// All that is granted, where not everything is; and what is denied.
type Rule = (Option<HashSet<Grant>>, Option<(Privilege, String)>);

impl Authorizer for Rules {
    fn allows(&self, _: &Caller, privilege: Privilege, target: &Target<'_>) -> bool {
        let object = match target {
            Target::Project => "project",
            Target::Table(name) => name.table.as_str(),
        };
        let (granted, denied) = &*self.0.lock().unwrap();
        denied.as_ref().is_none_or(|(what, on)| *what != privilege || on != object)
            && granted.as_ref().is_none_or(|granted| granted.contains(&(privilege, object_name(object))))
    }
}

/// Objects of grants are static.
fn object_name(object: &str) -> &'static str {
    ["project", "t", "k", "v", "gone", "copy", "other", "new"].into_iter().find(|known| *known == object).unwrap_or("?")
}

/// The tables: `t` partitioned and keyed, `k` keyed, `other` like `k`, a view `v` on `k`, and `gone`, dropped.
const SETUP: &str = "
CREATE TABLE t (a BIGINT PRIMARY KEY, b BIGINT) PARTITIONED BY (p STRING);
INSERT INTO t VALUES (1, 1, 'x'), (2, 2, 'y');
INSERT INTO t VALUES (1, 3, 'x');
CREATE TABLE k (a BIGINT PRIMARY KEY, b BIGINT);
INSERT INTO k VALUES (1, 1);
CREATE TABLE other (a BIGINT PRIMARY KEY, b BIGINT);
CREATE VIEW v AS SELECT * FROM k;
CREATE TABLE gone (a BIGINT PRIMARY KEY);
DROP TABLE gone;
ALTER TABLE t ADD PARTITION (p = 'z');
ALTER TABLE t DROP PARTITION (p = 'z')";

/// Statements, and what each needs. `{t}` is the table that may be absent.
fn statements() -> Vec<(&'static str, Vec<Grant>)> {
    use Privilege::*;
    let on = |privilege| vec![(privilege, "t")];
    vec![
        ("SELECT * FROM {t}", on(Select)),
        ("SELECT count(*) FROM {t}", on(Select)),
        ("SELECT * FROM {t} VERSION AS OF 2", on(Select)),
        ("SELECT * FROM {t} VERSION BETWEEN 1 AND 2", on(Select)),
        ("SELECT * FROM k WHERE a IN (SELECT a FROM {t})", vec![(Select, "k"), (Select, "t")]),
        ("SELECT get_latest_version('{t}')", on(Select)),
        ("SELECT * FROM at('{t}', 2)", on(Select)),
        ("SELECT * FROM history('{t}')", on(ShowHistory)),
        ("SELECT * FROM changes('{t}', 2, 3)", on(Select)),
        ("SELECT * FROM diff('{t}', 2, 3)", on(Select)),
        ("VERIFY TABLE {t}", on(Select)),
        ("EXPLAIN SELECT * FROM {t}", on(Select)),
        ("EXPLAIN DELETE FROM {t} WHERE a = 1", on(Update)),
        ("SELECT * FROM v", vec![(Select, "v"), (Select, "k")]),
        ("DESC {t}", on(Select)),
        ("DESC EXTENDED {t}", on(Select)),
        ("SHOW PARTITIONS {t}", on(Select)),
        ("INSERT INTO {t} VALUES (7, 7, 'x')", on(Update)),
        ("INSERT OVERWRITE TABLE {t} PARTITION (p = 'x') VALUES (7, 7)", on(Update)),
        ("INSERT INTO {t} SELECT a, b, 'x' FROM k", vec![(Update, "t"), (Select, "k")]),
        ("UPDATE {t} SET b = b + 1 WHERE a = 1", on(Update)),
        ("DELETE FROM {t} WHERE a = 1", on(Update)),
        ("DELETE FROM {t} WHERE a IN (SELECT a FROM k)", vec![(Update, "t"), (Select, "k")]),
        (
            "MERGE INTO {t} USING k ON {t}.a = k.a WHEN MATCHED THEN UPDATE SET b = 9",
            vec![(Update, "t"), (Select, "k")],
        ),
        ("TRUNCATE TABLE {t}", on(Update)),
        ("ALTER TABLE {t} COMPACT MAJOR", on(Update)),
        ("ALTER TABLE {t} COMPACT MINOR", on(Update)),
        ("ALTER TABLE {t} PARTITION (p = 'x') COMPACT MAJOR", on(Update)),
        ("ALTER TABLE {t} TOUCH", on(Update)),
        ("ALTER TABLE {t} PARTITION (p = 'x') TOUCH", on(Update)),
        ("ALTER TABLE {t} SET TBLPROPERTIES ('acid.data.retain.hours' = '48')", on(Alter)),
        ("ALTER TABLE {t} SET TBLPROPERTIES ('acid.data.retain.hours' = '48') DRY RUN", on(Alter)),
        ("ALTER TABLE {t} SET LIFECYCLE 3", on(Alter)),
        ("ALTER TABLE {t} DISABLE LIFECYCLE", on(Alter)),
        ("ALTER TABLE {t} ADD PARTITION (p = 'w')", on(Alter)),
        ("ALTER TABLE {t} ADD COLUMNS (c BIGINT)", on(Alter)),
        ("ALTER TABLE {t} DROP COLUMN b", on(Alter)),
        ("ALTER TABLE {t} RENAME COLUMN b TO c", on(Alter)),
        ("ALTER TABLE {t} RENAME TO new", vec![(Alter, "t"), (CreateTable, "project")]),
        ("ALTER TABLE {t} DROP PARTITION (p = 'x')", on(Drop)),
        ("DROP TABLE {t}", on(Drop)),
        ("PURGE TABLE {t}", on(Drop)),
        ("PURGE TABLE {t} DRY RUN", on(Drop)),
        ("SHOW HISTORY FOR TABLE {t}", on(ShowHistory)),
        ("SHOW HISTORY FOR TABLE {t} PARTITION (p = 'x')", on(ShowHistory)),
        ("SHOW HISTORY FOR TABLES", vec![(List, "project")]),
        ("SELECT * FROM audit()", vec![(List, "project")]),
        ("SHOW HISTORY FOR TABLE gone ('id' = '{gone}')", vec![(List, "project")]),
        ("RESTORE TABLE {t} TO LSN '2'", on(Update)),
        ("RESTORE TABLE {t} TO LSN '2' DRY RUN", on(Update)),
        ("RESTORE TABLE {t} PARTITION (p = 'x') TO LSN '2'", on(Update)),
        ("RESTORE TABLE {t} TO LSN '2' AS copy", vec![(Select, "t"), (CreateTable, "project")]),
        ("RESTORE TABLE k TO LSN '2' AS other", vec![(Select, "k"), (Update, "other")]),
        ("RESTORE TABLE gone ('id' = '{gone}')", vec![(CreateTable, "project")]),
        ("RESTORE TABLE {t} PARTITION ('id' = '{partition}')", on(Update)),
        ("CREATE TABLE new (a BIGINT PRIMARY KEY)", vec![(CreateTable, "project")]),
        ("CREATE TABLE new AS SELECT * FROM {t}", vec![(CreateTable, "project"), (Select, "t")]),
        ("SETPROJECT odps.timemachine.retention.days = 3", vec![(Admin, "project")]),
        ("VACUUM", vec![(Admin, "project")]),
        ("VACUUM {t} DRY RUN", vec![(Admin, "project")]),
    ]
}

struct World {
    session: Session,
    rules: Arc<Rules>,
    calls: CountingStore,
    id: String,
    gone: String,
    partition: String,
}

impl World {
    async fn new() -> Self {
        let calls = CountingStore::new(Arc::new(InMemory::new()));
        let rules = Arc::new(Rules::default());
        let tt = TimeTravel::builder_with_store(store(Arc::new(calls.clone())))
            .authorizer(Arc::clone(&rules) as _)
            .build()
            .await
            .unwrap();
        let session = Session::with(tt).await;
        for statement in SETUP.split(';') {
            session.run(statement).await.unwrap_or_else(|error| panic!("{statement}\n{error}"));
        }
        let id = |name: &str| format!("SHOW HISTORY FOR TABLES LIKE {name}");
        let second = |row: &str| row.split(' ').nth(1).unwrap().to_owned();
        let (id, gone) =
            (second(&session.run(&id("t")).await.unwrap()[0]), second(&session.run(&id("gone")).await.unwrap()[0]));
        let history = session.run("SHOW HISTORY FOR TABLE t PARTITION (p = 'z')").await.unwrap();
        Self { session, rules, calls, id, gone, partition: second(&history[0]) }
    }

    fn sql(&self, statement: &str, table: &str) -> String {
        statement.replace("{t}", table).replace("{gone}", &self.gone).replace("{partition}", &self.partition)
    }

    fn set(&self, granted: Option<&[Grant]>, denied: Option<(Privilege, String)>) {
        *self.rules.0.lock().unwrap() = (granted.map(|granted| granted.iter().copied().collect()), denied);
    }

    /// The message of a refusal, or what is wrong with it.
    async fn refusal(&self, sql: &str, privilege: Privilege, object: &str) -> Result<String, String> {
        self.set(None, Some((privilege, object.to_owned())));
        self.calls.reset();
        let without = format!("{sql}, without {privilege:?} on {object}");
        let Err(error) = self.run(sql).await else { return Err(format!("{without}: it ran")) };
        let error = match Error::find(&error) {
            Some(error) if error.code() == Code::PermissionDenied => error,
            _ => return Err(format!("{without}: {}", error.strip_backtrace())),
        };
        let folder = format!("tables/{}", self.id);
        let calls = self.calls.trace();
        let of_object = |path: &str| object == "t" && path.contains(&folder);
        let asked: Vec<_> = calls.iter().filter(|call| of_object(call.path.as_ref())).collect();
        match asked.is_empty() && error.message().contains(privilege.as_str()) {
            true => Ok(error.message().to_owned()),
            false => Err(format!("{without}: {error}; asked the store: {asked:?}")),
        }
    }

    async fn run(&self, sql: &str) -> Result<Vec<String>, DataFusionError> {
        self.session.run(sql).await
    }
}

#[tokio::test]
async fn exactly_the_privileges_of_the_semantics_are_enough() {
    let mut wrong = Vec::new();
    for (statement, needs) in statements() {
        let world = World::new().await;
        let sql = world.sql(statement, "t");
        world.set(Some(&needs), None);
        if let Err(error) = world.run(&sql).await {
            wrong.push(format!("{sql}\n    with {needs:?}: {}", error.strip_backtrace()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_denied_statement_asks_the_store_nothing_and_an_absent_table_looks_the_same() {
    let mut wrong = Vec::new();
    for (statement, needs) in statements() {
        let world = World::new().await;
        for (privilege, object) in &needs {
            match world.refusal(&world.sql(statement, "t"), *privilege, object).await {
                Err(what) => wrong.push(what),
                Ok(message) if *object == "t" => {
                    match world.refusal(&world.sql(statement, "nothing"), *privilege, "nothing").await {
                        Ok(absent) if absent.replace("nothing", "t") == message => {}
                        other => wrong.push(format!("{statement}: {message}; of an absent table: {other:?}")),
                    }
                }
                Ok(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
