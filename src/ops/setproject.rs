//! SETPROJECT: settings of the warehouse as a whole, kept in its catalog (R150-R156).

use super::Pin;
use super::sweep::SweepRow;
use super::vacuum;
use crate::auth::{Privilege, Target};
use crate::catalog::{CatalogAction, CatalogSnapshot, settings};
use crate::error::{Code, Error, Result};
use crate::log::{Attempt, Operation};

/// Sets the settings in one commit; none where they are so already.
///
/// # Errors
/// [`Code::InvalidProperty`], and then none is set; [`Code::PermissionDenied`]: it needs Admin.
pub async fn set(pin: &Pin, wanted: &[(String, String)]) -> Result<()> {
    check(pin, wanted)?;
    let warehouse = pin.warehouse();
    if pin.catalog().is_empty() {
        warehouse.store().ensure_safe().await?;
    }
    let options = warehouse.commit_options(pin.caller(), Operation::Alter);
    let wanted = wanted.to_vec();
    let plan = move |head: &CatalogSnapshot| {
        let changed = wanted.iter().filter(|(key, value)| head.state.setting(key) != Some(value.as_str()));
        let set =
            |(key, value): &(String, String)| CatalogAction::Setting { key: key.clone(), value: Some(value.clone()) };
        let actions: Vec<CatalogAction> = changed.map(set).collect();
        Ok(if actions.is_empty() { Attempt::Nothing } else { Attempt::Actions(actions) })
    };
    let base = warehouse.catalog().snapshot().await?;
    warehouse.catalog().commit(base, options, plan).await.map(|_| ())
}

/// What the next VACUUM would delete if the settings were so; nothing is changed.
///
/// # Errors
/// As [`set`].
pub async fn dry_run(pin: &Pin, wanted: &[(String, String)]) -> Result<Vec<SweepRow>> {
    check(pin, wanted)?;
    match wanted.iter().rev().find(|(key, _)| key == settings::RETENTION_DAYS) {
        Some((_, days)) => vacuum::with_backup_days(pin, days).await,
        None => Ok(vec![]),
    }
}

/// All settings with their values, those that were never set with their defaults.
pub fn list(pin: &Pin) -> Vec<(String, String)> {
    let set = pin.catalog().state.settings();
    let mut all = set.clone();
    all.entry(settings::RETENTION_DAYS.to_owned()).or_insert_with(|| settings::DEFAULT_RETENTION_DAYS.to_string());
    all.into_iter().collect()
}

fn check(pin: &Pin, wanted: &[(String, String)]) -> Result<()> {
    pin.warehouse().authorize(pin.caller(), Privilege::Admin, &Target::Project)?;
    if let Some((key, _)) = wanted
        .iter()
        .enumerate()
        .find_map(|(at, (key, value))| wanted.iter().take(at).find(|(other, earlier)| other == key && earlier != value))
    {
        return Err(Error::new(
            Code::InvalidProperty,
            format!("project setting {key} is given twice: give it one value"),
        ));
    }
    wanted.iter().try_for_each(|(key, value)| settings::check(key, value))
}
