//! Tables, the catalog and the table functions for another DataFusion in the same process.
//!
//! Invariant: what is ours runs within our runtime, whichever thread of the other DataFusion polls it; and a table that
//! was registered without a version gives the newest one at each statement.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProvider, SchemaProvider, Session, TableFunctionArgs, TableFunctionImpl};
use datafusion::common::{DataFusionError, Result, TableReference};
use datafusion::datasource::{TableProvider, TableType};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use datafusion_ffi::catalog_provider::FFI_CatalogProvider;
use datafusion_ffi::proto::logical_extension_codec::FFI_LogicalExtensionCodec;
use datafusion_ffi::table_provider::FFI_TableProvider;
use datafusion_ffi::udtf::FFI_TableFunction;
use datafusion_timetravel::{Code, Error};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use tokio::runtime::Handle;

use crate::{errors, ffi};

/// The names of the table functions.
const FUNCTIONS: [&str; 9] =
    ["at", "incremental", "changes", "diff", "history", "partitions", "files", "tables", "audit"];

/// A future that is polled within our runtime.
struct Within<'a, T> {
    runtime: Handle,
    future: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
}

impl<T> Future for Within<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let runtime = self.runtime.clone();
        let _entered = runtime.enter();
        self.future.as_mut().poll(cx)
    }
}

fn within<'a, T>(runtime: &Handle, future: impl Future<Output = T> + Send + 'a) -> Within<'a, T> {
    Within { runtime: runtime.clone(), future: Box::pin(future) }
}

/// The table behind a provider.
enum Origin {
    /// This one.
    Fixed(Arc<dyn TableProvider>),
    /// What the schema gives at each statement.
    Newest { schema: Arc<dyn SchemaProvider>, name: String, first: Arc<dyn TableProvider> },
}

/// A table of ours for another DataFusion.
struct Table {
    origin: Origin,
    runtime: Handle,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("schema", &self.schema()).finish_non_exhaustive()
    }
}

impl Table {
    fn fixed(inner: Arc<dyn TableProvider>, runtime: &Handle) -> Arc<dyn TableProvider> {
        Arc::new(Self { origin: Origin::Fixed(inner), runtime: runtime.clone() })
    }

    fn first(&self) -> &Arc<dyn TableProvider> {
        match &self.origin {
            Origin::Fixed(table) | Origin::Newest { first: table, .. } => table,
        }
    }

    async fn now(&self) -> Result<Arc<dyn TableProvider>> {
        let Origin::Newest { schema, name, first } = &self.origin else { return Ok(Arc::clone(self.first())) };
        let Some(table) = within(&self.runtime, schema.table(name)).await? else {
            return Err(Error::new(Code::TableNotFound, format!("table {name} is not there any more")).into());
        };
        match table.schema() == first.schema() {
            true => Ok(table),
            false => Err(Error::new(
                Code::SchemaNotSame,
                format!("the columns of {name} have changed since it was registered: register it again"),
            )
            .into()),
        }
    }
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        self.first().schema()
    }

    fn table_type(&self) -> TableType {
        self.first().table_type()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let table = self.now().await?;
        within(&self.runtime, table.scan(session, projection, filters, limit)).await
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = self.first().supports_filters_pushdown(filters)?;
        Ok(match self.origin {
            Origin::Fixed(_) => support,
            // Another table may have the name by then.
            Origin::Newest { .. } => support
                .into_iter()
                .map(|support| match support {
                    TableProviderFilterPushDown::Exact => TableProviderFilterPushDown::Inexact,
                    other => other,
                })
                .collect(),
        })
    }

    async fn insert_into(
        &self,
        session: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let table = self.now().await?;
        within(&self.runtime, table.insert_into(session, input, op)).await
    }
}

/// The catalog for another DataFusion.
#[derive(Debug)]
struct Catalog {
    inner: Arc<dyn CatalogProvider>,
    runtime: Handle,
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        self.inner.schema_names()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let inner = self.inner.schema(name)?;
        Some(Arc::new(Schema { inner, runtime: self.runtime.clone() }))
    }
}

#[derive(Debug)]
struct Schema {
    inner: Arc<dyn SchemaProvider>,
    runtime: Handle,
}

#[async_trait]
impl SchemaProvider for Schema {
    fn table_names(&self) -> Vec<String> {
        self.inner.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let found = within(&self.runtime, self.inner.table(name)).await?;
        Ok(found.map(|table| Table::fixed(table, &self.runtime)))
    }

