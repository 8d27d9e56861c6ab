//! L2, names: which table a name stands for, on the same log as a table.
//!
//! An object's id never changes and its files lie under the id, so that rename and drop move nothing and a hostile
//! name can't reach a path. This layer knows nothing of what a table holds.

mod action;
mod name;
pub mod settings;
mod state;

pub use action::{CatalogAction, CatalogTable, Object, ShareEntry, ViewEntry};
pub use name::{DEFAULT_SCHEMA, MAX_NAME_BYTES, TableName, check_name, quoted};
pub use state::CatalogState;

/// The log of the catalog.
pub type CatalogLog = crate::log::Log<CatalogState>;

/// The catalog at one of its commits.
pub type CatalogSnapshot = crate::log::Snapshot<CatalogState>;
