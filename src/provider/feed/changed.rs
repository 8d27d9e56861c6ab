//! The names of the columns that differ, as a list.

use std::sync::Arc;

use datafusion::arrow::array::{Array, BooleanArray, ListBuilder, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

/// Gives the names whose conditions hold.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Changed {
    names: Vec<String>,
    signature: Signature,
}

/// The names whose conditions hold.
pub(super) fn names(conditions: Vec<(String, Expr)>) -> Result<Expr> {
    if conditions.is_empty() {
        return Ok(lit(ScalarValue::List(ScalarValue::new_list_nullable(&[], &DataType::Utf8))));
    }
    let (names, conditions): (Vec<String>, Vec<Expr>) = conditions.into_iter().unzip();
    let signature = Signature::exact(vec![DataType::Boolean; names.len()], Volatility::Immutable);
    Ok(ScalarUDF::from(Changed { names, signature }).call(conditions))
}

impl ScalarUDFImpl for Changed {
    fn name(&self) -> &str {
        "changed_columns"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let conditions = arrays.iter().map(|array| as_boolean_array(array)).collect::<Result<Vec<&BooleanArray>>>()?;
        let rows = conditions.first().map_or(0, |first| first.len());
        let mut lists = ListBuilder::new(StringBuilder::new());
        for row in 0..rows {
            for (name, condition) in self.names.iter().zip(&conditions) {
                if condition.is_valid(row) && condition.value(row) {
                    lists.values().append_value(name);
                }
            }
            lists.append(true);
        }
        Ok(ColumnarValue::Array(Arc::new(lists.finish())))
    }
}
