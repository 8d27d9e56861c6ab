//! One statement from text to frame.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::{DataFusionError, ParamValues};
use datafusion::dataframe::DataFrame;
use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as DFStatement;
use datafusion::sql::sqlparser::dialect::dialect_from_str;

use super::pins::Pins;
use super::{
    TimeTravel, alter, bind, create, dml, dml_forms, overlay, prepared, restore, show, sweep, target, truncate, verify,
    views,
};
use crate::auth::{Privilege, Target};
use crate::catalog::{Object, TableName};
use crate::error::{Code, Error, Result};
use crate::ops::{Pin, drop, schema};
use crate::provider::{TimeTravelTable, of_source};
use crate::sql::{ObjectPath, Parsed, Statement, Syntax, parse, parse_with};

/// What one statement runs with.
pub(super) struct Run<'a> {
    pub(super) tt: &'a TimeTravel,
    pub(super) ctx: &'a SessionContext,
    pub(super) state: SessionState,
    pub(super) pins: Pins,
    pub(super) options: SQLOptions,
}

impl<'a> Run<'a> {
    pub(super) fn new(tt: &'a TimeTravel, ctx: &'a SessionContext, options: SQLOptions) -> Self {
        let state = ctx.state();
        let pins = Pins::new(&state, tt.caller().clone(), tt.warehouse().store().now());
        Self { tt, ctx, state, pins, options }
    }

    /// The Pin and the name that a path means; none where it is not in a warehouse.
    pub(super) async fn find(&mut self, path: &ObjectPath) -> Result<Option<(Arc<Pin>, TableName)>> {
        let config = Arc::clone(self.state.config_options());
        self.pins.find(path.reference(), &config).await
    }

    /// As [`Run::find`], for a statement that only time-travel tables know.
    pub(super) async fn ours(&mut self, path: &ObjectPath) -> Result<(Arc<Pin>, TableName)> {
        self.find(path).await?.ok_or_else(|| {
            Error::new(
                Code::NotSupported,
                format!("{path} is not in a time-travel warehouse, whose tables this statement is for"),
            )
        })
    }

    /// Refuses a statement of a kind that the options don't allow, as DataFusion does for its own.
    pub(super) fn allow(&self, kind: Kind) -> Result<(), DataFusionError> {
        let empty = LogicalPlanBuilder::empty(false).build()?;
        let sample = match kind {
            Kind::Ddl => LogicalPlan::Ddl(datafusion::logical_expr::DdlStatement::DropTable(
                datafusion::logical_expr::DropTable {
                    name: "t".into(),
                    if_exists: true,
                    schema: Arc::clone(empty.schema()),
                },
            )),
            Kind::Statement => LogicalPlan::Statement(datafusion::logical_expr::Statement::ResetVariable(
                datafusion::logical_expr::ResetVariable { variable: "timetravel".into() },
            )),
        };
        self.options.verify_plan(&sample)
    }

    /// A frame of rows that a statement of ours gives.
    pub(super) fn rows(&self, batch: RecordBatch) -> Result<DataFrame, DataFusionError> {
        self.ctx.read_batch(batch)
    }

    /// The frame of a statement that gives none.
    pub(super) fn done(&self) -> Result<DataFrame, DataFusionError> {
        self.ctx.read_empty().map(|frame| frame.limit(0, Some(0)))?
    }

    /// Binds a statement and plans it. Nothing is executed.
    pub(super) async fn plan(
        &mut self,
        statement: DFStatement,
    ) -> Result<(SessionState, LogicalPlan), DataFusionError> {
        plan(&mut self.pins, &self.state, statement, 0).await
    }
}

/// Kinds of our statements that [`SQLOptions`] knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ddl,
    Statement,
}

