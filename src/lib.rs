//! Time-travel tables for Apache DataFusion.

mod error;
pub mod log;
#[doc(hidden)]
pub mod merge;
#[doc(hidden)]
pub mod scan;
pub mod ops;
pub mod store;
pub mod table;
#[doc(hidden)]
pub mod write;

pub use error::{Code, Error, ErrorKind, Result};
