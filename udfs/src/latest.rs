//! `get_latest_version(table [, n])` and `get_latest_timestamp(table [, n])`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, AsArray, Int64Builder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use crate::TableHistory;

/// `get_latest_version(table [, n])`: the version of the `n`-th newest data operation, a BIGINT; `n` is 1 if left out.
pub fn get_latest_version(history: Arc<dyn TableHistory>) -> ScalarUDF {
    AsyncScalarUDF::new(Arc::new(Latest::new("get_latest_version", What::Version, history))).into_scalar_udf()
}

/// `get_latest_timestamp(table [, n])`: the commit time of that operation, a TIMESTAMP in microseconds UTC, exact enough
/// that `TIMESTAMP AS OF` it gives that version.
pub fn get_latest_timestamp(history: Arc<dyn TableHistory>) -> ScalarUDF {
    AsyncScalarUDF::new(Arc::new(Latest::new("get_latest_timestamp", What::Timestamp, history))).into_scalar_udf()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Version,
    Timestamp,
}

#[derive(Debug)]
struct Latest {
    name: &'static str,
    what: What,
    history: Arc<dyn TableHistory>,
    signature: Signature,
}

impl Latest {
    fn new(name: &'static str, what: What, history: Arc<dyn TableHistory>) -> Self {
        let forms = vec![
            TypeSignature::Exact(vec![DataType::Utf8]),
            TypeSignature::Exact(vec![DataType::Utf8, DataType::Int64]),
        ];
        // Volatile: the answer changes with every commit, so it is never folded across statements (R058).
        Self { name, what, history, signature: Signature::one_of(forms, Volatility::Volatile) }
    }
}

impl PartialEq for Latest {
    fn eq(&self, other: &Self) -> bool {
        self.what == other.what && Arc::ptr_eq(&self.history, &other.history)
    }
}

impl Eq for Latest {}

impl Hash for Latest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.what.hash(state);
    }
}

impl ScalarUDFImpl for Latest {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.what {
            What::Version => DataType::Int64,
            What::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        })
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!(
            "{} reads the table's log and can't be evaluated here: use it in the SELECT list, in WHERE or in AS OF",
            self.name
        )
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Latest {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(tables) = columns.first().and_then(|column| column.as_string_opt::<i32>()) else {
            return exec_err!("{} takes a table name", self.name);
        };
        let counts = columns.get(1).and_then(|column| column.as_primitive_opt::<Int64Type>());
        let mut out = Int64Builder::with_capacity(rows);
        for row in 0..tables.len() {
            if tables.is_null(row) || counts.is_some_and(|counts| counts.is_null(row)) {
                return exec_err!("{} takes a table name and a number, not NULL", self.name);
            }
            let n = counts.map_or(1, |counts| counts.value(row));
            let (version, micros) = self.history.nth_latest(tables.value(row), n, &args.config_options).await?;
            out.append_value(match self.what {
                What::Version => version,
                What::Timestamp => micros,
            });
        }
        let values = out.finish();
        Ok(ColumnarValue::Array(cast(&values, &self.return_type(&[])?)?))
    }
}