/// Runs one statement.
pub(super) async fn run(
    tt: &TimeTravel,
    ctx: &SessionContext,
    sql: &str,
    params: Option<&ParamValues>,
    options: SQLOptions,
) -> Result<DataFrame, DataFusionError> {
    let parsed = one(ctx, sql, params)?;
    let Parsed { statement, stock, .. } = parsed;
    let mut run = Run::new(tt, ctx, options);
    match statement {
        Statement::DataFusion(statement) => match prepared::intercept(&mut run, &statement).await? {
            Some(frame) => Ok(frame),
            None => dml::query(&mut run, *statement).await,
        },
        Statement::Insert(insert) => dml::insert(&mut run, &insert).await,
        Statement::Explain(explain) => dml::explain_insert(&mut run, &explain).await,
        Statement::CreateTable(create) => match run.find(&create.name).await? {
            Some((pin, name)) => {
                run.allow(Kind::Ddl)?;
                create::table(&mut run, &pin, name, *create).await
            }
            None => foreign(&mut run, stock, &create.name).await,
        },
        Statement::CreateView(create) => match run.find(&create.name).await? {
            Some((pin, name)) => {
                run.allow(Kind::Ddl)?;
                views::create(&mut run, &pin, name, *create).await
            }
            None => dml::query(&mut run, *create.ast).await,
        },
        Statement::CreateSchema(create) => match warehouse_of_schema(&mut run, &create.name).await? {
            Some((pin, name)) => {
                run.allow(Kind::Ddl)?;
                schema::create(&pin, &name, create.if_not_exists).await?;
                run.done()
            }
            None => foreign(&mut run, stock, &create.name).await,
        },
        Statement::DropSchema(drop) => match warehouse_of_schema(&mut run, &drop.name).await? {
            Some((pin, name)) => {
                run.allow(Kind::Ddl)?;
                schema::drop(&pin, &name, drop.if_exists, drop.cascade).await?;
                run.done()
            }
            None => foreign(&mut run, stock, &drop.name).await,
        },
        Statement::DropTable(dropped) => match run.find(&dropped.name).await? {
            Some((pin, name)) => {
                run.allow(Kind::Ddl)?;
                if dropped.purge {
                    let message = format!(
                        "DROP TABLE {name} PURGE is not supported yet: drop it, and its files stay while they can be restored"
                    );
                    return Err(Error::new(Code::NotSupported, message).into());
                }
                match drop::table(&pin, &name).await {
                    Err(error)
                        if dropped.if_exists
                            && matches!(
                                error.code(),
                                Code::TableNotFound | Code::TableDropped | Code::SchemaNotFound
                            ) => {}
                    other => other?,
                }
                run.done()
            }
            None => foreign(&mut run, stock, &dropped.name).await,
        },
        Statement::DropView(dropped) => match run.find(&dropped.name).await? {
            Some((pin, name)) => {
                run.allow(Kind::Ddl)?;
                crate::ops::view::drop(&pin, &name, dropped.if_exists).await?;
                run.done()
            }
            None => foreign(&mut run, stock, &dropped.name).await,
        },
        Statement::AlterTable(alter) => Box::pin(alter::table(&mut run, *alter)).await,
        Statement::ShowHistory(statement) => show::history(&mut run, &statement).await,
        Statement::ShowPartitions(statement) => show::partitions(&mut run, &statement).await,
        Statement::Describe(describe) => match run.find(&describe.table).await? {
            Some((pin, name)) if describe.extended => show::describe(&mut run, &pin, &name, &describe.table).await,
            _ => foreign(&mut run, stock, &describe.table).await,
        },
        Statement::Truncate(statement) => match run.find(&statement.table).await? {
            Some((pin, name)) => truncate::table(&run, &pin, &name, &statement).await,
            None => foreign(&mut run, stock, &statement.table).await,
        },
        Statement::Restore(statement) => Box::pin(restore::run(&mut run, statement)).await,
        Statement::ShowTablesHistory(pattern) => show::tables(&mut run, pattern.as_ref()).await,
        Statement::Purge(purge) => Box::pin(sweep::purge(&mut run, &purge)).await,
        Statement::Vacuum(vacuum) => Box::pin(sweep::vacuum(&mut run, &vacuum)).await,
        Statement::Verify(table) => verify::run(&mut run, &table).await,
        Statement::SetProject(set) => Box::pin(sweep::set_project(&mut run, &set)).await,
    }
}

