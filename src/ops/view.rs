//! CREATE VIEW and DROP VIEW: SQL text in the catalog, planned anew at each use.

use super::{Pin, schema};
use crate::auth::{Privilege, Target};
use crate::catalog::{CatalogAction, CatalogSnapshot, Object, TableName, ViewEntry};
use crate::error::{Code, Error, Result};
use crate::log::{Attempt, Operation};

/// Stores a view.
///
/// # Errors
/// [`Code::TableExists`] where a table has the name, or a view and neither flag is set.
pub async fn create(pin: &Pin, view: ViewEntry, or_replace: bool, if_not_exists: bool) -> Result<()> {
    let warehouse = pin.warehouse();
    warehouse.authorize(pin.caller(), Privilege::CreateTable, &Target::Project)?;
    view.name.check()?;
    if pin.catalog().is_empty() {
        warehouse.store().ensure_safe().await?;
    }
    let base = warehouse.catalog().snapshot().await?;
    let options = warehouse.commit_options(pin.caller(), Operation::Create);
    let plan = move |head: &CatalogSnapshot| {
        schema::check_exists(&head.state, &view.name.schema)?;
        match head.state.object(&view.name) {
            Some(Object::View(old)) if *old == view => return Ok(Attempt::Nothing),
            Some(Object::View(_)) if or_replace => {}
            Some(_) if if_not_exists => return Ok(Attempt::Nothing),
            Some(_) => {
                let message = format!(
                    "{} exists already: choose another name, or CREATE OR REPLACE VIEW where it is a view",
                    view.name
                );
                return Err(Error::new(Code::TableExists, message));
            }
            None => {}
        }
        Ok(Attempt::Actions(vec![CatalogAction::CreateView(view.clone())]))
    };
    warehouse.catalog().commit(base, options, plan).await.map(|_| ())
}

/// Removes a view.
///
/// # Errors
/// [`Code::TableNotFound`] unless `if_exists`.
pub async fn drop(pin: &Pin, name: &TableName, if_exists: bool) -> Result<()> {
    let warehouse = pin.warehouse();
    warehouse.authorize(pin.caller(), Privilege::Drop, &Target::Table(name))?;
    let base = warehouse.catalog().snapshot().await?;
    let options = warehouse.commit_options(pin.caller(), Operation::Drop);
    let name = name.clone();
    let plan = move |head: &CatalogSnapshot| match head.state.object(&name) {
        Some(Object::View(_)) => Ok(Attempt::Actions(vec![CatalogAction::DropView { name: name.clone() }])),
        Some(Object::Table(_)) => Err(Error::new(Code::InvalidArgument, format!("{name} is a table: use DROP TABLE"))),
        None if if_exists => Ok(Attempt::Nothing),
        None => Err(Error::new(Code::TableNotFound, format!("view {name} does not exist"))),
    };
    warehouse.catalog().commit(base, options, plan).await.map(|_| ())
}
