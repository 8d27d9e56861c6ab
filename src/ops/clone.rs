//! RESTORE … AS: the content of a version as a new table, or in place of an existing one's. Files are shared, not copied.
//!
//! The share is committed to the catalog before the source is read, so that no sweep takes what the clone will name. The
//! number of commits is constant: share, LSN 1 and name for a new table; share and OVERWRITE for an existing one.

use std::collections::BTreeSet;

use super::changes::{self, ObjectChange, Words};
use super::create::{self, Binding, IfExists};
use super::plan::{self, CloneContent};
use super::{Pin, PinnedTable, retention};
use crate::auth::{Privilege, Target};
use crate::catalog::{CatalogAction, CatalogSnapshot, TableName};
use crate::error::{Code, Error, Result};
use crate::log::{Attempt, Lsn, Operation};
use crate::store::{TableId, Timestamp};
use crate::table::{PartitionValues, TableSnapshot};

/// How often the source is read again where it took files from further tables meanwhile.
const ATTEMPTS: usize = 3;

/// What is cloned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloneSource {
    /// The table.
    pub name: TableName,
    /// The version.
    pub version: Lsn,
    /// The partitions; none for all of them.
    pub partitions: Option<Vec<PartitionValues>>,
}

/// Puts the content of a version into the table `to`: a new one where the name is free, else in place of all that it has
/// (R114, R115, R120). Gives the LSN in that table.
///
/// # Errors
/// As [`restore::table`](super::restore::table) for the source; [`Code::InvalidArgument`] where `to` is the source;
/// [`Code::SchemaNotSame`], nothing is changed then; [`Code::PermissionDenied`].
pub async fn table(pin: &Pin, source: &CloneSource, to: &TableName) -> Result<Option<Lsn>> {
    let clone = Checked::check(pin, source, to).await?;
    let warehouse = pin.warehouse();
    let id = clone.target.as_ref().map_or_else(|| warehouse.fresh_table(), |target| target.id);
    let (content, since) = clone.shared_content(pin, id).await?;
    let Some(target) = clone.target else {
        let partitioned = !content.schema.partition_columns.is_empty();
        let actions = plan::clone_new(&content, id, &to.to_string());
        let binding = Binding { id, name: to.clone(), partitioned, if_exists: IfExists::Fail, begun: vec![since] };
        create::begin(pin, binding, actions).await?;
        return Ok(Some(Lsn::FIRST));
    };
    super::alter::finish_rename(warehouse, &target).await?;
    let options = warehouse.file_options(pin.caller(), Operation::Overwrite, [since]);
    let name = to.to_string();
    let plan = move |head: &TableSnapshot| plan::clone_onto(head, &name, &content);
    Ok(target.log.commit(target.snapshot, options, plan).await?.lsn)
}

/// What [`table`] would change; nothing is committed.
///
/// # Errors
/// As [`table`].
pub async fn dry_run(pin: &Pin, source: &CloneSource, to: &TableName) -> Result<Vec<ObjectChange>> {
    let clone = Checked::check(pin, source, to).await?;
    let of = format!("the content of LSN {} of table {}", source.version, source.name);
    let files = || clone.content.files.iter().map(|(_, file)| file);
    match &clone.target {
        None => Ok(vec![changes::whole_table(String::new(), to.to_string(), format!("created with {of}"), files())]),
        Some(target) => {
            let name = to.to_string();
            let plan = plan::clone_onto(&target.snapshot, &name, &clone.content)?;
            let change = format!("overwritten with {of}");
            let words = Words { table: Some(&change), data: &change, opened: "created" };
            changes::of_plan(&target.snapshot, &name, plan, words)
        }
    }
}

/// A clone that can be made, as far as the statement's snapshots tell.
struct Checked<'a> {
    source: &'a CloneSource,
    table: PinnedTable,
    horizon: Lsn,
    /// What is in the source as it was pinned.
    content: CloneContent,
    /// The table that is there; none where the name is free.
    target: Option<PinnedTable>,
}

