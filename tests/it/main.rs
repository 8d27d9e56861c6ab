//! The integration tests, one binary: a module per kind.

mod architecture;
mod docs;
mod file_choice;
mod format;
mod ordinary;
mod slt;
mod sql_model;
mod tpch;
