//! Which files are chosen, and when a partition is due.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::log::{Lifetime, Lsn, Operation};
use crate::store::{Digest, FileId, PartitionId};
use crate::table::DataFile;

const MIB: u64 = 1 << 20;

/// A file of the write `order`, so many bytes large.
fn file(kind: FileKind, order: u64, size: u64, id: u128) -> Arc<FileEntry> {
    Arc::new(FileEntry {
        file: Arc::new(DataFile {
            id: FileId::from_u128(id),
            kind,
            owner: None,
            rows: 1,
            tombstones: 0,
            size,
            digest: Digest::of(b""),
            footer: 8,
            row_groups: vec![],
            stats: vec![],
        }),
        partition: PartitionId::from_u128(1),
        order: Order(Lsn::new(order), 0),
        lsn: Lsn::new(order),
        operation: Operation::Append,
        visible: Lifetime::open_at(Lsn::new(order)),
        counted: Lifetime::open_at(Lsn::new(order)),
    })
}

/// Files by kind and size; each is a write of its own.
fn files(all: &[(FileKind, u64)]) -> Vec<Arc<FileEntry>> {
    all.iter().zip(2..).map(|((kind, size), order)| file(*kind, order, *size, order.into())).collect()
}

fn chosen(inputs: &[Inputs]) -> Vec<(Vec<u64>, bool)> {
    let orders = |inputs: &Inputs| inputs.files.iter().map(|entry| entry.order.0.get()).collect();
    inputs.iter().map(|inputs| (orders(inputs), inputs.keeps_tombstones)).collect()
}

use FileKind::{Base, Delta};

#[test]
fn minor_takes_runs_of_deltas() {
    let all = files(&[(Base, 9), (Delta, 1), (Delta, 1), (Base, 5), (Delta, 1), (Base, 1), (Delta, 1), (Delta, 2)]);
    assert_eq!(chosen(&minor::choose(&all, true)), [(vec![3, 4], true), (vec![8, 9], true)]);
    assert_eq!(chosen(&minor::choose(&all[1..], true))[0], (vec![3, 4], false), "nothing older is read");
    assert!(minor::choose(&all[..2], true).is_empty());
    assert!(minor::choose(&[], true).is_empty());
}

#[test]
fn files_of_one_write_are_not_merged_with_each_other() {
    let same = [file(Delta, 4, 1, 1), file(Delta, 4, 1, 2)];
    assert!(minor::choose(&same, true).is_empty());
    assert!(minor::choose(&same, false).is_empty() && major::choose(&same, false).is_empty());
    assert!(major::choose(&[file(Base, 4, 1, 1), file(Base, 4, 1, 2)], true).is_empty());
    assert_eq!(major::choose(&same, true)[0].files.len(), 2, "deltas become base files");
    let with_next = [file(Delta, 4, 1, 1), file(Delta, 4, 1, 2), file(Delta, 5, 1, 3)];
    assert_eq!(minor::choose(&with_next, true)[0].files.len(), 3);
}

#[test]
fn without_a_key_small_files_are_merged_in_order() {
    let all = files(&[(Base, 200 * MIB), (Base, MIB), (Base, MIB), (Base, 60 * MIB), (Base, 90 * MIB), (Base, MIB)]);
    assert_eq!(chosen(&minor::choose(&all, false)), [(vec![3, 4], false)]);
    assert_eq!(chosen(&major::choose(&all, false)), [(vec![3, 4, 5], false)]);
    // The rest of a large write goes with the next small one, in whatever order their ids are.
    for (large, small) in [(1, 2), (2, 1)] {
        let all = [file(Base, 4, 100 * MIB, large), file(Base, 4, MIB, small), file(Base, 5, MIB, 3)];
        assert_eq!(chosen(&minor::choose(&all, false)), [(vec![4, 5], false)]);
        // Between two writes there may be nothing that stays.
        let all = [file(Base, 4, MIB, small), file(Base, 5, 100 * MIB, large), file(Base, 5, MIB, 3)];
        assert!(minor::choose(&all, false).is_empty());
    }
}