impl<'a> Checked<'a> {
    async fn check(pin: &Pin, source: &'a CloneSource, to: &TableName) -> Result<Self> {
        let warehouse = pin.warehouse();
        let table = pin.table_for(&source.name, Privilege::Select).await?;
        let taken = pin.catalog().state.object(to).is_some();
        match taken {
            true => warehouse.authorize(pin.caller(), Privilege::Update, &Target::Table(to))?,
            false => warehouse.authorize(pin.caller(), Privilege::CreateTable, &Target::Project)?,
        }
        let target = match pin.table(to).await {
            Ok(target) => Some(target),
            // Its drop was begun, and is finished now.
            Err(error) if taken && error.code() == Code::TableDropped => {
                warehouse.authorize(pin.caller(), Privilege::CreateTable, &Target::Project)?;
                None
            }
            Err(error) if taken => return Err(error),
            Err(_) => {
                to.check()?;
                create::check_free(&pin.catalog().state, to)?;
                None
            }
        };
        let horizon = retention::backup_horizon(pin, &table).await?;
        let content = content(pin, source, &table.snapshot, horizon)?;
        if let Some(target) = &target {
            plan::clone_onto(&target.snapshot, &to.to_string(), &content)?;
        }
        Ok(Self { source, table, horizon, content, target })
    }

    /// The content, read after the share was committed, and the time of that.
    async fn shared_content(&self, pin: &Pin, clone: TableId) -> Result<(CloneContent, Timestamp)> {
        let mut since = None;
        for _ in 0..ATTEMPTS {
            let (owners, time) = self.share(pin, clone).await?;
            let since = *since.get_or_insert(time);
            let snapshot = self.table.log.snapshot().await?;
            let content = content(pin, self.source, &snapshot, self.horizon)?;
            if content.owners().is_subset(&owners) {
                return Ok((content, since));
            }
        }
        Err(Error::new(
            Code::Conflict,
            format!("table {} takes files from ever more tables: run the RESTORE again", self.source.name),
        ))
    }

    /// Commits the share: the source, and the tables from which the source itself takes files, of the same catalog.
    async fn share(&self, pin: &Pin, clone: TableId) -> Result<(BTreeSet<TableId>, Timestamp)> {
        let warehouse = pin.warehouse();
        let (id, name) = (self.table.id, self.source.name.clone());
        let owners = move |head: &CatalogSnapshot| {
            let shared = head.state.share(id).into_iter().flat_map(|share| share.owners.iter().copied());
            shared.chain([id]).filter(|owner| *owner != clone).collect::<BTreeSet<_>>()
        };
        let plan = move |head: &CatalogSnapshot| match head.state.table(id) {
            Some(entry) if entry.dropped.is_none() && entry.purged.is_none() => {
                Ok(Attempt::Actions(vec![CatalogAction::Share { clone, owners: owners(head) }]))
            }
            _ => Err(Error::new(
                Code::TableDropped,
                format!(
                    "table {name} was dropped meanwhile: bring it back first with RESTORE TABLE {name} ('id'='{id}')"
                ),
            )),
        };
        let options = warehouse.commit_options(pin.caller(), Operation::Restore);
        let catalog = warehouse.catalog().snapshot().await?;
        let done = warehouse.catalog().commit(catalog, options, plan).await?;
        let share = done.snapshot.state.share(clone);
        let share =
            share.ok_or_else(|| Error::internal(format!("the share of {clone} is missing after its commit")))?;
        Ok((share.owners.iter().copied().chain([clone]).collect(), share.since))
    }
}

fn content(pin: &Pin, source: &CloneSource, snapshot: &TableSnapshot, horizon: Lsn) -> Result<CloneContent> {
    let name = source.name.to_string();
    let ids = pin.warehouse().store().ids();
    plan::clone_content(snapshot, &name, source.version, source.partitions.as_deref(), horizon, ids.as_ref())
}
