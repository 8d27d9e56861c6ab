//! What tables are like: keys, partition levels and columns, as SQL writes and shows them.

use std::collections::BTreeMap;

/// How many keys there are.
pub(super) const KEYS: i64 = 12;

/// Texts that need care somewhere: in SQL, in statistics, in the log.
const KEY_TEXTS: [&str; KEYS as usize] = ["", "a", "A", "ä", "a b", "a'b", "10", "9", "zz", "😀", "-", "%"];
const DAYS: [&str; 3] = ["b/c", "ü'x", "d=1 %2F"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Number,
    Text,
    Pair,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) key: Key,
    /// Whether the key is a PRIMARY KEY; else its columns are like others.
    pub(super) keyed: bool,
    /// How many partition columns there are.
    pub(super) levels: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Int,
    Bigint,
    Text,
}

impl Type {
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Int => "INT",
            Self::Bigint => "BIGINT",
            Self::Text => "STRING",
        }
    }

    pub(super) fn shown(self, value: Option<i64>) -> String {
        match (self, value) {
            (_, None) => "NULL".to_owned(),
            (Self::Text, Some(0)) => String::new(),
            (Self::Text, Some(v)) => format!("s{v}"),
            (_, Some(v)) => v.to_string(),
        }
    }

    pub(super) fn literal(self, value: Option<i64>) -> String {
        match (self, value) {
            (Self::Text, Some(_)) => quoted(&self.shown(value)),
            _ => self.shown(value),
        }
    }
}

/// A column beside the key; no two columns that ever were have one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Col {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) ty: Type,
}

/// A row; a cell that isn't there is NULL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) place: usize,
    pub(super) k: i64,
    pub(super) cells: BTreeMap<u32, i64>,
    /// The version that wrote it.
    pub(super) lsn: usize,
}

impl Shape {
    pub(super) fn partitioned(self) -> bool {
        self.levels > 0
    }

    /// How many partitions there can be.
    pub(super) fn places(self) -> usize {
        match self.levels {
            0 => 1,
            1 => DAYS.len(),
            _ => 4,
        }
    }

    pub(super) fn key_columns(self) -> &'static [&'static str] {
        match self.key {
            Key::Pair => &["a", "b"],
            _ => &["k"],
        }
    }

    pub(super) fn partition_columns(self) -> &'static [&'static str] {
        &["dd", "hh"][..self.levels]
    }

    /// The definition, from the column list on.
    pub(super) fn definition(self, cols: &[Col]) -> String {
        let mut columns: Vec<String> = match self.key {
            Key::Number => vec!["k BIGINT NOT NULL".into()],
            Key::Text => vec!["k STRING NOT NULL".into()],
            Key::Pair => vec!["a BIGINT NOT NULL".into(), "b STRING NOT NULL".into()],
        };
        columns.extend(cols.iter().map(|col| format!("{} {}", col.name, col.ty.sql())));
        if self.keyed {
            columns.push(format!("PRIMARY KEY ({})", self.key_columns().join(", ")));
        }
        let partitions = match self.levels {
            0 => "",
            1 => " PARTITIONED BY (dd STRING)",
            _ => " PARTITIONED BY (dd STRING, hh BIGINT)",
        };
        format!("({}){partitions}", columns.join(", "))
    }

    /// All columns in their order.
    pub(super) fn columns(self, cols: &[Col]) -> Vec<String> {
        let own = self.key_columns().iter().map(|name| (*name).to_owned()).chain(cols.iter().map(|c| c.name.clone()));
        own.chain(self.partition_columns().iter().map(|name| (*name).to_owned())).collect()
    }

    /// A row as one text, as [`Shape::shown`] gives it.
    pub(super) fn line(self, cols: &[Col]) -> String {
        let columns = self.columns(cols);
        let texts: Vec<String> =
            columns.iter().map(|name| format!("coalesce(CAST({name} AS STRING), 'NULL')")).collect();
        format!("concat_ws('|', {})", texts.join(", "))
    }

    fn key_texts(self, k: i64) -> Vec<String> {
        match self.key {
            Key::Number => vec![k.to_string()],
            Key::Text => vec![KEY_TEXTS[usize::try_from(k).unwrap()].to_owned()],
            Key::Pair => vec![(k / 3).to_string(), format!("b{}", k % 3)],
        }
    }

    /// The values of the key as literals.
    pub(super) fn key_literals(self, k: i64) -> Vec<String> {
        let texts = self.key_texts(k);
        match self.key {
            Key::Number => texts,
            Key::Text => vec![quoted(&texts[0])],
            Key::Pair => vec![texts[0].clone(), quoted(&texts[1])],
        }
    }

    /// The values of the partition columns, as the log has them.
    pub(super) fn place_texts(self, place: usize) -> Vec<String> {
        match self.levels {
            0 => vec![],
            1 => vec![DAYS[place].to_owned()],
            _ => vec![DAYS[place / 2].to_owned(), (place % 2).to_string()],
        }
    }

    pub(super) fn place_literals(self, place: usize) -> Vec<String> {
        let mut texts = self.place_texts(place);
        if let Some(day) = texts.first_mut() {
            *day = quoted(day);
        }
        texts
    }

    /// The partition as history names it.
    pub(super) fn place_name(self, place: usize) -> String {
        let pairs = self.partition_columns().iter().zip(self.place_texts(place));
        pairs.map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join("/")
    }

    /// `PARTITION (dd='x', hh=1)`.
    pub(super) fn place_sql(self, place: usize) -> String {
        let pairs = self.partition_columns().iter().zip(self.place_literals(place));
        format!("PARTITION ({})", pairs.map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(", "))
    }

    /// The values of a row as literals, with the last so many of the partition columns.
    pub(super) fn tuple(self, row: &Row, cols: &[Col], partition_columns: usize) -> String {
        let mut values = self.key_literals(row.k);
        values.extend(cols.iter().map(|col| col.ty.literal(row.cells.get(&col.id).copied())));
        values.extend(self.place_literals(row.place).into_iter().skip(self.levels - partition_columns));
        format!("({})", values.join(", "))
    }

    /// A row as a result shows it.
    pub(super) fn shown(self, row: &Row, cols: &[Col]) -> String {
        let mut texts = self.key_texts(row.k);
        texts.extend(cols.iter().map(|col| col.ty.shown(row.cells.get(&col.id).copied())));
        texts.extend(self.place_texts(row.place));
        texts.join("|")
    }
}

pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
