//! TPC-H with time travel: load `lineitem` and `orders`, refresh them, query every age, measure.
//!
//! ```text
//! cargo run --release --example tpch -- --scale 1 --rounds 10 --warehouse ./tpch-lake --verify
//! ```
//!
//! Each round adds 0.1 % new orders with their lines, deletes 0.1 % of the orders with their lines, and changes 1 % of
//! the lines. With `--verify` every answer is compared, to the last digit, with plain DataFusion on plain Parquet.
#![allow(clippy::print_stdout)]

mod workload;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = workload::Args::parse(std::env::args().skip(1))?;
    let folder = tempfile::tempdir()?;
    println!("TPC-H at scale {}, {} rounds, warehouse {}", args.scale, args.rounds, args.warehouse);
    println!("{}", workload::run(&args, folder.path()).await?);
    Ok(())
}
