//! Time-travel tables for Apache DataFusion.

mod error;
pub mod log;
pub mod ops;
pub mod store;
pub mod table;

pub use error::{Code, Error, ErrorKind, Result};
