//! Batches in pieces of few bytes, each of which owns about the memory that it uses.
//!
//! Plans give batches of so many rows, however wide. Whatever holds or reserves a batch at a time is bounded only if a
//! batch is, and slices count the whole buffers that they share: so pieces that are taken of a batch are copied.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, GenericByteViewArray, LargeListArray, ListArray, MapArray, RecordBatch,
    StringViewArray, UInt64Array, make_array,
};
use arrow::compute::take_record_batch;
use arrow::datatypes::{ByteViewType, DataType};
use datafusion::common::Result;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool};

/// Memory beyond what is used that is not worth a copy.
const SLACK: usize = 16 << 10;

/// The bytes that a pool has to give; none where it has no limit.
pub(super) fn limit(pool: &Arc<dyn MemoryPool>) -> Option<usize> {
    match pool.memory_limit() {
        MemoryLimit::Finite(bytes) => Some(bytes),
        _ => None,
    }
}

/// About the bytes of a piece: many must fit into the pool.
pub(super) fn piece_bytes(pool: &Arc<dyn MemoryPool>) -> usize {
    limit(pool).map_or(1 << 20, |bytes| (bytes / 64).clamp(64 << 10, 1 << 20))
}

/// The batch in slices, in order, of at most so many bytes or of one row.
pub(super) fn slices(batch: RecordBatch, bytes: usize) -> Vec<RecordBatch> {
    let mut pieces = vec![];
    let mut rest = vec![batch];
    while let Some(batch) = rest.pop() {
        let rows = batch.num_rows();
        if rows < 2 || used(&batch) <= bytes {
            pieces.push(batch);
            continue;
        }
        rest.push(batch.slice(rows / 2, rows - rows / 2));
        rest.push(batch.slice(0, rows / 2));
    }
    pieces
}

/// The same rows in memory of their own, where the batch keeps much more than it uses.
pub(super) fn owned(batch: RecordBatch) -> Result<RecordBatch> {
    let is_worth = |batch: &RecordBatch| get_record_batch_memory_size(batch) > 2 * used(batch) + SLACK;
    if !is_worth(&batch) {
        return Ok(batch);
    }
    let rows = UInt64Array::from_iter_values(0..batch.num_rows() as u64);
    let taken = take_record_batch(&batch, &rows)?;
    if is_worth(&taken) { with_own_views(&taken) } else { Ok(taken) }
}

fn with_own_views(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(own_views).collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

/// Views copied out of the buffers that they share, also inside of lists and structs.
fn own_views(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Utf8View => Ok(array.as_string_view_opt().map_or_else(|| Arc::clone(array), |a| Arc::new(a.gc()))),
        DataType::BinaryView => Ok(array.as_binary_view_opt().map_or_else(|| Arc::clone(array), |a| Arc::new(a.gc()))),
        data_type if data_type.is_nested() => {
            let data = array.to_data();
            let children = data.child_data().iter().map(|child| Ok(own_views(&make_array(child.clone()))?.to_data()));
            let children = children.collect::<Result<Vec<_>>>()?;
            Ok(make_array(data.into_builder().child_data(children).build()?))
        }
        _ => Ok(Arc::clone(array)),
    }
}

/// The bytes that the rows of a batch use, whatever its buffers hold besides.
pub(super) fn used(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(used_by).sum()
}

