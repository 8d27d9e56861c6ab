//! The oracle: rows and the version that wrote each, kept as plain lists, one per version.

/// What a table is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Keyed,
    CompositeKey,
    PartitionedKeyed,
    Append,
    PartitionedAppend,
}

pub(super) const KINDS: [Kind; 5] =
    [Kind::Keyed, Kind::CompositeKey, Kind::PartitionedKeyed, Kind::Append, Kind::PartitionedAppend];

/// Values of the first partition level; all but the first need care somewhere.
const DD: [&str; 4] = ["a", "b/c", "d=1 %2F", "ü'x"];

/// How many partitions there can be.
pub(super) const PARTITIONS: usize = DD.len() * 2;

impl Kind {
    pub(super) fn keyed(self) -> bool {
        !matches!(self, Self::Append | Self::PartitionedAppend)
    }

    pub(super) fn partitioned(self) -> bool {
        matches!(self, Self::PartitionedKeyed | Self::PartitionedAppend)
    }

    pub(super) fn columns(self) -> &'static str {
        match self {
            Self::CompositeKey => "a, b, v, s",
            _ if self.partitioned() => "k, v, s, dd, hh",
            _ => "k, v, s",
        }
    }

    /// The definition, from the column list on.
    pub(super) fn definition(self) -> &'static str {
        match self {
            Self::Keyed => "(k BIGINT PRIMARY KEY, v BIGINT, s STRING)",
            Self::CompositeKey => "(a BIGINT, b STRING, v BIGINT, s STRING, PRIMARY KEY (a, b))",
            Self::PartitionedKeyed => {
                "(k BIGINT NOT NULL PRIMARY KEY, v BIGINT, s STRING) PARTITIONED BY (dd STRING, hh BIGINT)"
            }
            Self::Append => "(k BIGINT NOT NULL, v BIGINT, s STRING)",
            Self::PartitionedAppend => "(k BIGINT NOT NULL, v BIGINT, s STRING) PARTITIONED BY (dd STRING, hh BIGINT)",
        }
    }
}

pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(super) fn dd(partition: usize) -> &'static str {
    DD[partition / 2]
}

pub(super) fn hh(partition: usize) -> usize {
    partition % 2
}

/// A row; `s` follows from `v`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) partition: usize,
    pub(super) k: i64,
    pub(super) v: Option<i64>,
}

impl Row {
    fn s(self) -> Option<String> {
        self.v.map(|v| if v % 5 == 0 { String::new() } else { format!("s{}", v % 5) })
    }

    /// The columns but for those of the partition, as literals.
    pub(super) fn values(self, kind: Kind) -> Vec<String> {
        let mut values = match kind {
            Kind::CompositeKey => vec![(self.k / 3).to_string(), format!("'b{}'", self.k % 3)],
            _ => vec![self.k.to_string()],
        };
        values.push(self.v.map_or("NULL".to_owned(), |v| v.to_string()));
        values.push(self.s().map_or("NULL".to_owned(), |s| quoted(&s)));
        values
    }

    /// As a result shows it.
    pub(super) fn shown(self, kind: Kind) -> String {
        let mut shown = match kind {
            Kind::CompositeKey => format!("{}|b{}", self.k / 3, self.k % 3),
            _ => self.k.to_string(),
        };
        let v = self.v.map_or("NULL".to_owned(), |v| v.to_string());
        let s = self.s().unwrap_or("NULL".to_owned());
        shown.push_str(&format!("|{v}|{s}"));
        if kind.partitioned() {
            shown.push_str(&format!("|{}|{}", dd(self.partition), hh(self.partition)));
        }
        shown
    }
}

/// A row and the version that wrote it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub(super) row: Row,
    lsn: usize,
}

/// A version: what it holds and what made it.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) rows: Vec<Stored>,
    pub(super) operation: &'static str,
}

/// A table with all its versions; the first is version 1.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) versions: Vec<Version>,
}

impl Table {
    pub(super) fn new(name: &str, kind: Kind, rows: &[Row]) -> Self {
        let mut table =
            Self { name: name.to_owned(), kind, versions: vec![Version { rows: vec![], operation: "CREATE" }] };
        let mut stored = vec![];
        table.put(&mut stored, rows, 1);
        table.versions[0].rows = stored;
        table
    }

    pub(super) fn head(&self) -> usize {
        self.versions.len()
    }

    pub(super) fn now(&self) -> &[Stored] {
        &self.versions[self.head() - 1].rows
    }

    pub(super) fn at(&self, version: usize) -> Vec<Row> {
        self.versions[version - 1].rows.iter().map(|stored| stored.row).collect()
    }

