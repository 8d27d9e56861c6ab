//! Rows told apart: by their file and their number in it, whatever is read of it.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, UInt32Type};
use datafusion::physical_plan::collect;
use datafusion::prelude::{col, lit};

use super::{ReadRange, Scanner, context};
use crate::merge::testing::{Lab, Spec, batch};
use crate::scan::{ScanRequest, numbered};
use crate::table::{FileKind, TableSchema};

#[tokio::test]
async fn a_row_number_counts_from_the_start_of_the_file_in_every_row_group() {
    let columns = vec![Field::new("v", DataType::Int64, false), Field::new("s", DataType::Utf8, true)];
    let schema = TableSchema::new(columns, vec![Field::new("p", DataType::Utf8, false)], &[]).unwrap();
    let mut lab = Lab::new(schema);
    for (file, partition) in ["a", "a", "b"].into_iter().enumerate() {
        let values: Vec<i64> = (0..25).map(|row| file as i64 * 100 + row).collect();
        let texts: StringArray = values.iter().map(|v| Some(format!("s{v}"))).collect();
        let rows = batch(&lab.schema(), vec![Arc::new(Int64Array::from(values)), Arc::new(texts)], vec![false; 25]);
        lab.append(&rows, Spec { partition: &[partition], row_group_rows: 10, kind: FileKind::Base }).await;
    }
    let snapshot = lab.snapshot();
    let files = numbered(&snapshot.state, snapshot.lsn);
    let scanner = Scanner::new(lab.store.clone());
    for (partitions, pushdown) in [(1, false), (3, true)] {
        let ctx = context(partitions, pushdown);
        let filters = [col("v").not_eq(lit(3_i64)), col("p").eq(lit("a")), col("v").gt(lit(12_i64))];
        for filters in [&filters[..0], &filters[1..2], &filters[..]] {
            let request = ScanRequest {
                table_name: "t".into(),
                snapshot: Arc::clone(&snapshot),
                range: ReadRange::At(lab.lsn),
                schema: lab.schema(),
                projection: Some(&vec![4, 0, 3]),
                filters,
                limit: None,
                verify: crate::merge::Verify::Small,
                row_ids: true,
            };
            let plan = scanner.plan(&ctx.state(), request).await.unwrap();
            let mut seen = 0;
            for batch in collect(plan, ctx.task_ctx()).await.unwrap() {
                let numbers = batch.column(0).as_primitive::<Int64Type>();
                let values = batch.column(1).as_primitive::<Int64Type>();
                let in_files = batch.column(2).as_primitive::<UInt32Type>();
                for row in 0..batch.num_rows() {
                    let value = values.value(row);
                    assert_eq!(numbers.value(row), value % 100);
                    let file = &files[in_files.value(row) as usize];
                    assert_eq!(file.lsn.get() as i64, value / 100 + 2, "the file of {value}");
                    seen += 1;
                }
            }
            // A filter on the partition is for good, another leaves out row groups and pages, or rows where it is pushed
            // down.
            assert_eq!(seen, [75, 50, if pushdown { 37 } else { 38 }][filters.len().min(2)]);
        }
    }
}
