//! The trust programme: faults, crashes, races, corruption and hostile input (docs/reliability.md says what it promises).

mod report;
