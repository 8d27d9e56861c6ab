//! TPC-H: after every refresh round, at every version, the answers are those of plain DataFusion on plain Parquet.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../examples/tpch/workload/mod.rs"]
mod workload;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_answers_like_plain_parquet() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().join("lake").to_string_lossy().into_owned();
    let args = workload::Args { scale: 0.01, rounds: 10, warehouse, verify: true };
    let report = workload::run(&args, folder.path()).await.unwrap();
    // Q1, Q3, Q6 and a sum over every row, after the load and ten rounds.
    assert_eq!(report.answers_verified(), 4 * 11, "{report}");
}
