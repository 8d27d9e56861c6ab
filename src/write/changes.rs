//! Change rows, one per row that UPDATE, DELETE or MERGE changes, and what is written for them.
//!
//! A change row holds the new values of all columns, partition columns last, then [`CHANGE`], then which row it is
//! about: with a key the old key and partition, without one the file and the row's number in it. Rows come once, so
//! that whatever is volatile in the statement is evaluated once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Int8Array, RecordBatch, RecordBatchOptions,
    new_null_array,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{and, cast, filter, filter_record_batch, is_not_null};
use arrow::datatypes::{DataType, Field, Int8Type, Int64Type, Schema, SchemaRef, UInt32Type};
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};

use crate::error::{Code, Error, Result};
use crate::table::{FileEntry, TableSchema};

/// The column that says what happens to the row, a [`Change`]; nothing where it is NULL.
pub(crate) const CHANGE: &str = "__tt_change";

/// The columns with the old key and partition begin so.
pub(crate) const OLD: &str = "__tt_old_";

/// The column of rows to write that says what they are, a [`Role`].
pub(super) const ROLE: &str = "__tt_role";

/// What happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It gets the new values.
    Update,
    /// It goes.
    Delete,
    /// It is new.
    Insert,
}

impl Change {
    /// The value in [`CHANGE`].
    pub(crate) const fn code(self) -> i8 {
        match self {
            Self::Update => 0,
            Self::Delete => 1,
            Self::Insert => 2,
        }
    }

    fn of(code: i8) -> Result<Self> {
        [Self::Update, Self::Delete, Self::Insert]
            .into_iter()
            .find(|change| change.code() == code)
            .ok_or_else(|| Error::internal(format!("a change of kind {code}")))
    }
}

/// What a row to write is to the rows that were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The new values of a row that keeps its key.
    InPlace,
    /// The tombstone of a row that was there.
    Gone,
    /// A row under a key that the statement gives out.
    New,
}

impl Role {
    pub(super) const fn code(self) -> i8 {
        match self {
            Self::InPlace => 0,
            Self::Gone => 1,
            Self::New => 2,
        }
    }
}

/// How many rows of each kind went by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Change rows: what the statement says that it changed.
    pub(crate) changes: u64,
    /// Tombstones.
    pub(crate) gone: u64,
    /// Rows under keys that the statement gives out.
    pub(crate) new: u64,
}

/// Change rows of a table with a key as rows to write, and the counts, which are complete when the stream has ended.
pub(crate) fn keyed(
    schema: &Arc<TableSchema>,
    rows: SendableRecordBatchStream,
) -> Result<(SendableRecordBatchStream, Arc<Mutex<Counts>>)> {
    let layout = Layout::new(schema, &rows.schema())?;
    let counts = Arc::new(Mutex::new(Counts::default()));
    let told = Arc::clone(&counts);
    let out = Arc::clone(&layout.out);
    let split = rows.map(move |batch| {
        let pieces = layout.split(&batch?, &told)?;
        Ok::<_, DataFusionError>(stream::iter(pieces.map(Ok)))
    });
    let split = split.try_flatten();
    Ok((Box::pin(RecordBatchStreamAdapter::new(out, split)), counts))
}

/// Where the columns of change rows stand.
struct Layout {
    /// The table's columns, partition columns included.
    columns: usize,
    /// The positions of the key, then of the partition columns.
    identity: Vec<usize>,
    /// The rows to write.
    out: SchemaRef,
}

impl Layout {
    fn new(schema: &TableSchema, rows: &Schema) -> Result<Self> {
        let columns = schema.all().count();
        let identity: Vec<usize> = schema.key_positions().into_iter().chain(schema.columns.len()..columns).collect();
        check(rows, columns, identity.len())?;
        let mut fields: Vec<Field> =
            rows.fields().iter().take(columns).map(|field| field.as_ref().clone().with_nullable(true)).collect();
        fields.push(Field::new(ROLE, DataType::Int8, false));
        Ok(Self { columns, identity, out: Arc::new(Schema::new(fields)) })
    }

