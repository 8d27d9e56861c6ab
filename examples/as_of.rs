//! Reading the past: by version, by time, what was written in between, and two versions side by side.
//!
//! The clock is set by hand, so that the output is the same every time.
#![allow(clippy::print_stdout)]

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_timetravel::store::{ManualClock, Timestamp};
use datafusion_timetravel::{SessionContextExt, TimeTravel};

/// 2024-03-01 00:00:00 UTC.
const MIDNIGHT: i64 = 1_709_251_200;

#[tokio::main]
async fn main() -> Result<()> {
    let clock = ManualClock::new(Timestamp::from_millis(MIDNIGHT * 1000));
    let at_hour = |hour: i64| clock.set(Timestamp::from_millis((MIDNIGHT + hour * 3600) * 1000));
    let tt = TimeTravel::builder("memory://").clock(Arc::new(clock.clone())).build().await?;
    // With the warehouse as the default catalog, tables have names of one part.
    let config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema("lake", "default");
    let ctx = SessionContext::new_with_config(config);
    ctx.with_timetravel("lake", &tt).await?;

    for (hour, sql) in [
        (8, "CREATE TABLE stock (item STRING PRIMARY KEY, pieces BIGINT)"),
        (9, "INSERT INTO stock VALUES ('nails', 1000), ('screws', 500)"),
        (10, "INSERT INTO stock VALUES ('screws', 450), ('hooks', 70)"),
        (11, "DELETE FROM stock WHERE item = 'nails'"),
        (12, "ALTER TABLE stock COMPACT MAJOR"),
    ] {
        at_hour(hour);
        tt.sql(&ctx, sql).await?;
    }

    for sql in [
        "SELECT * FROM stock VERSION AS OF 2 ORDER BY item",
        "SELECT * FROM stock TIMESTAMP AS OF '2024-03-01 10:30:00' ORDER BY item",
        "SELECT * FROM stock TIMESTAMP AS OF now() - INTERVAL '90 minutes' ORDER BY item",
        // (a, b]: what was written after a, up to b.
        "SELECT * FROM stock VERSION BETWEEN 2 AND 3 ORDER BY item",
        "SELECT * FROM stock TIMESTAMP BETWEEN '2024-03-01 08:30:00' AND '2024-03-01 09:30:00' ORDER BY item",
        "SELECT get_latest_version('stock') AS newest, get_latest_version('stock', 3) AS third, get_latest_timestamp('stock', 2) AS time",
        "SELECT * FROM stock VERSION AS OF get_latest_version('stock', 4) ORDER BY item",
        "SELECT coalesce(n.item, o.item) AS item, o.pieces AS before, n.pieces AS after
         FROM stock VERSION AS OF 2 AS o FULL JOIN stock AS n ON n.item = o.item
         WHERE o.pieces IS DISTINCT FROM n.pieces ORDER BY 1",
        "SHOW HISTORY FOR TABLE stock LSN '3'",
    ] {
        println!("{sql}");
        let shown = tt.sql(&ctx, sql).await?;
        match sql.starts_with("SHOW") {
            // Its ids differ from run to run.
            true => shown.select_columns(&["VERSION(LSN)", "Time", "Operation"])?.show().await?,
            false => shown.show().await?,
        }
    }

    // A version that is not there is an error that says what is.
    if let Err(error) = tt.sql(&ctx, "SELECT * FROM stock VERSION AS OF 6").await {
        println!("{}", error.strip_backtrace());
    }
    Ok(())
}
