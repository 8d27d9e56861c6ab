//! Values and conditions, as SQL and as SQL means them: NULL is not known, and neither is what is computed from it.

use std::fmt;

use rand::Rng;
use rand::rngs::StdRng;

pub const DAYS: [&str; 3] = ["x", "y", "z"];

/// A row of the table. Without partitions all are of one day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub k: Option<i64>,
    pub a: Option<i64>,
    pub b: Option<i64>,
    pub d: &'static str,
}

/// A row of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    pub k: i64,
    pub a: Option<i64>,
}

/// What a term may look at.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub row: Option<&'a Row>,
    pub source: Option<&'a Source>,
    pub sources: &'a [Source],
}

/// Which terms may be made.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    pub row: bool,
    pub source: bool,
    pub subqueries: bool,
    pub days: bool,
}

#[derive(Debug, Clone)]
pub enum Number {
    K,
    A,
    B,
    SourceK,
    SourceA,
    Literal(Option<i64>),
    Plus(Box<Number>, i64),
    Minus(Box<Number>),
    If(Box<Condition>, Box<Number>, Box<Number>),
    Max,
}

#[derive(Debug, Clone)]
pub enum Condition {
    Literal(Option<bool>),
    Compare(Number, &'static str, Number),
    IsNull(Number),
    List(Number, Vec<i64>),
    InSource(Number),
    Exists(Number),
    Day(&'static str),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
}

impl Number {
    pub fn any(rng: &mut StdRng, allowed: Allowed, depth: u32) -> Self {
        match rng.random_range(0..if depth == 0 { 6 } else { 10 }) {
            0 if allowed.source => Self::SourceK,
            1 if allowed.source => Self::SourceA,
            0 | 1 if allowed.row => Self::K,
            2 | 3 if allowed.row => Self::A,
            4 if allowed.row => Self::B,
            6 => Self::Plus(Box::new(Self::any(rng, allowed, depth - 1)), rng.random_range(-2..3)),
            7 => Self::Minus(Box::new(Self::any(rng, allowed, depth - 1))),
            8 => {
                let condition = Box::new(Condition::any(rng, allowed, depth - 1));
                let branches = (Self::any(rng, allowed, depth - 1), Self::any(rng, allowed, depth - 1));
                Self::If(condition, Box::new(branches.0), Box::new(branches.1))
            }
            9 if allowed.subqueries => Self::Max,
            _ => Self::Literal(if rng.random_bool(0.1) { None } else { Some(rng.random_range(0..6)) }),
        }
    }

    pub fn value(&self, seen: Seen<'_>) -> Option<i64> {
        match self {
            Self::K => seen.row?.k,
            Self::A => seen.row?.a,
            Self::B => seen.row?.b,
            Self::SourceK => Some(seen.source?.k),
            Self::SourceA => seen.source?.a,
            Self::Literal(value) => *value,
            Self::Plus(inner, n) => Some(inner.value(seen)? + n),
            Self::Minus(inner) => Some(-inner.value(seen)?),
            Self::If(condition, then, other) => match condition.holds(seen) {
                Some(true) => then.value(seen),
                _ => other.value(seen),
            },
            Self::Max => seen.sources.iter().filter_map(|source| source.a).max(),
        }
    }
}

impl Condition {
    pub fn any(rng: &mut StdRng, allowed: Allowed, depth: u32) -> Self {
        let number = |rng: &mut StdRng| Number::any(rng, allowed, depth.min(1));
        match rng.random_range(0..if depth == 0 { 7 } else { 12 }) {
            0 if rng.random_bool(0.3) => Self::Literal([Some(true), Some(false), None][rng.random_range(0..3)]),
            0 => Self::IsNull(number(rng)),
            1 => Self::List(number(rng), (0..3).map(|_| rng.random_range(0..6)).collect()),
            // DataFusion takes no subquery in a subquery's correlation.
            2 if allowed.subqueries => Self::InSource(Number::any(rng, Allowed { subqueries: false, ..allowed }, 0)),
            3 if allowed.subqueries => Self::Exists(Number::any(rng, Allowed { subqueries: false, ..allowed }, 0)),
            4 if allowed.days && allowed.row => Self::Day(DAYS[rng.random_range(0..3)]),
            7 | 8 => Self::And(Self::boxed(rng, allowed, depth), Self::boxed(rng, allowed, depth)),
            9 | 10 => Self::Or(Self::boxed(rng, allowed, depth), Self::boxed(rng, allowed, depth)),
            11 => Self::Not(Self::boxed(rng, allowed, depth)),
            _ => {
                let operator = ["=", "<>", "<", ">="][rng.random_range(0..4)];
                Self::Compare(number(rng), operator, number(rng))
            }
        }
    }

    fn boxed(rng: &mut StdRng, allowed: Allowed, depth: u32) -> Box<Self> {
        Box::new(Self::any(rng, allowed, depth - 1))
    }

    pub fn holds(&self, seen: Seen<'_>) -> Option<bool> {
        match self {
            Self::Literal(value) => *value,
            Self::Compare(left, operator, right) => {
                let (left, right) = (left.value(seen)?, right.value(seen)?);
                Some(match *operator {
                    "=" => left == right,
                    "<>" => left != right,
                    "<" => left < right,
                    _ => left >= right,
                })
            }
            Self::IsNull(number) => Some(number.value(seen).is_none()),
            Self::List(number, list) => number.value(seen).map(|value| list.contains(&value)),
            Self::InSource(number) => {
                let value = number.value(seen).unwrap_or(-1);
                Some(seen.sources.iter().any(|source| source.k == value))
            }
            Self::Exists(number) => {
                let value = number.value(seen);
                Some(seen.sources.iter().any(|source| Some(source.k) == value))
            }
            Self::Day(day) => seen.row.map(|row| row.d == *day),
            Self::And(left, right) => match (left.holds(seen), right.holds(seen)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.holds(seen), right.holds(seen)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Not(inner) => inner.holds(seen).map(|holds| !holds),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::K => f.write_str("t.k"),
            Self::A => f.write_str("t.a"),
            Self::B => f.write_str("t.b"),
            Self::SourceK => f.write_str("s.k"),
            Self::SourceA => f.write_str("s.a"),
            Self::Literal(Some(n)) => write!(f, "{n}"),
            Self::Literal(None) => f.write_str("CAST(NULL AS BIGINT)"),
            Self::Plus(inner, n) => write!(f, "({inner} + ({n}))"),
            Self::Minus(inner) => write!(f, "(-{inner})"),
            Self::If(condition, then, other) => write!(f, "CASE WHEN {condition} THEN {then} ELSE {other} END"),
            Self::Max => f.write_str("(SELECT max(a) FROM src)"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(Some(value)) => write!(f, "{value}"),
            Self::Literal(None) => f.write_str("CAST(NULL AS BOOLEAN)"),
            Self::Compare(left, operator, right) => write!(f, "{left} {operator} {right}"),
            Self::IsNull(number) => write!(f, "{number} IS NULL"),
            Self::List(number, list) => {
                let list: Vec<String> = list.iter().map(i64::to_string).collect();
                write!(f, "{number} IN ({})", list.join(", "))
            }
            // DataFusion takes an unknown IN (SELECT …) for a false one, so here it is always known.
            Self::InSource(number) => write!(f, "coalesce({number}, -1) IN (SELECT k FROM src)"),
            Self::Exists(number) => write!(f, "EXISTS (SELECT 1 FROM src e WHERE e.k = {number})"),
            Self::Day(day) => write!(f, "t.d = '{day}'"),
            Self::And(left, right) => write!(f, "({left} AND {right})"),
            Self::Or(left, right) => write!(f, "({left} OR {right})"),
            Self::Not(inner) => write!(f, "NOT ({inner})"),
        }
    }
}
