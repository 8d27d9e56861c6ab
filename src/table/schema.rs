//! The columns of a table, each with an id for life.
//!
//! Data files carry the ids, so that a renamed column finds its values and a dropped one never lends its values to a
//! new one of the same name. An id is never used again: the high-water mark lies in the log.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};

/// Columns that begin so are ours.
pub const RESERVED_PREFIX: &str = "__tt_";

/// The column of a delta file that says that a key was deleted.
pub const TOMBSTONE: &str = "__tt_tombstone";

/// The metadata key under which Parquet keeps a field id in an Arrow schema.
pub const FIELD_ID: &str = "PARQUET:field_id";

/// The most columns of a table.
const MAX_COLUMNS: usize = 10_000;

/// The field id of [`TOMBSTONE`].
pub const TOMBSTONE_ID: i32 = 1_000_000_000;

/// A column's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ColumnId(pub i32);

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its id.
    pub id: ColumnId,
    /// Its name.
    pub name: String,
    /// Its Arrow type, as Arrow writes it.
    #[serde(rename = "type", with = "data_type")]
    pub data_type: DataType,
    /// Whether it takes NULL.
    pub nullable: bool,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its default, a value cast to text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

impl Column {
    /// The column as Arrow has it, without its id.
    pub fn field(&self) -> Field {
        Field::new(&self.name, self.data_type.clone(), self.nullable)
    }

    /// The column as a data file has it.
    pub fn file_field(&self) -> Field {
        self.field().with_metadata([(FIELD_ID.to_owned(), self.id.0.to_string())].into())
    }
}

/// The columns, the key and the partition columns of a table at one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// The columns in the data files.
    pub columns: Vec<Column>,
    /// The partition columns; their values lie in the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_columns: Vec<Column>,
    /// The primary key in order; empty for an append table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<ColumnId>,
    /// The largest id ever given, dropped columns included.
    pub last_id: ColumnId,
}

impl TableSchema {
    /// A schema with fresh ids.
    ///
    /// # Errors
    /// [`Code::InvalidSchema`] names the column and the rule that it breaks.
    pub fn new(columns: Vec<Field>, partition_columns: Vec<Field>, key: &[String]) -> Result<Self> {
        let mut last = 0;
        let mut column = |field: Field| {
            last += 1;
            Column {
                id: ColumnId(last),
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                nullable: field.is_nullable(),
                comment: field.metadata().get("comment").cloned(),
                default: field.metadata().get("default").cloned(),
            }
        };
        let mut columns: Vec<Column> = columns.into_iter().map(&mut column).collect();
        let partition_columns: Vec<Column> =
            partition_columns.into_iter().map(|field| Column { nullable: false, ..column(field) }).collect();
        let mut ids = Vec::with_capacity(key.len());
        for name in key {
            let Some(found) = columns.iter_mut().find(|column| &column.name == name) else {
                let what = match partition_columns.iter().any(|column| &column.name == name) {
                    true => "is a partition column: a key is unique within its partition anyway",
                    false => "is not a column of the table",
                };
                return Err(invalid(format!("key column {name:?} {what}")));
            };
            if ids.contains(&found.id) {
                return Err(invalid(format!("key column {name:?} stands twice in the key")));
            }
            if !is_orderable(&found.data_type) {
                return Err(invalid(format!(
                    "key column {name:?} has type {}, which has no order: use another column",
                    found.data_type
                )));
            }
            found.nullable = false;
            ids.push(found.id);
        }
        let schema = Self { columns, partition_columns, key: ids, last_id: ColumnId(last) };
        schema.check()?;
        Ok(schema)
    }

    /// Checks names and types, after every change.
    pub(crate) fn check(&self) -> Result<()> {
        if self.columns.is_empty() {
            return Err(invalid("a table needs at least one column that is not a partition column".into()));
        }
        if self.all().count() > MAX_COLUMNS {
            return Err(invalid(format!("{} columns are more than {MAX_COLUMNS}", self.all().count())));
        }
        let mut seen = HashSet::new();
        for column in self.all() {
            let name = &column.name;
            if name.is_empty() {
                return Err(invalid("a column needs a name".into()));
            }
            if name.to_ascii_lowercase().starts_with(RESERVED_PREFIX) {
                return Err(invalid(format!(
                    "column {name:?}: names that begin with {RESERVED_PREFIX} are reserved, choose another"
                )));
            }
            if !seen.insert(name) {
                return Err(invalid(format!("column {name:?} stands twice")));
            }
            if column.data_type == DataType::Null {
                return Err(invalid(format!(
                    "column {name:?} has no type: give it one, for example CAST(NULL AS BIGINT)"
                )));
            }
            data_type::check(&column.data_type).map_err(|_| {
                invalid(format!("column {name:?} has type {}, which tables can't hold", column.data_type))
            })?;
        }
        for column in &self.partition_columns {
            if !is_partition_type(&column.data_type) {
                return Err(invalid(format!(
                    "partition column {:?} has type {}: use a string, an integer, BOOLEAN, DATE or TIMESTAMP",
                    column.name, column.data_type
                )));
            }
        }
        Ok(())
    }

