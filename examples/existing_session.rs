//! A session with tables, functions and settings of its own stays as it is; a warehouse comes beside them.
#![allow(clippy::print_stdout, clippy::indexing_slicing)]

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_int64_array;
use datafusion::error::Result;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_timetravel::{SessionContextExt, TimeTravel};

/// A session as an application might have it: a setting, a table, a function, a prepared statement.
async fn existing() -> Result<SessionContext> {
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_batch_size(1000).with_information_schema(true));
    let customers = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3])) as _),
        ("name", Arc::new(StringArray::from(vec!["Ada", "Grace", "Barbara"])) as _),
    ])?;
    ctx.register_batch("customers", customers)?;
    let double = create_udf(
        "double",
        vec![DataType::Int64],
        DataType::Int64,
        Volatility::Immutable,
        Arc::new(|args: &[ColumnarValue]| {
            let arrays = ColumnarValue::values_to_arrays(args)?;
            let doubled: Int64Array =
                as_int64_array(&arrays[0])?.iter().map(|value| value.map(|value| value * 2)).collect();
            Ok(ColumnarValue::Array(Arc::new(doubled)))
        }),
    );
    ctx.register_udf(double);
    ctx.sql("PREPARE by_id(BIGINT) AS SELECT name FROM customers WHERE id = $1").await?.collect().await?;
    Ok(ctx)
}

#[tokio::main]
async fn main() -> Result<()> {
    let ctx = existing().await?;
    let id = ctx.session_id();

    let tt = TimeTravel::open("memory://").await?;
    ctx.with_timetravel("lake", &tt).await?;

    // Nothing was replaced.
    assert_eq!(ctx.session_id(), id);
    assert_eq!(ctx.copied_config().batch_size(), 1000);
    assert!(ctx.state().scalar_functions().contains_key("double"));
    println!("The prepared statement of before:");
    ctx.sql("EXECUTE by_id(2)").await?.show().await?;

    // Tables of both kinds meet in one statement, with the session's own function.
    tt.sql(&ctx, "CREATE TABLE lake.default.orders (id BIGINT PRIMARY KEY, customer BIGINT, cents BIGINT)").await?;
    tt.sql(&ctx, "INSERT INTO lake.default.orders VALUES (1, 1, 500), (2, 3, 250)").await?;
    tt.sql(&ctx, "INSERT INTO lake.default.orders VALUES (2, 3, 300)").await?;
    println!("Orders then and now, with the session's own table and function:");
    let joined = "SELECT c.name, double(o.cents) AS twice_then, double(n.cents) AS twice_now
        FROM customers c
        JOIN lake.default.orders VERSION AS OF 2 AS o ON o.customer = c.id
        JOIN lake.default.orders AS n ON n.id = o.id ORDER BY c.name";
    tt.sql(&ctx, joined).await?.show().await?;

    // Through plain ctx.sql() the table functions do what the clauses do.
    println!("Through ctx.sql():");
    ctx.sql("SELECT sum(cents) AS cents FROM at('lake.default.orders', 2)").await?.show().await?;

    // What the application does not allow, stays forbidden.
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    for sql in [
        "DROP TABLE lake.default.orders",
        "DELETE FROM lake.default.orders",
        "INSERT OVERWRITE lake.default.orders VALUES (9, 9, 9)",
        "ALTER TABLE lake.default.orders COMPACT MAJOR",
        "DROP TABLE customers",
    ] {
        match tt.sql_with_options(&ctx, sql, read_only).await {
            Ok(_) => return Err(datafusion::error::DataFusionError::Execution(format!("{sql} was allowed"))),
            Err(error) => println!("{sql}: {}", error.strip_backtrace()),
        }
    }
    let count = tt
        .sql_with_options(&ctx, "SELECT count(*) AS orders FROM lake.default.orders VERSION AS OF 3", read_only)
        .await?;
    count.show().await
}
