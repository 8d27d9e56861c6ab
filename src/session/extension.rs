//! Adding a warehouse to a session: a catalog, functions, table functions, a relation planner and the DML rule.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::Analyzer;
use datafusion::prelude::SessionContext;
use datafusion_timetravel_udfs::{TableHistory, get_latest_timestamp, get_latest_version, getdate};

use super::TimeTravel;
use crate::error::Result;
use crate::provider::{
    AtFunction, DmlRule, HistoryFunction, IncrementalFunction, PinSource, RelationGuard, TimeTravelCatalog,
    WarehouseHistory, Warehouses,
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
    #[must_use]
    fn with_timetravel(self, name: &str, tt: &TimeTravel) -> Self;
}

#[async_trait]
impl SessionContextExt for SessionContext {
    async fn with_timetravel(&self, name: &str, tt: &TimeTravel) -> Result<()> {
        // The names of tables are asked synchronously, so they are read now.
        tt.warehouse().catalog().snapshot().await?;
        let shared = self.state_ref();
        let mut state = shared.write();
        *state = add(&state, name, tt);
        Ok(())
    }
}

impl SessionStateBuilderExt for SessionStateBuilder {
    fn with_timetravel(self, name: &str, tt: &TimeTravel) -> Self {
        Self::new_from_existing(add(&self.build(), name, tt))
    }
}

fn source(tt: &TimeTravel) -> PinSource {
    PinSource::Fresh(tt.warehouse().clone(), tt.caller().clone())
}

/// The state with the catalog, our rule first, our guard, and the functions.
fn add(state: &SessionState, name: &str, tt: &TimeTravel) -> SessionState {
    let has_rule = state.analyzer().rules.iter().any(|rule| rule.name() == DmlRule.name());
    let mut builder = SessionStateBuilder::new_from_existing(state.clone());
    if !has_rule {
        let Analyzer { function_rewrites: _, rules, .. } = state.analyzer();
        let mut all: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(DmlRule)];
        all.extend(rules.iter().cloned());
        builder = builder.with_analyzer_rules(all);
        let mut planners = state.relation_planners().to_vec();
        planners.push(Arc::new(RelationGuard));
        builder = builder.with_relation_planners(planners);
    }
    let history = Arc::new(WarehouseHistory { catalog: name.to_owned(), source: source(tt) });
    let of: Arc<dyn TableHistory> = Arc::clone(&history) as _;
    let mut scalars: Vec<_> = state.scalar_functions().values().cloned().collect();
    scalars.extend([get_latest_version(Arc::clone(&of)), get_latest_timestamp(of), getdate()].map(Arc::new));
    let mut built = builder.with_scalar_functions(scalars).build();
    built.register_udtf("at", Arc::new(AtFunction(Arc::clone(&history))));
    built.register_udtf("incremental", Arc::new(IncrementalFunction(Arc::clone(&history))));
    built.register_udtf("history", Arc::new(HistoryFunction(history)));
    let catalog = TimeTravelCatalog::new(source(tt));
    let warehouses = Warehouses::of(built.config()).with(name, catalog.clone());
    built.config_mut().set_extension(Arc::new(warehouses));
    built.catalog_list().register_catalog(name.to_owned(), Arc::new(catalog));
    built
}
