//! DESC EXTENDED: what is known of a table, with the documents' fields (R099).

use super::PinnedTable;
use crate::error::Result;

use crate::store::Timestamp;
use crate::table::{Column, FileEntry, properties};

/// One field of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeRow {
    /// The block of the documents' example that it belongs to.
    pub section: &'static str,
    /// Its name; for a column, the column's.
    pub field: String,
    /// Its value; for a column, its type.
    pub value: DescribeValue,
}

/// A described value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DescribeValue {
    /// Text.
    Text(String),
    /// A moment, shown in the session's zone.
    Time(Timestamp),
    /// A column.
    Column(Column),
}

/// Describes the latest version of the table in `project`.
///
/// # Errors
/// [`Code::Internal`](crate::Code::Internal) on a log without CREATE.
pub fn table(table: &PinnedTable, project: &str) -> Result<Vec<DescribeRow>> {
    let state = &table.snapshot.state;
    let (info, schema) = (state.info()?, state.schema()?);
    let head = table.snapshot.lsn;
    let visible = state.visible_at(head);
    let bytes =
        |files: &mut dyn Iterator<Item = &FileEntry>| files.map(|entry| entry.file.size).sum::<u64>().to_string();
    let text = |value: &str| DescribeValue::Text(value.to_owned());
    let mut rows = Vec::new();
    let mut push = |section: &'static str, field: &str, value: DescribeValue| {
        rows.push(DescribeRow { section, field: field.to_owned(), value });
    };
    push("Table", "Owner", text(&info.owner));
    push("Table", "Project", text(project));
    push("Table", "Schema", text(&table.name.schema));
    push("Table", "Table", text(&table.name.table));
    push("Table", "TableComment", text(info.create.comment.as_deref().unwrap_or_default()));
    push("Table", "CreateTime", DescribeValue::Time(info.created));
    push("Table", "LastDDLTime", DescribeValue::Time(info.last_ddl));
    push("Table", "LastModifiedTime", DescribeValue::Time(info.modified));
    if let Some(days) = info.create.lifecycle {
        push("Table", "Lifecycle", DescribeValue::Text(days.to_string()));
        if info.lifecycle_disabled {
            push("Table", "LifecycleEnabled", text("false"));
        }
    }
    push("Table", "InternalTable", text("YES"));
    push("Table", "Size", DescribeValue::Text(bytes(&mut visible.iter().map(AsRef::as_ref))));
    for column in &schema.columns {
        push("Native Columns", &column.name, DescribeValue::Column(column.clone()));
    }
    for column in &schema.partition_columns {
        push("Partition Columns", &column.name, DescribeValue::Column(column.clone()));
    }
    let key: Vec<&str> = schema.key_columns().iter().map(|column| column.name.as_str()).collect();
    let sorted: Vec<String> = key.iter().map(|name| format!("{name} ASC")).collect();
    push("Extended Info", "TableID", DescribeValue::Text(table.id.to_string()));
    push("Extended Info", "Version", DescribeValue::Text(head.to_string()));
    push("Extended Info", "IsArchived", text("false"));
    push("Extended Info", "PhysicalSize", DescribeValue::Text(bytes(&mut state.kept_files().map(AsRef::as_ref))));
    push("Extended Info", "FileNum", DescribeValue::Text(visible.len().to_string()));
    push("Extended Info", "StoredAs", text("Parquet"));
    push("Extended Info", "CompressionStrategy", text("zstd"));
    if schema.is_keyed() {
        push("Extended Info", "PrimaryKey", DescribeValue::Text(format!("[{}]", key.join(", "))));
        push("Extended Info", "ClusterType", text("range"));
        push("Extended Info", "BucketNum", DescribeValue::Text(properties::buckets(state).to_string()));
        push("Extended Info", "ClusterColumns", DescribeValue::Text(format!("[{}]", key.join(", "))));
        push("Extended Info", "SortColumns", DescribeValue::Text(format!("[{}]", sorted.join(", "))));
    }
    push(
        "Extended Info",
        properties::RETAIN_HOURS,
        DescribeValue::Text((properties::retain(state).as_secs() / 3600).to_string()),
    );
    for (key, value) in info.create.properties.iter().filter(|(key, _)| *key != properties::RETAIN_HOURS) {
        push("Extended Info", key, text(value));
    }
    Ok(rows)
}
