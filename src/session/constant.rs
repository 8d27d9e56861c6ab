//! Constant expressions: what a version clause, a DEFAULT or a static partition value evaluates to.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{self, ExprWithAlias, Visit, Visitor};

use crate::error::{Code, Error, Result};

/// The value of a constant expression.
///
/// `TIMESTAMP ± integer` is in seconds (R023), which DataFusion doesn't know.
///
/// # Errors
/// [`Code::InvalidVersionExpression`] where it refers to a column, has a subquery, or is not constant.
pub(super) fn evaluate(state: &SessionState, expr: &ast::Expr) -> Result<ScalarValue> {
    let refuse =
        |why: &str| Error::new(Code::InvalidVersionExpression, format!("{expr}: {why}; write a constant expression"));
    if has_subquery(expr) {
        return Err(refuse("a subquery can't be used here"));
    }
    let empty = DFSchema::empty();
    let with_alias = ExprWithAlias { expr: expr.clone(), alias: None };
    let logical =
        state.create_logical_expr_from_sql_expr(with_alias, &empty).map_err(|error| match error.find_root() {
            DataFusionError::SchemaError(..) => refuse("a column can't be used here"),
            other => refuse(&other.strip_backtrace()),
        })?;
    let failed = |error: DataFusionError| refuse(&error.strip_backtrace());
    let context = SimplifyContext::builder()
        .with_config_options(Arc::clone(state.config_options()))
        .with_query_execution_start_time(state.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(context);
    let seconds = logical.transform_up(|node| in_seconds(node, &simplifier)).map_err(failed)?.data;
    let coerced = simplifier.coerce(seconds, &empty).map_err(failed)?;
    match unalias(simplifier.simplify(coerced).map_err(failed)?) {
        Expr::Literal(value, _) => Ok(value),
        _ => Err(refuse("it is not constant")),
    }
}

fn unalias(expr: Expr) -> Expr {
    match expr {
        Expr::Alias(alias) => unalias(*alias.expr),
        other => other,
    }
}

/// `timestamp ± n` becomes `timestamp ± interval n seconds`.
fn in_seconds(node: Expr, simplifier: &ExprSimplifier) -> datafusion::common::Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus), right }) = &node else {
        return Ok(Transformed::no(node));
    };
    let empty = DFSchema::empty();
    let (left_type, right_type) = (left.get_type(&empty)?, right.get_type(&empty)?);
    if !matches!(left_type, DataType::Timestamp(_, _)) || !right_type.is_integer() {
        return Ok(Transformed::no(node));
    }
    let Expr::Literal(value, _) = unalias(simplifier.simplify(right.as_ref().clone())?) else {
        return Ok(Transformed::no(node));
    };
    let ScalarValue::Int64(Some(seconds)) = value.cast_to(&DataType::Int64)? else { return Ok(Transformed::no(node)) };
    let interval = ScalarValue::new_interval_mdn(0, 0, seconds.saturating_mul(1_000_000_000));
    let right = Box::new(Expr::Literal(interval, None));
    Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left: left.clone(), op: *op, right })))
}

fn has_subquery(expr: &ast::Expr) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_query(&mut self, _: &ast::Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Finder).is_break()
}
