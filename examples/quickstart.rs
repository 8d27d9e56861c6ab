//! Three lines to tables that remember: open a warehouse, add it to a session, run SQL.
#![allow(clippy::print_stdout)]

use datafusion::error::Result;
use datafusion::prelude::SessionContext;
use datafusion_timetravel::{SessionContextExt, TimeTravel};

#[tokio::main]
async fn main() -> Result<()> {
    // A path like "./lake" or a URL like "s3://bucket/lake" keeps the tables; memory forgets them with the process.
    let tt = TimeTravel::open("memory://").await?;
    let ctx = SessionContext::new();
    ctx.with_timetravel("tt", &tt).await?;

    tt.sql(&ctx, "CREATE TABLE tt.default.prices (item STRING PRIMARY KEY, price BIGINT)").await?;
    tt.sql(&ctx, "INSERT INTO tt.default.prices VALUES ('apple', 100), ('bread', 250), ('cheese', 900)").await?;
    // A row with a key that is there replaces it.
    tt.sql(&ctx, "INSERT INTO tt.default.prices VALUES ('apple', 120), ('dates', 400)").await?;
    tt.sql(&ctx, "DELETE FROM tt.default.prices WHERE price < 300 AND item <> 'apple'").await?;

    for (title, sql) in [
        ("Now", "SELECT * FROM tt.default.prices ORDER BY item"),
        ("Version 2", "SELECT * FROM tt.default.prices VERSION AS OF 2 ORDER BY item"),
        ("Written since version 2", "SELECT * FROM tt.default.prices VERSION BETWEEN 2 AND 4 ORDER BY item"),
        ("History", "SELECT version, operation, rows FROM history('tt.default.prices') ORDER BY version"),
    ] {
        println!("{title}");
        tt.sql(&ctx, sql).await?.show().await?;
    }
    Ok(())
}
