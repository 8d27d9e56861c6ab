//! Time-travel tables for Apache DataFusion.

pub mod auth;
pub mod catalog;
mod error;
pub mod log;
#[doc(hidden)]
pub mod merge;
#[doc(hidden)]
pub mod ops;
pub mod provider;
#[doc(hidden)]
pub mod scan;
#[allow(dead_code)]
mod sql;
pub mod store;
pub mod table;
#[doc(hidden)]
pub mod write;

pub use error::{Code, Error, ErrorKind, Result};
