//! An open warehouse with a session of its own.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use datafusion::arrow::array::RecordBatchReader;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::common::{DataFusionError, ParamValues, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::datasource::{MemTable, TableProvider};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_timetravel::{SessionContextExt, TimeTravel};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::frame::Frame;
use crate::register::{self, Function};
use crate::runtime::{Event, Process, handle, listen, start, wait};
use crate::source::{Feed, Source, hand_over, read_all};
use crate::{errors, ffi, params};

/// Where tables are that live only as long as the session.
const SESSION_CATALOG: &str = "datafusion";
const SESSION_SCHEMA: &str = "public";

/// An open warehouse.
#[pyclass(frozen, module = "datafusion_timetravel._native")]
pub(crate) struct Database {
    tt: TimeTravel,
    ctx: SessionContext,
    name: String,
    process: Process,
    sources: AtomicU64,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("tt", &self.tt).field("name", &self.name).finish_non_exhaustive()
    }
}

type Tagged<'py> = Vec<(String, Bound<'py, PyAny>)>;

#[pymethods]
impl Database {
    /// Opens the warehouse; settings are DataFusion's, by name.
    #[staticmethod]
    #[pyo3(signature = (uri, name, storage_options, user, reason, settings))]
    fn open(
        py: Python<'_>,
        uri: String,
        name: String,
        storage_options: Vec<(String, String)>,
        user: Option<String>,
        reason: Option<String>,
        settings: HashMap<String, String>,
    ) -> PyResult<Self> {
        let catalog = name.clone();
        let (tt, ctx) = wait(py, async move {
            let mut builder = TimeTravel::builder(&uri);
            for (key, value) in storage_options {
                builder = builder.option(key, value);
            }
            if let Some(user) = user {
                builder = builder.caller(user, reason);
            }
            let tt = builder.build().await?;
            let ctx = session(&catalog, settings)?;
            ctx.with_timetravel(&catalog, &tt).await?;
            Ok::<_, DataFusionError>((tt, ctx))
        })?;
        Ok(Self { tt, ctx, name, process: Process::current(), sources: AtomicU64::new(0) })
    }

    /// Refuses work in a forked process.
    fn check(&self) -> PyResult<()> {
        self.process.check()
    }

    /// Runs one statement. Queries run when the frame's rows are asked for.
    #[pyo3(signature = (sql, names, values))]
    fn sql(
        &self,
        py: Python<'_>,
        sql: String,
        names: Option<Vec<String>>,
        values: Option<Tagged<'_>>,
    ) -> PyResult<Frame> {
        self.check()?;
        let values = values.map(|values| params::values(names, values)).transpose()?;
        let statement = self.statement(sql, values);
        Ok(Frame::new(wait(py, statement)?, self.process))
    }

    /// Runs one statement that reads the source as the table of the name that `source_name` gave. A source that is kept is
    /// read before the statement begins, and may be scanned more than once.
    #[pyo3(signature = (sql, names, values, name, source, keep, progress))]
    #[allow(clippy::too_many_arguments, reason = "a call from Python with one caller")]
    fn write(
        &self,
        py: Python<'_>,
        sql: String,
        names: Option<Vec<String>>,
        values: Option<Tagged<'_>>,
        name: &str,
        source: &Source,
        keep: bool,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Frame> {
        self.check()?;
        let values = values.map(|values| params::values(names, values)).transpose()?;
        let mut reader = source.take()?;
        let (events, heard) = mpsc::channel();
        let heard = Mutex::new(heard);
        let (table, batches): (Arc<dyn TableProvider>, _) = if keep {
            let schema = reader.schema();
            let batches = read_all(py, &mut reader)?;
            let table = MemTable::try_new(schema, vec![batches]).map_err(|error| errors::of(&error))?;
            (Arc::new(table), None)
        } else {
            let wanted = events.clone();
            let want = move || {
                let _ = wanted.send(Event::Want);
            };
            let (table, batches) = Feed::table(reader.schema(), want).map_err(|error| errors::of(&error))?;
            (Arc::new(table), Some(batches))
        };
        self.ctx.register_table(reference(name), table).map_err(|error| errors::of(&error))?;
        let work = start(events, self.statement(sql, values));
        let frame = work.and_then(|work| {
            let mut ended = false;
            let frame = listen(py, &heard, |py| {
                let Some(batches) = batches.as_ref().filter(|_| !ended) else { return Ok(()) };
                match hand_over(py, &mut reader, batches)? {
                    None => ended = true,
                    Some(rows) => {
                        if let Some(progress) = &progress {
                            progress.call1((rows,))?;
                        }
                    }
                }
                Ok(())
            });
            drop(work);
            frame
        });
        self.ctx.deregister_table(reference(name)).map_err(|error| errors::of(&error))?;
        Ok(Frame::new(frame?, self.process))
    }

    /// A name for a source that no other has: its three parts as SQL writes them, and the last one alone.
    fn source_name(&self) -> (String, String) {
        let name = format!("__tt_source_{}", self.sources.fetch_add(1, Ordering::Relaxed));
        (format!("{SESSION_CATALOG}.{SESSION_SCHEMA}.{name}"), name)
    }

    /// The warnings of statements since the last call.
    fn warnings(&self) -> Vec<String> {
        self.tt.warnings()
    }

    /// Waits for checkpoints that are being written.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.check()?;
        let tt = self.tt.clone();
        wait(py, async move {
            tt.flush().await;
            Ok::<_, DataFusionError>(())
        })
    }

