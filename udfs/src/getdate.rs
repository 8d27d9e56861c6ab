//! `getdate()`: the statement's moment, as MaxCompute calls it.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// `getdate()`: the same moment as `now()`, to the millisecond (DATETIME is TIMESTAMP(3)), UTC (R023).
pub fn getdate() -> ScalarUDF {
    ScalarUDF::new_from_impl(GetDate { signature: Signature::nullary(Volatility::Stable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct GetDate {
    signature: Signature,
}

impl ScalarUDFImpl for GetDate {
    fn name(&self) -> &str {
        "getdate"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(match info.query_execution_start_time() {
            Some(now) => {
                let value = ScalarValue::TimestampMillisecond(Some(now.timestamp_millis()), Some("UTC".into()));
                ExprSimplifyResult::Simplified(Expr::Literal(value, None))
            }
            None => ExprSimplifyResult::Original(args),
        })
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("getdate() is replaced by the statement's moment when it is planned")
    }
}
