//! Append tables: UPDATE and DELETE rewrite files and leave the counted ones alone, so that the visible ones decide what
//! was changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion_timetravel::Code;
use datafusion_timetravel::log::{Attempt, CommitOptions, Committed, Lsn, Operation};
use datafusion_timetravel::ops::plan::{self, Draft, NewFiles, Plan, Rewritten};
use datafusion_timetravel::store::{CommitId, Ids, TableId};
use datafusion_timetravel::table::{
    Action, CreateTable, DataFile, FileKind, PartitionFilter, PartitionRef, PartitionValues, Precondition, TableLog,
    TableSchema, TableSnapshot, TableState,
};

use super::rows::Files;
use super::world::World;

struct Append {
    world: World,
    log: Arc<TableLog>,
    files: Files,
}

impl Append {
    async fn new() -> Self {
        let world = World::new(1, None);
        let id = TableId::from_u128(7);
        let append = Self { log: world.handle(id), world, files: Files::default() };
        let schema = TableSchema::new(vec![Field::new("k", DataType::Int64, true)], vec![], &[]).unwrap();
        let (properties, name) = (BTreeMap::new(), "a".to_owned());
        let create = CreateTable { id, name, schema, properties, lifecycle: None, comment: None, cloned_from: None };
        append
            .commit(Operation::Create, move |_| Ok(Attempt::Actions(vec![Action::Create(Box::new(create.clone()))])))
            .await
            .unwrap();
        append
    }

    async fn head(&self) -> Arc<TableSnapshot> {
        self.log.snapshot().await.unwrap()
    }

    async fn commit(
        &self,
        operation: Operation,
        plan: impl Fn(&TableSnapshot) -> Plan + Send + 'static,
    ) -> datafusion_timetravel::Result<Committed<TableState>> {
        let options = CommitOptions::new(CommitId::from_u128(self.world.ids.next()), operation, "law");
        self.log.commit(self.head().await, options, plan).await
    }

    async fn draft(&self, operation: Operation, draft: Draft) -> datafusion_timetravel::Result<Committed<TableState>> {
        self.commit(operation, move |head| draft.plan(head, "a")).await
    }

    fn file(&mut self, keys: &[i64]) -> DataFile {
        let rows = keys.iter().map(|key| (*key, Some(BTreeMap::new()))).collect();
        self.files.write(self.world.file_id(), FileKind::Base, rows)
    }

    fn added(&mut self, keys: &[i64]) -> NewFiles {
        let files = vec![self.file(keys)];
        NewFiles {
            partition: PartitionRef {
                values: PartitionValues::default(),
                id: datafusion_timetravel::store::PartitionId::from_u128(1),
            },
            files,
        }
    }

    /// The keys at a version.
    async fn keys(&self, v: u64) -> Vec<i64> {
        let head = self.head().await;
        let schema = head.state.schema().unwrap();
        let content = self.files.content(&head.state, &head.state.visible_at(Lsn::new(v)), &schema).unwrap();
        content.into_values().flat_map(BTreeMap::into_keys).collect()
    }

    /// DELETE WHERE k = 2 of the only file, planned on the head.
    async fn delete_two(&mut self) -> Draft {
        let head = self.head().await;
        let file = head.state.visible_at(head.lsn)[0].file.id;
        let with = Some(self.file(&[1]));
        plan::rewrite(&head, vec![Rewritten { file, with }], vec![], vec![]).unwrap()
    }
}

#[tokio::test]
async fn a_deleted_row_comes_back_by_restore_though_no_counted_file_changed() {
    let mut table = Append::new().await;
    let added = table.added(&[1, 2]);
    let draft = plan::append(&*table.head().await, vec![added], vec![]).unwrap();
    table.draft(Operation::Append, draft).await.unwrap();
    let delete = table.delete_two().await;
    table.draft(Operation::Delete, delete).await.unwrap();
    assert_eq!((table.keys(2).await, table.keys(3).await), (vec![1, 2], vec![1]));

    let restored =
        table.commit(Operation::Restore, |head| plan::restore_table(head, "a", Lsn::new(2), Lsn::FIRST)).await.unwrap();
    assert_eq!(restored.lsn, Some(Lsn::new(4)));
    assert_eq!(table.keys(4).await, [1, 2]);

    // A compaction alone is not undone.
    let head = table.head().await;
    let inputs = [head.state.visible_at(head.lsn)[0].file.id];
    let compact = plan::compact(&head, &inputs, vec![table.file(&[1, 2])]).unwrap();
    table.draft(Operation::Compact, compact).await.unwrap();
    let again =
        table.commit(Operation::Restore, |head| plan::restore_table(head, "a", Lsn::new(4), Lsn::FIRST)).await.unwrap();
    assert_eq!(again.lsn, None);
    assert_eq!(table.keys(5).await, [1, 2]);
}

#[tokio::test]
async fn whoever_read_rows_that_were_deleted_meanwhile_conflicts() {
    let mut table = Append::new().await;
    let added = table.added(&[1, 2]);
    let draft = plan::append(&*table.head().await, vec![added], vec![]).unwrap();
    table.draft(Operation::Append, draft).await.unwrap();
    let copied = table.added(&[11, 12]);
    let from_self =
        plan::append(&*table.head().await, vec![copied], vec![Precondition::Unchanged(PartitionFilter::All)]).unwrap();
    let (first, second) = (table.delete_two().await, table.delete_two().await);
    table.draft(Operation::Delete, first).await.unwrap();
    assert_eq!(table.draft(Operation::Append, from_self).await.unwrap_err().code(), Code::Conflict);
    assert_eq!(table.draft(Operation::Delete, second).await.unwrap_err().code(), Code::Conflict);
    assert_eq!(table.keys(3).await, [1]);
    // The rows stay what was appended: DELETE takes nothing from an append table's incremental data.
    let head = table.head().await;
    assert_eq!(head.state.counted_between(Lsn::FIRST, head.lsn).len(), 1);
}