    /// (a, b]
    pub(super) fn between(&self, a: usize, b: usize) -> Vec<Row> {
        let rows = self.versions[b - 1].rows.iter();
        rows.filter(|stored| stored.lsn > a && stored.lsn <= b).map(|stored| stored.row).collect()
    }

    /// A version that holds the same.
    pub(super) fn same(&mut self, operation: &'static str) {
        let rows = self.now().to_vec();
        self.versions.push(Version { rows, operation });
    }

    pub(super) fn insert(&mut self, rows: &[Row]) {
        let mut stored = self.now().to_vec();
        self.put(&mut stored, rows, self.head() + 1);
        self.versions.push(Version { rows: stored, operation: "APPEND" });
    }

    pub(super) fn overwrite(&mut self, replaced: impl Fn(usize) -> bool, rows: &[Row]) {
        let mut stored: Vec<Stored> =
            self.now().iter().filter(|stored| !replaced(stored.row.partition)).copied().collect();
        self.put(&mut stored, rows, self.head() + 1);
        self.versions.push(Version { rows: stored, operation: "OVERWRITE" });
    }

    pub(super) fn delete(&mut self, gone: impl Fn(&Row) -> bool) {
        let rows = self.now().iter().filter(|stored| !gone(&stored.row)).copied().collect();
        self.versions.push(Version { rows, operation: "DELETE" });
    }

    fn put(&self, stored: &mut Vec<Stored>, rows: &[Row], lsn: usize) {
        for row in rows {
            if self.kind.keyed() {
                stored.retain(|old| (old.row.partition, old.row.k) != (row.partition, row.k));
            }
            stored.push(Stored { row: *row, lsn });
        }
    }
}

/// A condition on rows, in SQL and in the model.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    True,
    KeyIs(i64),
    KeyIn(Vec<i64>),
    ValueBelow(i64),
    ValueIsNull,
    TextIs(i64),
    PartitionIs(usize),
    DayIs(usize),
    KeyOfValueBelow(i64),
    Both(Box<Condition>, Box<Condition>),
    Either(Box<Condition>, Box<Condition>),
}

impl Condition {
    pub(super) fn sql(&self, table: &Table) -> String {
        let composite = table.kind == Kind::CompositeKey;
        match self {
            Self::True => "true".to_owned(),
            Self::KeyIs(k) if composite => format!("a = {} AND b = 'b{}'", k / 3, k % 3),
            Self::KeyIs(k) => format!("k = {k}"),
            Self::KeyIn(keys) if composite => {
                format!(
                    "a * 3 + CAST(substr(b, 2) AS BIGINT) IN ({})",
                    keys.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
                )
            }
            Self::KeyIn(keys) => format!("k IN ({})", keys.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")),
            Self::ValueBelow(v) => format!("v < {v}"),
            Self::ValueIsNull => "v IS NULL".to_owned(),
            Self::TextIs(0) => "s = ''".to_owned(),
            Self::TextIs(rest) => format!("s = 's{rest}'"),
            Self::PartitionIs(p) => format!("dd = {} AND hh = {}", quoted(dd(*p)), hh(*p)),
            Self::DayIs(p) => format!("dd = {}", quoted(dd(*p))),
            Self::KeyOfValueBelow(v) if composite => format!("a IN (SELECT a FROM {} WHERE v < {v})", table.name),
            Self::KeyOfValueBelow(v) => format!("k IN (SELECT k FROM {} WHERE v < {v})", table.name),
            Self::Both(a, b) => format!("({}) AND ({})", a.sql(table), b.sql(table)),
            Self::Either(a, b) => format!("({}) OR ({})", a.sql(table), b.sql(table)),
        }
    }

    /// Whether the condition is true of a row; `now` is what a subquery reads.
    pub(super) fn holds(&self, row: &Row, table: &Table) -> bool {
        match self {
            Self::True => true,
            Self::KeyIs(k) => row.k == *k,
            Self::KeyIn(keys) => keys.contains(&row.k),
            Self::ValueBelow(v) => row.v.is_some_and(|value| value < *v),
            Self::ValueIsNull => row.v.is_none(),
            Self::TextIs(rest) => row.v.is_some_and(|value| value % 5 == *rest),
            Self::PartitionIs(p) => row.partition == *p,
            Self::DayIs(p) => row.partition / 2 == *p / 2,
            Self::KeyOfValueBelow(v) => {
                let key = |row: &Row| if table.kind == Kind::CompositeKey { row.k / 3 } else { row.k };
                table
                    .now()
                    .iter()
                    .any(|other| key(&other.row) == key(row) && other.row.v.is_some_and(|value| value < *v))
            }
            Self::Both(a, b) => a.holds(row, table) && b.holds(row, table),
            Self::Either(a, b) => a.holds(row, table) || b.holds(row, table),
        }
    }
}
