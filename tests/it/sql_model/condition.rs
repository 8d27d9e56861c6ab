//! Conditions on rows, in SQL and in the model.

use rand::Rng;
use rand::rngs::StdRng;

use super::shape::{Col, KEYS, Key, Row, Shape, Type};

#[derive(Debug, Clone)]
pub(super) enum Condition {
    True,
    KeyIs(i64),
    KeyIn(Vec<i64>),
    Below(Col, i64),
    IsNull(Col),
    Is(Col, i64),
    PlaceIs(usize),
    Both(Box<Condition>, Box<Condition>),
    Either(Box<Condition>, Box<Condition>),
}

pub(super) fn condition(rng: &mut StdRng, shape: Shape, cols: &[Col], depth: u32) -> Condition {
    let col = (!cols.is_empty()).then(|| cols[rng.random_range(0..cols.len())].clone());
    let two = |rng: &mut StdRng| {
        let one = condition(rng, shape, cols, depth - 1);
        (Box::new(one), Box::new(condition(rng, shape, cols, depth - 1)))
    };
    match (rng.random_range(0..10), col) {
        (0, _) => Condition::True,
        (1, _) => Condition::KeyIn((0..rng.random_range(1..5)).map(|_| rng.random_range(0..KEYS)).collect()),
        (2 | 3, Some(col)) if col.ty != Type::Text => Condition::Below(col, rng.random_range(0..20)),
        (4, Some(col)) => Condition::IsNull(col),
        (2 | 3 | 5, Some(col)) => Condition::Is(col, rng.random_range(0..10)),
        (6, _) if shape.partitioned() => Condition::PlaceIs(rng.random_range(0..shape.places())),
        (7, _) if depth > 0 => {
            let (one, other) = two(rng);
            Condition::Both(one, other)
        }
        (8, _) if depth > 0 => {
            let (one, other) = two(rng);
            Condition::Either(one, other)
        }
        _ => Condition::KeyIs(rng.random_range(0..KEYS)),
    }
}

impl Condition {
    pub(super) fn sql(&self, shape: Shape) -> String {
        let key = |k: i64| {
            let pairs = shape.key_columns().iter().zip(shape.key_literals(k));
            pairs.map(|(name, text)| format!("{name} = {text}")).collect::<Vec<_>>().join(" AND ")
        };
        match self {
            Self::True => "true".to_owned(),
            Self::KeyIs(k) => key(*k),
            Self::KeyIn(keys) if shape.key == Key::Pair => {
                keys.iter().map(|k| format!("({})", key(*k))).collect::<Vec<_>>().join(" OR ")
            }
            Self::KeyIn(keys) => {
                format!("k IN ({})", keys.iter().flat_map(|k| shape.key_literals(*k)).collect::<Vec<_>>().join(", "))
            }
            Self::Below(col, v) => format!("{} < {v}", col.name),
            Self::IsNull(col) => format!("{} IS NULL", col.name),
            Self::Is(col, v) => format!("{} = {}", col.name, col.ty.literal(Some(*v))),
            Self::PlaceIs(place) => {
                let pairs = shape.partition_columns().iter().zip(shape.place_literals(*place));
                pairs.map(|(name, text)| format!("{name} = {text}")).collect::<Vec<_>>().join(" AND ")
            }
            Self::Both(a, b) => format!("({}) AND ({})", a.sql(shape), b.sql(shape)),
            Self::Either(a, b) => format!("({}) OR ({})", a.sql(shape), b.sql(shape)),
        }
    }

    /// Whether the condition is true of a row.
    pub(super) fn holds(&self, row: &Row) -> bool {
        let cell = |col: &Col| row.cells.get(&col.id).copied();
        match self {
            Self::True => true,
            Self::KeyIs(k) => row.k == *k,
            Self::KeyIn(keys) => keys.contains(&row.k),
            Self::Below(col, v) => cell(col).is_some_and(|value| value < *v),
            Self::IsNull(col) => cell(col).is_none(),
            Self::Is(col, v) => cell(col) == Some(*v),
            Self::PlaceIs(place) => row.place == *place,
            Self::Both(a, b) => a.holds(row) && b.holds(row),
            Self::Either(a, b) => a.holds(row) || b.holds(row),
        }
    }
}
