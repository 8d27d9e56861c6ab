//! What a disk may hold after a power loss, from a record of what was done to it.
//!
//! The strictest disk that POSIX allows: bytes are there for sure after the file's fsync, names after the folder's; all
//! else may be there, in part or not at all, in any combination. It knows neither tables nor logs but by their paths.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use datafusion_timetravel::store::local::{DiskStep, DiskWatch};
use rand::Rng;
use rand::rngs::StdRng;

/// One thing that happened, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    MakeFolder(PathBuf),
    SyncFolder(PathBuf),
    Create(PathBuf),
    Write {
        path: PathBuf,
        at: u64,
        bytes: Vec<u8>,
    },
    SyncFile(PathBuf),
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove(PathBuf),
    /// The statement of this number was acknowledged.
    Acknowledged(usize),
}

impl From<&DiskStep<'_>> for Event {
    fn from(step: &DiskStep<'_>) -> Self {
        match *step {
            DiskStep::MakeFolder(path) => Self::MakeFolder(path.into()),
            DiskStep::SyncFolder(path) => Self::SyncFolder(path.into()),
            DiskStep::Create(path) => Self::Create(path.into()),
            DiskStep::Write { path, at, bytes } => Self::Write { path: path.into(), at, bytes: bytes.to_vec() },
            DiskStep::SyncFile(path) => Self::SyncFile(path.into()),
            DiskStep::Link { from, to } => Self::Link { from: from.into(), to: to.into() },
            DiskStep::Rename { from, to } => Self::Rename { from: from.into(), to: to.into() },
            DiskStep::Remove(path) => Self::Remove(path.into()),
        }
    }
}

/// A record that a store writes and a test reads.
#[derive(Debug, Clone, Default)]
pub struct Record(Arc<Mutex<Vec<Event>>>);

impl Record {
    pub fn watch(&self) -> DiskWatch {
        let record = self.clone();
        DiskWatch::new(move |step| {
            record.lock().push(step.into());
            Ok(())
        })
    }

    pub fn acknowledged(&self, statement: usize) {
        self.lock().push(Event::Acknowledged(statement));
    }

    pub fn events(&self) -> Vec<Event> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap()
    }
}

/// Whether the path is that of an object on which a statement's durability depends: a data file or a commit.
fn matters(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    matches!(folder, Some("data" | "_log"))
}

fn is_commit(path: &Path) -> bool {
    matters(path) && path.extension().is_some_and(|extension| extension == "json")
}

/// Checks the order of a record: bytes before their name; of data and their folders everything, before the name of the
/// commit; the commit's name before the word. (reliability §3; invariant 14.)
pub fn check_order(events: &[Event]) -> Result<(), String> {
    let mut unsynced_bytes: BTreeSet<&Path> = BTreeSet::new();
    let mut unsynced_names: BTreeSet<&Path> = BTreeSet::new();
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Create(path) | Event::Write { path, .. } => {
                unsynced_bytes.insert(path);
            }
            Event::SyncFile(path) => {
                unsynced_bytes.remove(path.as_path());
            }
            Event::MakeFolder(path) => {
                unsynced_names.insert(path);
            }
            Event::SyncFolder(folder) => unsynced_names.retain(|name| name.parent() != Some(folder)),
            Event::Link { from, to } | Event::Rename { from, to } => {
                if unsynced_bytes.contains(from.as_path()) {
                    return Err(format!("event {at}: {} gets its name before its bytes are durable", to.display()));
                }
                let holds =
                    |name: &Path| to.starts_with(name) || events[..at].iter().any(|event| named_below(event, name));
                let needed = |name: &&&Path| matters(name) || holds(name);
                if let Some(name) = unsynced_names.iter().find(needed).filter(|_| is_commit(to)) {
                    let (to, name) = (to.display(), name.display());
                    return Err(format!("event {at}: commit {to} is named before {name} is durable"));
                }
                unsynced_names.insert(to);
            }
            Event::Remove(_) => {}
            Event::Acknowledged(statement) => {
                let holds = |name: &Path| events[..at].iter().any(|event| named_below(event, name));
                if let Some(name) = unsynced_names.iter().find(|name| matters(name) || holds(name)) {
                    let name = name.display();
                    return Err(format!("event {at}: statement {statement} is acknowledged before {name} is durable"));
                }
            }
        }
    }
    Ok(())
}

