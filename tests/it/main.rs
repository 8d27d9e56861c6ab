//! The integration tests, one binary: a module per kind.

mod architecture;
mod docs;
mod file_choice;
mod format;
mod slt;
mod tpch;
