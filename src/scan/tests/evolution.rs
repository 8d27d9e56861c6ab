//! Columns that were renamed, dropped, added and widened after files were written, and files of another table.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field};

use super::{context, head, lsn, register, run};
use crate::log::Operation;
use crate::merge::testing::{Lab, Spec, batch};
use crate::scan::{ReadRange, Scanner};
use crate::store::{FileId, PartitionId};
use crate::table::{Action, Column, ColumnId, DataFile, FileKind, Origin, PartitionRef, PartitionValues, TableSchema};

fn spec(kind: FileKind) -> Spec<'static> {
    Spec { partition: &[], row_group_rows: 2, kind }
}

async fn table() -> (Lab, DataFile) {
    let columns = vec![
        Field::new("k", DataType::Int32, false),
        Field::new("a", DataType::Utf8, true),
        Field::new("b", DataType::Int32, true),
    ];
    let mut lab = Lab::new(TableSchema::new(columns, vec![], &["k".into()]).unwrap());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![1, 2, 3])),
        Arc::new(StringArray::from(vec!["one", "two", "three"])),
        Arc::new(Int32Array::from(vec![10, 20, 30])),
    ];
    let rows = batch(&lab.schema(), columns, vec![false; 3]);
    let file = lab.append(&rows, spec(FileKind::Base)).await;
    (lab, file)
}

fn alter(lab: &mut Lab, change: impl FnOnce(&mut TableSchema)) {
    let mut schema = lab.schema().as_ref().clone();
    change(&mut schema);
    lab.commit(Operation::Alter, &[Action::Schema { schema: Box::new(schema) }]);
}

#[tokio::test]
async fn a_dropped_column_lends_nothing_to_a_new_one_of_its_name() {
    let (mut lab, _) = table().await;
    alter(&mut lab, |schema| {
        schema.columns.remove(1);
        let fresh = Column {
            id: ColumnId(4),
            name: "a".into(),
            data_type: DataType::Utf8,
            nullable: true,
            comment: None,
            default: None,
        };
        schema.columns.push(fresh);
        schema.last_id = ColumnId(4);
    });
    let ctx = context(1, true);
    let scanner = Arc::new(Scanner::new(lab.store.clone()));
    register(&ctx, "t", &lab, &scanner, head(&lab));
    assert!(run(&ctx, "SELECT count(*) AS n, count(a) AS a FROM t").await.contains("| 3 | 0 |"));
    assert!(run(&ctx, "SELECT count(*) AS n FROM t WHERE a = 'one'").await.contains("| 0 |"));
    assert!(run(&ctx, "SELECT count(*) AS n FROM t WHERE a IS NULL AND b > 10").await.contains("| 2 |"));
    register(&ctx, "t", &lab, &scanner, ReadRange::At(lsn(2)));
    assert!(run(&ctx, "SELECT count(*) AS n FROM t WHERE a = 'one'").await.contains("| 1 |"));
}

#[tokio::test]
async fn renamed_swapped_and_widened_columns_find_their_values() {
    let (mut lab, _) = table().await;
    alter(&mut lab, |schema| {
        schema.columns[0].name = "key".into();
        schema.columns[0].data_type = DataType::Int64;
        schema.columns[1].name = "b".into();
        schema.columns[2].name = "a".into();
        schema.columns[2].data_type = DataType::Float64;
    });
    // Overlaps the first file in the old key type.
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![2, 5_000_000_000])),
        Arc::new(StringArray::from(vec![None, Some("big")])),
        Arc::new(arrow::array::Float64Array::from(vec![None, Some(0.5)])),
    ];
    let rows = batch(&lab.schema(), columns, vec![true, false]);
    lab.append(&rows, spec(FileKind::Delta)).await;
    for pushdown in [false, true] {
        let ctx = context(2, pushdown);
        register(&ctx, "t", &lab, &Arc::new(Scanner::new(lab.store.clone())), head(&lab));
        let all = run(&ctx, "SELECT * FROM t ORDER BY key").await;
        let expected = "\
+------------+-------+------+
| key        | b     | a    |
+------------+-------+------+
| 1          | one   | 10.0 |
| 3          | three | 30.0 |
| 5000000000 | big   | 0.5  |
+------------+-------+------+";
        assert_eq!(all, expected);
        assert!(run(&ctx, "SELECT b FROM t WHERE a > 9.5 AND a < 20").await.contains("one"));
        assert!(run(&ctx, "SELECT a FROM t WHERE b = 'three'").await.contains("30.0"));
        assert!(run(&ctx, "SELECT min(a), max(a), count(b) FROM t").await.contains("| 0.5 "));
    }
}

#[tokio::test]
async fn a_file_of_another_table_is_read_by_its_map() {
    let (mut lab, file) = table().await;
    // Another table's file: its `b` is our `k`'s neighbour under other ids, and we have no `a` there.
    let clone = DataFile {
        id: FileId::from_u128(9_999),
        owner: Some(Origin {
            table: lab.table,
            file: file.id,
            columns: Some(vec![(ColumnId(1), ColumnId(1)), (ColumnId(2), ColumnId(2))]),
        }),
        stats: vec![],
        ..file
    };
    let partition = PartitionRef { values: PartitionValues::default(), id: PartitionId::from_u128(77) };
    lab.commit(
        Operation::Append,
        &[Action::Add { partition, file: Box::new(clone), order: None, rank: 0, counted: true }],
    );
    let ctx = context(1, true);
    register(&ctx, "t", &lab, &Arc::new(Scanner::new(lab.store.clone())), head(&lab));
    assert!(run(&ctx, "SELECT count(*) AS n, count(a) AS a, count(b) AS b FROM t").await.contains("| 3 | 3 | 0 |"));
    assert!(run(&ctx, "SELECT k FROM t WHERE a = 'two' AND b IS NULL").await.contains("| 2 |"));
}
