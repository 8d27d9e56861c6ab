//! Time-travel tables for Apache DataFusion.

mod error;
pub mod log;
#[doc(hidden)]
pub mod merge;
#[doc(hidden)]
pub mod scan;
pub mod store;
pub mod table;

pub use error::{Code, Error, ErrorKind, Result};
