//! Random statements, each with what it must do to the model.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand::rngs::StdRng;

use super::condition::condition;
use super::model::{Table, Verdict, widen};
use super::shape::{Col, KEYS, Key, Row, Shape, Type};

pub(super) const NAMES: [&str; 4] = ["t0", "t1", "t2", "t3"];
const COLUMNS: [&str; 5] = ["v", "s", "x", "y", "z"];

/// What a statement is expected to do.
#[derive(Debug)]
pub(super) enum Effect {
    /// One commit on this table, or what the verdict says.
    On(usize, Verdict),
    /// At most so many COMPACT commits, and no other content.
    Compacts(usize),
    /// A new table; the old one of the name is dropped first.
    Creates(Box<Table>, Option<usize>),
    Drops(usize),
    Undrops(usize),
    Renames(usize, String),
    Sets(usize, String, String),
    /// Nothing changes.
    Nothing,
    /// An error with this code; any, where that is empty.
    Refused(&'static str),
}

/// A statement. `{0}`, `{1}` … in it stand for the ids of these partitions, by place and birth.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) sql: String,
    pub(super) effect: Effect,
    pub(super) partitions: Vec<(usize, usize)>,
}

impl Step {
    pub(super) fn new(sql: impl Into<String>, effect: Effect) -> Self {
        Self { sql: sql.into(), effect, partitions: vec![] }
    }
}

/// Draws statements; columns get numbers that are never used again.
#[derive(Debug)]
pub(super) struct Steps {
    pub(super) rng: StdRng,
    columns: u32,
}

