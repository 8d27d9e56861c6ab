//! Random verbs that end and reopen what is there, and clones: planned on the head anew, wherever it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion_timetravel::Code;
use datafusion_timetravel::log::{Attempt, Operation};
use datafusion_timetravel::ops::plan::{self, ColumnEdit, Replaced};
use datafusion_timetravel::store::{Ids, TableId};
use datafusion_timetravel::table::{Action, PartitionValues, TableSnapshot};

use super::Mutant;
use super::oracle::Oracle;
use super::verbs::Changes;
use super::version::{Cells, Col, Key};
use super::world::{Planned, World, lsn};

impl World {
    /// Verbs that are planned on the head anew, wherever it is.
    pub fn head_verb(&mut self, verb: &str, table: usize, base: Arc<TableSnapshot>) -> Option<Planned> {
        let (head, horizon) = (base.lsn.get(), self.horizon(table));
        let l = 1 + self.rng.below(head);
        let values = self.values(table);
        let texts: Vec<PartitionValues> = values.iter().map(|value| super::world::values(value)).collect();
        let flag = self.rng.chance(50);
        let schema = base.state.schema().unwrap();
        let oracle = &self.tables[table].oracle;
        let (operation, what, plan, verdict): (_, String, Arc<super::world::PlanFn>, Box<super::world::VerdictFn>) =
            match verb {
                "overwrite" => {
                    if !base.state.is_alive() {
                        return None;
                    }
                    let all = flag && self.rng.chance(30);
                    let changes: Changes =
                        values.iter().map(|value| (value.clone(), self.rows(table, &schema, 0))).collect();
                    let rows: BTreeMap<String, BTreeMap<Key, Cells>> = self
                        .oracle_rows(table, &changes)
                        .into_iter()
                        .map(|(value, rows)| (value, rows.into_iter().map(|(key, row)| (key, row.unwrap())).collect()))
                        .collect();
                    let written = self.write(&schema, &changes);
                    let replaced = if all { Replaced::All } else { Replaced::Partitions(texts.into_iter().collect()) };
                    let what = format!("OVERWRITE {}{changes:?}", if all { "all with " } else { "" });
                    (
                        Operation::Overwrite,
                        what,
                        Arc::new(move |head| plan::overwrite(head, "t", &schema, &replaced, written.clone())),
                        Box::new(move |oracle, at| {
                            oracle.overwrite(head, at, if all { None } else { Some(&values) }, &rows)
                        }),
                    )
                }
                "truncate" => {
                    let what = format!("TRUNCATE {}", if flag { "all".into() } else { format!("{values:?}") });
                    (
                        Operation::Delete,
                        what,
                        Arc::new(move |head| plan::truncate(head, "t", if flag { None } else { Some(&texts) })),
                        Box::new(move |oracle, at| oracle.truncate(at, if flag { None } else { Some(&values) })),
                    )
                }
                "drop partition" => (
                    Operation::Drop,
                    format!("DROP PARTITION {values:?} if exists {flag}"),
                    Arc::new(move |head| plan::drop_partitions(head, "t", &texts, flag)),
                    Box::new(move |oracle, at| oracle.drop_partitions(at, &values, flag)),
                ),
                "add partition" => {
                    let value = self.value(table);
                    let partition = self.partition(&value);
                    (
                        Operation::Alter,
                        format!("ADD PARTITION {value} if not exists {flag}"),
                        Arc::new(move |head| plan::add_partitions(head, "t", vec![partition.clone()], flag)),
                        Box::new(move |oracle, at| oracle.add_partition(at, &value, flag)),
                    )
                }
                "undrop partition" => {
                    let ended = oracle.ended();
                    if ended.is_empty() {
                        return None;
                    }
                    let count = 1 + self.rng.below(3);
                    let mut picked = BTreeMap::new();
                    for _ in 0..count {
                        let (value, born, ..) = self.rng.pick(&ended).clone();
                        let of = |entry: &&Arc<datafusion_timetravel::table::PartitionEntry>| {
                            entry.values.to_string() == value && entry.life.spans()[0].since.get() == born
                        };
                        picked.insert(base.state.partitions().find(of).map(|entry| entry.id)?, (value, born));
                    }
                    let (mut ids, wanted): (Vec<_>, Vec<_>) = picked.into_iter().unzip();
                    if self.mutant == Some(Mutant::UndropFirst) {
                        ids.truncate(1);
                    }
                    (
                        Operation::Restore,
                        format!("UNDROP PARTITIONS {wanted:?}, horizon {horizon}"),
                        Arc::new(move |head| plan::undrop_partitions(head, "t", &ids, lsn(horizon))),
                        Box::new(move |oracle, at| oracle.undrop_partitions(at, &wanted, horizon)),
                    )
                }
                "restore" => (
                    Operation::Restore,
                    format!("RESTORE TO {l}, horizon {horizon}"),
                    Arc::new(move |head| plan::restore_table(head, "t", lsn(l), lsn(horizon))),
                    Box::new(move |oracle, at| oracle.restore(at, l, horizon)),
                ),
                "restore partition" => (
                    Operation::Restore,
                    format!("RESTORE PARTITION {values:?} TO {l}, horizon {horizon}"),
                    Arc::new(move |head| plan::restore_partitions(head, "t", &texts, lsn(l), lsn(horizon))),
                    Box::new(move |oracle, at| oracle.restore_partitions(at, &values, l, horizon)),
                ),
                "drop table" => (
                    Operation::Drop,
                    "DROP TABLE".into(),
                    Arc::new(|head| plan::drop_table(head, "t")),
                    Box::new(|oracle, at| oracle.drop_table(at)),
                ),
                "undrop table" => {
                    let dropped = match oracle.dropped_at() {
                        Some(dropped) => dropped,
                        None if self.rng.chance(20) => l,
                        None => return None,
                    };
                    (
                        Operation::Restore,
                        format!("UNDROP TABLE of {dropped}, horizon {horizon}"),
                        Arc::new(move |head| plan::undrop_table(head, "t", lsn(dropped), lsn(horizon))),
                        Box::new(move |oracle, at| oracle.undrop_table(at, dropped, horizon)),
                    )
                }
                "vacuum" => {
                    let upto = lsn(if flag { horizon.min(l) } else { l });
                    (
                        Operation::Vacuum,
                        format!("VACUUM up to {upto}"),
                        Arc::new(move |head| plan::sweep(head, "t", Some(upto), false)),
                        Box::new(swept),
                    )
                }
                "purge" => {
                    (Operation::Purge, "PURGE".into(), Arc::new(|head| plan::purge(head, "t", false)), Box::new(swept))
                }
                "add column" => {
                    let wide = self.rng.chance(40);
                    let col = self.column(if flag { "x" } else { "y" }, wide);
                    let field = Field::new(&col.name, if wide { DataType::Int64 } else { DataType::Int32 }, true);
                    (
                        Operation::Alter,
                        format!("ADD COLUMN {} wide {wide}", col.name),
                        Arc::new(move |head| plan::add_columns(head, "t", vec![field.clone()])),
                        Box::new(move |oracle, at| {
                            oracle.alter(at, &|cols| match named(cols, &col.name) {
                                Some(_) => Some(Code::InvalidSchema),
                                None => {
                                    cols.push(col.clone());
                                    None
                                }
                            })
                        }),
                    )
                }
                "drop column" => {
                    let name = if flag { "x" } else { "y" };
                    (
                        Operation::Alter,
                        format!("DROP COLUMN {name}"),
                        Arc::new(move |head| plan::drop_columns(head, "t", &[name.to_owned()])),
                        Box::new(move |oracle, at| {
                            oracle.alter(at, &|cols| match named(cols, name) {
                                Some(at) => {
                                    cols.remove(at);
                                    None
                                }
                                None => Some(Code::ColumnNotFound),
                            })
                        }),
                    )
                }
                "rename column" => {
                    let (from, to) = if flag { ("x", "y") } else { ("y", "x") };
                    (
                        Operation::Alter,
                        format!("RENAME COLUMN {from} TO {to}"),
                        Arc::new(move |head| plan::rename_column(head, "t", from, to)),
                        Box::new(move |oracle, at| {
                            oracle.alter(at, &|cols| match (named(cols, from), named(cols, to)) {
                                (None, _) => Some(Code::ColumnNotFound),
                                (_, Some(_)) => Some(Code::InvalidSchema),
                                (Some(at), None) => {
                                    cols[at].name = to.into();
                                    None
                                }
                            })
                        }),
                    )
                }
                "widen column" => {
                    let name = if flag { "x" } else { "y" };
                    let mutant = self.mutant == Some(Mutant::WidenNewId);
                    let edit = ColumnEdit { data_type: Some(DataType::Int64), ..ColumnEdit::default() };
                    (
                        Operation::Alter,
                        format!("WIDEN COLUMN {name}"),
                        Arc::new(move |head| {
                            let planned = plan::change_column(head, "t", name, &edit)?;
                            Ok(if mutant { with_new_id(planned, name) } else { planned })
                        }),
                        Box::new(move |oracle, at| {
                            oracle.alter(at, &|cols| match named(cols, name) {
                                Some(at) => {
                                    cols[at].wide = true;
                                    None
                                }
                                None => Some(Code::ColumnNotFound),
                            })
                        }),
                    )
                }
                "property" => {
                    let note = (!self.rng.chance(30)).then(|| self.rng.below(3).to_string());
                    let set: BTreeMap<String, Option<String>> = [("note".to_owned(), note.clone())].into();
                    (
                        Operation::Alter,
                        format!("SET PROPERTY note {note:?}"),
                        Arc::new(move |head| plan::set_properties(head, "t", set.clone())),
                        Box::new(move |oracle, at| {
                            oracle.set(at, &|version, _| {
                                let properties = &mut version.settings.properties;
                                match &note {
                                    Some(note) => properties.insert("note".to_owned(), note.clone()),
                                    None => properties.remove("note"),
                                };
                                None
                            })
                        }),
                    )
                }
                "lifecycle" => {
                    let days = self.rng.chance(50).then(|| 1 + self.rng.below(2) as u32);
                    (
                        Operation::Alter,
                        format!("LIFECYCLE {days:?} on {flag}"),
                        Arc::new(move |head| plan::set_lifecycle(head, "t", days, flag)),
                        Box::new(move |oracle, at| {
                            oracle.set(at, &|version, _| {
                                let settings = &mut version.settings;
                                settings.days = days.or(settings.days);
                                settings.disabled = !flag;
                                (flag && settings.days.is_none()).then_some(Code::InvalidProperty)
                            })
                        }),
                    )
                }
                "partition lifecycle" => (
                    Operation::Alter,
                    format!("LIFECYCLE of {values:?} on {flag}"),
                    Arc::new(move |head| plan::set_partition_lifecycle(head, "t", &texts, flag)),
                    Box::new(move |oracle, at| {
                        oracle.set(at, &|version, _| {
                            if let Some(code) = oracle.unnamed(version, &values) {
                                return Some(code);
                            }
                            for value in &values {
                                let part = (value.clone(), version.parts[value].born);
                                match flag {
                                    true => version.settings.disabled_parts.remove(&part),
                                    false => version.settings.disabled_parts.insert(part),
                                };
                            }
                            None
                        })
                    }),
                ),
                "touch partition" => (
                    Operation::Alter,
                    format!("TOUCH {values:?}"),
                    Arc::new(move |head| plan::touch_partitions(head, "t", &texts)),
                    Box::new(move |oracle, at| {
                        oracle.set(at, &|version, n| {
                            if let Some(code) = oracle.unnamed(version, &values) {
                                return Some(code);
                            }
                            values.iter().for_each(|value| version.parts.get_mut(value).unwrap().modified = n);
                            None
                        })
                    }),
                ),
                _ => (
                    Operation::Alter,
                    "TOUCH".into(),
                    Arc::new(|head| plan::touch_table(head, "t")),
                    Box::new(|oracle, at| {
                        oracle.set(at, &|version, n| {
                            version.modified = n;
                            None
                        })
                    }),
                ),
            };
        Some(Planned { table, base, operation, what, plan, verdict, compacts: None, draft: false })
    }

