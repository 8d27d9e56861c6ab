//! The checker complains of each kind of violation, and of nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;

fn statement(tag: &str, effect: Effect, start: u64, end: u64) -> Statement {
    let tag = tag.to_owned();
    let (log, end) = (Some("t".to_owned()), Some(end));
    Statement {
        tag,
        log,
        effect,
        start,
        end,
        outcome: Outcome::Done,
        may_do_nothing: false,
        atomic: true,
        said: String::new(),
    }
}

fn commit(version: u64, tag: &str) -> Commit {
    Commit {
        log: "t".into(),
        version,
        id: format!("id of {tag}"),
        tag: tag.into(),
        time: 10 * version as i64,
        digest: format!("d{version}"),
        previous: (version > 1).then(|| format!("d{}", version - 1)),
    }
}

fn read(version: Option<u64>, rows: &[(i64, i64)], start: u64, end: u64) -> Read {
    Read { log: "t".into(), version, rows: rows.iter().copied().collect(), start, end }
}

fn good() -> History {
    let mut lost = statement("lost", Effect::Delete(vec![3]), 9, 9);
    (lost.end, lost.outcome) = (None, Outcome::Lost);
    let mut failed = statement("failed", Effect::Put(vec![(9, 9)]), 10, 11);
    failed.outcome = Outcome::Failed;
    let mut unknown = statement("unknown", Effect::Merge(vec![(3, 1), (4, 1)]), 12, 13);
    unknown.outcome = Outcome::Unknown(Some(true));
    History {
        statements: vec![
            statement("create", Effect::Nothing, 0, 1),
            statement("open", Effect::Put(vec![(1, 50), (2, 50)]), 2, 3),
            statement("transfer", Effect::Add(vec![(1, -7), (2, 7)]), 4, 6),
            statement("put", Effect::Put(vec![(3, 1)]), 5, 7),
            lost,
            failed,
            unknown,
            statement("restore", Effect::Restore(3), 14, 15),
            statement("again", Effect::Restore(3), 16, 17),
        ],
        commits: ["create", "open", "transfer", "put", "unknown", "restore"]
            .iter()
            .zip(1..)
            .map(|(tag, version)| commit(version, tag))
            .collect(),
        reads: vec![
            read(Some(2), &[(1, 50), (2, 50)], 20, 21),
            read(Some(5), &[(1, 43), (2, 57), (3, 2), (4, 1)], 20, 21),
            read(None, &[(1, 43), (2, 57)], 18, 19),
            read(None, &[(1, 50), (2, 50)], 4, 5),
        ],
        names: vec![(1, vec![("a".into(), "t".into())]), (2, vec![("b".into(), "t".into()), ("a".into(), "u".into())])],
        bank: Some((1..3, 100)),
    }
}

#[test]
fn a_good_history_is_good() {
    assert_eq!(good().violations(), Vec::<String>::new());
}

/// Each kind of violation is found, and called what it is.
#[test]
fn every_violation_is_noticed() {
    type Break = fn(&mut History);
    let cases: &[(&str, Break)] = &[
        ("gap", |h| drop(h.commits.remove(2))),
        ("begins at", |h| drop(h.commits.remove(0))),
        ("forks", |h| h.commits[3].version = 3),
        ("does not follow", |h| h.commits[3].previous = Some("d9".into())),
        ("time of", |h| h.commits[3].time = 30),
        ("commit id", |h| h.commits[3].id = "id of open".into()),
        ("2 times", |h| h.commits.push(commit(7, "transfer"))),
        ("is nowhere", |h| h.commits[3].tag = "lost".into()),
        ("is nowhere", |h| h.statements[8].effect = Effect::Restore(2)),
        ("nobody ran", |h| h.commits[3].tag = "who".into()),
        ("failed and is there", |h| h.commits.push(commit(7, "failed"))),
        ("was settled", |h| h.statements[6].outcome = Outcome::Unknown(Some(false))),
        ("was settled", |h| drop(h.commits.drain(4..))),
        ("began", |h| {
            // The put ended before the transfer began, which is before it in the log.
            (h.statements[2].start, h.statements[2].end) = (8, Some(9));
        }),
        ("a read of t", |h| h.reads[0].rows.extend([(9, 9)])),
        ("a read of t", |h| h.reads[1].version = Some(4)),
        ("a read of t", |h| h.reads[2].rows = [(1, 50), (2, 50)].into()),
        ("a read of t", |h| h.reads[3] = read(None, &[(1, 43), (2, 57), (3, 1)], 3, 3)),
        ("is the name of", |h| h.names[1].1[0].0 = "a".into()),
        ("is called", |h| h.names[1].1[1].1 = "t".into()),
        ("the accounts hold", |h| h.statements[2].effect = Effect::Add(vec![(1, -7), (2, 8)])),
        ("not there yet", |h| h.statements[7].effect = Effect::Restore(8)),
        ("twice", |h| h.statements.push(h.statements[0].clone())),
    ];
    for (expected, damage) in cases {
        let mut history = good();
        damage(&mut history);
        let found = history.violations();
        // What one damage breaks may break more, but it must be named.
        assert!(found.iter().any(|text| text.contains(expected)), "{expected}: {found:#?}");
    }
}

#[test]
fn effects_survive_being_written_down() {
    for effect in [
        Effect::Put(vec![(1, -2)]),
        Effect::Add(vec![]),
        Effect::Delete(vec![3]),
        Effect::Merge(vec![(1, 1), (2, 2)]),
        Effect::Overwrite(vec![(1, 1)]),
        Effect::Restore(7),
        Effect::Drop,
        Effect::Undrop,
        Effect::Nothing,
    ] {
        assert_eq!(Effect::from_json(&effect.to_json()), effect);
    }
}
