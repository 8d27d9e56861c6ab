//! TRUNCATE TABLE: from syntax to the verb.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;

use super::alter::{is_absence, named};
use super::run::{Kind, Run};
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::Result;
use crate::ops::{Pin, truncate};
use crate::sql::Truncate;

/// TRUNCATE [TABLE] [IF EXISTS] t [PARTITION (…)]….
pub(super) async fn table(
    run: &Run<'_>,
    pin: &Arc<Pin>,
    name: &TableName,
    statement: &Truncate,
) -> Result<DataFrame, DataFusionError> {
    run.allow(Kind::Ddl)?;
    match truncated(pin, name, statement).await {
        Err(error) if statement.if_exists && is_absence(Some(&error)) => {}
        other => other?,
    }
    run.done()
}

async fn truncated(pin: &Pin, name: &TableName, statement: &Truncate) -> Result<()> {
    let partitions = match statement.partitions.as_slice() {
        [] => None,
        specs => Some(named(pin, name, Privilege::Update, specs).await?),
    };
    truncate::truncate(pin, name, partitions).await
}
