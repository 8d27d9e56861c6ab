//! What SQL shows of a warehouse: tables, rows and histories, to be compared with what another run shows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion_timetravel::Code;
use object_store::memory::InMemory;

use super::lake::{Session, ours};

/// What SQL says of one table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub name: String,
    /// None for a dropped one.
    pub rows: Option<Vec<String>>,
    /// Its operations, oldest first.
    pub operations: Vec<String>,
}

/// All tables that the catalog knows: name, id, whether dropped.
pub async fn listed(session: &Session) -> Vec<(String, String, bool)> {
    let rows = session.ok("SHOW HISTORY FOR TABLES").await;
    let parsed = rows.iter().map(|row| {
        let words: Vec<&str> = row.split(' ').collect();
        (words[0].to_owned(), words[1].to_owned(), *words.last().unwrap() != "NULL")
    });
    parsed.collect()
}

/// The statement with the ids of dropped tables in it.
pub async fn with_ids(objects: &Arc<InMemory>, sql: &str) -> String {
    let session = Session::open(Arc::new(objects.fork())).await;
    let mut text = sql.to_owned();
    for (name, id, _) in listed(&session).await {
        text = text.replace(&format!("${name}'"), &format!("{id}'"));
    }
    text
}

/// Rows of the live tables, by name.
pub async fn rows(session: &Session) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for (name, _, dropped) in listed(session).await {
        if dropped {
            continue;
        }
        match session.run(&format!("SELECT * FROM {name} ORDER BY 1")).await {
            Ok(rows) => {
                found.insert(name, rows);
            }
            Err(error) if ours(&error).code() == Code::TableDropped => {}
            Err(error) => panic!("{name}: {error}"),
        }
    }
    found
}

/// Everything, once all is finished.
pub async fn everything(session: &Session) -> Vec<Seen> {
    let live = rows(session).await;
    let mut seen = Vec::new();
    for (name, id, dropped) in listed(session).await {
        let of_id = if dropped { format!(" ('id'='{id}')") } else { String::new() };
        let history = session.ok(&format!("SHOW HISTORY FOR TABLE {name}{of_id}")).await;
        let operations = history.iter().map(|row| row.rsplit(' ').next().unwrap().to_owned()).collect();
        let rows = if dropped { None } else { live.get(&name).cloned() };
        assert!(dropped || rows.is_some(), "{name} is live but can't be read");
        seen.push(Seen { name, rows, operations });
    }
    seen.sort();
    seen
}
