//! The bind pass: names to snapshots, functions to literals, version clauses to scans, before DataFusion plans.
//!
//! It is asynchronous, so that planning needs no I/O but what reading a foreign table needs, and no `block_on`.

use std::collections::{HashSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::datasource::TableProvider;
use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement as DFStatement;
use datafusion::sql::sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, Select, SelectItem,
    TableFactor, Value, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::constant;
use super::pins::Pins;
use crate::auth::{Privilege, Target};
use crate::catalog::Object;
use crate::error::{Code, Error, Result};
use crate::ops::{Pin, PinnedTable, VersionSpec, version};
use crate::provider::{BoundRelations, Feed, Listing, TimeTravelOptions, TimeTravelTable, value};
use crate::scan::ReadRange;
use crate::sql::{ObjectPath, VersionClause, VersionRange, VersionUnit, version_of, visit_mut};

/// Replaces `get_latest_*('t'[, n])` with literal arguments by their values, so that they work in AS OF, VALUES and
/// LIMIT, and agree with the statement's snapshot.
pub(super) async fn functions(statement: &mut DFStatement, state: &SessionState, pins: &mut Pins) -> Result<()> {
    let mut calls = Calls { found: vec![], values: None };
    let _ = visit_mut(statement, &mut calls);
    let mut values = VecDeque::with_capacity(calls.found.len());
    for call in calls.found {
        let (_, table) = table_of(&call.table, Privilege::Select, state, pins).await?;
        let (lsn, time) = version::nth_latest(&table, call.n).await?;
        values.push_back(match call.timestamp {
            // Not a bare number, which in ORDER BY and GROUP BY would be a column's place.
            false => expression(&format!("CAST({} AS BIGINT)", lsn.get()))?,
            true => expression(&format!("arrow_cast('{time}', 'Timestamp(Microsecond, Some(\"UTC\"))')"))?,
        });
    }
    let _ = visit_mut(statement, &mut Calls { found: vec![], values: Some(values) });
    Ok(())
}

/// Binds version clauses and the table functions that say the same, and marks their table factors.
pub(super) async fn relations(
    statement: &mut DFStatement,
    state: &SessionState,
    pins: &mut Pins,
) -> Result<BoundRelations> {
    let mut factors = Factors::default();
    if let ControlFlow::Break(error) = visit_mut(statement, &mut factors) {
        return Err(error);
    }
    let mut bound = BoundRelations::default();
    // All tables are pinned before the first time is evaluated: a statement has one moment.
    let mut tables = VecDeque::with_capacity(factors.found.len());
    for factor in &factors.found {
        tables.push_back(match factor {
            Factor::Versioned { name, .. } => Some(versioned_table(name, state, pins).await?),
            Factor::Function { table, .. } => Some(table_of(table, Privilege::Select, state, pins).await?),
            Factor::Listing { .. } => None,
        });
    }
    let now = pins.now();
    let mut at = state.clone();
    at.execution_props_mut().query_execution_start_time = now.to_datetime();
    let mut markers = VecDeque::with_capacity(factors.found.len());
    for (factor, table) in factors.found.iter().zip(tables) {
        let config = at.config_options();
        let policy = TimeTravelOptions::of(config).purged_history;
        let Some((pin, table)) = table else {
            if let Factor::Listing { listing, args } = factor {
                let (label, provider) = listed(*listing, args, state, pins).await?;
                markers.push_back(bound.add(label, provider));
            }
            continue;
        };
        if let Factor::Function { name, args, .. } = factor
            && let Some(feed) = Feed::named(name)
        {
            let [a, b] = args.as_slice() else {
                let message = format!("the arguments don't fit: write {}", feed.usage());
                return Err(Error::new(Code::InvalidArgument, message));
            };
            let (a, b) = (constant::evaluate(&at, a)?, constant::evaluate(&at, b)?);
            let (from, to) = value::of_arguments(&a, &b, config)?;
            let provider = feed.provider(&pin, &table, now, from, to).await?;
            markers.push_back(bound.add(format!("{} of {} from {a} to {b}", feed.name(), table.name), provider));
            continue;
        }
        let range = match factor {
            Factor::Versioned { clause, .. } => clause_range(clause, &pin, &table, &at, now).await?,
            Factor::Function { name, args, .. } => match (name.as_str(), args.as_slice()) {
                ("at", [arg]) => {
                    let spec = value::of_argument(&constant::evaluate(&at, arg)?, config)?;
                    ReadRange::At(version::as_of(&pin, &table, now, spec, policy).await?)
                }
                ("incremental", [a, b]) => {
                    let (a, b) = (constant::evaluate(&at, a)?, constant::evaluate(&at, b)?);
                    let (a, b) = value::of_arguments(&a, &b, config)?;
                    let (a, b) = version::between(&table, now, a, b).await?;
                    ReadRange::Between(a, b)
                }
                _ => {
                    let message =
                        format!("{name}(..): write at('table', version or time) or incremental('table', from, to)");
                    return Err(Error::new(Code::InvalidArgument, message));
                }
            },
            Factor::Listing { .. } => return Err(Error::internal("a listing with a version")),
        };
        let label = match range {
            ReadRange::At(lsn) => format!("{} VERSION AS OF {}", table.name, lsn.get()),
            ReadRange::Between(a, b) => format!("{} VERSION BETWEEN {} AND {}", table.name, a.get(), b.get()),
        };
        let provider: Arc<dyn TableProvider> = Arc::new(TimeTravelTable::new(pin, table, range)?);
        markers.push_back(bound.add(label, provider));
    }
    let _ = visit_mut(statement, &mut Factors { markers: Some(markers), ..Factors::default() });
    Ok(bound)
}

/// A listing under a name of its own, because DataFusion takes two scans of one name for the same.
async fn listed(
    listing: Listing,
    args: &[Expr],
    state: &SessionState,
    pins: &mut Pins,
) -> Result<(String, Arc<dyn TableProvider>)> {
    let config = state.config_options();
    let wrong = || Error::new(Code::InvalidArgument, format!("the arguments don't fit: write {}", listing.usage()));
    let table = match args {
        [table] if listing.of_table() => text(table).ok_or_else(wrong)?,
        [] if !listing.of_table() => {
            let catalog = &config.catalog.default_catalog;
            if pins.warehouses().catalog(catalog).is_none() {
                let message =
                    format!("{catalog} is not a time-travel warehouse: SET datafusion.catalog.default_catalog to one");
                return Err(Error::new(Code::NotSupported, message));
            }
            let pin = pins.pin(catalog).await?;
            return Ok((format!("{} of {catalog}", listing.name()), listing.provider(&pin, None).await?));
        }
        _ => return Err(wrong()),
    };
    let Some((pin, name)) = pins.find(TableReference::parse_str(&table), config).await? else {
        let message = format!("{table} is not a time-travel table: {} is for those", listing.usage());
        return Err(Error::new(Code::NotVersioned, message));
    };
    Ok((format!("{} of {name}", listing.name()), listing.provider(&pin, Some(&name)).await?))
}

async fn clause_range(
    clause: &VersionClause,
    pin: &Pin,
    table: &PinnedTable,
    state: &SessionState,
    now: crate::store::Timestamp,
) -> Result<ReadRange> {
    let end = |expr: &Expr| -> Result<VersionSpec> {
        let found = constant::evaluate(state, expr)?;
        match clause.unit {
            VersionUnit::Version => value::version(&found),
            VersionUnit::Timestamp => value::timestamp(&found, state.config_options()),
        }
    };
    Ok(match &clause.range {
        VersionRange::AsOf(expr) => {
            let policy = TimeTravelOptions::of(state.config_options()).purged_history;
            ReadRange::At(version::as_of(pin, table, now, end(expr)?, policy).await?)
        }
        VersionRange::Between(low, high) => {
            let (a, b) = version::between(table, now, end(low)?, end(high)?).await?;
            ReadRange::Between(a, b)
        }
    })
}

/// The table that a version clause stands on.
async fn versioned_table(name: &ObjectName, state: &SessionState, pins: &mut Pins) -> Result<(Arc<Pin>, PinnedTable)> {
    let path = ObjectPath::new(name)
        .ok_or_else(|| Error::new(Code::NotVersioned, format!("{name} has no versions: name a table")))?;
    match pins.find(path.reference(), state.config_options()).await? {
        None => {
            Err(Error::new(Code::NotVersioned, format!("{name} is not a time-travel table: only those have versions")))
        }
        Some((pin, name)) => {
            pin.warehouse().authorize(pin.caller(), Privilege::Select, &Target::Table(&name))?;
            if let Some(Object::View(_)) = pin.catalog().state.object(&name) {
                let message =
                    format!("{name} is a view, which has no versions: put the clause on the tables in its query");
                return Err(Error::new(Code::NotVersioned, message));
            }
            let table = pin.table(&name).await?;
            Ok((pin, table))
        }
    }
}

/// The table that a text names, as in `get_latest_version('p.s.t')`.
async fn table_of(
    text: &str,
    privilege: Privilege,
    state: &SessionState,
    pins: &mut Pins,
) -> Result<(Arc<Pin>, PinnedTable)> {
    match pins.find(TableReference::parse_str(text), state.config_options()).await? {
        Some((pin, name)) => {
            let table = pin.table_for(&name, privilege).await?;
            Ok((pin, table))
        }
        None => {
            Err(Error::new(Code::NotVersioned, format!("{text} is not a time-travel table: only those have versions")))
        }
    }
}

/// An expression that this crate writes itself.
pub(super) fn expression(sql: &str) -> Result<Expr> {
    let parsed = Parser::new(&GenericDialect {}).try_with_sql(sql).and_then(|mut parser| parser.parse_expr());
    parsed.map_err(|error| Error::internal(format!("{sql}: {error}")))
}

/// The names that stand with arguments in FROM: table functions, not tables.
pub(super) fn function_names(statement: &DFStatement) -> HashSet<String> {
    let mut functions = Functions(HashSet::new());
    let _ = visit_mut(&mut statement.clone(), &mut functions);
    functions.0
}

struct Functions(HashSet<String>);

impl VisitorMut for Functions {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(_), .. } = factor {
            self.0.extend(single_name(name));
        }
        ControlFlow::Continue(())
    }
}

