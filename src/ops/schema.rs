//! CREATE SCHEMA and DROP SCHEMA.

use super::Pin;
use crate::auth::{Privilege, Target};
use crate::catalog::{CatalogAction, CatalogState, DEFAULT_SCHEMA, check_name};
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
    let plan = move |head: &crate::catalog::CatalogSnapshot| match head.state.has_schema(&name) {
        false => Ok(Attempt::Actions(vec![CatalogAction::CreateSchema { schema: name.clone() }])),
        true if if_not_exists => Ok(Attempt::Nothing),
        true => Err(Error::new(Code::SchemaExists, format!("schema {name:?} exists already"))),
    };
    warehouse.catalog().commit(base, options, plan).await.map(|_| ())
}

/// Drops an empty schema.
///
/// # Errors
/// [`Code::SchemaNotFound`] unless `if_exists`, [`Code::SchemaExists`] where it holds objects or is the default one.
pub async fn drop(pin: &Pin, schema: &str, if_exists: bool) -> Result<()> {
    let warehouse = pin.warehouse();
    warehouse.authorize(pin.caller(), Privilege::Drop, &Target::Project)?;
    let name = schema.to_owned();
    let base = warehouse.catalog().snapshot().await?;
    let options = warehouse.commit_options(pin.caller(), Operation::Drop);
    let plan = move |head: &crate::catalog::CatalogSnapshot| {
        if name == DEFAULT_SCHEMA {
            return Err(Error::new(Code::SchemaExists, "the schema default can't be dropped"));
        }
        match check_exists(&head.state, &name) {
            Err(_) if if_exists => return Ok(Attempt::Nothing),
            other => other?,
        }
        match head.state.names_in(&name).next() {
            None => Ok(Attempt::Actions(vec![CatalogAction::DropSchema { schema: name.clone() }])),
            Some(object) => Err(Error::new(
                Code::SchemaExists,
                format!("schema {name:?} is not empty, it holds {object:?} for one: drop what is in it first"),
            )),
        }
    };
    warehouse.catalog().commit(base, options, plan).await.map(|_| ())
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
