//! The example of docs/format.md is what the log writes, byte for byte: the page is a golden file of the format.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion_timetravel::log::{Attempt, CommitOptions, Lsn, Operation};
use datafusion_timetravel::store::layout::LogRoot;
use datafusion_timetravel::store::{CommitId, Digest, FileId, ManualClock, PartitionId, Store, TableId, Timestamp};
use datafusion_timetravel::table::{
    Action, ColumnId, ColumnStats, CreateTable, DataFile, FileKind, PartitionRef, PartitionValues, RowGroup, TableLog,
    TableSchema,
};

const TABLE: TableId = TableId::from_u128(0x5b0f_6f1d_1c0e_4a0c_9d3a_6e1f_2b7c_8d90);

fn create() -> Action {
    let columns = vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8View, true)];
    Action::Create(Box::new(CreateTable {
        id: TABLE,
        name: "people".into(),
        schema: TableSchema::new(columns, vec![], &["id".into()]).unwrap(),
        properties: [("acid.data.retain.hours".to_owned(), "48".to_owned())].into(),
        lifecycle: None,
        comment: None,
        cloned_from: None,
    }))
}

fn insert() -> Action {
    let stats = |id, min: &str, max: &str| ColumnStats {
        id: ColumnId(id),
        min: Some(min.into()),
        max: Some(max.into()),
        exact: true,
        nulls: 0,
    };
    Action::Add {
        partition: PartitionRef {
            values: PartitionValues::default(),
            id: PartitionId::from_u128(0x1f2e_3d4c_5b6a_7988_0716_2534_4352_6170),
        },
        file: Box::new(DataFile {
            id: FileId::from_u128(0x9a8b_7c6d_5e4f_3021_1203_f4e5_d6c7_b8a9),
            kind: FileKind::Delta,
            owner: None,
            rows: 2,
            tombstones: 0,
            size: 1204,
            digest: Digest::from_u128(0x7d6c_5b4a_3928_1706_f5e4_d3c2_b1a0_9f8e),
            footer: 801,
            row_groups: vec![RowGroup { start: 4, end: 395, rows: 2, min: vec!["1".into()], max: vec!["2".into()] }],
            stats: vec![stats(1, "1", "2"), stats(2, "Ada", "Bob")],
        }),
        order: None,
        rank: 0,
        counted: true,
    }
}

/// The fenced blocks after the marker line of the page.
fn examples() -> Vec<String> {
    let page = std::fs::read_to_string("docs/format.md").unwrap();
    let after = page.split("<!-- example-commits -->\n").nth(1).expect("the marker line");
    after.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_documented_commits_are_what_is_written() {
    let clock = ManualClock::new(Timestamp::from_micros(1_709_251_200_000_000));
    let store = Store::open("memory://", []).unwrap().with_clock(Arc::new(clock.clone()));
    let root = LogRoot::Table(TABLE);
    let log = Arc::new(TableLog::new(store.clone(), root));
    let steps = [
        (0x0c7e_3f6a_5d2b_4e91_a8f0_c1d2_e3f4_a5b6, Operation::Create, create()),
        (0x2d40_8be1_97f3_4c56_bd0e_6a17_c89f_3d24, Operation::Append, insert()),
    ];
    for (id, operation, action) in steps {
        let options = CommitOptions::new(CommitId::from_u128(id), operation, "ann");
        let base = log.snapshot().await.unwrap();
        log.commit(base, options, move |_| Ok(Attempt::Actions(vec![action.clone()]))).await.unwrap();
        clock.advance(std::time::Duration::from_secs(1));
    }
    let mut written = Vec::new();
    for name in ["0000000000000001.json", "0000000000000002.json"] {
        let path = format!("tables/{TABLE}/_log/{name}");
        let bytes = store.read(&object_store::path::Path::from(path.as_str())).await.unwrap().expect("a commit");
        written.push(String::from_utf8(bytes.to_vec()).unwrap());
    }
    assert_eq!(examples(), written, "docs/format.md has other bytes; written are:\n{}", written.join("\n"));
    assert_eq!(log.read_commit(Lsn::new(2)).await.unwrap().unwrap().actions, [insert()]);
}
