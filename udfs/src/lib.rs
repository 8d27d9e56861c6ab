//! `get_latest_version`, `get_latest_timestamp` and `getdate` for DataFusion.
//!
//! A leaf: it sees history through [`TableHistory`], a trait of one method, and knows nothing of logs or files.

mod getdate;
mod latest;

use std::fmt::Debug;

use async_trait::async_trait;
use datafusion::common::Result;
use datafusion::config::ConfigOptions;

pub use getdate::getdate;
pub use latest::{get_latest_timestamp, get_latest_version};

/// What the functions ask of a warehouse.
#[async_trait]
pub trait TableHistory: Debug + Send + Sync {
    /// Version and commit time (microseconds since 1970 UTC) of the `n`-th newest data operation of the table, 1 the
    /// newest (R050, R051, R054).
    ///
    /// `table` has one, two or three parts (R053); `config` says what the missing ones are.
    ///
    /// # Errors
    /// No such table, `n < 1`, or fewer operations than `n`.
    async fn nth_latest(&self, table: &str, n: i64, config: &ConfigOptions) -> Result<(i64, i64)>;
}