    /// The tombstones, and the rows with new values.
    fn split(&self, batch: &RecordBatch, counts: &Mutex<Counts>) -> Result<impl Iterator<Item = RecordBatch> + use<>> {
        let batch = &decided(batch, self.columns)?;
        let changes = changes(batch, self.columns)?;
        let old: Vec<&ArrayRef> = batch.columns().iter().skip(self.columns + 1).collect();
        let stays = self.stays(batch, &old)?;
        let mut gone = BooleanBufferBuilder::new(batch.num_rows());
        let mut image = BooleanBufferBuilder::new(batch.num_rows());
        let mut roles = Vec::with_capacity(batch.num_rows());
        for (row, change) in changes.iter().enumerate() {
            let in_place = *change == Change::Update && stays.value(row);
            gone.append(*change != Change::Insert && !in_place);
            image.append(*change != Change::Delete);
            if *change != Change::Delete {
                roles.push(if in_place { Role::InPlace.code() } else { Role::New.code() });
            }
        }
        let (gone, image) = (BooleanArray::new(gone.finish(), None), BooleanArray::new(image.finish(), None));
        let gone = self.tombstones(&old, &gone)?;
        let image = self.images(batch, &image, roles)?;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.changes += batch.num_rows() as u64;
        counts.gone += gone.num_rows() as u64;
        counts.new += last(&image)
            .map_or(0, |roles| roles.values().iter().filter(|role| **role == Role::New.code()).count() as u64);
        Ok([gone, image].into_iter().filter(|batch| batch.num_rows() > 0))
    }

    /// Which rows keep key and partition.
    fn stays(&self, batch: &RecordBatch, old: &[&ArrayRef]) -> Result<BooleanArray> {
        let mut stays = BooleanArray::from(vec![true; batch.num_rows()]);
        for (at, old) in self.identity.iter().zip(old) {
            let Some(new) = batch.columns().get(*at) else { continue };
            // A value that can't be cast is refused when it is written.
            let Ok(new) = cast(new, old.data_type()) else {
                return Ok(BooleanArray::from(vec![false; batch.num_rows()]));
            };
            stays = not_distinct(&new, old).and_then(|same| and(&stays, &same)).map_err(wrong)?;
        }
        Ok(stays)
    }

    fn tombstones(&self, old: &[&ArrayRef], gone: &BooleanArray) -> Result<RecordBatch> {
        let count = gone.true_count();
        let mut columns = Vec::with_capacity(self.columns + 1);
        for (at, field) in self.out.fields().iter().take(self.columns).enumerate() {
            let identity = self.identity.iter().position(|position| *position == at);
            columns.push(match identity.and_then(|at| old.get(at)) {
                Some(old) => {
                    let old = filter(old.as_ref(), gone).map_err(wrong)?;
                    cast(&old, field.data_type()).map_err(wrong)?
                }
                None => new_null_array(field.data_type(), count),
            });
        }
        self.batch(columns, vec![Role::Gone.code(); count])
    }

    fn images(&self, batch: &RecordBatch, image: &BooleanArray, roles: Vec<i8>) -> Result<RecordBatch> {
        let kept = batch.columns().iter().take(self.columns).map(|column| filter(column, image).map_err(wrong));
        self.batch(kept.collect::<Result<Vec<_>>>()?, roles)
    }

    fn batch(&self, mut columns: Vec<ArrayRef>, roles: Vec<i8>) -> Result<RecordBatch> {
        columns.push(Arc::new(Int8Array::from(roles)));
        RecordBatch::try_new(Arc::clone(&self.out), columns).map_err(wrong)
    }
}

/// The rows of files that a statement changes or deletes: a bit per row of each file that it touches.
#[derive(Debug)]
pub(crate) struct Touched {
    files: Vec<Arc<FileEntry>>,
    rows: BTreeMap<usize, BooleanBufferBuilder>,
    reservation: MemoryReservation,
    statement: &'static str,
    table_name: String,
    /// Change rows.
    changes: u64,
}

impl Touched {
    /// None yet of these files, which change rows number. The statement and the table are for messages.
    pub(crate) fn new(
        files: Vec<Arc<FileEntry>>,
        statement: &'static str,
        table_name: String,
        pool: &Arc<dyn MemoryPool>,
    ) -> Self {
        let reservation = MemoryConsumer::new("timetravel write: changed rows").register(pool);
        Self { files, rows: BTreeMap::new(), reservation, statement, table_name, changes: 0 }
    }

    /// How many rows the statement changes.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// The files that it touches, each with the rows that stay as they are.
    pub(crate) fn into_kept(self) -> Vec<(Arc<FileEntry>, BooleanBuffer)> {
        let kept = self.rows.into_iter().filter_map(|(file, mut touched)| {
            let touched = touched.finish();
            Some((Arc::clone(self.files.get(file)?), !&touched))
        });
        kept.collect()
    }

