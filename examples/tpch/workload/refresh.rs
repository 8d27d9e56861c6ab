//! The refresh rounds: new orders, deleted orders, changed lines.

use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::MemTable;
use datafusion::error::Result;

use super::{LINEITEM, ORDERS, Versions, Workload, oracle};

impl Workload<'_> {
    /// Runs the rounds; gives the versions after the load and after each round.
    pub(super) async fn refresh(&mut self) -> Result<Vec<Versions>> {
        let mut versions = vec![self.versions().await?];
        for round in 1..=self.args.rounds {
            self.round(round).await?;
            versions.push(self.versions().await?);
        }
        Ok(versions)
    }

    /// Prepares the rows of a round in memory, so that the times are those of the writes.
    async fn round(&mut self, round: u32) -> Result<()> {
        let copied = |key| format!("{} = {round}", oracle::copied_in(key));
        let deleted = |key| format!("{} = {round}", oracle::deleted_in(key));
        let gone = format!("{} BETWEEN 1 AND {round}", oracle::deleted_in("l_orderkey"));
        self.prepare("new_orders", &format!("SELECT {} FROM orders WHERE {}", oracle::NEW_ORDER, copied("o_orderkey")))
            .await?;
        self.prepare("new_lines", &format!("SELECT {} FROM lineitem WHERE {}", oracle::NEW_LINE, copied("l_orderkey")))
            .await?;
        self.prepare("old_orders", &format!("SELECT o_orderkey AS key FROM orders WHERE {}", deleted("o_orderkey")))
            .await?;
        let changed = oracle::changed_in();
        let changes =
            format!("SELECT {} FROM lineitem WHERE {changed} = {round} AND NOT ({gone})", oracle::CHANGED_LINE);
        self.prepare("changed_lines", &changes).await?;

        let mut took = Duration::ZERO;
        for sql in [
            format!("INSERT INTO {ORDERS} SELECT * FROM new_orders"),
            format!("INSERT INTO {LINEITEM} SELECT * FROM new_lines"),
        ] {
            took += self.count(&sql).await?.1;
        }
        self.report.time("0.1 % new orders with their lines", took);
        let (_, lines) =
            self.count(&format!("DELETE FROM {LINEITEM} WHERE l_orderkey IN (SELECT key FROM old_orders)")).await?;
        let (_, orders) =
            self.count(&format!("DELETE FROM {ORDERS} WHERE o_orderkey IN (SELECT key FROM old_orders)")).await?;
        self.report.time("0.1 % of orders deleted with their lines", lines + orders);
        let (rows, upsert) = self.count(&format!("INSERT INTO {LINEITEM} SELECT * FROM changed_lines")).await?;
        self.report.upserted(rows, upsert);
        Ok(())
    }

    async fn prepare(&self, name: &str, query: &str) -> Result<()> {
        let frame = self.ctx.sql(query).await?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let rows = frame.collect_partitioned().await?;
        self.ctx.deregister_table(name)?;
        self.ctx.register_table(name, Arc::new(MemTable::try_new(schema, rows)?))?;
        Ok(())
    }
}