/// The one statement of a text.
fn one<'a>(ctx: &SessionContext, sql: &'a str, params: Option<&ParamValues>) -> Result<Parsed<'a>, DataFusionError> {
    let state = ctx.state();
    let options = &state.config_options().sql_parser;
    let name = options.dialect.to_string();
    let dialect = dialect_from_str(&name).ok_or_else(|| {
        Error::new(Code::InvalidArgument, format!("{name} is no SQL dialect: SET datafusion.sql_parser.dialect"))
    })?;
    let syntax = Syntax { dialect: dialect.as_ref(), recursion_limit: options.recursion_limit.into() };
    let mut statements = match params {
        Some(values) => parse_with(sql, syntax, values)?,
        None => parse(sql, syntax)?,
    }
    .into_iter();
    match (statements.next(), statements.next()) {
        (Some(Parsed { statement: Statement::CreateView(_), .. }), None) if params.is_some() => Err(Error::new(
            Code::NotSupported,
            "a view keeps its text, so it takes no parameters: write the values into it",
        )
        .into()),
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::new(Code::Syntax, "the text holds no statement").into()),
        _ => Err(Error::new(
            Code::Syntax,
            "the text holds several statements: run them one by one, split_statements(..) cuts them",
        )
        .into()),
    }
}

/// A statement that stock DataFusion knows, on an object that is not in a warehouse.
async fn foreign(
    run: &mut Run<'_>,
    stock: Option<Box<DFStatement>>,
    path: &ObjectPath,
) -> Result<DataFrame, DataFusionError> {
    match stock {
        Some(statement) => dml::query(run, *statement).await,
        None => Err(Error::new(
            Code::NotSupported,
            format!("{path} is not in a time-travel warehouse, whose tables this statement is for"),
        )
        .into()),
    }
}

/// The Pin and the schema that a schema's name means.
async fn warehouse_of_schema(run: &mut Run<'_>, path: &ObjectPath) -> Result<Option<(Arc<Pin>, String)>> {
    let (catalog, schema) = match path.parts.as_slice() {
        [schema] => (run.state.config_options().catalog.default_catalog.clone(), schema.clone()),
        [catalog, schema] => (catalog.clone(), schema.clone()),
        _ => return Err(Error::new(Code::InvalidArgument, format!("{path} has too many parts for a schema"))),
    };
    match run.pins.warehouses().catalog(&catalog) {
        Some(_) => Ok(Some((run.pins.pin(&catalog).await?, schema))),
        None => Ok(None),
    }
}

/// Binds a statement and plans it on a state of its own.
pub(super) async fn plan(
    pins: &mut Pins,
    state: &SessionState,
    mut statement: DFStatement,
    depth: usize,
) -> Result<(SessionState, LogicalPlan), DataFusionError> {
    let written_as = dml_forms::rewrite(&mut statement, state, pins).await?;
    let planned = tables(pins, state, &statement, depth).await?;
    bind::functions(&mut statement, state, pins).await?;
    let bound = bind::relations(&mut statement, state, pins).await?;
    let mut at = overlay::state(state, pins, &planned).await?;
    at.register_relation_planner(Arc::new(bound))?;
    let plan = dml_forms::written_as(at.statement_to_plan(statement).await?, written_as)?;
    Ok((at, plan))
}

