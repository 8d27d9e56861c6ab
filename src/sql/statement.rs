//! Our own statements as plain data, names already normalised.
//!
//! Invariant: a value here is well formed (ids are 32 hex digits, an LSN is a number, a literal is a text); whether the
//! objects exist is not known here.

use std::fmt;

use datafusion::common::TableReference;
use datafusion::common::format::ExplainStatementOptions;
use datafusion::sql::parser::{ExplainStatement, Statement as DFStatement};
use datafusion::sql::sqlparser::ast::{ColumnDef, DataType, Ident, ObjectName, Query, TableConstraint, ViewColumnDef};

use super::insert::Insert;

/// A statement, ready to be bound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statement {
    CreateTable(Box<CreateTable>),
    CreateView(Box<CreateView>),
    CreateSchema(CreateSchema),
    DropTable(DropObject),
    DropView(DropObject),
    DropSchema(DropSchema),
    Truncate(Truncate),
    AlterTable(Box<AlterTable>),
    Insert(Box<Insert>),
    Explain(Box<Explain>),
    Restore(Restore),
    /// `SHOW HISTORY FOR TABLES`, with what to keep.
    ShowTablesHistory(Option<NamePattern>),
    ShowHistory(ShowHistory),
    ShowPartitions(ShowPartitions),
    Describe(Describe),
    Purge(Purge),
    Vacuum(Vacuum),
    /// `VERIFY TABLE t`.
    Verify(ObjectPath),
    SetProject(SetProject),
    /// Everything else. Version clauses stand in the `version` of the table factors; see [`super::version_of`].
    DataFusion(Box<DFStatement>),
}

/// The name of a table, view or schema in one to three parts: unquoted ones in lower case, quoted ones as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ObjectPath {
    pub(crate) parts: Vec<String>,
}

impl ObjectPath {
    /// The path of a parsed name; none for a name that a function makes, or with more than three parts.
    pub(crate) fn new(name: &ObjectName) -> Option<Self> {
        let parts: Option<Vec<String>> = name.0.iter().map(|part| part.as_ident().map(normalized)).collect();
        parts.filter(|parts| (1..=3).contains(&parts.len())).map(|parts| Self { parts })
    }

    /// The name as DataFusion refers to it.
    pub(crate) fn reference(&self) -> TableReference {
        match self.parts.as_slice() {
            [catalog, schema, table] => TableReference::full(catalog.as_str(), schema.as_str(), table.as_str()),
            [schema, table] => TableReference::partial(schema.as_str(), table.as_str()),
            parts => TableReference::bare(parts.concat()),
        }
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            let plain = part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if plain {
                f.write_str(part)?;
            } else {
                write!(f, "\"{}\"", part.replace('"', "\"\""))?;
            }
        }
        Ok(())
    }
}

/// An identifier as DataFusion normalises it.
pub(crate) fn normalized(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// The values of a partition as texts, in the order written: `(ds='1', hh=2)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PartitionSpec(pub(crate) Vec<(String, String)>);

/// A partition by its values, or by its id when it was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum PartitionRef {
    Spec(PartitionSpec),
    Id(String),
}

/// `CREATE [OR REPLACE] TABLE`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CreateTable {
    pub(crate) name: ObjectPath,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    /// The columns in the list; DATETIME already is TIMESTAMP(3).
    pub(crate) columns: Vec<ColumnDef>,
    /// The columns of PARTITIONED BY; without a type (`DataType::Unspecified`) they name columns of the query.
    pub(crate) partition_columns: Vec<ColumnDef>,
    /// The key, from one column or from the table constraint.
    pub(crate) primary_key: Vec<String>,
    /// The constraints of the table other than the key.
    pub(crate) constraints: Vec<TableConstraint>,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) lifecycle: Option<u64>,
    pub(crate) comment: Option<String>,
    pub(crate) query: Option<Box<Query>>,
}

/// `CREATE [OR REPLACE] VIEW`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CreateView {
    pub(crate) name: ObjectPath,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<String>,
    /// The query exactly as written: what the catalog stores. (A printed AST with version clauses does not parse back.)
    pub(crate) query_text: String,
    pub(crate) query: Box<Query>,
    /// The whole statement, for a view in a foreign catalog.
    pub(crate) ast: Box<DFStatement>,
}

/// The columns of a view, if they are names only.
pub(crate) fn view_columns(columns: &[ViewColumnDef]) -> Option<Vec<String>> {
    let plain = columns.iter().all(|column| column.data_type.is_none() && column.options.is_none());
    plain.then(|| columns.iter().map(|column| normalized(&column.name)).collect())
}

