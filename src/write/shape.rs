//! Where the columns stand in the rows being written: the table's columns, the partition columns, then, where there are
//! any, `__tt_tombstone`, what the row is to those that were there, and the number of the row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int8Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int8Type, Schema, SchemaRef};

use super::changes::ROLE;
use crate::error::{Error, Result};
use crate::table::{TOMBSTONE, TableSchema};

/// The number of a row in the order of arrival.
const NUMBER: &str = "__tt_number";

/// The layout of the rows of one write.
#[derive(Debug)]
pub(super) struct Shape {
    /// The table's schema.
    pub(super) table: Arc<TableSchema>,
    /// The schema of the checked rows; everything is nullable here.
    pub(super) rows: SchemaRef,
    /// The positions of the key columns, in key order.
    pub(super) keys: Vec<usize>,
    /// The positions of the partition columns.
    pub(super) partitions: Vec<usize>,
    /// The position of the tombstone column, where there is one.
    pub(super) tombstone: Option<usize>,
    /// The position of the role, where the input has it, in place of tombstones.
    pub(super) role: Option<usize>,
    /// The position of the number, where rows are numbered.
    pub(super) number: Option<usize>,
}

impl Shape {
    /// The layout of rows that arrive with this schema.
    pub(super) fn new(table: &Arc<TableSchema>, input: &Schema, numbered: bool) -> Result<Self> {
        let columns = table.all().count();
        let extra = |name: &str, data_type: DataType| {
            let field = input.fields().get(columns);
            field.is_some_and(|field| field.name() == name && field.data_type() == &data_type)
        };
        let (tombstone, role) = match input.fields().len().checked_sub(columns) {
            Some(0) => (None, None),
            Some(1) if extra(TOMBSTONE, DataType::Boolean) => (Some(columns), None),
            Some(1) if extra(ROLE, DataType::Int8) => (Some(columns), Some(columns + 1)),
            _ => {
                let found: Vec<_> = input.fields().iter().map(|field| field.name().as_str()).collect();
                return Err(Error::internal(format!("rows to write have the columns {}", found.join(", "))));
            }
        };
        let mut fields: Vec<Field> = table.all().map(|column| column.field().with_nullable(true)).collect();
        fields.extend(tombstone.map(|_| Field::new(TOMBSTONE, DataType::Boolean, true)));
        fields.extend(role.map(|_| Field::new(ROLE, DataType::Int8, true)));
        let number = numbered.then_some(fields.len());
        fields.extend(number.map(|_| Field::new(NUMBER, DataType::UInt64, false)));
        Ok(Self {
            rows: Arc::new(Schema::new(fields)),
            keys: table.key_positions(),
            partitions: (table.columns.len()..columns).collect(),
            table: Arc::clone(table),
            tombstone,
            role,
            number,
        })
    }

    /// The positions by which rows are grouped: partition columns, then the key.
    pub(super) fn groups(&self) -> Vec<usize> {
        self.partitions.iter().chain(&self.keys).copied().collect()
    }

    /// The tombstone column of checked rows.
    pub(super) fn tombstones<'a>(&self, batch: &'a RecordBatch) -> Option<&'a BooleanArray> {
        batch.columns().get(self.tombstone?)?.as_any().downcast_ref()
    }

    /// The roles of checked rows.
    pub(super) fn roles<'a>(&self, batch: &'a RecordBatch) -> Option<&'a Int8Array> {
        batch.columns().get(self.role?)?.as_primitive_opt::<Int8Type>()
    }
}

/// The columns at these positions.
pub(super) fn columns_at(batch: &RecordBatch, positions: &[usize]) -> Vec<ArrayRef> {
    positions.iter().filter_map(|at| batch.columns().get(*at)).map(Arc::clone).collect()
}
