//! SHOW HISTORY FOR TABLES and `tables()`: every table of the warehouse, live and dropped.

use futures::{StreamExt, TryStreamExt, stream};

use super::Pin;
use crate::auth::{Privilege, Target};
use crate::catalog::{CatalogTable, TableName, settings};
use crate::error::Result;
use crate::store::{TableId, Timestamp};
use crate::table::FileEntry;

/// How many logs are read at a time.
pub(super) const LOGS_AT_ONCE: usize = 16;

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// Its name, or its last one.
    pub name: TableName,
    /// Its id.
    pub id: TableId,
    /// Whether it has partition columns.
    pub partitioned: bool,
    /// When it was created.
    pub created: Timestamp,
    /// When it was dropped; none while it lives.
    pub dropped: Option<Timestamp>,
}

/// What a table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSizes {
    /// Rows in the files of its latest version, before rows of one key are merged.
    pub rows: u64,
    /// Bytes of the latest version.
    pub bytes: u64,
    /// Bytes that only older versions need, in its own folder (R161); of a dropped table all.
    pub history_bytes: u64,
    /// Until when it can be restored by its id; none while it lives.
    pub restorable_until: Option<Timestamp>,
}

/// All tables, by name, then by creation; dropped ones while they are restorable.
///
/// # Errors
/// [`Code::PermissionDenied`](crate::Code::PermissionDenied): it needs List on the project (R190).
pub fn all(pin: &Pin) -> Result<Vec<TableRow>> {
    pin.warehouse().authorize(pin.caller(), Privilege::List, &Target::Project)?;
    let since = pin.now().saturating_sub(settings::backup_retention(&pin.catalog().state));
    let listed = |table: &&std::sync::Arc<CatalogTable>| match table.dropped {
        None => true,
        Some((_, time)) => table.purged.is_none() && time > since,
    };
    let row = |table: &std::sync::Arc<CatalogTable>| TableRow {
        name: table.name.clone(),
        id: table.id,
        partitioned: table.partitioned,
        created: table.created,
        dropped: table.dropped.map(|(_, time)| time),
    };
    let mut rows: Vec<TableRow> = pin.catalog().state.tables().filter(listed).map(row).collect();
    rows.sort_by(|a, b| (&a.name, a.created, a.id).cmp(&(&b.name, b.created, b.id)));
    Ok(rows)
}

/// All tables with what they hold, which takes a look at the log of each.
///
/// # Errors
/// As [`all`]; what the store gives.
pub async fn sizes(pin: &Pin) -> Result<Vec<(TableRow, TableSizes)>> {
    let window = settings::backup_retention(&pin.catalog().state);
    let sized = |row: TableRow| async move {
        let snapshot = pin.warehouse().table_log(row.id).snapshot().await?;
        let visible = snapshot.state.visible_at(snapshot.lsn);
        let is_ours = |entry: &&std::sync::Arc<FileEntry>| entry.file.owner.is_none();
        let read = |entry: &&std::sync::Arc<FileEntry>| snapshot.state.is_alive() && entry.visible.is_open();
        let sizes = TableSizes {
            rows: visible.iter().map(|entry| entry.file.rows.saturating_sub(entry.file.tombstones)).sum(),
            bytes: visible.iter().map(|entry| entry.file.size).sum(),
            history_bytes: snapshot
                .state
                .kept_files()
                .filter(is_ours)
                .filter(|entry| !read(entry))
                .map(|entry| entry.file.size)
                .sum(),
            restorable_until: row.dropped.map(|time| time.saturating_add(window)),
        };
        Ok((row, sizes))
    };
    stream::iter(all(pin)?).map(sized).buffered(LOGS_AT_ONCE).try_collect().await
}

/// Whether a name matches a pattern: `%` and `*` stand for any text, `_` for one character.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // The classic walk: on a mismatch go back to the last wildcard and let it take one character more.
    let (mut p, mut n, mut back) = (0, 0, None);
    while let Some(c) = name.get(n) {
        match pattern.get(p) {
            Some('%' | '*') => {
                back = Some((p, n));
                p += 1;
            }
            Some(wanted) if *wanted == '_' || wanted == c => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((star, from)) = back else { return false };
                back = Some((star, from + 1));
                p = star + 1;
                n = from + 1;
            }
        }
    }
    pattern.iter().skip(p).all(|c| matches!(c, '%' | '*'))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a%", "ab", true),
            ("%b", "aab", true),
            ("a_c", "abc", true),
            ("a_c", "ac", false),
            ("*", "", true),
            ("%a%b%", "xaybz", true),
            ("%a%b%", "xbya", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
