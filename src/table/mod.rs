//! L2, the meaning of a table's log: schema, properties, partitions, files, and when each is alive.
//!
//! Pure: no I/O and no SQL. A read at `v` takes the files visible at `v`, merged by order, and nothing else.

mod action;
mod file;
pub mod precondition;
pub mod properties;
mod schema;
mod state;
mod swept;
pub mod text;

pub use action::{Action, CreateTable, PartitionRef};
pub use file::{ColumnStats, DataFile, FileEntry, FileKind, Order, Origin, PartitionValues, RowGroup};
pub use precondition::{PartitionFilter, Precondition};
pub use schema::{Column, ColumnId, FIELD_ID, RESERVED_PREFIX, TOMBSTONE, TOMBSTONE_ID, TableSchema, is_orderable};
pub use state::{PartitionEntry, TableInfo, TableState};

/// The log of one table.
pub type TableLog = crate::log::Log<TableState>;

/// A table at one LSN.
pub type TableSnapshot = crate::log::Snapshot<TableState>;
