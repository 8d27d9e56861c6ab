//! Time-travel tables for Apache DataFusion.

mod error;
#[allow(dead_code)]
mod sql;

pub use error::{Code, Error, ErrorKind, Result};
