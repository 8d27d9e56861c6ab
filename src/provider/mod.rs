//! L5, adapters: what DataFusion sees of a warehouse. No logic of its own.

mod catalog;
mod dml_rule;
mod functions;
mod names;
mod options;
mod relation;
mod sink;
mod table;
pub(crate) mod value;
pub mod views;

pub(crate) use catalog::{PinSource, TimeTravelCatalog};
pub(crate) use dml_rule::DmlRule;
pub(crate) use functions::{AtFunction, HistoryFunction, IncrementalFunction, WarehouseHistory, history_table};
pub(crate) use names::{Warehouses, resolve};
pub(crate) use relation::{BoundRelations, RelationGuard};
pub use options::TimeTravelOptions;
pub use table::TimeTravelTable;
pub(crate) use table::{Target, WriteScope, of_source};
