//! The trust programme: faults, crashes, races, corruption and hostile input (docs/reliability.md says what it promises).

mod commit_model;
mod disk_full;
mod disk_model;
mod fsync_errors;
mod history;
mod power_loss;
mod processes;
pub mod report;
mod simulation;
mod slow_store;
mod strace;
mod virtual_time;
