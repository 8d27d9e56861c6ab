//! A key once: of neighbours with the same partition and key, one stays (invariant 4).
//!
//! Needs sorted rows. Holds one batch back, because its last row may have a successor in the next.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, BooleanBufferBuilder, RecordBatch, make_comparator};
use arrow::compute::{SortOptions, filter_record_batch, partition};

use super::changes::{Role, matched_twice};
use super::shape::{Shape, columns_at};
use super::{Duplicates, check::key_text};
use crate::error::{Code, Error, Result};

/// The de-duplication of one write.
#[derive(Debug)]
pub(super) struct Dedup {
    shape: Arc<Shape>,
    table_name: String,
    duplicates: Duplicates,
    /// Whether the order of the input is to be checked, because nobody sorted it here.
    verify: bool,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    batch: RecordBatch,
    groups: Vec<Range<usize>>,
    /// Of the last group, those of earlier batches included.
    seen: Seen,
}

/// The rows of one key.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// Rows that aren't tombstones.
    images: u64,
    /// Rows that were there, where the input says so.
    touched: u64,
}

impl Dedup {
    /// Of one write.
    pub(super) fn new(shape: Arc<Shape>, table_name: String, duplicates: Duplicates, verify: bool) -> Self {
        Self { shape, table_name, duplicates, verify, held: None }
    }

    /// Takes the next rows; gives those of the batch before that stay.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<Option<RecordBatch>> {
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let positions = self.shape.groups();
        if positions.is_empty() {
            return Ok(Some(batch));
        }
        let columns = columns_at(&batch, &positions);
        let groups = partition(&columns).map_err(wrong)?.ranges();
        if self.verify {
            ascending(&columns, &groups)?;
        }
        let joined = match &self.held {
            Some(held) => self.joined(held, &columns, &positions)?,
            None => false,
        };
        if !self.shape.table.is_keyed() {
            return Ok(self.held.replace(Held { batch, groups, seen: Seen::default() }).map(|held| held.batch));
        }
        let carried = self.held.as_ref().filter(|_| joined).map(|held| held.seen).unwrap_or_default();
        let seen = self.count(&batch, &groups, carried)?;
        let before = self.held.replace(Held { batch, groups, seen });
        before.map(|held| held.rows(joined)).transpose()
    }

    /// The last rows.
    pub(super) fn finish(&mut self) -> Result<Option<RecordBatch>> {
        match self.held.take() {
            Some(held) if self.shape.table.is_keyed() => held.rows(false).map(Some),
            held => Ok(held.map(|held| held.batch)),
        }
    }

    /// Whether the next batch begins with the key with which the held one ends.
    fn joined(&self, held: &Held, columns: &[ArrayRef], positions: &[usize]) -> Result<bool> {
        let last = held.batch.num_rows().saturating_sub(1);
        for (before, after) in columns_at(&held.batch, positions).iter().zip(columns) {
            match make_comparator(before, after, SortOptions::default()).map_err(wrong)?(last, 0) {
                Ordering::Equal => {}
                Ordering::Greater if self.verify => return Err(out_of_order()),
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The rows in the last group; refuses a group with two that stay, or two that were there, where that is asked for.
    fn count(&self, batch: &RecordBatch, groups: &[Range<usize>], carried: Seen) -> Result<Seen> {
        let Duplicates::Refuse(statement) = self.duplicates else { return Ok(Seen::default()) };
        let tombstones = self.shape.tombstones(batch);
        let roles = self.shape.roles(batch);
        let mut seen = carried;
        for (number, group) in groups.iter().enumerate() {
            if number > 0 {
                seen = Seen::default();
            }
            for row in group.clone() {
                let dead = tombstones.is_some_and(|marks| marks.value(row));
                if dead && seen.images > 0 {
                    return Err(Error::internal("a tombstone comes after the row of its key"));
                }
                seen.images += u64::from(!dead);
                seen.touched += u64::from(roles.is_some_and(|roles| roles.value(row) != Role::New.code()));
                if seen.touched > 1 {
                    let key = key_text(&self.shape, batch, row);
                    return Err(matched_twice(statement, &self.table_name, key.as_deref()));
                }
                if seen.images > 1 {
                    return Err(self.twice(statement, batch, row));
                }
            }
        }
        Ok(seen)
    }

    fn twice(&self, statement: &str, batch: &RecordBatch, row: usize) -> Error {
        let key = key_text(&self.shape, batch, row).unwrap_or_default();
        let message = format!(
            "{statement} of table {} would give the key {key} to two rows; nothing was changed, make the new keys unique",
            self.table_name
        );
        Error::new(Code::ConstraintViolation, message)
    }
}

impl Held {
    /// The last row of every group, but not of the last group if it goes on.
    fn rows(self, goes_on: bool) -> Result<RecordBatch> {
        let rows = self.batch.num_rows();
        if self.groups.len() == rows {
            let kept = if goes_on { rows.saturating_sub(1) } else { rows };
            return Ok(self.batch.slice(0, kept));
        }
        let mut stays = BooleanBufferBuilder::new(rows);
        stays.append_n(rows, false);
        let kept = self.groups.len().saturating_sub(usize::from(goes_on));
        for group in self.groups.iter().take(kept) {
            stays.set_bit(group.end.saturating_sub(1), true);
        }
        filter_record_batch(&self.batch, &BooleanArray::new(stays.finish(), None)).map_err(wrong)
    }
}

/// Whether the first rows of the groups ascend.
fn ascending(columns: &[ArrayRef], groups: &[Range<usize>]) -> Result<()> {
    let comparators: Vec<_> = columns
        .iter()
        .map(|column| make_comparator(column, column, SortOptions::default()))
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    for (before, after) in groups.iter().zip(groups.iter().skip(1)) {
        let order = comparators.iter().map(|compare| compare(before.start, after.start)).find(|order| order.is_ne());
        if order != Some(Ordering::Less) {
            return Err(out_of_order());
        }
    }
    Ok(())
}

fn out_of_order() -> Error {
    Error::internal("rows that were said to be sorted by partition and key are not")
}

fn wrong(error: arrow::error::ArrowError) -> Error {
    Error::internal(format!("keys can't be compared: {error}"))
}
