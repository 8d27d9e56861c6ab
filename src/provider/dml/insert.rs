//! INSERT: its input as it is, but for what DataFusion promises of VALUES.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{LogicalPlan, Values};

/// VALUES may hold NULL whatever the columns of the table say: the writer refuses it by row and column, where DataFusion
/// would only find that an Arrow array doesn't fit its schema.
pub(super) fn input(input: &Arc<LogicalPlan>) -> Result<LogicalPlan> {
    let rewritten = input.as_ref().clone().transform_up(|node| match node {
        LogicalPlan::Values(values) if values.schema.fields().iter().any(|field| !field.is_nullable()) => {
            let fields = values.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
            let schema = Schema::new(fields.collect::<Vec<Field>>());
            let schema = Arc::new(DFSchema::try_from(schema)?);
            Ok(Transformed::yes(LogicalPlan::Values(Values { schema, values: values.values })))
        }
        other => other.recompute_schema().map(Transformed::no),
    })?;
    Ok(rewritten.data)
}
