//! Of duplicates in one INSERT the last wins, however many batches and partitions DataFusion makes of the rows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_timetravel::{SessionContextExt, TimeTravel};

/// Key `n % 10` gets the values `n`, 0 to 999, in that order; the last ones are 990 to 999.
fn values() -> String {
    (0..1000).map(|n| format!("({}, {n})", n % 10)).collect::<Vec<_>>().join(", ")
}

async fn sum_after(insert: &str) -> String {
    let tt = TimeTravel::open("memory://").await.unwrap();
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_batch_size(2).with_target_partitions(4));
    ctx.with_timetravel("tt", &tt).await.unwrap();
    tt.sql(&ctx, "CREATE TABLE tt.default.t (k BIGINT PRIMARY KEY, v INT)").await.unwrap();
    tt.sql(&ctx, &format!("CREATE TABLE source AS SELECT * FROM (VALUES {}) AS s(k, v)", values())).await.unwrap();
    tt.sql(&ctx, insert).await.unwrap();
    let sum = tt.sql(&ctx, "SELECT count(*) || ':' || sum(v) AS s FROM tt.default.t").await.unwrap();
    pretty_format_batches(&sum.collect().await.unwrap()).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_of_many_values_wins() {
    let insert = format!("INSERT INTO tt.default.t VALUES {}", values());
    let sum = sum_after(&insert).await;
    assert!(sum.contains("10:9945"), "{sum}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_by_order_of_a_query_wins() {
    for order in ["v", "v DESC"] {
        let insert = format!("INSERT INTO tt.default.t SELECT k, v + 0 FROM source ORDER BY {order}");
        let sum = sum_after(&insert).await;
        let expected = if order == "v" { "10:9945" } else { "10:45" };
        assert!(sum.contains(expected), "{order}: {sum}");
    }
}
