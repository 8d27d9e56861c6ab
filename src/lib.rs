//! Tables that remember, for [Apache DataFusion](https://datafusion.apache.org).
//!
//! A warehouse is a folder on a disk or in an object store. Its tables have a primary key, by which INSERT is an upsert,
//! or none. Every statement that changes a table is one commit, and makes one version; each version stays readable for
//! a while, by number or by time, and so do the rows that were written between two of them.
//!
//! ```
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use datafusion::prelude::SessionContext;
//! use datafusion_timetravel::{SessionContextExt, TimeTravel};
//!
//! let ctx = SessionContext::new(); // yours; nothing of it is replaced
//!
//! let tt = TimeTravel::open("memory://").await?; // or "./lake", "s3://bucket/lake", …
//! ctx.with_timetravel("lake", &tt).await?;
//! tt.sql(&ctx, "CREATE TABLE lake.t (k BIGINT PRIMARY KEY, v STRING)").await?;
//!
//! tt.sql(&ctx, "INSERT INTO lake.t VALUES (1, 'a'), (2, 'b')").await?;
//! tt.sql(&ctx, "INSERT INTO lake.t VALUES (2, 'c')").await?;
//! let before = tt.sql(&ctx, "SELECT v FROM lake.t VERSION AS OF 2 WHERE k = 2").await?.collect().await?;
//! # let text = datafusion::arrow::util::pretty::pretty_format_batches(&before)?.to_string();
//! # assert!(text.contains("b") && !text.contains("c"));
//! # Ok(()) }
//! ```
//!
//! [`TimeTravel::sql`] is a superset of `ctx.sql`. What reads and writes through plain `ctx.sql` works there too; version
//! clauses don't, and are refused rather than ignored. For those there are the table functions `at('t', 3)`,
//! `incremental('t', 2, 5)` and `history('t')`.
//!
//! # Inside
//!
//! Four ideas carry everything, each a folder: the [`log`] of commits, whose numbers are the versions; the timeline in
//! [`table`], in which time travel is a filter and not a replay; the merge of files by key; and the Pin of [`ops`], one
//! moment and one snapshot per table for a statement. `ARCHITECTURE.md` has them on a page, with the layers and the
//! invariants; `docs/format.md` has the files byte by byte.

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

pub use error::{Code, Error, ErrorKind, Result, UnknownCommit};
pub use session::{
    Maintained, SessionContextExt, SessionStateBuilderExt, TimeTravel, TimeTravelBuilder, is_complete, split_statements,
};
pub use sql::{StatementSyntax, statement_syntax};