impl Steps {
    pub(super) fn new(rng: StdRng) -> Self {
        Self { rng, columns: 0 }
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.rng.random_range(0..n)
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    pub(super) fn column(&mut self, name: &str) -> Col {
        self.columns += 1;
        let ty = [Type::Int, Type::Bigint, Type::Text][self.below(3)];
        Col { id: self.columns, name: name.to_owned(), ty }
    }

    fn row(&mut self, shape: Shape, cols: &[Col]) -> Row {
        let place = self.below(shape.places());
        let k = self.rng.random_range(0..KEYS);
        let mut cells = BTreeMap::new();
        for col in cols {
            if self.chance(85) {
                cells.insert(col.id, self.rng.random_range(0..20));
            }
        }
        Row { place, k, cells, lsn: 0 }
    }

    pub(super) fn rows(&mut self, shape: Shape, cols: &[Col]) -> Vec<Row> {
        let count = if self.chance(5) { 10 + self.below(20) } else { 1 + self.below(6) };
        (0..count).map(|_| self.row(shape, cols)).collect()
    }

    pub(super) fn places(&mut self, shape: Shape) -> BTreeSet<usize> {
        let count = if self.chance(30) { 2 } else { 1 };
        (0..count).map(|_| self.below(shape.places())).collect()
    }

    /// A version of the table, now and then one that isn't there.
    pub(super) fn version(&mut self, table: &Table) -> usize {
        match self.chance(5) {
            true => table.head() + 1,
            false => self.rng.random_range(1..=table.head()),
        }
    }

    /// A statement on the tables; `live` are those that aren't dropped.
    pub(super) fn statement(&mut self, tables: &[Table]) -> Step {
        let live: Vec<usize> = (0..tables.len()).filter(|at| !tables[*at].dropped).collect();
        if live.is_empty() || (live.len() < NAMES.len() && self.chance(if live.len() < 2 { 25 } else { 3 })) {
            return self.create(tables);
        }
        let at = live[self.below(live.len())];
        let table = &tables[at];
        match self.below(100) {
            0..26 => self.insert(at, table),
            26..31 => self.insert_select(at, tables, &live),
            31..34 => self.refused(table),
            34..42 => self.overwrite(at, table),
            42..45 => self.delete(at, table),
            45..47 => self.update(at, table),
            47..49 => self.merge(at, table),
            49..52 => self.truncate(at, table),
            52..57 => self.compact(at, table),
            57..64 => self.restore(at, table),
            64..67 => self.partition_restore(at, table),
            67..71 => self.drop_partition(at, table),
            71..75 => self.undrop_partition(at, table),
            75..77 => self.add_partition(at, table),
            77..83 => self.clone_table(at, tables, &live),
            83..91 => self.alter_columns(at, table),
            91..93 => self.settings(at, table),
            93..95 => self.rename(at, tables),
            95..96 => self.create(tables),
            96..98 => Step::new(format!("DROP TABLE {}", table.name), Effect::Drops(at)),
            _ => self.undrop_table(tables),
        }
    }

    /// CREATE TABLE, empty, with rows or from a query; of a free name, or OR REPLACE, or refused.
    pub(super) fn create(&mut self, tables: &[Table]) -> Step {
        let name = NAMES[self.below(NAMES.len())];
        let old = tables.iter().position(|table| table.name == name && !table.dropped);
        let replaces = old.is_some() && self.chance(40);
        let verb = if replaces { "CREATE OR REPLACE TABLE" } else { "CREATE TABLE" };
        let properties = "TBLPROPERTIES ('acid.data.retain.hours'='168')";
        let key = [Key::Number, Key::Number, Key::Text, Key::Pair][self.below(4)];
        let mut shape = Shape { key, keyed: self.chance(65), levels: [0, 1, 1, 2][self.below(4)] };
        let mut cols = vec![self.column("v"), self.column("s")];
        let live: Vec<usize> = (0..tables.len()).filter(|at| !tables[*at].dropped).collect();
        let (content, rows) = match self.below(10) {
            0..2 if !live.is_empty() => {
                let source = &tables[live[self.below(live.len())]];
                let v = self.rng.random_range(1..=source.head());
                shape = Shape { keyed: shape.keyed, ..source.shape };
                let (from, version) = (source.at(v).cols.clone(), source.rows_at(v));
                cols = from.iter().map(|col| Col { ty: col.ty, ..self.column(&col.name) }).collect();
                let mut rows: Vec<Row> = version.iter().map(|row| renamed(row, &from, &cols)).collect();
                if shape.keyed {
                    // Which of two rows of one key comes last isn't said, so none is kept where there are such.
                    let mut seen = BTreeSet::new();
                    if !rows.iter().all(|row| seen.insert((row.place, row.k))) {
                        rows.clear();
                    }
                }
                let filter = if rows.is_empty() { " WHERE false" } else { "" };
                (format!(" AS SELECT * FROM {} VERSION AS OF {v}{filter}", source.name), rows)
            }
            2..5 => {
                let rows = self.rows(shape, &cols);
                let tuples: Vec<String> = rows.iter().map(|row| shape.tuple(row, &cols, shape.levels)).collect();
                (format!(" AS SELECT * FROM (VALUES {}) AS x", tuples.join(", ")), rows)
            }
            _ => (String::new(), vec![]),
        };
        let sql = format!("{verb} {name} {} {properties}{content}", shape.definition(&cols));
        let mut table = Table::new(name, shape, cols, &rows);
        table.properties.insert("acid.data.retain.hours".to_owned(), "168".to_owned());
        match (old, replaces) {
            (Some(_), false) => Step::new(sql, Effect::Refused("TT_TABLE_EXISTS")),
            _ => Step::new(sql, Effect::Creates(Box::new(table), old)),
        }
    }

    fn values(&mut self, table: &Table) -> (String, Vec<Row>) {
        let (name, shape) = (&table.name, table.shape);
        let mut cols = table.cols().to_vec();
        let mut rows = self.rows(shape, &cols);
        let place = self.below(shape.places());
        let form = if shape.partitioned() { self.below(5) } else { 3 + self.below(2) };
        let (head, partition_columns) = match form {
            0 => {
                rows.iter_mut().for_each(|row| row.place = place);
                (format!("{name} {}", shape.place_sql(place)), 0)
            }
            1 if shape.levels == 2 => {
                rows.iter_mut().for_each(|row| row.place = place / 2 * 2 + row.place % 2);
                (format!("TABLE {name} PARTITION (dd={}, hh)", shape.place_literals(place)[0]), 1)
            }
            1 | 2 => (format!("{name} PARTITION ({})", shape.partition_columns().join(", ")), shape.levels),
            3 => {
                // Columns in another order, and some left out.
                if self.chance(50) && !cols.is_empty() {
                    let gone = cols.remove(self.below(cols.len()));
                    rows.iter_mut().for_each(|row| row.cells.retain(|id, _| *id != gone.id));
                }
                cols.reverse();
                (format!("{name} ({})", shape.columns(&cols).join(", ")), shape.levels)
            }
            _ => (name.clone(), shape.levels),
        };
        let tuples: Vec<String> = rows.iter().map(|row| shape.tuple(row, &cols, partition_columns)).collect();
        (format!("INSERT INTO {head} VALUES {}", tuples.join(", ")), rows)
    }

    pub(super) fn insert(&mut self, at: usize, table: &Table) -> Step {
        let (sql, rows) = self.values(table);
        Step::new(sql, Effect::On(at, table.insert(&rows)))
    }

    /// From a version of this or another table of the same key and partitions, by the names of its columns.
    fn insert_select(&mut self, at: usize, tables: &[Table], live: &[usize]) -> Step {
        let table = &tables[at];
        let fitting: Vec<usize> = live
            .iter()
            .copied()
            .filter(|other| {
                let (ours, theirs) = (table.shape, tables[*other].shape);
                ours.key == theirs.key && ours.levels == theirs.levels
            })
            .collect();
        let source = &tables[fitting[self.below(fitting.len())]];
        let v = self.rng.random_range(1..=source.head());
        let from = &source.at(v).cols;
        // Texts don't go into numbers.
        let pairs: Vec<(&Col, &Col)> = table
            .cols()
            .iter()
            .filter_map(|to| Some((to, from.iter().find(|col| col.name == to.name)?)))
            .filter(|(to, from)| (to.ty == Type::Text) == (from.ty == Type::Text))
            .collect();
        let to: Vec<Col> = pairs.iter().map(|(to, _)| (*to).clone()).collect();
        let read: Vec<Col> = pairs.iter().map(|(_, from)| (*from).clone()).collect();
        let filter = condition(&mut self.rng, source.shape, from, 1);
        let mut rows = source.rows_at(v);
        rows.retain(|row| filter.holds(row));
        let mut seen = BTreeSet::new();
        if rows.len() > 60 || (table.shape.keyed && !rows.iter().all(|row| seen.insert((row.place, row.k)))) {
            return self.insert(at, table);
        }
        let rows: Vec<Row> = rows.iter().map(|row| renamed(row, &read, &to)).collect();
        let source_sql = match v == source.head() && self.chance(50) {
            true => source.name.clone(),
            false => format!("{} VERSION AS OF {v}", source.name),
        };
        let sql = format!(
            "INSERT INTO {} ({}) SELECT {} FROM {source_sql} WHERE {}",
            table.name,
            table.shape.columns(&to).join(", "),
            source.shape.columns(&read).join(", "),
            filter.sql(source.shape)
        );
        Step::new(sql, Effect::On(at, table.insert(&rows)))
    }

    /// One wrong row among right ones, or a name that isn't there.
    fn refused(&mut self, table: &Table) -> Step {
        let (shape, cols) = (table.shape, table.cols());
        let rows = self.rows(shape, cols);
        let mut tuples: Vec<String> = rows.iter().map(|row| shape.tuple(row, cols, shape.levels)).collect();
        let nulls = |n: usize| vec!["NULL"; n].join(", ");
        let all = shape.columns(cols).len();
        let wrong = match shape.partitioned() && self.chance(50) {
            true => {
                let mut values = shape.key_literals(1);
                values.extend(std::iter::repeat_n("NULL".to_owned(), all - values.len()));
                if shape.levels == 1 && self.chance(50) {
                    values[all - 1] = "''".to_owned();
                }
                format!("({})", values.join(", "))
            }
            false => format!("({})", nulls(all)),
        };
        tuples.insert(self.below(tuples.len() + 1), wrong);
        let verb = if self.chance(50) { "INTO" } else { "OVERWRITE" };
        let sql = format!("INSERT {verb} {} VALUES {}", table.name, tuples.join(", "));
        Step::new(sql, Effect::Refused("TT_CONSTRAINT_VIOLATION"))
    }

    pub(super) fn overwrite(&mut self, at: usize, table: &Table) -> Step {
        let (name, shape, cols) = (&table.name, table.shape, table.cols());
        let mut rows = if self.chance(15) { vec![] } else { self.rows(shape, cols) };
        let place = self.below(shape.places());
        let mut places: BTreeSet<usize> = BTreeSet::new();
        let (head, partition_columns) = match self.below(3) {
            _ if !shape.partitioned() => {
                places.insert(0);
                (name.clone(), 0)
            }
            0 => {
                rows.iter_mut().for_each(|row| row.place = place);
                places.insert(place);
                (format!("TABLE {name} {}", shape.place_sql(place)), 0)
            }
            1 if shape.levels == 2 => {
                rows.iter_mut().for_each(|row| row.place = place / 2 * 2 + row.place % 2);
                (format!("{name} PARTITION (dd={}, hh)", shape.place_literals(place)[0]), 1)
            }
            _ => (name.clone(), shape.levels),
        };
        places.extend(rows.iter().map(|row| row.place));
        let source = match rows.is_empty() {
            false => {
                let tuples: Vec<String> = rows.iter().map(|row| shape.tuple(row, cols, partition_columns)).collect();
                format!("VALUES {}", tuples.join(", "))
            }
            true => {
                let mut columns = shape.columns(cols);
                let own = columns.len() - shape.levels;
                columns.drain(own..own + shape.levels - partition_columns);
                format!("SELECT {} FROM {name} WHERE false", columns.join(", "))
            }
        };
        Step::new(format!("INSERT OVERWRITE {head} {source}"), Effect::On(at, table.overwrite(&places, &rows)))
    }

    fn truncate(&mut self, at: usize, table: &Table) -> Step {
        let named = table.shape.partitioned() && self.chance(60);
        let places = if named { Some(self.places(table.shape)) } else { None };
        let spec = specs(table.shape, places.as_ref(), " ");
        Step::new(format!("TRUNCATE TABLE {}{spec}", table.name), Effect::On(at, table.truncate(places.as_ref())))
    }

    fn compact(&mut self, at: usize, table: &Table) -> Step {
        let named = table.shape.partitioned() && self.chance(40);
        let place = self.below(table.shape.places());
        let kind = if self.chance(50) { "MAJOR" } else { "MINOR" };
        match named {
            false => Step::new(format!("ALTER TABLE {} COMPACT {kind}", table.name), Effect::Compacts(at)),
            true => {
                let sql = format!("ALTER TABLE {} {} COMPACT {kind}", table.name, table.shape.place_sql(place));
                match table.now().parts.contains_key(&place) {
                    true => Step::new(sql, Effect::Compacts(at)),
                    false => Step::new(sql, Effect::Refused("TT_PARTITION_NOT_FOUND")),
                }
            }
        }
    }

    fn alter_columns(&mut self, at: usize, table: &Table) -> Step {
        let name = &table.name;
        let column = COLUMNS[self.below(COLUMNS.len())];
        let find = |cols: &[Col], name: &str| cols.iter().position(|col| col.name == name);
        let (change, verdict) = match self.below(8) {
            0..4 if table.cols().len() < 4 => {
                let col = self.column(column);
                let change = format!("ADD COLUMN {column} {}", col.ty.sql());
                let verdict = table.alter(|cols| match find(cols, column) {
                    Some(_) => Err("TT_INVALID_SCHEMA"),
                    None => {
                        cols.push(col);
                        Ok(())
                    }
                });
                (change, verdict)
            }
            0 | 1 | 4 => {
                let verdict = table.alter(|cols| {
                    let at = find(cols, column).ok_or("TT_COLUMN_NOT_FOUND")?;
                    cols.remove(at);
                    Ok(())
                });
                (format!("DROP COLUMN {column}"), verdict)
            }
            2 | 5 => {
                let to = COLUMNS[self.below(COLUMNS.len())];
                let verdict = table.alter(|cols| {
                    let at = find(cols, column).ok_or("TT_COLUMN_NOT_FOUND")?;
                    match find(cols, to) {
                        Some(other) if other != at => Err("TT_INVALID_SCHEMA"),
                        _ => {
                            cols[at].name = to.to_owned();
                            Ok(())
                        }
                    }
                });
                (format!("RENAME COLUMN {column} TO {to}"), verdict)
            }
            3 if table.shape.keyed => {
                let key = table.shape.key_columns()[0];
                (format!("DROP COLUMN {key}"), Verdict::Refused("TT_INVALID_SCHEMA"))
            }
            _ => {
                let ints: Vec<String> =
                    table.cols().iter().filter(|col| col.ty == Type::Int).map(|col| col.name.clone()).collect();
                let column = match ints.is_empty() {
                    true => column.to_owned(),
                    false => ints[self.below(ints.len())].clone(),
                };
                let verdict = table.alter(|cols| widen(cols, &column));
                (format!("ALTER COLUMN {column} TYPE BIGINT"), verdict)
            }
        };
        Step::new(format!("ALTER TABLE {name} {change}"), Effect::On(at, verdict))
    }

    /// Properties, lifecycle, comment, TOUCH.
    pub(super) fn settings(&mut self, at: usize, table: &Table) -> Step {
        let name = &table.name;
        let (n, place) = (self.below(3), self.below(table.shape.places()));
        match self.below(5) {
            0 | 1 => {
                let sql = format!("ALTER TABLE {name} SET TBLPROPERTIES ('note'='{n}')");
                match table.properties.get("note") == Some(&n.to_string()) {
                    true => Step::new(sql, Effect::Nothing),
                    false => Step::new(sql, Effect::Sets(at, "note".to_owned(), n.to_string())),
                }
            }
            2 => Step::new(
                format!("ALTER TABLE {name} SET TBLPROPERTIES ('acid.data.retain.hours'='169')"),
                Effect::Refused("TT_INVALID_PROPERTY"),
            ),
            3 if table.shape.partitioned() => {
                let sql = format!("ALTER TABLE {name} {} TOUCH", table.shape.place_sql(place));
                if !table.now().parts.contains_key(&place) {
                    return Step::new(sql, Effect::Refused("TT_PARTITION_NOT_FOUND"));
                }
                let mut next = table.next("ALTER");
                next.touched.insert(place);
                Step::new(sql, Effect::On(at, Verdict::Commit(next)))
            }
            _ => Step::new(format!("ALTER TABLE {name} TOUCH"), Effect::On(at, Verdict::Commit(table.next("ALTER")))),
        }
    }

    fn rename(&mut self, at: usize, tables: &[Table]) -> Step {
        let to = NAMES[self.below(NAMES.len())];
        let sql = format!("ALTER TABLE {} RENAME TO {to}", tables[at].name);
        match tables.iter().position(|table| table.name == to && !table.dropped) {
            Some(other) if other == at => Step::new(sql, Effect::Nothing),
            Some(_) => Step::new(sql, Effect::Refused("TT_TABLE_EXISTS")),
            None => Step::new(sql, Effect::Renames(at, to.to_owned())),
        }
    }
}

/// A row with the values of some columns in others.
fn renamed(row: &Row, from: &[Col], to: &[Col]) -> Row {
    let cells = from.iter().zip(to).filter_map(|(from, to)| Some((to.id, *row.cells.get(&from.id)?))).collect();
    Row { cells, ..row.clone() }
}

/// The PARTITION clauses, each after a space.
pub(super) fn specs(shape: Shape, places: Option<&BTreeSet<usize>>, between: &str) -> String {
    let specs: Vec<String> = places.into_iter().flatten().map(|place| shape.place_sql(*place)).collect();
    if specs.is_empty() { String::new() } else { format!(" {}", specs.join(between)) }
}
