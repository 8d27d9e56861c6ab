//! Running one statement and printing what it gives.

use datafusion::common::instant::Instant;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::Result;
use datafusion_cli::exec::exec_from_commands;

use crate::print::{ended, print_result};
use crate::report;
use crate::session::Shell;
use crate::words::{needs_object_stores, words};

impl Shell {
    /// Runs the statement, prints its result to standard output and its warnings to standard error.
    ///
    /// Dropping the future cancels the statement; a commit is never torn by that.
    pub(crate) async fn run(&self, sql: &str) -> Result<()> {
        let result = self.execute(sql).await;
        for warehouse in std::iter::once(&self.tt).chain(&self.others) {
            report::warnings(warehouse.warnings());
        }
        result
    }

    async fn execute(&self, sql: &str) -> Result<()> {
        let words = words(sql);
        if needs_object_stores(&words) {
            return self.execute_stock(sql.to_string()).await;
        }
        let start = Instant::now();
        let (ctx, tt, sql) = (self.ctx.clone(), self.tt.clone(), sql.to_string());
        // In a task of its own for the same reason as below.
        let frame = SpawnedTask::spawn(async move { tt.sql(&ctx, &sql).await }).join().await.map_err(ended)??;
        print_result(self, frame, &words, start).await
    }

    /// Runs a statement of DataFusion by datafusion-cli, which knows how to reach the stores that it names.
    async fn execute_stock(&self, sql: String) -> Result<()> {
        let mut print = self.print.clone();
        print.quiet |= !self.timing;
        let ctx = self.ctx.clone();
        // datafusion-cli's futures stay on one thread, so they get one. When this future is dropped, so is `alive`, and
        // the statement ends.
        let (alive, dropped) = tokio::sync::oneshot::channel::<()>();
        let runtime = tokio::runtime::Handle::current();
        let statement = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                tokio::select! {
                    result = exec_from_commands(&ctx, vec![sql], &print) => result,
                    _ = dropped => Ok(()),
                }
            })
        });
        let result = statement.await.map_err(ended)?;
        drop(alive);
        result
    }
}
