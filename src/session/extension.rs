//! Adding a warehouse to a session: a catalog, functions, table functions, a relation planner and the DML rule.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::optimizer::AnalyzerRule;
use datafusion::prelude::SessionContext;
use datafusion_timetravel_udfs::{TableHistory, get_latest_timestamp, get_latest_version, getdate};

use super::TimeTravel;
use crate::error::Result;
use crate::provider::{
    AtFunction, DmlRule, Feed, FeedFunction, IncrementalFunction, Listing, ListingFunction, PinSource, RelationGuard,
    TimeTravelCatalog, TimeTravelOptions, WarehouseHistory, Warehouses,
};

/// Adds a warehouse to a live session.
#[async_trait]
pub trait SessionContextExt {
    /// Registers the warehouse as the catalog `name`, with all that reading and writing it needs.
    ///
    /// Nothing of the session is replaced: its id, settings, tables and prepared statements stay. A second warehouse can
    /// be added under another name.
    ///
    /// # Errors
    /// The catalog can't be read.
    async fn with_timetravel(&self, name: &str, tt: &TimeTravel) -> Result<()>;
}

/// Adds a warehouse to a session that is being built.
pub trait SessionStateBuilderExt: Sized {
    /// As [`SessionContextExt::with_timetravel`].
    ///
    /// # Errors
    /// The session refuses a function.
    fn with_timetravel(self, name: &str, tt: &TimeTravel) -> Result<Self>;
}

#[async_trait]
impl SessionContextExt for SessionContext {
    async fn with_timetravel(&self, name: &str, tt: &TimeTravel) -> Result<()> {
        // The names of tables are asked synchronously, so they are read now.
        tt.warehouse().catalog().snapshot().await?;
        let shared = self.state_ref();
        let mut state = shared.write();
        add(&mut state, name, tt)
    }
}

impl SessionStateBuilderExt for SessionStateBuilder {
    fn with_timetravel(self, name: &str, tt: &TimeTravel) -> Result<Self> {
        let mut state = self.build();
        add(&mut state, name, tt)?;
        Ok(Self::new_from_existing(state))
    }
}

fn source(tt: &TimeTravel) -> PinSource {
    PinSource::Fresh(tt.warehouse().clone(), tt.caller().clone())
}

/// Adds the catalog, the rule, the guard and the functions to the state, in place: a state that is built anew from
/// another loses its prepared statements.
fn add(state: &mut SessionState, name: &str, tt: &TimeTravel) -> Result<()> {
    if !state.analyzer().rules.iter().any(|rule| rule.name() == DmlRule.name()) {
        state.add_analyzer_rule(Arc::new(DmlRule));
        state.register_relation_planner(Arc::new(RelationGuard))?;
    }
    if state.config_options().extensions.get::<TimeTravelOptions>().is_none() {
        state.config_mut().options_mut().extensions.insert(TimeTravelOptions::default());
    }
    let history = Arc::new(WarehouseHistory { catalog: name.to_owned(), source: source(tt) });
    let of: Arc<dyn TableHistory> = Arc::clone(&history) as _;
    for function in [get_latest_version(Arc::clone(&of)), get_latest_timestamp(of), getdate()] {
        state.register_udf(Arc::new(function))?;
    }
    state.register_udtf("at", Arc::new(AtFunction(Arc::clone(&history))));
    state.register_udtf("incremental", Arc::new(IncrementalFunction(Arc::clone(&history))));
    for feed in Feed::ALL {
        state.register_udtf(feed.name(), Arc::new(FeedFunction(Arc::clone(&history), feed)));
    }
    for listing in Listing::ALL {
        state.register_udtf(listing.name(), Arc::new(ListingFunction(Arc::clone(&history), listing)));
    }
    let catalog = TimeTravelCatalog::new(source(tt));
    let warehouses = Warehouses::of(state.config()).with(name, catalog.clone());
    state.config_mut().set_extension(Arc::new(warehouses));
    state.catalog_list().register_catalog(name.to_owned(), Arc::new(catalog));
    Ok(())
}
