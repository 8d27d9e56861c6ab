//! Time-travel tables for Apache DataFusion.

mod error;
pub mod log;
pub mod store;
pub mod table;
#[doc(hidden)]
pub mod write;

pub use error::{Code, Error, ErrorKind, Result};
