//! Running one statement and printing what it gives.

use datafusion::common::instant::Instant;
use datafusion::error::Result;
use datafusion_cli::exec::exec_from_commands;

use crate::print::print_result;
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
            let mut print = self.print.clone();
            print.quiet |= !self.timing;
            return exec_from_commands(&self.ctx, vec![sql.to_string()], &print).await;
        }
        let start = Instant::now();
        let frame = self.tt.sql(&self.ctx, sql).await?;
        print_result(self, frame, &words, start).await
    }
}
