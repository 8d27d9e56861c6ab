//! Time-travel tables for Apache DataFusion.

pub mod catalog;
mod error;
pub mod log;
#[allow(dead_code)]
mod sql;
pub mod store;
pub mod table;

pub use error::{Code, Error, ErrorKind, Result};