/// Pins the tables that the statement names, plans its views, and refuses names that stand for nothing.
async fn tables(
    pins: &mut Pins,
    state: &SessionState,
    statement: &DFStatement,
    depth: usize,
) -> Result<overlay::Views, DataFusionError> {
    let mut views = overlay::Views::new();
    if matches!(statement, DFStatement::CreateExternalTable(_) | DFStatement::Reset(_)) {
        return Ok(views);
    }
    let functions = bind::function_names(statement);
    let references = state.resolve_table_references(statement)?;
    if references.iter().any(|reference| reference.schema() == Some("information_schema")) {
        every_view(pins, state, depth, &mut views).await?;
    }
    let written = match target::written(statement) {
        Some(path) => {
            pins.locate(path.reference(), state.config_options()).await?.map(|(catalog, _, name)| (catalog, name))
        }
        None => None,
    };
    for reference in references {
        let config = Arc::clone(state.config_options());
        let Some((catalog, pin, name)) = pins.locate(reference, &config).await? else { continue };
        let privilege = match written.as_ref() == Some(&(catalog.clone(), name.clone())) {
            true => Privilege::Update,
            false => Privilege::Select,
        };
        let allowed = pin.warehouse().authorize(pin.caller(), privilege, &Target::Table(&name));
        match pin.catalog().state.object(&name) {
            Some(Object::Table(_)) => {
                allowed?;
                pin.table(&name).await?;
            }
            Some(Object::View(view)) => {
                allowed?;
                let table = views::plan_view(pins, state, &view, depth).await?;
                views.insert((catalog, name), table);
            }
            None if is_query(statement)
                && !functions.contains(&name.table)
                && !knows(state, &catalog, &name).await? =>
            {
                // What is not there looks like what may not be seen.
                allowed?;
                return Err(pin.missing(&name).into());
            }
            None => {}
        }
    }
    Ok(views)
}

/// Plans all views of the session's warehouses, for statements that list them. One that no longer plans is left to the
/// statement that uses it.
async fn every_view(
    pins: &mut Pins,
    state: &SessionState,
    depth: usize,
    views: &mut overlay::Views,
) -> Result<(), DataFusionError> {
    for (catalog, pin) in pins.all().await? {
        for view in pin.catalog().state.views() {
            match views::plan_view(pins, state, view, depth).await {
                Ok(table) => views.insert((catalog.clone(), view.name.clone()), table),
                Err(error) => {
                    tracing::warn!(%error, view = %view.name, "a view does not plan");
                    continue;
                }
            };
        }
    }
    Ok(())
}

/// Whether the session itself knows a table of this name, such as a file's name under `enable_url_table`.
async fn knows(state: &SessionState, catalog: &str, name: &TableName) -> Result<bool, DataFusionError> {
    let schema = state.catalog_list().catalog(catalog).and_then(|catalog| catalog.schema(&name.schema));
    match schema {
        Some(schema) => match schema.table(&name.table).await {
            Ok(found) => Ok(found.is_some()),
            // A dropped table: the caller has the better message.
            Err(error) if Error::find(&error).is_some() => Ok(false),
            Err(error) => Err(error),
        },
        None => Ok(false),
    }
}

/// Whether a missing table makes the statement wrong: DDL names objects that need not exist.
fn is_query(statement: &DFStatement) -> bool {
    use datafusion::sql::sqlparser::ast::Statement as S;
    match statement {
        DFStatement::Statement(inner) => {
            matches!(
                inner.as_ref(),
                S::Query(_)
                    | S::Insert(_)
                    | S::Update { .. }
                    | S::Delete(_)
                    | S::Merge { .. }
                    | S::ExplainTable { .. }
                    | S::ShowColumns { .. }
                    | S::ShowCreate { .. }
            )
        }
        DFStatement::Explain(explain) => is_query(&explain.statement),
        DFStatement::CopyTo(_) => true,
        _ => false,
    }
}

/// The time-travel table that a plan writes.
pub(super) fn written_table(plan: &LogicalPlan) -> Option<&TimeTravelTable> {
    match plan {
        LogicalPlan::Dml(dml) => of_source(dml.target.as_ref()),
        _ => None,
    }
}