/// Whether the event names an object that matters below the folder.
fn named_below(event: &Event, folder: &Path) -> bool {
    matches!(event, Event::Link { to, .. } | Event::Rename { to, .. } if matters(to) && to.starts_with(folder) && to != folder)
}

type Inode = usize;

/// What a disk holds, and of that what surely.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// Bytes written, and whether they are durable.
    files: Vec<(Vec<u8>, bool)>,
    /// Names of files and folders; a folder has no inode.
    now: BTreeMap<PathBuf, Option<Inode>>,
    durable: BTreeMap<PathBuf, Option<Inode>>,
}

/// The files of one state, by path.
pub type State = BTreeMap<PathBuf, Option<Vec<u8>>>;

impl Disk {
    /// Does what the event did.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::MakeFolder(path) => {
                self.now.insert(path.clone(), None);
            }
            Event::SyncFolder(folder) => {
                let below = |path: &Path| path.parent() == Some(folder);
                self.durable.retain(|path, _| !below(path));
                self.durable.extend(self.now.iter().filter(|(path, _)| below(path)).map(|(p, i)| (p.clone(), *i)));
            }
            Event::Create(path) => {
                self.now.insert(path.clone(), Some(self.files.len()));
                self.files.push((vec![], false));
            }
            Event::Write { path, at, bytes } => {
                let (file, durable) = &mut self.files[self.now[path].unwrap()];
                let end = *at as usize + bytes.len();
                file.resize(file.len().max(end), 0);
                file[*at as usize..end].copy_from_slice(bytes);
                *durable = false;
            }
            Event::SyncFile(path) => self.files[self.now[path].unwrap()].1 = true,
            Event::Link { from, to } => {
                let inode = self.now[from];
                self.now.insert(to.clone(), inode);
            }
            Event::Rename { from, to } => {
                let inode = self.now.remove(from).unwrap();
                self.now.insert(to.clone(), inode);
            }
            Event::Remove(path) => {
                self.now.remove(path);
            }
            Event::Acknowledged(_) => {}
        }
    }

    /// The names that may or may not be as they are now.
    fn pending(&self) -> Vec<&PathBuf> {
        let names: BTreeSet<&PathBuf> = self.now.keys().chain(self.durable.keys()).collect();
        names.into_iter().filter(|path| self.now.get(*path) != self.durable.get(*path)).collect()
    }

    /// What is there where of the pending names those are as they are now that `kept` says; `bytes` says what became of
    /// those that are not durable.
    fn state(&self, kept: impl Fn(&Path) -> bool, mut bytes: impl FnMut(&[u8]) -> Vec<u8>) -> State {
        let mut names = self.durable.clone();
        for path in self.pending() {
            if kept(path) {
                match self.now.get(path) {
                    Some(inode) => drop(names.insert(path.clone(), *inode)),
                    None => drop(names.remove(path)),
                }
            }
        }
        // What lies in a folder without a name is lost with it.
        let known: BTreeSet<PathBuf> = self.now.keys().chain(self.durable.keys()).cloned().collect();
        let reachable = |path: &Path| path.ancestors().skip(1).all(|a| !known.contains(a) || names.contains_key(a));
        let mut contents: BTreeMap<Inode, Vec<u8>> = BTreeMap::new();
        let mut state = State::new();
        for (path, inode) in names.iter().filter(|(path, _)| reachable(path)) {
            let content = inode.map(|inode| {
                let (file, durable) = &self.files[inode];
                contents.entry(inode).or_insert_with(|| if *durable { file.clone() } else { bytes(file) }).clone()
            });
            state.insert(path.clone(), content);
        }
        state
    }

    /// Legal states after a power loss now: nothing kept that need not be, everything, each name alone kept or lost,
    /// unsynced bytes whole, none, zeros and half; and `random` mixtures of all that.
    pub fn states(&self, random: usize, rng: &mut StdRng) -> BTreeSet<State> {
        type Fate = fn(&[u8]) -> Vec<u8>;
        let fates: [Fate; 4] =
            [<[u8]>::to_vec, |_| vec![], |file| vec![0; file.len()], |file| file[..file.len() / 2].to_vec()];
        let mut states = BTreeSet::new();
        for fate in fates {
            states.insert(self.state(|_| false, fate));
            states.insert(self.state(|_| true, fate));
        }
        let pending: Vec<PathBuf> = self.pending().into_iter().cloned().collect();
        for one in &pending {
            states.insert(self.state(|path| path == one, <[u8]>::to_vec));
            states.insert(self.state(|path| path != one, |_| vec![]));
        }
        for _ in 0..random {
            let kept: BTreeSet<&PathBuf> = pending.iter().filter(|_| rng.random_bool(0.5)).collect();
            let mut fate = || fates[rng.random_range(0..fates.len())];
            states.insert(self.state(|path| kept.contains(&path.to_path_buf()), |file| fate()(file)));
        }
        states
    }
}

