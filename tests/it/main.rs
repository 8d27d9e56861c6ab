//! The integration tests, one binary: a module per kind.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests report, and start what they stop"
)]

mod architecture;
mod clock_skew;
mod compaction;
mod counting;
mod dml_model;
mod dml_races;
mod docs;
mod file_choice;
mod format;
mod insert_order;
mod lake;
mod laws;
mod ordinary;
mod pool;
mod privileges;
mod processes;
mod protocol;
mod seen;
mod slt;
mod sql_model;
mod sql_page;
mod statements;
mod sweep;
mod sweep_laws;
mod tpch;
mod trust;
mod two_logs;
mod verify;
