//! Which table a statement writes.

use datafusion::sql::parser::Statement as DFStatement;
use datafusion::sql::sqlparser::ast::{FromTable, ObjectName, Statement, TableFactor, TableObject};

use crate::sql::ObjectPath;

/// The target of INSERT, UPDATE, DELETE or MERGE, also under EXPLAIN.
pub(super) fn written(statement: &DFStatement) -> Option<ObjectPath> {
    match statement {
        DFStatement::Statement(statement) => match statement.as_ref() {
            Statement::Insert(insert) => match &insert.table {
                TableObject::TableName(name) => ObjectPath::new(name),
                _ => None,
            },
            Statement::Update(update) => named(&update.table.relation),
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
                named(&from.first()?.relation)
            }
            Statement::Merge(merge) => named(&merge.table),
            _ => None,
        },
        DFStatement::Explain(explain) => written(&explain.statement),
        _ => None,
    }
}

fn named(factor: &TableFactor) -> Option<ObjectPath> {
    let name: &ObjectName = match factor {
        TableFactor::Table { name, .. } => name,
        _ => return None,
    };
    ObjectPath::new(name)
}
