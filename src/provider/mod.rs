//! L5, adapters: what DataFusion sees of a warehouse. No logic of its own.

mod catalog;
mod dml;
mod feed;
mod functions;
mod names;
mod options;
mod relation;
mod sink;
mod table;
pub(crate) mod value;
pub mod views;

pub(crate) use catalog::{PinSource, TimeTravelCatalog};
pub(crate) use dml::DmlRule;
pub(crate) use feed::Feed;
pub(crate) use functions::{AtFunction, FeedFunction, IncrementalFunction, Listing, ListingFunction, WarehouseHistory};
pub(crate) use names::{Warehouses, resolve};
pub use options::TimeTravelOptions;
pub(crate) use relation::{BoundRelations, RelationGuard};
pub use table::TimeTravelTable;
pub(crate) use table::{Target, WriteScope, of_source};