    fn touch(&mut self, file: u32, row: i64) -> datafusion::common::Result<()> {
        let lost = || Error::internal("a changed row is in no file");
        let at = file as usize;
        let row = usize::try_from(row).map_err(|_| lost())?;
        let bits = match self.rows.entry(at) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let rows = self.files.get(at).map(|entry| entry.file.rows).ok_or_else(lost)?;
                let rows = usize::try_from(rows).map_err(|_| lost())?;
                self.reservation.try_grow(rows.div_ceil(8))?;
                let mut bits = BooleanBufferBuilder::new(rows);
                bits.append_n(rows, false);
                entry.insert(bits)
            }
        };
        if row >= bits.len() {
            return Err(lost().into());
        }
        if bits.get_bit(row) {
            return Err(matched_twice(self.statement, &self.table_name, None).into());
        }
        bits.set_bit(row, true);
        Ok(())
    }
}

/// Change rows of a table without a key as the rows with new values; which rows are touched is noted beside.
pub(crate) fn keyless(
    schema: &TableSchema,
    rows: SendableRecordBatchStream,
    touched: Arc<Mutex<Touched>>,
) -> Result<SendableRecordBatchStream> {
    let columns = schema.all().count();
    check(&rows.schema(), columns, 2)?;
    let schema = rows.schema();
    let fields = schema.fields().iter().take(columns).map(|field| field.as_ref().clone().with_nullable(true));
    let out: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let to = Arc::clone(&out);
    let images = rows.map(move |batch| {
        let batch = decided(&batch?, columns)?;
        let changes = changes(&batch, columns)?;
        let wrong_type = || Error::internal("changed rows don't say where they are");
        let files = batch.columns().get(columns + 1).and_then(|column| column.as_primitive_opt::<UInt32Type>());
        let numbers = batch.columns().get(columns + 2).and_then(|column| column.as_primitive_opt::<Int64Type>());
        let (files, numbers) = (files.ok_or_else(wrong_type)?, numbers.ok_or_else(wrong_type)?);
        let mut touched = touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.changes += batch.num_rows() as u64;
        let mut image = BooleanBufferBuilder::new(batch.num_rows());
        for (row, change) in changes.iter().enumerate() {
            image.append(*change != Change::Delete);
            if *change == Change::Insert {
                continue;
            }
            if files.is_null(row) || numbers.is_null(row) {
                return Err(wrong_type().into());
            }
            touched.touch(files.value(row), numbers.value(row))?;
        }
        let image = BooleanArray::new(image.finish(), None);
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().iter().take(columns).map(Arc::clone).collect();
        let batch = RecordBatch::try_new_with_options(Arc::clone(&to), columns, &options)?;
        Ok(filter_record_batch(&batch, &image)?)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(out, images)))
}

/// The error for a row that a statement changes twice.
pub(super) fn matched_twice(statement: &str, table_name: &str, key: Option<&str>) -> Error {
    let row = key.map_or_else(|| "a row".to_owned(), |key| format!("the row with key {key}"));
    Error::new(
        Code::ConstraintViolation,
        format!(
            "{statement} of table {table_name} matches {row} more than once; nothing was changed, make the rows of the source match one row each"
        ),
    )
}

/// The rows to which something happens.
fn decided(batch: &RecordBatch, at: usize) -> Result<RecordBatch> {
    match batch.columns().get(at) {
        Some(changes) if changes.null_count() > 0 => {
            is_not_null(changes).and_then(|kept| filter_record_batch(batch, &kept)).map_err(wrong)
        }
        _ => Ok(batch.clone()),
    }
}

fn changes(batch: &RecordBatch, at: usize) -> Result<Vec<Change>> {
    let codes = batch.columns().get(at).and_then(|column| column.as_primitive_opt::<Int8Type>());
    let codes = codes.filter(|codes| codes.null_count() == 0);
    let codes = codes.ok_or_else(|| Error::internal("rows don't say how they change"))?;
    codes.values().iter().map(|code| Change::of(*code)).collect()
}

fn last(batch: &RecordBatch) -> Option<&Int8Array> {
    batch.columns().last()?.as_primitive_opt::<Int8Type>()
}

fn check(rows: &Schema, columns: usize, identity: usize) -> Result<()> {
    let is_change = rows.fields().get(columns).is_some_and(|field| field.name() == CHANGE);
    if is_change && rows.fields().len() == columns + 1 + identity {
        return Ok(());
    }
    let found: Vec<_> = rows.fields().iter().map(|field| field.name().as_str()).collect();
    Err(Error::internal(format!("changes have the columns {}", found.join(", "))))
}

fn wrong(error: arrow::error::ArrowError) -> Error {
    Error::internal(format!("changed rows don't fit together: {error}"))
}
