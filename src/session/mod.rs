//! L7, the facade: a warehouse in a DataFusion session.

mod alter;
mod bind;
mod columns;
mod constant;
mod create;
mod defaults;
mod dml;
mod dml_forms;
mod extension;
mod overlay;
mod pins;
mod prepared;
mod restore;
mod run;
mod show;
mod sweep;
mod target;
mod truncate;
mod verify;
mod views;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::{DataFusionError, ParamValues};
use datafusion::dataframe::DataFrame;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::dialect::GenericDialect;

use crate::auth::{AllowAll, Authorizer, Caller};
use crate::error::{Code, Error, Result, UnknownCommit};
use crate::log::{CommitStatus, Lsn};
use crate::ops::compact::{self, Compacted, CompactionPolicy};
use crate::ops::{Pin, SweepRow, Warehouse, WarehouseOptions, grace, vacuum};
use crate::store::{Clock, Durability, Ids, Store};

pub use extension::{SessionContextExt, SessionStateBuilderExt};
use prepared::Prepared;

/// A warehouse: one project with its catalog and all its tables, on any object store.
///
/// Clones share everything. Nothing runs in the background by itself but checkpoints after commits.
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use datafusion::prelude::SessionContext;
/// use datafusion_timetravel::{SessionContextExt, TimeTravel};
///
/// let tt = TimeTravel::open("memory://").await?;
/// let ctx = SessionContext::new();
/// ctx.with_timetravel("tt", &tt).await?;
///
/// tt.sql(&ctx, "CREATE TABLE tt.default.t (k BIGINT PRIMARY KEY, v BIGINT)").await?;
/// tt.sql(&ctx, "INSERT INTO tt.default.t VALUES (1, 10), (2, 20)").await?;
/// tt.sql(&ctx, "INSERT INTO tt.default.t VALUES (2, 21)").await?;
/// let then = tt.sql(&ctx, "SELECT sum(v) FROM tt.default.t VERSION AS OF 2").await?;
/// assert!(datafusion::arrow::util::pretty::pretty_format_batches(&then.collect().await?)?.to_string().contains("30"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct TimeTravel {
    warehouse: Warehouse,
    caller: Caller,
    prepared: Prepared,
}

impl TimeTravel {
    /// Opens the warehouse at a root: a path, `file:///…`, `memory://`, `s3://…`, `az://…` or `gs://…`.
    ///
    /// It need not exist: the first CREATE makes it.
    ///
    /// # Errors
    /// The URL is not understood, or the store can't be reached.
    pub async fn open(url: &str) -> Result<Self> {
        Self::builder(url).build().await
    }

    /// Opens a warehouse with settings.
    pub fn builder(url: &str) -> TimeTravelBuilder {
        TimeTravelBuilder {
            place: Place::Url(url.to_owned()),
            settings: WarehouseOptions::default(),
            options: vec![],
            clock: None,
            ids: None,
            authorizer: Arc::new(AllowAll),
            caller: Caller::default(),
        }
    }

    /// Opens a warehouse in a store that the application made.
    ///
    /// # Errors
    /// The catalog can't be read.
    pub async fn with_store(store: Store) -> Result<Self> {
        Self::builder_with_store(store).build().await
    }

    /// Opens a warehouse in a store that the application made, with settings.
    pub fn builder_with_store(store: Store) -> TimeTravelBuilder {
        TimeTravelBuilder { place: Place::Store(store), ..Self::builder("") }
    }

    /// The same warehouse for another caller, whom history and audit name and the authorizer is asked about.
    #[must_use]
    pub fn with_caller(&self, actor: impl Into<String>, reason: Option<String>) -> Self {
        Self { caller: Caller { actor: actor.into(), reason }, ..self.clone() }
    }

    /// The warehouse.
    pub fn warehouse(&self) -> &Warehouse {
        &self.warehouse
    }

