//! T8: the mistakes by which other table formats lost data, made here on purpose, one at a time: each must be noticed by
//! the scenario of its name, which finds nothing where no mistake is made.
//!
//! A bug is on for a whole process ([`Bug`]), so that each has a child of its own. Of the list B1 to B24 these can't exist
//! in this design, so that there is nothing to turn on:
//!
//! | Bug | Why not here |
//! |---|---|
//! | B13 mixed checkpoint parts | a checkpoint is one object, whose name holds the digest of its bytes |
//! | B15 hint written in place | there is no hint object, and nothing is ever written twice |
//! | B18 `..` after a prefix check | no path is stored: the log holds ids of 32 hex digits, from which paths are made |
//! | B19 huge declared count | counts that a file declares are checked against its size and footer first (`a_log_that_promises_half_a_trillion_rows_takes_no_memory`) |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod scenarios;

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion_timetravel::store::testing::Bug;

use super::report::report;

/// The number of the bug that a child has.
const BUG: &str = "TIMETRAVEL_CHILD_BUG";

fn by_number(number: &str) -> Bug {
    *Bug::ALL.iter().find(|bug| bug.name() == number).unwrap_or_else(|| panic!("no bug {number}"))
}

/// Runs the bug's scenario, on a stack for the large futures of builds without optimisation. A panic is a finding too.
fn scenario(bug: Bug) -> Result<(), String> {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(scenarios::of(bug))
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run).unwrap();
    thread.join().unwrap_or_else(|_| Err("a panic".to_owned()))
}

/// The child's part; passes at once where this is no child.
#[test]
fn child() {
    let Ok(number) = std::env::var(BUG) else { return };
    let bug = by_number(&number);
    bug.turn_on();
    assert!(bug.is_on());
    match scenario(bug) {
        Ok(()) => println!("MISSED {number}"),
        Err(violation) => println!("CAUGHT {number}: {violation}"),
    }
}

/// Without a bug no scenario finds anything.
#[test]
fn nothing_is_wrong_without_a_bug() {
    let found: Vec<_> =
        Bug::ALL.iter().filter_map(|bug| Some(format!("{}: {}", bug.name(), scenario(*bug).err()?))).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_bug_is_caught() {
    if !cfg!(debug_assertions) {
        println!("skipped: bugs can be turned on only with debug assertions");
        return;
    }
    let bugs: Vec<Bug> = Bug::ALL.iter().copied().filter(|bug| scenarios::can_run(*bug)).collect();
    let next = AtomicUsize::new(0);
    let missed = Mutex::new(vec![]);
    let work_off = || {
        while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "trust::seeded_bugs::child", "--nocapture"])
                .env(BUG, bug.name())
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            match text.lines().find(|line| line.contains("CAUGHT ")) {
                Some(line) => println!("{line}"),
                None => missed.lock().unwrap().push(format!("{bug:?} ({}): {text}", bug.name())),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(work_off);
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "not caught:\n{}", missed.join("\n"));
    report("seeded bugs", &[("bugs", bugs.len() as u64), ("bugs caught", bugs.len() as u64)]);
}
