//! The order of fsyncs once more, as the operating system sees it: the real shell under strace (F4 of the peers: others
//! call fsync not once).
//!
//! `TIMETRAVEL_STRICT=1` makes it an error where strace or the shell is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::disk_full::strict;
use super::disk_model::{Event, check_order};
use super::report::report;

const SCRIPT: &[&str] = &[
    "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)",
    "INSERT INTO t VALUES (1, 10), (2, 20)",
    "UPDATE t SET v = v + 1 WHERE k = 1",
    "DELETE FROM t WHERE k = 2",
    "ALTER TABLE t COMPACT MAJOR",
    "RESTORE TABLE t TO LSN '2' AS n",
    "ALTER TABLE n RENAME TO r",
    "DROP TABLE r",
];

/// The shell beside this test binary.
fn shell() -> Option<PathBuf> {
    let here = std::env::current_exe().unwrap();
    let beside = here.parent()?.parent()?.join("timetravel-cli");
    beside.exists().then_some(beside)
}

#[test]
fn the_shell_syncs_before_it_says_done() {
    let installed = Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success());
    let (Some(shell), true) = (shell(), installed) else {
        let message = "NOT TESTED: strace, or the shell `timetravel-cli` beside this test, is missing";
        assert!(!strict(), "{message}");
        println!("{message}");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let trace = root.join("trace");
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-y",
        "-s",
        "0",
        "-e",
        "trace=openat,mkdir,mkdirat,write,pwrite64,fsync,fdatasync,link,linkat,rename,renameat,renameat2",
    ]);
    command.arg("-o").arg(&trace).arg(shell).arg("--warehouse").arg(root.join("deep/lake"));
    for sql in SCRIPT {
        command.args(["-c", sql]);
    }
    let output = command.env("HOME", &root).output().unwrap();
    let text = std::fs::read_to_string(&trace).unwrap_or_default();
    if text.is_empty() || text.contains("PTRACE") {
        let message = format!("NOT TESTED: strace may not trace here: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!strict(), "{message}");
        println!("{message}");
        return;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let events = parse(&text, &root.join("deep"));
    check_order(&events).unwrap_or_else(|error| panic!("{error}\n{events:#?}"));
    let count = |of: fn(&Event) -> bool| events.iter().filter(|event| of(event)).count() as u64;
    let links = count(|event| matches!(event, Event::Link { .. }));
    let syncs = count(|event| matches!(event, Event::SyncFile(_) | Event::SyncFolder(_)));
    let words = count(|event| matches!(event, Event::Acknowledged(_)));
    assert!(links >= 2 * SCRIPT.len() as u64 && syncs >= 2 * links && words >= 1, "{links} links, {syncs} fsyncs");
    report("power loss: strace", &[("cases", SCRIPT.len() as u64), ("fsyncs", syncs)]);
}

/// What the calls below the folder did. A call that names or writes counts from its start, an fsync from its end.
fn parse(text: &str, below: &Path) -> Vec<Event> {
    let mut waiting: BTreeMap<&str, Event> = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![];
    let mut events = vec![];
    for line in text.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if call.starts_with("<... ") {
            events.extend(waiting.remove(thread));
            continue;
        }
        let Some((name, arguments)) = call.split_once('(') else { continue };
        let quoted: Vec<&str> = arguments.split('"').skip(1).step_by(2).collect();
        let handle =
            arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(path, _)| PathBuf::from(path));
        let failed = call.contains(" = -1 ");
        let event = match name {
            "mkdir" | "mkdirat" if !failed => {
                let path = PathBuf::from(quoted[0]);
                folders.push(path.clone());
                Event::MakeFolder(path)
            }
            "openat" if arguments.contains("O_EXCL") => Event::Create(PathBuf::from(quoted[0])),
            "write" | "pwrite64" if arguments.starts_with("1<") => Event::Acknowledged(0),
            "write" | "pwrite64" => Event::Write { path: handle.unwrap_or_default(), at: 0, bytes: vec![] },
            "fsync" | "fdatasync" if !failed => {
                let path = handle.unwrap_or_default();
                let is_folder = path.is_dir() || folders.contains(&path);
                if is_folder { Event::SyncFolder(path) } else { Event::SyncFile(path) }
            }
            "link" | "linkat" if !failed => Event::Link { from: quoted[0].into(), to: quoted[1].into() },
            "rename" | "renameat" | "renameat2" if !failed => {
                Event::Rename { from: quoted[0].into(), to: quoted[1].into() }
            }
            _ => continue,
        };
        let path: &Path = match &event {
            Event::MakeFolder(path) | Event::Create(path) | Event::SyncFile(path) | Event::SyncFolder(path) => path,
            Event::Write { path, .. } | Event::Link { to: path, .. } | Event::Rename { to: path, .. } => path,
            Event::Remove(_) | Event::Acknowledged(_) => below,
        };
        // The folder in which the root lies is synced too, as it got a name.
        if !path.starts_with(below) && Some(path) != below.parent() {
            continue;
        }
        match call.contains("<unfinished") && matches!(event, Event::SyncFile(_) | Event::SyncFolder(_)) {
            true => drop(waiting.insert(thread, event)),
            false => events.push(event),
        }
    }
    events
}
