//! Columns of ALTER TABLE: from syntax to changes.

use datafusion::arrow::datatypes::Field;
use datafusion::common::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{self, ColumnDef, ColumnOption, Ident};

use super::create::fields;
use crate::catalog::TableName;
use crate::error::{Code, Error};
use crate::ops::alter::Change;
use crate::ops::plan::ColumnEdit;
use crate::sql::{ColumnChange, normalized};

/// ADD COLUMN.
pub(super) async fn added(
    state: &SessionState,
    table: &TableName,
    columns: &[ColumnDef],
    if_not_exists: bool,
) -> Result<Change, DataFusionError> {
    let mut found = Vec::with_capacity(columns.len());
    for column in columns {
        let name = normalized(&column.name);
        if column.options.iter().any(|def| matches!(def.option, ColumnOption::PrimaryKey(_))) {
            let message = format!(
                "column {name:?} can't join the key of table {table}: the key is fixed when a table is created"
            );
            return Err(Error::new(Code::InvalidSchema, message).into());
        }
        if column.data_type == ast::DataType::Unspecified {
            let message = format!("column {name:?} of table {table} has no type: write {name} STRING, for example");
            return Err(Error::new(Code::InvalidSchema, message).into());
        }
        found.extend(fields(state, std::slice::from_ref(column)).await?);
    }
    Ok(Change::AddColumns { columns: found, if_not_exists })
}

/// CHANGE COLUMN and ALTER COLUMN.
pub(super) async fn changed(
    state: &SessionState,
    column: String,
    change: ColumnChange,
) -> Result<Change, DataFusionError> {
    let data_type = match change.data_type {
        None => None,
        Some(data_type) => {
            let def = ColumnDef { name: Ident::with_quote('"', column.clone()), data_type, options: vec![] };
            let typed: Option<Field> = fields(state, &[def]).await?.into_iter().next();
            typed.map(|field| field.data_type().clone())
        }
    };
    let ColumnChange { new_name: name, comment, drop_not_null, .. } = change;
    Ok(Change::Column { column, edit: ColumnEdit { name, data_type, comment, drop_not_null } })
}
