//! Random statements, each with what it must do to the model.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand::rngs::StdRng;

use super::condition::condition;
use super::model::{Table, Verdict, widen};
use super::shape::{Col, KEYS, Key, Row, Shape, Type};

const NAMES: [&str; 4] = ["t0", "t1", "t2", "t3"];
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
    fn new(sql: impl Into<String>, effect: Effect) -> Self {
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

    fn below(&mut self, n: usize) -> usize {
        self.rng.random_range(0..n)
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn column(&mut self, name: &str) -> Col {
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

    fn places(&mut self, shape: Shape) -> BTreeSet<usize> {
        let count = if self.chance(30) { 2 } else { 1 };
        (0..count).map(|_| self.below(shape.places())).collect()
    }

    /// A version of the table, now and then one that isn't there.
    fn version(&mut self, table: &Table) -> usize {
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

    fn insert(&mut self, at: usize, table: &Table) -> Step {
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

    fn overwrite(&mut self, at: usize, table: &Table) -> Step {
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

    fn delete(&mut self, at: usize, table: &Table) -> Step {
        let filter = condition(&mut self.rng, table.shape, table.cols(), 2);
        let sql = format!("DELETE FROM {} WHERE {}", table.name, filter.sql(table.shape));
        Step::new(sql, Effect::On(at, table.delete(|row| filter.holds(row))))
    }

    /// New values, or another partition.
    fn update(&mut self, at: usize, table: &Table) -> Step {
        let (shape, cols) = (table.shape, table.cols());
        let filter = condition(&mut self.rng, shape, cols, 1);
        let place = (shape.partitioned() && (cols.is_empty() || self.chance(25))).then(|| self.below(shape.places()));
        let mut sets = vec![];
        let mut changes: Vec<(Col, Option<i64>, bool)> = vec![];
        if let Some(place) = place {
            let pairs = shape.partition_columns().iter().zip(shape.place_literals(place));
            sets.extend(pairs.map(|(name, text)| format!("{name} = {text}")));
        }
        if place.is_none() && cols.is_empty() {
            return self.insert(at, table);
        }
        if !cols.is_empty() {
            let col = &cols[self.below(cols.len())];
            let (value, adds) = (self.chance(85).then(|| self.rng.random_range(0..20)), self.chance(50));
            let adds = adds && col.ty == Type::Bigint;
            sets.push(match adds {
                true => format!("{0} = {0} + 1", col.name),
                false => format!("{} = {}", col.name, col.ty.literal(value)),
            });
            changes.push((col.clone(), value, adds));
        }
        let change = move |row: &Row| {
            let mut row = row.clone();
            for (col, value, adds) in &changes {
                match (value, adds) {
                    (_, true) => drop(row.cells.entry(col.id).and_modify(|v| *v += 1)),
                    (Some(value), _) => drop(row.cells.insert(col.id, *value)),
                    (None, _) => drop(row.cells.remove(&col.id)),
                }
            }
            row.place = place.unwrap_or(row.place);
            row
        };
        let sql = format!("UPDATE {} SET {} WHERE {}", table.name, sets.join(", "), filter.sql(shape));
        Step::new(sql, Effect::On(at, table.update(|row| filter.holds(row).then(|| change(row)))))
    }

    /// Rows that match are changed or deleted, the others inserted.
    fn merge(&mut self, at: usize, table: &Table) -> Step {
        let (name, shape, cols) = (&table.name, table.shape, table.cols());
        let mut seen = BTreeSet::new();
        let mut rows = self.rows(shape, cols);
        rows.retain(|row| seen.insert((row.place, row.k)));
        let names = shape.columns(cols);
        let keys = shape.key_columns().iter().chain(shape.partition_columns());
        let on = keys.map(|key| format!("{name}.{key} = s.{key}")).collect::<Vec<_>>().join(" AND ");
        // A column of nothing but NULL has no type in VALUES.
        let col = (!cols.is_empty()).then(|| cols[self.below(cols.len())].clone());
        let (matched, inserts) = (self.below(3), self.chance(70));
        let mut clauses = vec![];
        match (matched, &col) {
            (0, _) => clauses.push("WHEN MATCHED THEN DELETE".to_owned()),
            (1, Some(col)) => clauses.push(format!("WHEN MATCHED THEN UPDATE SET {0} = s.{0}", col.name)),
            _ => {}
        }
        if inserts || clauses.is_empty() {
            let values = names.iter().map(|name| format!("s.{name}")).collect::<Vec<_>>().join(", ");
            clauses.push(format!("WHEN NOT MATCHED THEN INSERT ({}) VALUES ({values})", names.join(", ")));
        }
        let inserts = inserts || clauses.len() == 1 && clauses[0].starts_with("WHEN NOT");
        let tuples: Vec<String> = rows.iter().map(|row| shape.tuple(row, cols, shape.levels)).collect();
        let sql = format!(
            "MERGE INTO {name} USING (VALUES {}) AS s ({}) ON {on} {}",
            tuples.join(", "),
            names.join(", "),
            clauses.join(" ")
        );
        let change = |old: &Row, new: &Row| match (matched, &col) {
            (0, _) => Some(None),
            (1, Some(col)) => {
                let mut row = old.clone();
                match new.cells.get(&col.id) {
                    Some(value) => row.cells.insert(col.id, *value),
                    None => row.cells.remove(&col.id),
                };
                Some(Some(row))
            }
            _ => None,
        };
        Step::new(sql, Effect::On(at, table.merge(&rows, change, inserts)))
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

    /// Now and then a RESTORE only tells what it would do.
    fn perhaps_dry(&mut self, sql: String, effect: Effect) -> Step {
        match self.chance(10) {
            false => Step::new(sql, effect),
            true => {
                let effect = match effect {
                    Effect::On(_, Verdict::Refused(code)) | Effect::Refused(code) => Effect::Refused(code),
                    _ => Effect::Nothing,
                };
                Step::new(format!("{sql} DRY RUN"), effect)
            }
        }
    }

    fn restore(&mut self, at: usize, table: &Table) -> Step {
        let v = self.version(table);
        let sql = format!("RESTORE TABLE {} TO LSN '{v}'", table.name);
        self.perhaps_dry(sql, Effect::On(at, table.restore(v)))
    }

    fn partition_restore(&mut self, at: usize, table: &Table) -> Step {
        if !table.shape.partitioned() {
            return self.restore(at, table);
        }
        let (v, places) = (self.version(table), self.places(table.shape));
        let sql = format!("RESTORE TABLE {}{} TO LSN '{v:016}'", table.name, specs(table.shape, Some(&places), " "));
        self.perhaps_dry(sql, Effect::On(at, table.restore_partitions(&places, v)))
    }

    fn drop_partition(&mut self, at: usize, table: &Table) -> Step {
        if !table.shape.partitioned() {
            return self.overwrite(at, table);
        }
        let (places, if_exists) = (self.places(table.shape), self.chance(40));
        let word = if if_exists { " IF EXISTS" } else { "" };
        let sql = format!("ALTER TABLE {} DROP{word}{}", table.name, specs(table.shape, Some(&places), ", "));
        Step::new(sql, Effect::On(at, table.drop_partitions(&places, if_exists)))
    }

    fn undrop_partition(&mut self, at: usize, table: &Table) -> Step {
        let ended: Vec<_> = table.ended().into_iter().collect();
        if ended.is_empty() {
            return self.drop_partition(at, table);
        }
        let count = 1 + self.below(ended.len().min(3));
        let wanted: BTreeMap<_, _> = (0..count).map(|_| ended[self.below(ended.len())]).collect();
        let ids: Vec<String> = (0..wanted.len()).map(|n| format!("PARTITION('id'='{{{n}}}')")).collect();
        let sql = format!("RESTORE TABLE {} {}", table.name, ids.join(" "));
        let verdict = match table.undrop_partitions(&wanted) {
            // Of several that are wrong, which is told isn't said.
            Verdict::Refused(_) if wanted.len() > 1 => Verdict::Refused(""),
            verdict => verdict,
        };
        let mut step = self.perhaps_dry(sql, Effect::On(at, verdict));
        step.partitions = wanted.into_keys().collect();
        step
    }

    fn add_partition(&mut self, at: usize, table: &Table) -> Step {
        if !table.shape.partitioned() {
            return self.settings(at, table);
        }
        let (place, if_not_exists) = (self.below(table.shape.places()), self.chance(40));
        let word = if if_not_exists { " IF NOT EXISTS" } else { "" };
        let sql = format!("ALTER TABLE {} ADD{word} {}", table.name, table.shape.place_sql(place));
        Step::new(sql, Effect::On(at, table.add_partition(place, if_not_exists)))
    }

    /// RESTORE … AS a new table, an existing one, or itself.
    fn clone_table(&mut self, at: usize, tables: &[Table], live: &[usize]) -> Step {
        let table = &tables[at];
        let v = self.version(table);
        let places = (table.shape.partitioned() && self.chance(30)).then(|| self.places(table.shape));
        let fits = |other: &usize| {
            let schema = |cols: &[Col]| cols.iter().map(|c| (c.name.clone(), c.ty)).collect::<Vec<_>>();
            let there = table.head().min(v);
            tables[*other].shape == table.shape && schema(tables[*other].cols()) == schema(&table.at(there).cols)
        };
        let fitting: Vec<usize> = live.iter().copied().filter(|other| *other != at && fits(other)).collect();
        let to = match self.below(10) {
            0..4 if !fitting.is_empty() => tables[fitting[self.below(fitting.len())]].name.clone(),
            _ => NAMES[self.below(NAMES.len())].to_owned(),
        };
        let spec = specs(table.shape, places.as_ref(), " ");
        let sql = format!("RESTORE TABLE {}{spec} TO LSN '{v}' AS {to}", table.name);
        let target = live.iter().copied().find(|other| tables[*other].name == to);
        let cols = match target {
            Some(target) => tables[target].cols().to_vec(),
            None if v > table.head() => vec![],
            None => table.at(v).cols.clone().iter().map(|col| Col { ty: col.ty, ..self.column(&col.name) }).collect(),
        };
        let n = target.map_or(1, |target| tables[target].head() + 1);
        let effect = match (table.cloned(v, places.as_ref(), &cols, n), target) {
            (Err(code), _) => Effect::Refused(code),
            (Ok(_), Some(target)) if target == at => Effect::Refused("TT_INVALID_ARGUMENT"),
            (Ok(_), Some(target)) if !fits(&target) => Effect::Refused("ODPS-0110061"),
            (Ok(content), Some(target)) => Effect::On(target, tables[target].overwrite_with(content)),
            (Ok(content), None) => {
                let mut new = Table::with_first(&to, table.shape, content);
                new.properties.clone_from(&table.properties);
                Effect::Creates(Box::new(new), None)
            }
        };
        self.perhaps_dry(sql, effect)
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
    fn settings(&mut self, at: usize, table: &Table) -> Step {
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

    fn undrop_table(&mut self, tables: &[Table]) -> Step {
        let dropped: Vec<usize> = (0..tables.len()).filter(|at| tables[*at].dropped).collect();
        let at = match dropped.is_empty() || self.chance(5) {
            true => self.below(tables.len()),
            false => dropped[self.below(dropped.len())],
        };
        let table = &tables[at];
        let sql = format!("RESTORE TABLE {} ('id'='{}')", table.name, table.id);
        let taken = tables.iter().any(|other| other.name == table.name && !other.dropped);
        let effect = if taken { Effect::Refused("TT_TABLE_EXISTS") } else { Effect::Undrops(at) };
        self.perhaps_dry(sql, effect)
    }
}

/// A row with the values of some columns in others.
fn renamed(row: &Row, from: &[Col], to: &[Col]) -> Row {
    let cells = from.iter().zip(to).filter_map(|(from, to)| Some((to.id, *row.cells.get(&from.id)?))).collect();
    Row { cells, ..row.clone() }
}

/// The PARTITION clauses, each after a space.
fn specs(shape: Shape, places: Option<&BTreeSet<usize>>, between: &str) -> String {
    let specs: Vec<String> = places.into_iter().flatten().map(|place| shape.place_sql(*place)).collect();
    if specs.is_empty() { String::new() } else { format!(" {}", specs.join(between)) }
}
