//! What a commit of the catalog can change, and the entries that it changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::TableName;
use crate::log::Lsn;
use crate::store::{TableId, Timestamp};

/// One change of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum CatalogAction {
    /// A schema begins.
    CreateSchema {
        /// Its name.
        schema: String,
    },
    /// An empty schema ends.
    DropSchema {
        /// Its name.
        schema: String,
    },
    /// A name is bound to a table whose log has its LSN 1.
    CreateTable {
        /// The table.
        id: TableId,
        /// Its name.
        name: TableName,
        /// Whether it has partition columns.
        partitioned: bool,
        /// The table that had the name and is dropped by this commit (CREATE OR REPLACE): the DROP in its own log
        /// follows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<TableId>,
    },
    /// A table was dropped by commit `lsn` of its own log: its name is free.
    DropTable {
        /// The table.
        id: TableId,
        /// The DROP in its log.
        lsn: Lsn,
    },
    /// A table gets another name; a note in its own log follows.
    RenameTable {
        /// The table.
        id: TableId,
        /// The new name.
        name: TableName,
    },
    /// A dropped table gets a name again; names the DROP that this undoes. The RESTORE in its own log follows.
    UndropTable {
        /// The table.
        id: TableId,
        /// The name.
        name: TableName,
        /// The DROP in its log that this undoes.
        lsn: Lsn,
    },
    /// A view's text.
    CreateView(ViewEntry),
    /// A view ends.
    DropView {
        /// Its name.
        name: TableName,
    },
    /// A clone is about to take files from the folders of these tables: until the share ends, no sweep deletes there
    /// what the clone's log names. Adds to an earlier share of the same clone.
    Share {
        /// The table that takes files.
        clone: TableId,
        /// The tables in whose folders they lie.
        owners: BTreeSet<TableId>,
    },
    /// A clone takes no files from other folders any more.
    EndShare {
        /// The table that took files.
        clone: TableId,
    },
    /// A dropped table is gone for good; its id stays known.
    PurgeTable {
        /// The table.
        id: TableId,
    },
    /// A project setting; none removes it.
    Setting {
        /// Its name.
        key: String,
        /// Its value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
}

/// A table as the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogTable {
    /// Its id, for life.
    pub id: TableId,
    /// Its name, or its last one.
    pub name: TableName,
    /// Whether it has partition columns.
    pub partitioned: bool,
    /// When its first name was bound.
    pub created: Timestamp,
    /// The DROP in its log and the time at which its name was freed. The LSN is 0 where another table took the name:
    /// its log says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<(Lsn, Timestamp)>,
    /// The last DROP that an undrop undid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undrop: Option<Lsn>,
    /// The commit of the catalog that decided that undrop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undrop_decided: Option<Lsn>,
    /// The commit of the catalog that gave it its present name, where that is not its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rename_decided: Option<Lsn>,
    /// The commit of the catalog that gave its name to another table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace_decided: Option<Lsn>,
    /// When it was purged for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged: Option<Timestamp>,
}

/// From which folders a clone takes files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareEntry {
    /// The clone.
    pub clone: TableId,
    /// The tables in whose folders the files lie.
    pub owners: BTreeSet<TableId>,
    /// The time of the newest commit that added to it.
    pub since: Timestamp,
    /// Whether the clone had a name by then: its log alone doesn't tell whether it has the files yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub onto: bool,
}

/// A view: SQL text that is planned anew at each use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewEntry {
    /// Its name.
    pub name: TableName,
    /// Its query.
    pub query: String,
    /// Names of its columns, where given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// The catalog and schema in which its unqualified names resolve.
    pub search: (String, String),
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A table.
    Table(Arc<CatalogTable>),
    /// A view.
    View(Arc<ViewEntry>),
}
