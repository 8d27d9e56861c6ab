//! The shell's state: a DataFusion session in which the warehouses are catalogs, and how results are printed.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::ExplainFormat;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_cli::object_storage::StdinCarriesCommands;
use datafusion_cli::object_storage::instrumented::InstrumentedObjectStoreRegistry;
use datafusion_cli::print_options::PrintOptions;
use datafusion_timetravel::{SessionContextExt, TimeTravel};

use crate::args::Args;
use crate::catalogs;
use crate::clock;
use crate::interrupt::Interrupts;
use crate::policy::Policy;
use crate::{repl, script};

/// Where tables are that live only as long as the session, for example external ones.
const SESSION_CATALOG: &str = "datafusion";

/// A session with its warehouses.
pub(crate) struct Shell {
    /// DataFusion's session.
    pub(crate) ctx: SessionContext,
    /// The first warehouse, which runs the statements.
    pub(crate) tt: TimeTravel,
    /// The other warehouses, which statements reach by three-part names.
    pub(crate) others: Vec<TimeTravel>,
    /// How results are printed.
    pub(crate) print: PrintOptions,
    /// Whether the elapsed time is printed.
    pub(crate) timing: bool,
    /// Ctrl-C.
    pub(crate) interrupts: Interrupts,
}

impl Shell {
    /// Opens the warehouses and a session on them.
    pub(crate) async fn open(args: &Args) -> Result<Self> {
        let names = catalogs::names(&args.warehouses, args.project.as_deref())?;
        let policy = args.policy.as_deref().map(Policy::read).transpose()?.map(Arc::new);
        let mut warehouses = Vec::with_capacity(names.len());
        for warehouse in &args.warehouses {
            warehouses.push(open_warehouse(&warehouse.root, args, policy.clone()).await?);
        }

        let registry = Arc::new(InstrumentedObjectStoreRegistry::new());
        let mut runtime = RuntimeEnvBuilder::new().with_object_store_registry(Arc::clone(&registry) as _);
        if let Some(bytes) = args.memory_limit {
            runtime = runtime.with_memory_limit(bytes, 1.0);
        }
        let default = names.first().map_or(SESSION_CATALOG, String::as_str);
        let config = session_config(args)?.with_default_catalog_and_schema(default, "default");
        // A file's name in quotes is a table, as in datafusion-cli.
        let ctx = SessionContext::new_with_config_rt(config, runtime.build_arc()?).enable_url_table();
        if !names.iter().any(|name| name == SESSION_CATALOG) {
            ctx.register_catalog(SESSION_CATALOG, session_catalog()?);
        }
        for (name, warehouse) in names.iter().zip(&warehouses) {
            ctx.with_timetravel(name, warehouse).await?;
        }

        let mut warehouses = warehouses.into_iter();
        let Some(tt) = warehouses.next() else {
            return Err(DataFusionError::Configuration("no warehouse is open; give one by --warehouse".to_string()));
        };
        let print = PrintOptions {
            format: args.format,
            quiet: args.quiet,
            maxrows: args.maxrows,
            color: args.color,
            instrumented_registry: registry,
        };
        Ok(Self { ctx, tt, others: warehouses.collect(), print, timing: true, interrupts: Interrupts::listen()? })
    }

    /// Runs what the command line asks for, to its end.
    pub(crate) async fn start(mut self, args: Args) -> ExitCode {
        let prompts = args.interactive || (reads_stdin(&args) && std::io::stdin().is_terminal());
        let code = if prompts { repl::run(&mut self, args.quiet).await } else { script::run(&self, &args).await };
        self.tt.flush().await;
        for other in &self.others {
            other.flush().await;
        }
        code
    }
}

/// Whether statements come from standard input.
fn reads_stdin(args: &Args) -> bool {
    args.commands.is_empty() && args.files.is_empty()
}

async fn open_warehouse(root: &str, args: &Args, policy: Option<Arc<Policy>>) -> Result<TimeTravel> {
    let mut builder = TimeTravel::builder(root);
    if let Some(now) = args.now {
        builder = builder.clock(clock::pinned(now));
    }
    if let Some(hours) = args.clock_skew {
        builder = builder.clock_skew(Duration::from_secs(3600 * u64::from(hours)));
    }
    if let Some(policy) = policy {
        builder = builder.authorizer(policy);
    }
    let warehouse = builder.build().await?;
    Ok(match &args.user {
        Some(user) => warehouse.with_caller(user.as_str(), None),
        None => warehouse,
    })
}

/// The settings of datafusion-cli: those of the environment, NULL told from an empty text, plans as trees.
fn session_config(args: &Args) -> Result<SessionConfig> {
    let mut options = ConfigOptions::from_env()?;
    if let Some(rows) = args.batch_size {
        options.execution.batch_size = ConfigNonZeroUsize::try_new(rows.get())?;
    }
    if std::env::var_os("DATAFUSION_EXPLAIN_FORMAT").is_none() {
        options.explain.format = ExplainFormat::Tree;
    }
    if std::env::var_os("DATAFUSION_FORMAT_NULL").is_none() {
        options.format.null = "NULL".to_string();
    }
    let mut config =
        SessionConfig::from(options).with_information_schema(true).with_create_default_catalog_and_schema(false);
    if reads_stdin(args) {
        // Standard input brings the statements, so it can't be a table as well.
        config = config.with_extension(Arc::new(StdinCarriesCommands));
    }
    Ok(config)
}

fn session_catalog() -> Result<Arc<dyn CatalogProvider>> {
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema("public", Arc::new(MemorySchemaProvider::new()))?;
    Ok(Arc::new(catalog))
}
