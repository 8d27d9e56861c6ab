//! IN and EXISTS among values: DataFusion plans them in WHERE only.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, col, ident, lit};

/// Whether there are any in the expression.
pub(super) fn has(expr: &Expr) -> Result<bool> {
    expr.exists(|expr| Ok(matches!(expr, Expr::InSubquery(_) | Expr::Exists(_))))
}

/// The expressions without such subqueries, over a plan that has their answers as columns.
///
/// Each row is joined with the three answers there are, and a filter leaves the right one.
pub(super) fn lifted(plan: LogicalPlan, exprs: Vec<Expr>) -> Result<(LogicalPlan, Vec<Expr>)> {
    let mut plan = plan;
    let mut lifted = Vec::with_capacity(exprs.len());
    // The plan may have answers already.
    let mut number = plan.schema().fields().len();
    for expr in exprs {
        let expr = expr.transform_down(|expr| {
            if !matches!(expr, Expr::InSubquery(_) | Expr::Exists(_)) {
                return Ok(Transformed::no(expr));
            }
            let name = format!("__tt_answer_{number}");
            number += 1;
            let answers = [Some(true), Some(false), None].map(|answer| vec![lit(ScalarValue::Boolean(answer))]);
            let answers = LogicalPlanBuilder::values(answers.to_vec())?.project([col("column1").alias(&name)])?;
            let is_right = binary_expr(ident(&name), Operator::IsNotDistinctFrom, expr);
            plan = LogicalPlanBuilder::from(plan.clone()).cross_join(answers.build()?)?.filter(is_right)?.build()?;
            Ok(Transformed::yes(ident(name)))
        })?;
        lifted.push(expr.data);
    }
    Ok((plan, lifted))
}
