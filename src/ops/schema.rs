//! CREATE SCHEMA and DROP SCHEMA [CASCADE].

use super::{Pin, drop, view};
use crate::auth::{Privilege, Target};
use crate::catalog::{CatalogAction, CatalogSnapshot, CatalogState, DEFAULT_SCHEMA, Object, TableName, check_name};
use crate::error::{Code, Error, Result};
use crate::log::{Attempt, Operation};

/// Creates a schema; nothing where it exists and `if_not_exists` is set.
///
/// # Errors
/// [`Code::SchemaExists`], [`Code::InvalidArgument`], [`Code::PermissionDenied`].
pub async fn create(pin: &Pin, schema: &str, if_not_exists: bool) -> Result<()> {
    let warehouse = pin.warehouse();
    warehouse.authorize(pin.caller(), Privilege::CreateTable, &Target::Project)?;
    check_name("schema", schema)?;
    if pin.catalog().is_empty() {
        warehouse.store().ensure_safe().await?;
    }
    let name = schema.to_owned();
    let base = warehouse.catalog().snapshot().await?;
    let options = warehouse.commit_options(pin.caller(), Operation::Create);
    let plan = move |head: &CatalogSnapshot| match head.state.has_schema(&name) {
        false => Ok(Attempt::Actions(vec![CatalogAction::CreateSchema { schema: name.clone() }])),
        true if if_not_exists => Ok(Attempt::Nothing),
        true => Err(Error::new(Code::SchemaExists, format!("schema {name:?} exists already"))),
    };
    warehouse.catalog().commit(base, options, plan).await.map(|_| ())
}

/// Drops a schema: an empty one, or with `cascade` first all that is in it, tables restorably.
///
/// Cascading is a DROP per object and then one of the schema: what was dropped before a failure stays dropped, and
/// running the statement again finishes it.
///
/// # Errors
/// [`Code::SchemaNotFound`] unless `if_exists`, [`Code::SchemaExists`] where it holds objects or is the default one,
/// [`Code::PermissionDenied`] for the project or an object in it, and then nothing is dropped.
pub async fn drop(pin: &Pin, schema: &str, if_exists: bool, cascade: bool) -> Result<()> {
    let warehouse = pin.warehouse();
    warehouse.authorize(pin.caller(), Privilege::Drop, &Target::Project)?;
    if schema == DEFAULT_SCHEMA {
        let message = "the schema default can't be dropped: drop what is in it, table by table";
        return Err(Error::new(Code::SchemaExists, message));
    }
    if cascade {
        drop_content(pin, schema).await?;
    }
    let name = schema.to_owned();
    let base = warehouse.catalog().snapshot().await?;
    let options = warehouse.commit_options(pin.caller(), Operation::Drop);
    let plan = move |head: &CatalogSnapshot| {
        match check_exists(&head.state, &name) {
            Err(_) if if_exists => return Ok(Attempt::Nothing),
            other => other?,
        }
        match head.state.names_in(&name).next() {
            None => Ok(Attempt::Actions(vec![CatalogAction::DropSchema { schema: name.clone() }])),
            Some(object) => Err(Error::new(
                Code::SchemaExists,
                format!(
                    "schema {name:?} is not empty, it holds {object:?} for one: drop what is in it first, or say CASCADE"
                ),
            )),
        }
    };
    warehouse.catalog().commit(base, options, plan).await.map(|_| ())
}

async fn drop_content(pin: &Pin, schema: &str) -> Result<()> {
    let state = &pin.catalog().state;
    let names: Vec<TableName> = state.names_in(schema).map(|table| TableName::new(schema, table)).collect();
    for name in &names {
        pin.warehouse().authorize(pin.caller(), Privilege::Drop, &Target::Table(name))?;
    }
    for name in &names {
        match state.object(name) {
            Some(Object::View(_)) => view::drop(pin, name, true).await?,
            Some(Object::Table(_)) => match drop::table(pin, name).await {
                // Somebody else was faster.
                Err(error) if error.code() == Code::TableDropped => {}
                other => other?,
            },
            None => {}
        }
    }
    Ok(())
}

/// Whether the schema exists.
pub(super) fn check_exists(catalog: &CatalogState, schema: &str) -> Result<()> {
    match catalog.has_schema(schema) {
        true => Ok(()),
        false => Err(Error::new(
            Code::SchemaNotFound,
            format!("schema {schema:?} does not exist: CREATE SCHEMA {schema} makes it"),
        )),
    }
}