/// A call of `get_latest_*`.
struct Call {
    timestamp: bool,
    table: String,
    n: i64,
}

/// Collects calls; with values, replaces them in the same order.
struct Calls {
    found: Vec<Call>,
    values: Option<VecDeque<Expr>>,
}

impl VisitorMut for Calls {
    type Break = ();

    /// A bare call in the SELECT list keeps its text as the column's name.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if self.values.is_some() {
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expr) = item
                    && call_of(expr).is_some()
                {
                    let alias = Ident::with_quote('"', expr.to_string());
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(call) = call_of(expr) {
            match &mut self.values {
                None => self.found.push(call),
                Some(values) => {
                    if let Some(value) = values.pop_front() {
                        *expr = value;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }
}

fn call_of(expr: &Expr) -> Option<Call> {
    let Expr::Function(function) = expr else { return None };
    let name = single_name(&function.name)?;
    let timestamp = match name.as_str() {
        "get_latest_timestamp" => true,
        "get_latest_version" => false,
        _ => return None,
    };
    let FunctionArguments::List(list) = &function.args else { return None };
    let args: Vec<&Expr> = list.args.iter().map(unnamed).collect::<Option<_>>()?;
    let (table, n) = match args.as_slice() {
        [table] => (table, 1),
        [table, n] => (table, integer(n)?),
        _ => return None,
    };
    Some(Call { timestamp, table: text(table)?, n })
}

fn unnamed(arg: &FunctionArg) -> Option<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn integer(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => integer(expr)?.checked_neg(),
        Expr::Nested(expr) => integer(expr),
        _ => None,
    }
}

fn single_name(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(|ident| ident.value.to_ascii_lowercase()),
        _ => None,
    }
}

/// A table factor that reads a version.
enum Factor {
    Versioned { name: ObjectName, clause: Box<VersionClause> },
    Function { name: String, table: String, args: Vec<Expr> },
    Listing { listing: Listing, args: Vec<Expr> },
}

/// Collects such factors; with markers, binds them in the same order.
#[derive(Default)]
struct Factors {
    found: Vec<Factor>,
    markers: Option<VecDeque<ast::TableVersion>>,
    scopes: Vec<Scope>,
}

/// The CTEs of one query: those whose definitions were passed are visible, the others not yet.
struct Scope {
    pending: VecDeque<(usize, String)>,
    visible: Vec<String>,
}

fn address(query: &Query) -> usize {
    std::ptr::from_ref(query) as usize
}

impl VisitorMut for Factors {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let mut scope = Scope { pending: VecDeque::new(), visible: vec![] };
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                let name = crate::sql::normalized(&cte.alias.name);
                if with.recursive {
                    scope.visible.push(name.clone());
                }
                scope.pending.push_back((address(&cte.query), name));
            }
        }
        self.scopes.push(scope);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.scopes.pop();
        if let Some(outer) = self.scopes.last_mut()
            && outer.pending.front().is_some_and(|(at, _)| *at == address(query))
        {
            outer.visible.extend(outer.pending.pop_front().map(|(_, name)| name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        if let Some(markers) = &mut self.markers {
            if factor_of(factor).is_ok_and(|found| found.is_some())
                && let TableFactor::Table { version, args, .. } = factor
            {
                *version = markers.pop_front();
                *args = None;
            }
            return ControlFlow::Continue(());
        }
        match factor_of(factor) {
            Err(error) => ControlFlow::Break(error),
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(found)) => {
                if let Factor::Versioned { name, .. } = &found {
                    let cte = match name.0.as_slice() {
                        [part] => part.as_ident().map(crate::sql::normalized),
                        _ => None,
                    };
                    if cte.is_some_and(|cte| self.scopes.iter().any(|scope| scope.visible.contains(&cte))) {
                        let message = format!(
                            "{name} is a WITH query, which has no versions: put the clause on the tables in it"
                        );
                        return ControlFlow::Break(Error::new(Code::NotVersioned, message));
                    }
                }
                self.found.push(found);
                ControlFlow::Continue(())
            }
        }
    }
}

fn factor_of(factor: &TableFactor) -> Result<Option<Factor>> {
    if let Some(clause) = version_of(factor)? {
        let TableFactor::Table { name, .. } = factor else { return Ok(None) };
        return Ok(Some(Factor::Versioned { name: name.clone(), clause: Box::new(clause) }));
    }
    let TableFactor::Table { name, args: Some(args), .. } = factor else { return Ok(None) };
    let Some(function) = single_name(name) else { return Ok(None) };
    let Some(exprs) = args.args.iter().map(unnamed).collect::<Option<Vec<_>>>() else { return Ok(None) };
    if let Some(listing) = Listing::named(&function) {
        return Ok(Some(Factor::Listing { listing, args: exprs.into_iter().cloned().collect() }));
    }
    if !matches!(function.as_str(), "at" | "incremental") && Feed::named(&function).is_none() {
        return Ok(None);
    }
    let Some((table, rest)) = exprs.split_first() else { return Ok(None) };
    let Some(table) = text(table) else { return Ok(None) };
    let args = rest.iter().map(|expr| (*expr).clone()).collect();
    Ok(Some(Factor::Function { name: function, table, args }))
}
