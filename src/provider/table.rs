//! A table at one version, or the rows written in a range of versions, as a DataFusion table.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::{Constraint, Constraints, DataFusionError, Result, ScalarValue, Statistics};
use datafusion::datasource::sink::DataSinkExec;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use super::TimeTravelOptions;
use super::sink::TableSink;
use crate::auth::Privilege;
use crate::error::{Code, Error};
use crate::log::{Lsn, Operation};
use crate::ops::insert::{Overwrite, WriteIntent};
use crate::ops::{Pin, PinnedTable};
use crate::scan::{ReadRange, ScanRequest, is_partition_filter, with_row_ids};
use crate::table::{PartitionValues, TableSchema};

/// A pinned table as DataFusion reads and writes it.
///
/// Its schema is that of the version read: the columns, then the partition columns.
#[derive(Debug, Clone)]
pub struct TimeTravelTable {
    pin: Arc<Pin>,
    table: PinnedTable,
    range: ReadRange,
    schema: Arc<TableSchema>,
    arrow: SchemaRef,
    constraints: Constraints,
    defaults: Vec<(String, Expr)>,
    target: Target,
    reading: Reading,
}

/// What the rows are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// A query.
    Query,
    /// An UPDATE, DELETE or MERGE of the table; without a key, the rows come with the columns that tell them apart.
    Change,
}

/// What a write to the table means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Not decided yet: the DML rule does it.
    Undecided(WriteScope),
    /// Decided.
    Decided(WriteIntent),
}

/// What INSERT OVERWRITE replaces, as far as the statement says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WriteScope {
    /// The partition that static values name in full.
    pub(crate) named: Option<PartitionValues>,
    /// The statement, where it was rewritten as another one: history shows what the user wrote.
    pub(crate) written_as: Option<Operation>,
}

impl TimeTravelTable {
    /// The table's newest pinned version.
    ///
    /// # Errors
    /// The schema can't be had.
    pub(crate) fn latest(pin: Arc<Pin>, table: PinnedTable) -> Result<Self> {
        let head = table.snapshot.lsn;
        Self::new(pin, table, ReadRange::At(head))
    }

    /// The table in this range.
    ///
    /// # Errors
    /// The schema can't be had.
    pub(crate) fn new(pin: Arc<Pin>, table: PinnedTable, range: ReadRange) -> Result<Self> {
        let (ReadRange::At(version) | ReadRange::Between(_, version)) = range;
        let schema = table.snapshot.state.schema_at(version)?;
        let arrow = schema.arrow();
        let key = schema.key_positions();
        let constraints = if key.is_empty() || !schema.partition_columns.is_empty() {
            // The key is unique within a partition only.
            Constraints::default()
        } else {
            Constraints::new_unverified(vec![Constraint::PrimaryKey(key)])
        };
        let defaults = defaults(&schema)?;
        let target = Target::Undecided(WriteScope::default());
        let reading = Reading::Query;
        Ok(Self { pin, table, range, schema, arrow, constraints, defaults, target, reading })
    }

    /// As the target of a write.
    pub(crate) fn with_target(&self, target: Target) -> Self {
        Self { target, ..self.clone() }
    }

