//! `VALUES (DEFAULT)`: the word is replaced by the column's default, before DataFusion takes it for a column.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{self, SetExpr, Value};

use super::bind::expression;
use crate::table::text;

/// Puts the columns' defaults where the VALUES lists of the source say DEFAULT; NULL where a column has none.
pub(super) fn fill<'d>(
    body: &mut SetExpr,
    columns: &[String],
    default: &dyn Fn(&str) -> Option<&'d Expr>,
) -> Result<(), DataFusionError> {
    match body {
        SetExpr::Query(query) => fill(&mut query.body, columns, default),
        SetExpr::Values(values) => {
            for row in &mut values.rows {
                for (value, column) in row.content.iter_mut().zip(columns) {
                    if is_default(value) {
                        *value = literal(default(column))?;
                    }
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn is_default(value: &ast::Expr) -> bool {
    let ast::Expr::Identifier(word) = value else { return false };
    word.quote_style.is_none() && word.value.eq_ignore_ascii_case("default")
}

/// A default as the syntax has it, with its type.
fn literal(default: Option<&Expr>) -> Result<ast::Expr, DataFusionError> {
    let null = || ast::Expr::value(Value::Null);
    let Some(Expr::Literal(value, _)) = default else { return Ok(null()) };
    let Some(text) = text::to_text(&value.to_array()?, 0) else { return Ok(null()) };
    let data_type = value.data_type();
    let text = match data_type {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => format!("X'{text}'"),
        _ => format!("'{}'", text.replace('\'', "''")),
    };
    Ok(expression(&format!("arrow_cast({text}, '{data_type}')"))?)
}
