//! Q1, Q3 and Q6 at several versions, beside plain DataFusion on plain Parquet.

use std::time::{Duration, Instant};

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::error::Result;

use super::{LINEITEM, ORDERS, Versions, Workload, failure, oracle};

const Q1: &str =
    "SELECT l_returnflag, l_linestatus, sum(l_quantity) AS sum_qty, sum(l_extendedprice) AS sum_base_price,
    sum(l_extendedprice * (1 - l_discount)) AS sum_disc_price,
    sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge,
    avg(l_quantity) AS avg_qty, avg(l_extendedprice) AS avg_price, avg(l_discount) AS avg_disc, count(*) AS count_order
    FROM {lineitem} WHERE l_shipdate <= DATE '1998-12-01' - INTERVAL '90' DAY
    GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus";

/// The key at the end of the order makes the answer one.
const Q3: &str = "SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority
    FROM customer, {orders}, {lineitem}
    WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
    AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15'
    GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate, l_orderkey LIMIT 10";

const Q6: &str = "SELECT sum(l_extendedprice * l_discount) AS revenue FROM {lineitem}
    WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'
    AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24";

/// Not TPC-H's: something of every row, so that no difference stays unseen.
const ROWS: &str = "SELECT count(*), sum(l_orderkey), sum(l_orderkey * l_linenumber), sum(l_partkey + l_suppkey), sum(l_quantity),
    sum(l_extendedprice), sum(l_discount + l_tax), sum(character_length(l_comment)), min(l_comment), max(l_comment),
    count(DISTINCT l_orderkey), max(l_receiptdate), (SELECT count(*) FROM {orders}) AS orders, (SELECT sum(o_orderkey) FROM {orders}) AS order_keys,
    (SELECT sum(o_totalprice) FROM {orders}) AS prices FROM {lineitem} AS l";

const QUERIES: [(&str, &str); 4] = [("Q1", Q1), ("Q3", Q3), ("Q6", Q6), ("rows", ROWS)];

impl Workload<'_> {
    /// Asks every query at the state after the load, half of the rounds and all of them, or with `verify` after each.
    pub(super) async fn query(&mut self, versions: &[Versions]) -> Result<()> {
        let plain = self.plain_q6().await?;
        let last = versions.len() - 1;
        for (round, at) in versions.iter().enumerate() {
            if !self.args.verify && ![0, last / 2, last].contains(&round) {
                continue;
            }
            let expected = match self.args.verify {
                true => Some(self.expected(u32::try_from(round).unwrap_or(u32::MAX)).await?),
                false => None,
            };
            for (index, (name, query)) in QUERIES.into_iter().enumerate() {
                if name == "rows" && expected.is_none() {
                    continue;
                }
                let lineitem = format!("{LINEITEM} VERSION AS OF {}", at.lineitem);
                let orders = format!("{ORDERS} VERSION AS OF {}", at.orders);
                let sql = query.replace("{lineitem}", &lineitem).replace("{orders}", &orders);
                let (first, answer) = self.timed(&sql).await?;
                let (again, second) = self.timed(&sql).await?;
                if answer != second {
                    return Err(failure(format!("{name} after round {round} gave two answers:\n{answer}\n{second}")));
                }
                if let Some(plain) = expected.as_ref().and_then(|answers| answers.get(index)) {
                    if *plain != answer {
                        return Err(failure(format!(
                            "{name} after round {round}: plain DataFusion gives\n{plain}\nbut here it is\n{answer}"
                        )));
                    }
                    self.report.verified();
                }
                self.report.queried(name, round, first, again);
                if name == "Q6" && round == last {
                    self.report.ratio_q6(again, plain);
                }
            }
        }
        Ok(())
    }

    /// Q6 on the plain Parquet of the load, the second time it is asked.
    async fn plain_q6(&self) -> Result<Duration> {
        let sql = Q6.replace("{lineitem}", "lineitem");
        self.timed(&sql).await?;
        Ok(self.timed(&sql).await?.0)
    }

    /// The answers of plain DataFusion on plain Parquet of the state after a round.
    async fn expected(&self, round: u32) -> Result<Vec<String>> {
        for (name, state) in [("plain_lineitem", oracle::lineitem(round)), ("plain_orders", oracle::orders(round))] {
            let file = self.folder.join(format!("{name}-{round}.parquet"));
            self.copy(&state, &file).await?;
            self.ctx.deregister_table(name)?;
            self.ctx.register_parquet(name, file.to_string_lossy().as_ref(), Default::default()).await?;
        }
        let mut answers = Vec::with_capacity(QUERIES.len());
        for (_, query) in QUERIES {
            let sql = query.replace("{lineitem}", "plain_lineitem").replace("{orders}", "plain_orders");
            let rows = self.ctx.sql(&sql).await?.collect().await?;
            answers.push(pretty_format_batches(&rows)?.to_string());
        }
        Ok(answers)
    }

    async fn timed(&self, sql: &str) -> Result<(Duration, String)> {
        let start = Instant::now();
        let rows = self.tt.sql(&self.ctx, sql).await?.collect().await?;
        Ok((start.elapsed(), pretty_format_batches(&rows)?.to_string()))
    }
}
