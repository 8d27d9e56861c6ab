//! Time-travel tables for Apache DataFusion.

pub mod auth;
pub mod catalog;
mod error;
pub mod log;
#[doc(hidden)]
pub mod merge;
pub mod ops;
pub mod provider;
#[doc(hidden)]
pub mod scan;
mod session;
mod sql;
pub mod store;
pub mod table;
#[doc(hidden)]
pub mod write;

pub use error::{Code, Error, ErrorKind, Result};
pub use session::{
    SessionContextExt, SessionStateBuilderExt, TimeTravel, TimeTravelBuilder, is_complete, split_statements,
};
pub use sql::{StatementSyntax, statement_syntax};
