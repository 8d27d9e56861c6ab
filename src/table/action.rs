//! The changes that a table's commits are made of.
//!
//! Drafts name partitions by value: replay resolves them to the live partition, or opens one with the proposed id.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DataFile, Order, PartitionValues, TableSchema};
use crate::log::Lsn;
use crate::store::{FileId, PartitionId, TableId};

/// One change of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// The table begins; only at LSN 1.
    Create(Box<CreateTable>),
    /// The schema from this version on.
    Schema {
        /// The schema.
        schema: Box<TableSchema>,
    },
    /// Properties set, or removed where the value is none.
    Properties {
        /// The changes.
        set: BTreeMap<String, Option<String>>,
    },
    /// The lifecycle of the table.
    Lifecycle {
        /// Days until reclamation; none for never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        days: Option<u32>,
        /// Whether reclamation is on.
        enabled: bool,
    },
    /// Reclamation of one partition switched on or off.
    PartitionLifecycle {
        /// The partition.
        id: PartitionId,
        /// Whether reclamation is on.
        enabled: bool,
    },
    /// Sets LastModifiedTime to the commit's time, of the table or of one partition.
    Touch {
        /// The partition; none for the table.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        partition: Option<PartitionId>,
    },
    /// Comment of the table.
    Comment {
        /// The text; none removes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A partition with these values exists from this version on; nothing where it does.
    OpenPartition(PartitionRef),
    /// The partition ends.
    ClosePartition {
        /// The partition.
        id: PartitionId,
    },
    /// A partition that ended exists again.
    ReopenPartition {
        /// The partition.
        id: PartitionId,
    },
    /// A file is read from this version on.
    Add {
        /// Its partition.
        partition: PartitionRef,
        /// The file.
        file: Box<DataFile>,
        /// Its order where that isn't this commit's: compaction gives the highest of its inputs, a rewrite its file's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<Order>,
        /// Its rank within this commit's order: a clone gives the rank in its source's order.
        #[serde(default)]
        rank: u32,
        /// Whether its rows are incremental data of this commit.
        counted: bool,
    },
    /// A file is read no more.
    Close {
        /// The file.
        file: FileId,
        /// Whether its rows stop being incremental data too: compaction leaves that alone.
        counted: bool,
    },
    /// A file that ended comes back.
    Reopen {
        /// The file.
        file: FileId,
        /// Whether it is read again.
        visible: bool,
        /// Whether its rows are incremental data of their commit again.
        counted: bool,
    },
    /// The rows of a file stop being incremental data, but it is read still or was not read.
    Uncount {
        /// The file.
        file: FileId,
    },
    /// The files that no version after `upto` reads leave the log: VACUUM takes them.
    Sweep {
        /// The last commit whose ended files expire.
        upto: Lsn,
    },
    /// PURGE takes every file that the version before doesn't read.
    Purge,
    /// The table has another name; the catalog decided so.
    Rename {
        /// The name.
        name: String,
    },
    /// The table is dropped.
    Drop,
    /// The table is back.
    Undrop,
}

/// A partition by value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionRef {
    /// The values of the partition columns; empty for a table without.
    pub values: PartitionValues,
    /// The id that it gets where it doesn't exist.
    pub id: PartitionId,
}

/// How a table begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTable {
    /// Its id.
    pub id: TableId,
    /// The name under which it was created or last renamed, for a reader of the log; the catalog decides names.
    pub name: String,
    /// Its schema.
    pub schema: TableSchema,
    /// Its properties.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// Days until reclamation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<u32>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The table and version that it was cloned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloned_from: Option<(TableId, Lsn)>,
}
