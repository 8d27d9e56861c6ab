//! What can happen to a file: bits flip, it is lost, cut, grown, or lies where another should.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use datafusion_timetravel::store::layout::parse_commit_name;
use object_store::path::Path;

/// Every object by its path.
pub type Files = BTreeMap<Path, Bytes>;

/// What is done to one file.
#[derive(Debug, Clone)]
pub enum Damage {
    Flip { byte: usize, bit: u8 },
    Drop,
    Cut(usize),
    Grow,
    CopyTo(Path),
}

/// A damaged file.
#[derive(Debug, Clone)]
pub struct Case {
    pub path: Path,
    pub damage: Damage,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {}", self.damage, self.path)
    }
}

impl Case {
    /// Where something changes, and the bytes that are there then.
    pub fn apply(&self, files: &Files) -> (Path, Option<Bytes>) {
        let whole = &files[&self.path];
        let changed = match &self.damage {
            Damage::Flip { byte, bit } => {
                let mut bytes = whole.to_vec();
                bytes[*byte] ^= 1 << bit;
                bytes.into()
            }
            Damage::Drop => return (self.path.clone(), None),
            Damage::Cut(length) => whole.slice(..*length),
            Damage::Grow => [whole.as_ref(), b"\n"].concat().into(),
            Damage::CopyTo(other) => return (other.clone(), Some(whole.clone())),
        };
        (self.path.clone(), Some(changed))
    }
}

/// Every `step`-th bit of the files, each file beginning elsewhere.
pub fn flips<'a>(files: impl Iterator<Item = (&'a Path, &'a Bytes)>, step: usize) -> Vec<Case> {
    let mut cases = vec![];
    for (number, (path, bytes)) in files.enumerate() {
        let of_file = (number * 7 % step..bytes.len() * 8).step_by(step);
        cases.extend(of_file.map(|at| Case {
            path: path.clone(),
            damage: Damage::Flip { byte: at / 8, bit: u8::try_from(at % 8).unwrap() },
        }));
    }
    cases
}

/// Every file lost, empty, cut, grown, and put in the place of another of its folder and behind the last.
pub fn whole_files(files: &Files, cuts: usize) -> Vec<Case> {
    let mut cases = vec![];
    for (path, bytes) in files {
        let mut damage = vec![Damage::Drop, Damage::Grow];
        let cuts: BTreeSet<usize> = (0..cuts).map(|n| bytes.len() * n / cuts).chain([bytes.len() - 1]).collect();
        damage.extend(cuts.into_iter().map(Damage::Cut));
        let name = path.filename().unwrap();
        let folder = path.as_ref().trim_end_matches(name);
        let beside: Vec<&Path> = files.keys().filter(|other| other.as_ref().starts_with(folder)).collect();
        damage.extend(beside.iter().filter(|other| **other != path).map(|other| Damage::CopyTo((*other).clone())));
        if let Some(last) = beside.iter().filter_map(|other| parse_commit_name(other.filename()?)).max() {
            for free in [last + 1, last + 2] {
                damage.push(Damage::CopyTo(Path::from(format!("{folder}{free:016}.json"))));
            }
        }
        cases.extend(damage.into_iter().map(|damage| Case { path: path.clone(), damage }));
    }
    cases
}
