//! Time-travel tables for Apache DataFusion.

mod error;

pub use error::{Code, Error, ErrorKind, Result};