fn used_by(array: &ArrayRef) -> usize {
    let rows = array.len();
    let nulls = if array.nulls().is_some() { rows / 8 } else { 0 };
    let between = |first: Option<i64>, last: Option<i64>| {
        first.zip(last).and_then(|(first, last)| usize::try_from(last - first).ok()).unwrap_or_default()
    };
    let narrow =
        |offsets: &[i32]| between(offsets.first().map(|o| i64::from(*o)), offsets.last().map(|o| i64::from(*o)));
    let wide = |offsets: &[i64]| between(offsets.first().copied(), offsets.last().copied());
    let part = |values: &ArrayRef, first: usize, length: usize| used_by(&values.slice(first, length));
    let start = |first: Option<&i32>| first.and_then(|first| usize::try_from(*first).ok()).unwrap_or_default();
    let values = match array.data_type() {
        DataType::Utf8 => 4 * rows + array.as_string_opt::<i32>().map_or(0, |a| narrow(a.value_offsets())),
        DataType::Binary => 4 * rows + array.as_binary_opt::<i32>().map_or(0, |a| narrow(a.value_offsets())),
        DataType::LargeUtf8 => 8 * rows + array.as_string_opt::<i64>().map_or(0, |a| wide(a.value_offsets())),
        DataType::LargeBinary => 8 * rows + array.as_binary_opt::<i64>().map_or(0, |a| wide(a.value_offsets())),
        DataType::Utf8View => array.as_any().downcast_ref::<StringViewArray>().map_or(0, used_by_views),
        DataType::BinaryView => array.as_any().downcast_ref::<BinaryViewArray>().map_or(0, used_by_views),
        DataType::List(_) => {
            let inner = |a: &ListArray| part(a.values(), start(a.value_offsets().first()), narrow(a.value_offsets()));
            4 * rows + array.as_list_opt::<i32>().map_or(0, inner)
        }
        DataType::LargeList(_) => {
            let first = |offsets: &[i64]| offsets.first().and_then(|o| usize::try_from(*o).ok()).unwrap_or_default();
            let inner = |a: &LargeListArray| part(a.values(), first(a.value_offsets()), wide(a.value_offsets()));
            8 * rows + array.as_list_opt::<i64>().map_or(0, inner)
        }
        DataType::Map(_, _) => {
            let inner = |a: &MapArray| {
                let entries: ArrayRef = Arc::new(a.entries().clone());
                part(&entries, start(a.value_offsets().first()), narrow(a.value_offsets()))
            };
            4 * rows + array.as_map_opt().map_or(0, inner)
        }
        DataType::FixedSizeList(_, _) => array.as_fixed_size_list_opt().map_or(0, |a| used_by(a.values())),
        DataType::Struct(_) => array.as_struct_opt().map_or(0, |a| a.columns().iter().map(used_by).sum()),
        // What rows share doesn't get less by cutting.
        DataType::Dictionary(key, _) => rows * key.primitive_width().unwrap_or(8),
        DataType::FixedSizeBinary(width) => rows * usize::try_from(*width).unwrap_or_default(),
        DataType::Boolean => rows / 8,
        data_type => match data_type.primitive_width() {
            Some(width) => rows * width,
            None => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_buffer_memory_size()),
        },
    };
    nulls + values
}

fn used_by_views<T: ByteViewType>(array: &GenericByteViewArray<T>) -> usize {
    16 * array.len() + array.total_buffer_bytes_used()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use arrow::array::{Int64Array, ListBuilder, StringArray, StringBuilder, StringViewBuilder};
    use arrow::compute::concat_batches;

    use super::*;

    fn batch(rows: usize, width: impl Fn(usize) -> usize) -> RecordBatch {
        let text = |row: usize| "abcdefgh".repeat(width(row) / 8);
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
        let plain: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(text)));
        let mut views = ListBuilder::new(StringViewBuilder::new());
        let mut lists = ListBuilder::new(StringBuilder::new());
        for row in 0..rows {
            views.append_value([Some(text(row)), None]);
            lists.append_value([Some(text(row))]);
        }
        let view = arrow::compute::cast(&plain, &DataType::Utf8View).unwrap();
        let lists: ArrayRef = Arc::new(lists.finish());
        let views: ArrayRef = Arc::new(views.finish());
        RecordBatch::try_from_iter([("k", keys), ("s", plain), ("v", view), ("l", lists), ("w", views)]).unwrap()
    }

    #[test]
    fn pieces_are_small_and_are_the_batch() {
        for width in [0, 8, 1_024, 65_536] {
            let whole = batch(300, |row| if row % 7 == 0 { width } else { width / 8 });
            let pieces: Vec<RecordBatch> =
                slices(whole.clone(), 64 << 10).into_iter().map(|piece| owned(piece).unwrap()).collect();
            for piece in &pieces {
                let memory = get_record_batch_memory_size(piece);
                assert!(piece.num_rows() == 1 || used(piece) <= 64 << 10, "{width}: {}", used(piece));
                assert!(memory <= 3 * used(piece) + 2 * SLACK, "{width}: {memory} for {}", used(piece));
            }
            assert_eq!(concat_batches(&whole.schema(), &pieces).unwrap(), whole, "{width}");
        }
    }

    #[test]
    fn narrow_batches_stay_whole() {
        let whole = batch(8_192, |_| 0);
        assert_eq!(slices(whole.clone(), 1 << 20).len(), 1);
        assert_eq!(owned(whole.clone()).unwrap(), whole);
    }
}
