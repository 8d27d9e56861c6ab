//! The integration tests, one binary: a module per kind.

mod architecture;
mod counting;
mod docs;
mod file_choice;
mod format;
mod lake;
mod laws;
mod processes;
mod protocol;
mod slt;