    /// What is impossible in a schema of the log, where it isn't of our writing.
    pub(crate) fn check_ids(&self) -> Result<(), String> {
        let mut seen = HashSet::new();
        if self.columns.is_empty() || self.all().count() > MAX_COLUMNS {
            return Err(format!("a schema of {} columns", self.all().count()));
        }
        let is_possible = |id: ColumnId| (1..TOMBSTONE_ID).contains(&id.0) && id <= self.last_id;
        match self.all().find(|column| !is_possible(column.id) || !seen.insert(column.id)) {
            Some(column) => return Err(format!("column {:?} has the id of another", column.name)),
            None => seen.clear(),
        }
        match self.key.iter().find(|id| !seen.insert(**id) || !self.columns.iter().any(|column| column.id == **id)) {
            Some(id) => Err(format!("{} in the key is no column", id.0)),
            None => Ok(()),
        }
    }

    /// All columns, partition columns last, as SQL shows them.
    pub fn all(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().chain(&self.partition_columns)
    }

    /// The schema that SQL sees: partition columns last.
    pub fn arrow(&self) -> SchemaRef {
        Arc::new(Schema::new(self.all().map(Column::field).collect::<Vec<_>>()))
    }

    /// The schema of a base file, with field ids.
    pub fn base_file(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(Column::file_field).collect::<Vec<_>>()))
    }

    /// The schema of a delta file: a base file's and the tombstone column; all but the key is nullable, because a
    /// tombstone has nothing else.
    pub fn delta_file(&self) -> SchemaRef {
        let mut fields: Vec<Field> =
            self.columns.iter().map(|c| c.file_field().with_nullable(!self.key.contains(&c.id))).collect();
        fields.push(
            Field::new(TOMBSTONE, DataType::Boolean, false)
                .with_metadata([(FIELD_ID.to_owned(), TOMBSTONE_ID.to_string())].into()),
        );
        Arc::new(Schema::new(fields))
    }

    /// The key columns in key order.
    pub fn key_columns(&self) -> Vec<&Column> {
        self.key.iter().filter_map(|id| self.columns.iter().find(|column| column.id == *id)).collect()
    }

    /// The positions of the key columns among [`TableSchema::columns`], in key order.
    pub fn key_positions(&self) -> Vec<usize> {
        self.key.iter().filter_map(|id| self.columns.iter().position(|column| column.id == *id)).collect()
    }

    /// Whether rows are merged by key.
    pub fn is_keyed(&self) -> bool {
        !self.key.is_empty()
    }

    /// Whether both have the same columns, key and partition columns, whatever ids were given otherwise.
    pub fn same_columns(&self, other: &Self) -> bool {
        self.columns == other.columns && self.partition_columns == other.partition_columns && self.key == other.key
    }

    /// Whether rows read and files written with this schema fit a table whose schema is `head`: the same columns, and
    /// none added but new ones that take NULL.
    ///
    /// A column with an old id was dropped here and restored there: rows have values in it, of which whoever read them
    /// with this schema knows nothing.
    pub fn fits(&self, head: &Self) -> bool {
        let fresh = |column: &Column| column.nullable && column.id > self.last_id;
        let same = |mine: &[Column], theirs: &[Column]| {
            mine.iter().all(|m| theirs.iter().any(|t| t.id == m.id && t.data_type == m.data_type))
                && theirs.iter().all(|t| fresh(t) || mine.iter().any(|m| m.id == t.id))
        };
        self.key == head.key
            && same(&self.columns, &head.columns)
            && self.partition_columns.iter().map(|c| c.id).eq(head.partition_columns.iter().map(|c| c.id))
    }
}

fn invalid(message: String) -> Error {
    Error::new(Code::InvalidSchema, message)
}

/// Types that a key can have: those with a total order that Parquet's statistics know.
pub fn is_orderable(data_type: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Boolean, Date32, Date64, Decimal128, Decimal256, FixedSizeBinary, LargeBinary, LargeUtf8,
        Time32, Time64, Timestamp, Utf8, Utf8View,
    };
    data_type.is_integer()
        || matches!(
            data_type,
            Boolean
                | Utf8
                | LargeUtf8
                | Utf8View
                | Binary
                | LargeBinary
                | BinaryView
                | FixedSizeBinary(_)
                | Date32
                | Date64
                | Time32(_)
                | Time64(_)
                | Timestamp(_, _)
                | Decimal128(_, _)
                | Decimal256(_, _)
                | DataType::Float32
                | DataType::Float64
        )
}

fn is_partition_type(data_type: &DataType) -> bool {
    use DataType::{Boolean, Date32, LargeUtf8, Timestamp, Utf8, Utf8View};
    data_type.is_integer() || matches!(data_type, Boolean | Utf8 | LargeUtf8 | Utf8View | Date32 | Timestamp(_, _))
}

mod data_type {
    use super::{DataType, FromStr};
    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    /// Whether the written form reads back as the same type.
    pub(super) fn check(data_type: &DataType) -> Result<(), String> {
        match DataType::from_str(&data_type.to_string()) {
            Ok(read) if read == *data_type => Ok(()),
            Ok(read) => Err(format!("{data_type} reads back as {read}")),
            Err(error) => Err(error.to_string()),
        }
    }

    pub(super) fn serialize<S: Serializer>(data_type: &DataType, serializer: S) -> Result<S::Ok, S::Error> {
        check(data_type).map_err(ser::Error::custom)?;
        serializer.collect_str(data_type)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DataType, D::Error> {
        let text = String::deserialize(deserializer)?;
        DataType::from_str(&text).map_err(de::Error::custom)
    }
}
