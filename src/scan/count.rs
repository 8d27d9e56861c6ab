//! How many rows more a read would give if files were added: what a write asks before it commits.

use std::collections::HashSet;
use std::sync::Arc;

use super::Scanner;
use crate::error::{Error, Result};
use crate::merge::MergeGroup;
use crate::store::TableId;
use crate::table::{FileEntry, TableSchema};

impl Scanner {
    /// The rows that a read of one partition gives with the added files, less those that it gives without.
    ///
    /// Resolves only what the added files overlap; their resolution stays known, for the reads that follow the commit.
    pub(crate) async fn growth(
        &self,
        table_name: &Arc<str>,
        table: TableId,
        schema: &Arc<TableSchema>,
        old: &[Arc<FileEntry>],
        added: &[Arc<FileEntry>],
    ) -> Result<i128> {
        let ids: HashSet<_> = added.iter().map(|entry| entry.file.id).collect();
        let all: Vec<_> = old.iter().chain(added).cloned().collect();
        let mut growth = 0;
        for group in self.groups(table_name, table, schema, &all)? {
            let (new, old): (Vec<_>, Vec<_>) =
                group.files().iter().cloned().partition(|entry| ids.contains(&entry.file.id));
            if new.is_empty() {
                continue;
            }
            growth += self.count(&group).await?;
            for group in self.groups(table_name, table, schema, &old)? {
                growth -= self.count(&group).await?;
            }
        }
        Ok(growth)
    }

    async fn count(&self, group: &MergeGroup) -> Result<i128> {
        if !group.needs_resolution() {
            return Ok(group.files().iter().map(|entry| i128::from(entry.file.rows)).sum());
        }
        let resolution = self.cache.resolve(&self.files, group).await?;
        let mut rows = 0;
        for entry in group.files() {
            let count = resolution.count(entry.file.id);
            rows += i128::from(count.ok_or_else(|| Error::internal("a file is not in its own resolution"))?);
        }
        Ok(rows)
    }
}
