//! The trust programme: faults, crashes, races, corruption and hostile input (docs/reliability.md says what it promises).

mod bit_rot;
mod commit_model;
mod damage;
mod fuzz;
mod http;
mod local_servers;
mod mutate;
mod names;
mod panics;
pub mod report;
mod secrets;
mod servers;
mod targets;