/// `CREATE SCHEMA`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreateSchema {
    pub(crate) name: ObjectPath,
    pub(crate) if_not_exists: bool,
}

/// `DROP TABLE` or `DROP VIEW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DropObject {
    pub(crate) name: ObjectPath,
    pub(crate) if_exists: bool,
    /// `DROP TABLE … PURGE`: not restorable.
    pub(crate) purge: bool,
}

/// `DROP SCHEMA`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DropSchema {
    pub(crate) name: ObjectPath,
    pub(crate) if_exists: bool,
    pub(crate) cascade: bool,
}

/// `TRUNCATE TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Truncate {
    pub(crate) table: ObjectPath,
    pub(crate) if_exists: bool,
    /// Empty: the whole table.
    pub(crate) partitions: Vec<PartitionSpec>,
}

/// `ALTER TABLE`, one operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AlterTable {
    pub(crate) table: ObjectPath,
    pub(crate) if_exists: bool,
    pub(crate) operation: AlterOperation,
}

/// What `ALTER TABLE` does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AlterOperation {
    SetProperties { properties: Vec<(String, String)>, dry_run: bool },
    UnsetProperties { keys: Vec<String>, if_exists: bool },
    SetLifecycle(u64),
    EnableLifecycle { partition: Option<PartitionSpec>, enabled: bool },
    Touch(Option<PartitionSpec>),
    Compact { partition: Option<PartitionSpec>, kind: CompactKind },
    RenameTo(ObjectPath),
    AddPartitions { partitions: Vec<PartitionSpec>, if_not_exists: bool },
    DropPartitions { partitions: Vec<PartitionSpec>, if_exists: bool },
    AddColumns { columns: Vec<ColumnDef>, if_not_exists: bool },
    DropColumns { columns: Vec<String>, if_exists: bool },
    RenameColumn { from: String, to: String },
    ChangeColumn { column: String, change: ColumnChange },
    SetComment(String),
}

/// What changes in a column.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ColumnChange {
    pub(crate) new_name: Option<String>,
    pub(crate) data_type: Option<DataType>,
    pub(crate) comment: Option<String>,
    pub(crate) drop_not_null: bool,
}

/// How thorough a compaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompactKind {
    /// Rewrites base and delta files into base files.
    Major,
    /// Merges delta files.
    Minor,
}

/// `RESTORE TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restore {
    pub(crate) table: ObjectPath,
    pub(crate) target: RestoreTarget,
    pub(crate) dry_run: bool,
}

/// What a RESTORE brings back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RestoreTarget {
    /// A dropped table, by its id.
    Table { id: String },
    /// Dropped partitions, by their ids.
    Partitions { ids: Vec<String> },
    /// An earlier state of the table, or of some partitions, here or as another table.
    Lsn { partitions: Vec<PartitionSpec>, lsn: u64, new_table: Option<ObjectPath> },
}

/// Which tables `SHOW HISTORY FOR TABLES LIKE` lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NamePattern {
    /// A bare name: that table.
    Exact(ObjectPath),
    /// A quoted text with `%`, `_` and `*`.
    Like(String),
}

/// `SHOW HISTORY FOR TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShowHistory {
    pub(crate) table: ObjectPath,
    pub(crate) id: Option<String>,
    pub(crate) partitions: Vec<PartitionRef>,
    pub(crate) from_lsn: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) limit: Option<u64>,
}

/// `SHOW PARTITIONS` and `LIST PARTITIONS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShowPartitions {
    pub(crate) table: ObjectPath,
    /// Only partitions with these values; it may name fewer columns than there are.
    pub(crate) partition: Option<PartitionSpec>,
}

/// `DESC [EXTENDED]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Describe {
    pub(crate) table: ObjectPath,
    pub(crate) extended: bool,
}

/// `PURGE TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Purge {
    pub(crate) table: ObjectPath,
    /// A dropped table, for good.
    pub(crate) id: Option<String>,
    pub(crate) dry_run: bool,
}

/// `VACUUM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vacuum {
    pub(crate) table: Option<ObjectPath>,
    pub(crate) dry_run: bool,
}

/// `SETPROJECT`; without a setting it lists them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SetProject {
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) dry_run: bool,
}

/// `EXPLAIN` of an INSERT of ours. Any other EXPLAIN is a DataFusion statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Explain {
    pub(crate) options: ExplainStatementOptions,
    pub(crate) insert: Insert,
}

impl Explain {
    /// The statement as it was, for a table that is not ours.
    pub(crate) fn original(&self) -> DFStatement {
        let statement = Box::new(self.insert.original());
        DFStatement::Explain(ExplainStatement { options: self.options.clone(), statement })
    }
}