/// Makes the state below `to`, which stood below `from` when it was recorded.
pub fn write(state: &State, from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for (path, content) in state {
        let Ok(relative) = path.strip_prefix(from) else { continue };
        let path = to.join(relative);
        match content {
            None => std::fs::create_dir_all(&path).unwrap(),
            Some(bytes) => {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, bytes).unwrap();
            }
        }
    }
}

/// A fsync left out, or one done too late, is noticed; so is a commit that is named before its data.
#[test]
fn a_wrong_order_is_noticed() {
    let p = |path: &str| PathBuf::from(path);
    let put = |name: &str| {
        vec![
            Event::Create(p("/w/t/data/.tmp")),
            Event::Write { path: p("/w/t/data/.tmp"), at: 0, bytes: vec![1] },
            Event::SyncFile(p("/w/t/data/.tmp")),
            Event::Link { from: p("/w/t/data/.tmp"), to: p(name) },
            Event::SyncFolder(p(name).parent().unwrap().into()),
        ]
    };
    let mut good =
        vec![Event::MakeFolder(p("/w/t")), Event::MakeFolder(p("/w/t/data")), Event::MakeFolder(p("/w/t/_log"))];
    good.extend([Event::SyncFolder(p("/w/t")), Event::SyncFolder(p("/w"))]);
    good.extend(put("/w/t/data/1"));
    good.extend(put("/w/t/_log/1.json"));
    good.push(Event::Acknowledged(0));
    check_order(&good).unwrap();
    for (at, event) in good.iter().enumerate() {
        if matches!(event, Event::SyncFile(_) | Event::SyncFolder(_)) {
            let mut bad = good.clone();
            bad.remove(at);
            assert!(check_order(&bad).is_err(), "without {event:?}");
            // Not at once, but only after the word was given.
            bad.push(event.clone());
            assert!(check_order(&bad).is_err(), "late {event:?}");
        }
    }
}

/// The model forgets what POSIX lets a disk forget, and nothing else.
#[test]
fn only_what_was_synced_is_sure() {
    use rand::SeedableRng;
    let p = |path: &str| PathBuf::from(path);
    let mut disk = Disk::default();
    for event in [
        Event::MakeFolder(p("/w/a")),
        Event::Create(p("/w/a/x")),
        Event::Write { path: p("/w/a/x"), at: 0, bytes: vec![7; 4] },
        Event::Link { from: p("/w/a/x"), to: p("/w/a/y") },
    ] {
        disk.apply(&event);
    }
    let mut rng = StdRng::seed_from_u64(1);
    let all = disk.states(50, &mut rng);
    assert!(all.contains(&State::new()), "the folder itself may be lost");
    assert!(
        all.iter().any(|state| state.get(&p("/w/a/y")) == Some(&Some(vec![0; 4])) && !state.contains_key(&p("/w/a/x")))
    );
    for event in [Event::SyncFile(p("/w/a/x")), Event::SyncFolder(p("/w/a")), Event::SyncFolder(p("/w"))] {
        disk.apply(&event);
    }
    let sure = disk.states(50, &mut rng);
    assert_eq!(sure.len(), 1);
    assert_eq!(sure.first().unwrap()[&p("/w/a/y")], Some(vec![7; 4]));
}
