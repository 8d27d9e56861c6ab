//! Time-travel tables for Apache DataFusion.

mod error;
pub mod store;

pub use error::{Code, Error, ErrorKind, Result};