    /// Clones a version into a new table, or onto one that is there.
    pub async fn clone(&mut self, table: usize, base: Arc<TableSnapshot>) -> Result<(), String> {
        let (head, horizon) = (base.lsn.get(), self.horizon(table));
        let l = if self.rng.chance(50) { head } else { 1 + self.rng.below(head) };
        let oracle = &self.tables[table].oracle;
        let mut source = oracle.at(l).clone();
        source.settings = oracle.latest().settings.clone();
        let mut expected = match oracle.restore(head, l, horizon) {
            super::verdict::Verdict::Refused(code) => Some(code),
            _ => None,
        };
        let mut of = String::new();
        let mut texts: Option<Vec<PartitionValues>> = None;
        if oracle.partitioned && self.rng.chance(25) {
            let values = self.values(table);
            expected = expected.or_else(|| self.tables[table].oracle.unnamed(&source, &values));
            source.parts.retain(|value, _| values.contains(value));
            of = format!("{values:?} of ");
            if self.mutant != Some(Mutant::CloneAllPartitions) {
                texts = Some(values.iter().map(|value| super::world::values(value)).collect());
            }
        }
        let content = plan::clone_content(&base, "t", lsn(l), texts.as_deref(), lsn(horizon), self.ids.as_ref());
        let content = match (content, expected) {
            (Ok(content), None) => content,
            (Err(error), Some(code)) if error.code() == code => return Ok(()),
            (outcome, expected) => {
                return Err(format!(
                    "clone of {} at {l}: {outcome:?} instead of {expected:?}",
                    self.tables[table].name
                ));
            }
        };
        if self.tables.len() > 1 && self.rng.chance(50) || self.tables.len() > 2 {
            let target = (table + 1 + self.rng.below(self.tables.len() as u64 - 1) as usize) % self.tables.len();
            let base = self.head(target).await?;
            let oracle = &self.tables[table].oracle;
            let what = format!("OVERWRITE with a clone of {of}{} at {l}", self.tables[table].name);
            let shape = Oracle::new(oracle.levels);
            let plan = move |head: &TableSnapshot| plan::clone_onto(head, "t", &content);
            let verdict = move |oracle: &Oracle, at: u64| oracle.clone_onto(at, &shape, &source);
            let planned = Planned {
                table: target,
                base,
                operation: Operation::Overwrite,
                what,
                plan: Arc::new(plan),
                verdict: Box::new(verdict),
                compacts: None,
                draft: false,
            };
            match self.rng.chance(20) {
                true => self.pending.push(planned),
                false => self.finish(planned).await?,
            }
            return Ok(());
        }
        let id = TableId::from_u128(self.ids.next());
        let name = format!("c{}", self.tables.len());
        self.trace.push(format!("@1 {name} = clone of {of}{} at {l}", self.tables[table].name));
        let places = self.tables[table].places.clone();
        let first = Oracle::cloned(&source, &source.cols, 1);
        self.adopt(name.clone(), id, plan::clone_new(&content, id, &name), places, first).await
    }
}

/// The schema with another id for a column.
fn with_new_id(mut planned: Attempt<Action>, name: &str) -> Attempt<Action> {
    if let Attempt::Actions(actions) = &mut planned
        && let [Action::Schema { schema }] = actions.as_mut_slice()
    {
        schema.last_id.0 += 1;
        let id = schema.last_id;
        schema.columns.iter_mut().filter(|column| column.name == name).for_each(|column| column.id = id);
    }
    planned
}

fn named(cols: &[Col], name: &str) -> Option<usize> {
    cols.iter().position(|col| col.name == name)
}

/// A sweep changes no row; whether there is a file to take, rows can't tell.
fn swept(oracle: &Oracle, at: u64) -> super::verdict::Verdict {
    match oracle.at(at).alive {
        true => super::verdict::Verdict::Maybe(oracle.at(at).clone()),
        false => super::verdict::Verdict::Refused(Code::TableDropped),
    }
}
