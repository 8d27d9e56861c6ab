//! Columns by id: what a file calls a column doesn't matter, its id does.
//!
//! The file's fields get the names that the table gives to their ids, DataFusion's own adapter does the rest (casts of
//! widened types, NULL for columns that the file lacks), and the result speaks the file's names again. So a renamed
//! column finds its values, and a dropped one never lends its values to a new one of the same name.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

use crate::error::{Code, Error};
use crate::table::{Column as TableColumn, ColumnId, DataFile, FIELD_ID, TOMBSTONE, TOMBSTONE_ID, TableSchema};

/// How DataFusion marks columns that the reader makes up, such as row numbers.
const EXTENSION_NAME: &str = "ARROW:extension:name";

/// Makes adapters from one version's columns to the files'.
#[derive(Debug)]
pub(crate) struct ByFieldId {
    names: HashMap<String, String>,
}

impl ByFieldId {
    /// For files with the table's own ids.
    pub(crate) fn new(schema: &TableSchema) -> Self {
        Self::with_ids(schema, Some)
    }

    /// For one file, which may have the ids of the table that it comes from.
    pub(crate) fn of_file(schema: &TableSchema, file: &DataFile) -> Self {
        Self::with_ids(schema, |id| file.field_id(id))
    }

    fn with_ids(schema: &TableSchema, in_file: impl Fn(ColumnId) -> Option<ColumnId>) -> Self {
        let named = |column: &TableColumn| Some((in_file(column.id)?.0.to_string(), column.name.clone()));
        let mut names: HashMap<String, String> = schema.columns.iter().filter_map(named).collect();
        names.insert(TOMBSTONE_ID.to_string(), TOMBSTONE.to_owned());
        Self { names }
    }

    /// The file's field under the name that the table gives it.
    fn rename(&self, at: usize, field: &FieldRef, logical: &Schema) -> Result<FieldRef> {
        let Some(id) = field.metadata().get(FIELD_ID) else {
            if field.metadata().contains_key(EXTENSION_NAME) {
                return Ok(Arc::clone(field));
            }
            return Err(Error::new(
                Code::Corrupt,
                format!("column {:?} of a data file has no id; restore the file from a copy", field.name()),
            )
            .into());
        };
        let wanted = self.names.get(id).and_then(|name| logical.field_with_name(name).ok());
        Ok(Arc::new(match wanted {
            // The same but for what only the file says: then no cast is needed, and pruning sees the bare column. A
            // delta file's columns take NULL for the sake of tombstones, which are never read.
            Some(wanted) if wanted.data_type() == field.data_type() => wanted.clone(),
            Some(wanted) => Field::new(wanted.name(), field.data_type().clone(), field.is_nullable()),
            // No name of a user begins so.
            None => Field::new(format!("__tt_dropped_{at}"), field.data_type().clone(), field.is_nullable()),
        }))
    }
}

impl PhysicalExprAdapterFactory for ByFieldId {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let renamed = physical.fields().iter().enumerate().map(|(at, field)| self.rename(at, field, &logical));
        let renamed: SchemaRef = Arc::new(Schema::new(renamed.collect::<Result<Vec<_>>>()?));
        let inner = DefaultPhysicalExprAdapterFactory.create(logical, renamed)?;
        Ok(Arc::new(Adapter { inner, physical }))
    }
}

#[derive(Debug)]
struct Adapter {
    inner: Arc<dyn PhysicalExprAdapter>,
    physical: SchemaRef,
}

impl PhysicalExprAdapter for Adapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let renamed = self.inner.rewrite(expr)?;
        let back = renamed.transform_up(|expr| {
            let Some(column) = expr.downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
            let field = self.physical.fields().get(column.index());
            let field = field.ok_or_else(|| DataFusionError::from(Error::internal("a column outside its file")))?;
            Ok(Transformed::yes(Arc::new(Column::new(field.name(), column.index())) as Arc<dyn PhysicalExpr>))
        });
        back.data()
    }
}