#[test]
fn what_was_merged_waits_until_as_much_has_come() {
    let all = files(&[(Base, 900), (Delta, 100), (Delta, 20), (Delta, 10), (Delta, 9)]);
    assert_eq!(chosen(&minor::choose_tiered(&all, true)), [], "each is larger than what follows");
    let all = files(&[(Base, 900), (Delta, 100), (Delta, 20), (Delta, 11), (Delta, 9)]);
    assert_eq!(chosen(&minor::choose_tiered(&all, true)), [(vec![4, 5, 6], true)]);
    let all = files(&[(Delta, 100), (Delta, 20), (Delta, 11), (Delta, 9)]);
    assert_eq!(chosen(&minor::choose_tiered(&all, true)), [(vec![3, 4, 5], true)], "the first is older now");
    let all = files(&[(Delta, 40), (Delta, 20), (Delta, 11), (Delta, 9)]);
    assert_eq!(chosen(&minor::choose_tiered(&all, true)), [(vec![2, 3, 4, 5], false)]);
}

/// A thousand writes of one size: each byte is merged about log2 times.
#[test]
fn the_work_of_minor_grows_with_the_logarithm() {
    let policy = CompactionPolicy { base_percent: 1_000_000, ..CompactionPolicy::default() };
    let mut all = files(&[(Base, 1_000_000)]);
    let mut rewritten = 0;
    for order in 3..1_003 {
        all.push(file(Delta, order, 100, order.into()));
        if policy::one(&all, true, &policy) == Some(Compaction::Minor) {
            for inputs in minor::choose_tiered(&all, true) {
                let size = bytes(&inputs.files);
                rewritten += size;
                let last = inputs.files.last().unwrap().order;
                all.retain(|entry| !inputs.files.iter().any(|input| input.file.id == entry.file.id));
                all.push(file(Delta, last.0.get(), size, 1_000_000 + u128::from(order)));
            }
        }
        assert!(all.len() < 40, "{} files", all.len());
    }
    assert!(rewritten < 100 * 1_000 * 10, "{rewritten}");
}

#[test]
fn due_by_count_bytes_and_ratio() {
    let policy = CompactionPolicy { delta_count: 3, delta_bytes: 1_000, base_percent: 50, auto: true };
    let due = |all: &[(FileKind, u64)]| policy::one(&files(all), true, &policy);
    assert_eq!(due(&[]), None);
    assert_eq!(due(&[(Base, 100), (Delta, 90), (Delta, 90)]), None, "two writes");
    assert_eq!(due(&[(Base, 100), (Delta, 20), (Delta, 20), (Delta, 20)]), Some(Compaction::Major));
    assert_eq!(due(&[(Base, 1_000), (Delta, 20), (Delta, 20), (Delta, 20)]), Some(Compaction::Minor));
    assert_eq!(due(&[(Base, 1_000), (Delta, 1_000)]), Some(Compaction::Major), "bytes");
    assert_eq!(due(&[(Base, 10_000), (Delta, 1_000)]), None, "many bytes, but few of the base's");
    assert_eq!(due(&[(Delta, 1), (Delta, 1), (Delta, 1)]), Some(Compaction::Major), "no base yet");
    assert_eq!(due(&[(Base, 5), (Base, 5), (Base, 5), (Base, 5)]), Some(Compaction::Major), "bases on each other");
    let keyless = |all: &[(FileKind, u64)]| policy::one(&files(all), false, &policy);
    assert_eq!(keyless(&[(Base, MIB), (Base, MIB)]), None);
    assert_eq!(keyless(&[(Base, MIB), (Base, MIB), (Base, MIB)]), Some(Compaction::Minor));
    assert_eq!(keyless(&[(Base, 20 * MIB), (Base, 20 * MIB), (Base, 20 * MIB)]), Some(Compaction::Major));
    assert_eq!(keyless(&[(Base, 100 * MIB), (Base, 100 * MIB), (Base, 100 * MIB)]), None);
}
