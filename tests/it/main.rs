//! The integration tests, one binary: a module per kind.

mod architecture;
mod docs;
mod format;
mod slt;
