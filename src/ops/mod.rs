//! L4, the verbs: one file each. SQL, the shell and Python call the same functions (invariant 13).
//!
//! A verb is a pure [`plan`] on a snapshot, then one commit. It passes the authorizer first, and leaves the state before
//! as the state after where it fails.

pub mod alter;
mod apply;
pub mod audit;
pub mod changes;
pub mod clone;
pub mod compact;
pub mod create;
pub mod describe;
pub(crate) mod dml;
pub mod drop;
pub mod drop_partitions;
pub mod files;
mod follow_up;
pub mod grace;
pub mod history;
pub mod insert;
pub mod lifecycle;
pub mod partitions;
mod pin;
pub mod plan;
pub mod purge;
pub mod restore;
pub mod retention;
pub mod schema;
pub mod setproject;
mod shares;
mod sweep;
pub mod tables;
pub mod truncate;
pub mod undrop;
pub mod vacuum;
pub mod verify;
pub mod version;
pub mod view;
mod warehouse;

pub use pin::{Pin, PinnedTable};
pub use sweep::SweepRow;
pub use version::VersionSpec;
pub use warehouse::{Warehouse, WarehouseOptions};
