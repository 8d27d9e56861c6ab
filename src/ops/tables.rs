//! SHOW HISTORY FOR TABLES: every table that the warehouse knows, live and dropped.

use super::Pin;
use crate::auth::{Privilege, Target};
use crate::catalog::TableName;
use crate::error::Result;
use crate::store::{TableId, Timestamp};

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

/// All tables, by name, then by creation.
///
/// # Errors
/// [`Code::PermissionDenied`](crate::Code::PermissionDenied): it needs List on the project (R190).
pub fn all(pin: &Pin) -> Result<Vec<TableRow>> {
    pin.warehouse().authorize(pin.caller(), Privilege::List, &Target::Project)?;
    let row = |table: &std::sync::Arc<crate::catalog::CatalogTable>| TableRow {
        name: table.name.clone(),
        id: table.id,
        partitioned: table.partitioned,
        created: table.created,
        dropped: table.dropped.map(|(_, time)| time),
    };
    let mut rows: Vec<TableRow> = pin.catalog().state.tables().filter(|table| table.purged.is_none()).map(row).collect();
    rows.sort_by(|a, b| (&a.name, a.created, a.id).cmp(&(&b.name, b.created, b.id)));
    Ok(rows)
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