    /// As what a statement that changes the table reads of it.
    pub(crate) fn for_change(&self) -> Self {
        let arrow = if self.schema.is_keyed() { Arc::clone(&self.arrow) } else { with_row_ids(&self.arrow) };
        Self { reading: Reading::Change, arrow, ..self.clone() }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The pinned table.
    pub fn pinned(&self) -> &PinnedTable {
        &self.table
    }

    /// What it reads.
    pub fn range(&self) -> ReadRange {
        self.range
    }

    /// The schema of the version that it reads.
    pub(crate) fn table_schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// Whether it reads the newest version, so that a later commit would change its answer.
    pub(crate) fn is_latest(&self) -> bool {
        self.range == ReadRange::At(self.table.snapshot.lsn)
    }

    /// The version that it shows, or the end of its range.
    pub fn version(&self) -> Lsn {
        let (ReadRange::At(version) | ReadRange::Between(_, version)) = self.range;
        version
    }

    fn refuse(&self, statement: &str) -> DataFusionError {
        Error::new(
            Code::NotSupported,
            format!(
                "{statement} on {}: this session lacks the rule that plans it; add it with ctx.with_timetravel(..)",
                self.table.name
            ),
        )
        .into()
    }

    /// What a column gets that an INSERT doesn't name.
    pub(super) fn default_of(&self, column: &crate::table::Column) -> Result<Expr> {
        match self.get_column_default(&column.name) {
            Some(default) => Ok(default.clone()),
            None => Ok(Expr::Literal(ScalarValue::try_from(&column.data_type)?, None)),
        }
    }

    /// What an insert means, where no rule decided more.
    pub(super) fn intent(&self, op: InsertOp) -> Result<WriteIntent, Error> {
        let plain = |operation, replaces| WriteIntent { operation, replaces, unchanged: None };
        match (&self.target, op) {
            (Target::Decided(intent), _) => Ok(intent.clone()),
            (Target::Undecided(_), InsertOp::Append) => Ok(plain(Operation::Append, None)),
            (Target::Undecided(scope), InsertOp::Overwrite) => {
                Ok(plain(Operation::Overwrite, Some(scope.overwrite(&self.schema))))
            }
            (Target::Undecided(_), InsertOp::Replace) => Err(Error::new(
                Code::NotSupported,
                format!("REPLACE INTO {}: write INSERT INTO, which replaces rows by key", self.table.name),
            )),
        }
    }
}

impl WriteScope {
    pub(crate) fn overwrite(&self, schema: &TableSchema) -> Overwrite {
        match schema.partition_columns.is_empty() {
            true => Overwrite::Table,
            false => Overwrite::Partitions { named: self.named.clone() },
        }
    }
}

#[async_trait]
impl TableProvider for TimeTravelTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.arrow)
    }

    fn constraints(&self) -> Option<&Constraints> {
        Some(&self.constraints)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        None
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.defaults.iter().find(|(name, _)| name == column).map(|(_, default)| default)
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let warehouse = self.pin.warehouse();
        let privilege = match self.reading {
            Reading::Query => Privilege::Select,
            Reading::Change => Privilege::Update,
        };
        warehouse.authorize(self.pin.caller(), privilege, &crate::auth::Target::Table(&self.table.name))?;
        let request = ScanRequest {
            table_name: self.table.name.to_string(),
            snapshot: Arc::clone(&self.table.snapshot),
            range: self.range,
            schema: Arc::clone(&self.schema),
            projection,
            filters,
            limit,
            verify: TimeTravelOptions::of(session.config_options()).verify,
            row_ids: self.reading == Reading::Change && !self.schema.is_keyed(),
        };
        Ok(warehouse.scanner().plan(session, request).await?)
    }

    /// Filters on partition columns are applied for good; others prune files, row groups and pages, and DataFusion
    /// checks the rows.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match is_partition_filter(&self.schema, filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(support).collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        None
    }

    /// Plans a write; nothing happens before it is executed, also under EXPLAIN.
    async fn insert_into(
        &self,
        _: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !self.is_latest() {
            return Err(Error::new(
                Code::NotVersioned,
                format!("{} is read at an older version here: only the latest one can be written", self.table.name),
            )
            .into());
        }
        let warehouse = self.pin.warehouse();
        warehouse.authorize(self.pin.caller(), Privilege::Update, &crate::auth::Target::Table(&self.table.name))?;
        let sink = TableSink::new(
            Arc::clone(&self.pin),
            self.table.clone(),
            Arc::clone(&self.schema),
            input.schema(),
            self.intent(op)?,
        );
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
    }

    /// Refused: DataFusion loses predicates on the way here (apache/datafusion#24654); the DML rule plans DELETE.
    async fn delete_from(&self, _: &dyn Session, _: Vec<Expr>) -> Result<Arc<dyn ExecutionPlan>> {
        Err(self.refuse("DELETE"))
    }

    /// Refused, as [`Self::delete_from`].
    async fn update(&self, _: &dyn Session, _: Vec<(String, Expr)>, _: Vec<Expr>) -> Result<Arc<dyn ExecutionPlan>> {
        Err(self.refuse("UPDATE"))
    }
}

/// The defaults of the columns that have one.
fn defaults(schema: &TableSchema) -> Result<Vec<(String, Expr)>> {
    let with_default = schema.all().filter_map(|column| Some((column, column.default.as_deref()?)));
    let literal = |(column, text): (&crate::table::Column, &str)| {
        let value = ScalarValue::try_from_array(&crate::table::text::from_text(&[Some(text)], &column.data_type)?, 0)?;
        Ok((column.name.clone(), Expr::Literal(value, None)))
    };
    with_default.map(literal).collect()
}

/// The table behind a DataFusion table source, if it is one of ours.
pub(crate) fn of_source(source: &dyn datafusion::logical_expr::TableSource) -> Option<&TimeTravelTable> {
    let source: &dyn Any = source;
    let default = source.downcast_ref::<datafusion::datasource::DefaultTableSource>()?;
    default.table_provider.downcast_ref::<TimeTravelTable>()
}
