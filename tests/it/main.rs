//! The integration tests, one binary: a module per kind.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests report, and start what they stop"
)]

mod architecture;
mod counting;
mod docs;
mod file_choice;
mod format;
mod insert_order;
mod lake;
mod laws;
mod ordinary;
mod privileges;
mod processes;
mod protocol;
mod slt;
mod sql_model;
mod sql_page;
mod sweep;
mod sweep_laws;
mod tpch;
