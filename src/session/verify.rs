//! VERIFY TABLE: from syntax to the verb.

use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;

use super::run::Run;
use crate::ops::verify;
use crate::provider::views;
use crate::sql::ObjectPath;

/// VERIFY TABLE t: one row that says what was read, or an error that names what is damaged.
pub(super) async fn run(run: &mut Run<'_>, table: &ObjectPath) -> Result<DataFrame, DataFusionError> {
    let (pin, name) = run.ours(table).await?;
    let verified = verify::table(&pin, &name).await?;
    run.rows(views::verify::show(&verified)?)
}