    /// Who runs statements.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Runs one statement: a superset of [`SessionContext::sql`].
    ///
    /// DDL, and writes to time-travel tables, are done when this returns; queries run when the frame is collected.
    ///
    /// # Errors
    /// Those of DataFusion; ours as [`DataFusionError::External`], see [`Error::find`](crate::Error::find).
    pub async fn sql(&self, ctx: &SessionContext, sql: &str) -> Result<DataFrame, DataFusionError> {
        self.sql_with_options(ctx, sql, SQLOptions::new()).await
    }

    /// Runs one statement if the options allow its kind.
    ///
    /// # Errors
    /// As [`TimeTravel::sql`]; a statement that is not allowed.
    pub async fn sql_with_options(
        &self,
        ctx: &SessionContext,
        sql: &str,
        options: SQLOptions,
    ) -> Result<DataFrame, DataFusionError> {
        // On the heap, so that the caller's future stays small.
        Box::pin(run::run(self, ctx, sql, None, options)).await
    }

    /// Runs one statement with values for its parameters: `$1`, `$name` or `?`, wherever a constant may stand, in a version
    /// clause too.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use datafusion::{common::ScalarValue, prelude::SessionContext};
    /// # use datafusion_timetravel::{SessionContextExt, TimeTravel};
    /// # let (tt, ctx) = (TimeTravel::open("memory://").await?, SessionContext::new());
    /// # ctx.with_timetravel("tt", &tt).await?;
    /// # tt.sql(&ctx, "CREATE TABLE tt.default.t (k BIGINT PRIMARY KEY)").await?;
    /// let values = vec![ScalarValue::from(1_i64), ScalarValue::from(5_i64)];
    /// let then = tt.sql_with_params(&ctx, "SELECT k FROM tt.default.t VERSION AS OF $1 WHERE k = $2", values).await?;
    /// assert_eq!(then.count().await?, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`TimeTravel::sql`]; a parameter without a value, a value without a parameter.
    pub async fn sql_with_params(
        &self,
        ctx: &SessionContext,
        sql: &str,
        params: impl Into<ParamValues> + Send,
    ) -> Result<DataFrame, DataFusionError> {
        let params = params.into();
        Box::pin(run::run(self, ctx, sql, Some(&params), SQLOptions::new())).await
    }

    /// The statements of a script; see [`split_statements`].
    ///
    /// # Errors
    /// A text or comment has no end.
    pub fn split(&self, script: &str) -> Result<Vec<String>> {
        split_statements(script)
    }

    /// The warnings of statements since the last call.
    pub fn warnings(&self) -> Vec<String> {
        self.warehouse.take_warnings()
    }

    /// What the host runs about once a day, because nothing runs by itself: reclaims by lifecycle, deletes what has left
    /// both retentions as VACUUM of the whole warehouse does, and compacts what is due by the default policy. Needs Admin,
    /// and Update on every table.
    ///
    /// # Errors
    /// The store fails; [`Code::PermissionDenied`]; [`Code::ClockSkew`].
    pub async fn maintain(&self, ctx: &SessionContext) -> Result<Maintained> {
        let pin = Pin::new(&self.warehouse, &self.caller).await?;
        let swept = vacuum::warehouse(&pin, &self.project(), vacuum::Run::Do).await?;
        let pin = Pin::new(&self.warehouse, &self.caller).await?;
        let compacted = compact::maintain(&pin, &CompactionPolicy::default(), &ctx.task_ctx()).await?;
        Ok(Maintained { swept, compacted })
    }

    /// The warehouse's name as audit records it where no session has named it: its root's last segment.
    fn project(&self) -> String {
        let name = self.warehouse.store().name();
        name.trim_end_matches('/').rsplit('/').next().unwrap_or(name).to_owned()
    }

    /// Waits for checkpoints that are being written in the background.
    pub async fn flush(&self) {
        self.warehouse.flush().await;
    }

    /// What became of a commit whose outcome was unknown, as [`Error::unknown_commit`](crate::Error::unknown_commit)
    /// names it.
    ///
    /// # Errors
    /// The store fails.
    pub async fn commit_status(&self, unknown: UnknownCommit) -> Result<CommitStatus> {
        let slot = Lsn::new(unknown.lsn);
        match unknown.table {
            Some(id) => self.warehouse.table_log(id).commit_status(unknown.commit, slot).await,
            None => self.warehouse.catalog().commit_status(unknown.commit, slot).await,
        }
    }
}