    fn register_table(&self, name: String, table: Arc<dyn TableProvider>) -> Result<Option<Arc<dyn TableProvider>>> {
        self.inner.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.inner.deregister_table(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.inner.table_exist(name)
    }
}

/// A query as a table, planned by a session of ours: another DataFusion can't take our tables into a plan of its own.
struct Query {
    view: Arc<dyn TableProvider>,
    ctx: SessionContext,
    runtime: Handle,
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query").field("schema", &self.schema()).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for Query {
    fn schema(&self) -> SchemaRef {
        self.view.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let frame = self.ctx.read_table(Arc::clone(&self.view))?;
        let columns = frame.schema().columns();
        let wanted: Vec<Expr> = match projection {
            Some(places) => places.iter().filter_map(|place| columns.get(*place)).cloned().map(Expr::Column).collect(),
            None => columns.into_iter().map(Expr::Column).collect(),
        };
        let frame = frame.select(wanted)?.limit(0, limit)?;
        within(&self.runtime, frame.create_physical_plan()).await
    }
}

/// A table function whose tables are looked for in the warehouse, whatever the other session's default catalog is.
struct InWarehouse {
    inner: Arc<dyn TableFunctionImpl>,
    catalog: String,
    runtime: Handle,
    ctx: SessionContext,
}

impl fmt::Debug for InWarehouse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InWarehouse").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl InWarehouse {
    fn full(&self, argument: &Expr) -> Expr {
        let Expr::Literal(value, _) = argument else { return argument.clone() };
        let Some(text) = value.try_as_str().flatten() else { return argument.clone() };
        let full = match TableReference::parse_str(text) {
            TableReference::Bare { table } => TableReference::full(self.catalog.as_str(), "default", table),
            TableReference::Partial { schema, table } => TableReference::full(self.catalog.as_str(), schema, table),
            full => full,
        };
        lit(full.to_quoted_string())
    }
}

impl TableFunctionImpl for InWarehouse {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let mut exprs = args.exprs().to_vec();
        if let Some(table) = exprs.first_mut() {
            *table = self.full(table);
        }
        let _entered = self.runtime.enter();
        let table = self.inner.call_with_args(TableFunctionArgs::new(&exprs, args.session()))?;
        match table.get_logical_plan() {
            Some(_) => Ok(Arc::new(Query { view: table, ctx: self.ctx.clone(), runtime: self.runtime.clone() })),
            None => Ok(Table::fixed(table, &self.runtime)),
        }
    }
}

/// A table function for another DataFusion.
#[pyclass(frozen, module = "datafusion_timetravel._native")]
#[derive(Debug)]
pub(crate) struct Function {
    function: Arc<InWarehouse>,
}

#[pymethods]
impl Function {
    fn __datafusion_table_function__<'py>(
        &self,
        py: Python<'py>,
        session: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let codec = ffi::codec_of(session)?;
        let runtime = Some(self.function.runtime.clone());
        let function = FFI_TableFunction::new_with_ffi_codec(Arc::clone(&self.function) as _, runtime, codec);
        PyCapsule::new_with_value(py, function, c"datafusion_table_function")
    }
}

/// The table functions of a session in which the warehouse is the catalog of the name.
pub(crate) fn functions(ctx: &SessionContext, catalog: &str, runtime: &Handle) -> PyResult<Vec<(String, Function)>> {
    let mut functions = Vec::with_capacity(FUNCTIONS.len());
    for name in FUNCTIONS {
        let found = ctx.table_function(name).map_err(|error| errors::of(&error))?;
        let inner = Arc::clone(found.function());
        let function =
            Arc::new(InWarehouse { inner, catalog: catalog.to_owned(), runtime: runtime.clone(), ctx: ctx.clone() });
        functions.push((name.to_owned(), Function { function }));
    }
    Ok(functions)
}

/// The table of a name, at a version or at the newest.
pub(crate) async fn table(
    ctx: SessionContext,
    runtime: Handle,
    catalog: String,
    schema: String,
    table: String,
    version: Option<i64>,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    if let Some(version) = version {
        let name = TableReference::full(catalog, schema, table).to_quoted_string();
        let state = ctx.state();
        let args = [lit(name), lit(version)];
        let at = ctx.table_function("at")?;
        let inner = at.function().call_with_args(TableFunctionArgs::new(&args, &state))?;
        return Ok(Table::fixed(inner, &runtime));
    }
    let provider = ctx.catalog(&catalog).and_then(|found| found.schema(&schema));
    let provider = provider.ok_or_else(|| {
        Error::new(Code::SchemaNotFound, format!("schema {schema} does not exist: SHOW SCHEMAS lists them"))
    })?;
    let first = provider.table(&table).await?;
    let first = first.ok_or_else(|| {
        Error::new(Code::TableNotFound, format!("table {table} does not exist: db.tables() lists them"))
    })?;
    Ok(Arc::new(Table { origin: Origin::Newest { schema: provider, name: table, first }, runtime }))
}

pub(crate) fn table_capsule(
    py: Python<'_>,
    provider: Arc<dyn TableProvider>,
    runtime: Handle,
    codec: FFI_LogicalExtensionCodec,
) -> PyResult<Bound<'_, PyCapsule>> {
    let table = FFI_TableProvider::new_with_ffi_codec(provider, true, Some(runtime), codec);
    PyCapsule::new_with_value(py, table, c"datafusion_table_provider")
}

pub(crate) fn catalog_capsule(
    py: Python<'_>,
    inner: Arc<dyn CatalogProvider>,
    runtime: Handle,
    codec: FFI_LogicalExtensionCodec,
) -> PyResult<Bound<'_, PyCapsule>> {
    let catalog = Arc::new(Catalog { inner, runtime: runtime.clone() });
    let catalog = FFI_CatalogProvider::new_with_ffi_codec(catalog, Some(runtime), codec);
    PyCapsule::new_with_value(py, catalog, c"datafusion_catalog_provider")
}