    /// A table for another DataFusion: at a version, or the newest one at each statement.
    #[pyo3(signature = (session, schema, table, version))]
    fn table_provider<'py>(
        &self,
        py: Python<'py>,
        session: &Bound<'py, PyAny>,
        schema: String,
        table: String,
        version: Option<i64>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        self.check()?;
        let codec = ffi::codec_of(session)?;
        let (ctx, catalog, runtime) = (self.ctx.clone(), self.name.clone(), handle()?);
        let provider = wait(py, register::table(ctx, runtime.clone(), catalog, schema, table, version))?;
        register::table_capsule(py, provider, runtime, codec)
    }

    /// The warehouse as a catalog for another DataFusion.
    fn catalog_provider<'py>(&self, py: Python<'py>, session: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyCapsule>> {
        self.check()?;
        let codec = ffi::codec_of(session)?;
        let catalog = self.ctx.catalog(&self.name);
        let catalog = catalog.ok_or_else(|| errors::other("InternalError", "the catalog is gone"))?;
        register::catalog_capsule(py, catalog, handle()?, codec)
    }

    /// The table functions for another DataFusion, in which the warehouse is the catalog of the name.
    fn functions(&self, py: Python<'_>, name: String) -> PyResult<Vec<(String, Function)>> {
        self.check()?;
        let (tt, catalog) = (self.tt.clone(), name.clone());
        let ctx = wait(py, async move {
            let ctx = session(&catalog, HashMap::new())?;
            ctx.with_timetravel(&catalog, &tt).await?;
            Ok::<_, DataFusionError>(ctx)
        })?;
        register::functions(&ctx, &name, &handle()?)
    }
}

impl Database {
    fn statement(
        &self,
        sql: String,
        values: Option<ParamValues>,
    ) -> impl Future<Output = Result<datafusion::dataframe::DataFrame, DataFusionError>> + Send + use<> {
        let (tt, ctx) = (self.tt.clone(), self.ctx.clone());
        async move {
            match values {
                Some(values) => tt.sql_with_params(&ctx, &sql, values).await,
                None => tt.sql(&ctx, &sql).await,
            }
        }
    }
}

fn reference(name: &str) -> TableReference {
    TableReference::full(SESSION_CATALOG, SESSION_SCHEMA, name)
}

/// A session in which the warehouse's catalog is the default one, as in the shell.
fn session(catalog: &str, settings: HashMap<String, String>) -> Result<SessionContext, DataFusionError> {
    let mut options = ConfigOptions::from_env()?;
    for (key, value) in settings {
        options.set(&key, &value)?;
    }
    let config = SessionConfig::from(options)
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(catalog, "default");
    // A file's name in quotes is a table, as in the shell.
    let ctx = SessionContext::new_with_config(config).enable_url_table();
    let session = MemoryCatalogProvider::new();
    session.register_schema(SESSION_SCHEMA, Arc::new(MemorySchemaProvider::new()))?;
    ctx.register_catalog(SESSION_CATALOG, Arc::new(session));
    Ok(ctx)
}