/// What [`TimeTravel::maintain`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Maintained {
    /// What was reclaimed, purged and deleted.
    pub swept: Vec<SweepRow>,
    /// What was compacted.
    pub compacted: Vec<Compacted>,
}

/// Where a warehouse lies.
enum Place {
    Url(String),
    Store(Store),
}

/// Cuts a script into statements at each `;` that isn't inside a text or comment.
///
/// # Errors
/// A text or comment has no end.
pub fn split_statements(script: &str) -> Result<Vec<String>> {
    crate::sql::split(script, &GenericDialect {})
}

/// Whether the text ends a statement with `;`, for a shell that reads line by line.
pub fn is_complete(text: &str) -> bool {
    crate::sql::is_complete(text, &GenericDialect {})
}

/// Settings of a warehouse.
pub struct TimeTravelBuilder {
    place: Place,
    settings: WarehouseOptions,
    options: Vec<(String, String)>,
    clock: Option<Arc<dyn Clock>>,
    ids: Option<Arc<dyn Ids>>,
    authorizer: Arc<dyn Authorizer>,
    caller: Caller,
}

/// Options may hold credentials, so they are not printed (invariant 15).
impl fmt::Debug for TimeTravelBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeTravelBuilder").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl TimeTravelBuilder {
    /// An option of the store, as `object_store` names them.
    #[must_use]
    pub fn option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((key.into(), value.into()));
        self
    }

    /// How durable commits on a local disk are; full by default.
    #[must_use]
    pub fn durability(self, durability: Durability) -> Self {
        let is_local = matches!(&self.place, Place::Url(url) if !url.contains("://") || url.starts_with("file://"));
        match durability {
            Durability::Relaxed if is_local => self.option("durability", "relaxed"),
            _ => self,
        }
    }

    /// Tells the time by another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Takes ids from elsewhere.
    #[must_use]
    pub fn ids(mut self, ids: Arc<dyn Ids>) -> Self {
        self.ids = Some(ids);
        self
    }

    /// Asks this authorizer.
    #[must_use]
    pub fn authorizer(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.authorizer = authorizer;
        self
    }

    /// How long an unclear outcome of a commit is pursued before it is left to `commit_status`; 30 s by default.
    #[must_use]
    pub fn commit_deadline(mut self, deadline: Duration) -> Self {
        self.settings.commit_deadline = Some(deadline);
        self
    }

    /// For how long VACUUM leaves alone what no log names yet and what readers may still read: 24 hours by default, one at
    /// the least. A statement that writes for longer than half of it is refused. All handles of a warehouse, in whatever
    /// process, must have the same.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// How far the time of a table's last commit may be ahead of this machine's clock; one hour by default.
    ///
    /// More is the way out for a table to which a machine with a wrong clock has committed: commits after it have times that
    /// follow its.
    #[must_use]
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.settings.clock_skew = Some(skew);
        self
    }

    /// Runs statements as this caller.
    #[must_use]
    pub fn caller(mut self, actor: impl Into<String>, reason: Option<String>) -> Self {
        self.caller = Caller { actor: actor.into(), reason };
        self
    }

    /// Opens the warehouse.
    ///
    /// # Errors
    /// As [`TimeTravel::open`].
    pub async fn build(self) -> Result<TimeTravel> {
        grace::check(self.settings.grace)?;
        let mut store = match self.place {
            Place::Url(url) => Store::open(&url, self.options)?,
            Place::Store(store) if self.options.is_empty() => store,
            Place::Store(_) => {
                let message = "options of a store go with a URL: give them to the store that the application makes";
                return Err(Error::new(Code::InvalidArgument, message));
            }
        };
        if let Some(clock) = self.clock {
            store = store.with_clock(clock);
        }
        if let Some(ids) = self.ids {
            store = store.with_ids(ids);
        }
        let warehouse = Warehouse::with_options(store, self.authorizer, self.settings);
        warehouse.catalog().snapshot().await?;
        Ok(TimeTravel { warehouse, caller: self.caller, prepared: Prepared::default() })
    }
}
