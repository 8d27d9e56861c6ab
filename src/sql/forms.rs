//! The forms of our statements: one list that feeds the parser, help, completion and the documentation.
//!
//! Invariant: a statement is ours if and only if it begins with the leading words of a form.

use super::alter::alter_table;
use super::create::{create_schema, create_table, create_view, drop_schema, drop_table, drop_view, truncate};
use super::cursor::Cursor;
use super::failure::Parse;
use super::insert::{explain, insert, prepare};
use super::inspect::{describe, set_project, show_history, show_partitions, show_tables_history};
use super::recover::{purge, restore, vacuum, verify};
use super::statement::Statement;

/// What the stock parser has to do with a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stock {
    /// Nothing: it doesn't know the form, misreads it, or the form asks it itself.
    Never,
    /// Its reading is kept beside ours, for objects of foreign catalogs.
    Beside,
    /// As `Beside`; and what doesn't parse as ours may still be its.
    Fallback,
}

/// The syntax of a statement or clause, for help, completion and documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementSyntax {
    /// What it is called.
    pub name: &'static str,
    /// How it is written.
    pub syntax: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
}

/// Every statement and clause that this crate adds to DataFusion's SQL.
pub fn statement_syntax() -> impl Iterator<Item = StatementSyntax> {
    let statements =
        STATEMENTS.iter().map(|form| StatementSyntax { name: form.name, syntax: form.syntax, doc: form.doc });
    let clauses = CLAUSES.iter().map(|form| StatementSyntax { name: form.name, syntax: form.syntax, doc: form.doc });
    statements.chain(clauses)
}

/// A statement of ours.
#[derive(Debug)]
pub(crate) struct StatementForm {
    /// What the statement is called.
    pub(crate) name: &'static str,
    /// The words that begin it, with alternatives.
    pub(crate) leading: &'static [&'static str],
    /// Its syntax.
    pub(crate) syntax: &'static str,
    /// What it does, in a sentence.
    pub(crate) doc: &'static str,
    pub(crate) stock: Stock,
    /// Whether EXPLAIN can show a plan of it.
    pub(crate) has_plan: bool,
    pub(crate) parse: fn(&mut Cursor<'_>) -> Parse<Statement>,
}

/// A clause of ours in a statement that is not.
#[derive(Debug)]
pub(crate) struct ClauseForm {
    pub(crate) name: &'static str,
    pub(crate) syntax: &'static str,
    pub(crate) doc: &'static str,
}

/// The version clauses.
pub(crate) const CLAUSES: &[ClauseForm] = &[
    ClauseForm {
        name: "VERSION AS OF",
        syntax: "FROM t VERSION AS OF n | get_latest_version('t' [, n])",
        doc: "Reads the table as it was after the commit with that LSN.",
    },
    ClauseForm {
        name: "TIMESTAMP AS OF",
        syntax: "FROM t TIMESTAMP AS OF 'time' | current_timestamp() [- seconds] | get_latest_timestamp('t' [, n])",
        doc: "Reads the table as it was at that time.",
    },
    ClauseForm {
        name: "VERSION BETWEEN",
        syntax: "FROM t VERSION BETWEEN a AND b",
        doc: "Reads the rows written after version a, up to and including version b.",
    },
    ClauseForm {
        name: "TIMESTAMP BETWEEN",
        syntax: "FROM t TIMESTAMP BETWEEN 'time' AND 'time'",
        doc: "Reads the rows written after the first time, up to and including the second.",
    },
];

/// Every statement of ours.
pub(crate) const STATEMENTS: &[StatementForm] = &[
    StatementForm {
        name: "CREATE TABLE",
        leading: &["CREATE TABLE", "CREATE OR REPLACE TABLE"],
        syntax: "CREATE [OR REPLACE] TABLE [IF NOT EXISTS] t [(column type [NOT NULL] [PRIMARY KEY] [DEFAULT x] \
                 [COMMENT 'x'], … [, PRIMARY KEY (column, …)])] [COMMENT 'x'] [PARTITIONED BY (column type, …)] \
                 [TBLPROPERTIES ('key' = 'value', …)] [LIFECYCLE days] [AS query]",
        doc: "Creates a table; with a primary key an INSERT is an upsert.",
        stock: Stock::Fallback,
        has_plan: true,
        parse: create_table,
    },
    StatementForm {
        name: "CREATE VIEW",
        leading: &["CREATE VIEW", "CREATE OR REPLACE VIEW"],
        syntax: "CREATE [OR REPLACE] VIEW v [(column, …)] AS query",
        doc: "Stores a query; it is planned anew at each use.",
        stock: Stock::Never,
        has_plan: true,
        parse: create_view,
    },
    StatementForm {
        name: "CREATE SCHEMA",
        leading: &["CREATE SCHEMA"],
        syntax: "CREATE SCHEMA [IF NOT EXISTS] s",
        doc: "Creates a schema.",
        stock: Stock::Fallback,
        has_plan: true,
        parse: create_schema,
    },
    StatementForm {
        name: "DROP TABLE",
        leading: &["DROP TABLE"],
        syntax: "DROP TABLE [IF EXISTS] t",
        doc: "Drops a table; RESTORE TABLE t ('id' = '…') brings it back while the backup retention lasts.",
        stock: Stock::Fallback,
        has_plan: true,
        parse: drop_table,
    },
    StatementForm {
        name: "DROP VIEW",
        leading: &["DROP VIEW"],
        syntax: "DROP VIEW [IF EXISTS] v",
        doc: "Drops a view.",
        stock: Stock::Fallback,
        has_plan: true,
        parse: drop_view,
    },
    StatementForm {
        name: "DROP SCHEMA",
        leading: &["DROP SCHEMA", "DROP DATABASE"],
        syntax: "DROP SCHEMA | DATABASE [IF EXISTS] s [CASCADE]",
        doc: "Drops a schema; with CASCADE its tables too.",
        stock: Stock::Fallback,
        has_plan: true,
        parse: drop_schema,
    },
    StatementForm {
        name: "TRUNCATE",
        leading: &["TRUNCATE"],
        syntax: "TRUNCATE [TABLE] t [PARTITION (column = value, …)]…",
        doc: "Deletes all rows of a table or of some partitions, in one commit.",
        stock: Stock::Fallback,
        has_plan: true,
        parse: truncate,
    },
    StatementForm {
        name: "ALTER TABLE",
        leading: &["ALTER TABLE"],
        syntax: "ALTER TABLE t SET TBLPROPERTIES ('key' = 'value', …) [DRY RUN] | UNSET TBLPROPERTIES ('key', …) | \
                 SET LIFECYCLE days | SET COMMENT 'x' | RENAME TO name | \
                 [PARTITION (…)] ENABLE | DISABLE LIFECYCLE | [PARTITION (…)] TOUCH | \
                 [PARTITION (…)] COMPACT MAJOR | MINOR | ADD [IF NOT EXISTS] PARTITION (…)… | \
                 DROP [IF EXISTS] PARTITION (…), … | ADD COLUMN[S] (column type, …) | DROP COLUMN[S] (column, …) | \
                 RENAME COLUMN a TO b | CHANGE COLUMN a b type | ALTER COLUMN a [SET DATA] TYPE type",
        doc: "Changes a table's settings, columns or partitions, or compacts its files.",
        stock: Stock::Beside,
        has_plan: false,
        parse: alter_table,
    },
    StatementForm {
        name: "INSERT",
        leading: &["INSERT"],
        syntax: "INSERT INTO | OVERWRITE [TABLE] t [PARTITION (column [= value], …)] [(column, …)] VALUES … | query",
        doc: "Adds rows, by key where the table has one; OVERWRITE replaces the table or the partitions written.",
        stock: Stock::Never,
        has_plan: true,
        parse: insert,
    },
    StatementForm {
        name: "EXPLAIN",
        leading: &["EXPLAIN"],
        syntax: "EXPLAIN [ANALYZE] [VERBOSE] query | INSERT … | UPDATE … | DELETE … | MERGE …",
        doc: "Shows the plan of a statement.",
        stock: Stock::Never,
        has_plan: true,
        parse: explain,
    },
    StatementForm {
        name: "PREPARE",
        leading: &["PREPARE"],
        syntax: "PREPARE name [(type, …)] AS query | INSERT … | UPDATE … | DELETE … | MERGE …",
        doc: "Keeps a statement with parameters; it is planned anew at each EXECUTE.",
        stock: Stock::Never,
        has_plan: true,
        parse: prepare,
    },
    StatementForm {
        name: "RESTORE TABLE",
        leading: &["RESTORE"],
        syntax: "RESTORE TABLE t ('id' = '…') | PARTITION ('id' = '…')… | [PARTITION (column = value, …)]… TO LSN '…' \
                 [AS name] [DRY RUN]",
        doc: "Brings back a dropped table, dropped partitions, or an earlier state, here or as another table.",
        stock: Stock::Never,
        has_plan: false,
        parse: restore,
    },
    StatementForm {
        name: "PURGE TABLE",
        leading: &["PURGE"],
        syntax: "PURGE TABLE t [('id' = '…')] [DRY RUN]",
        doc: "Deletes at once all files that the table's latest version doesn't need; by id, a dropped table for good.",
        stock: Stock::Never,
        has_plan: false,
        parse: purge,
    },
    StatementForm {
        name: "VACUUM",
        leading: &["VACUUM"],
        syntax: "VACUUM [t] [DRY RUN]",
        doc: "The daily scan: lifecycles, then files out of retention, then orphans.",
        stock: Stock::Never,
        has_plan: false,
        parse: vacuum,
    },
    StatementForm {
        name: "VERIFY TABLE",
        leading: &["VERIFY TABLE"],
        syntax: "VERIFY TABLE t",
        doc: "Reads every file of a table and compares checksums.",
        stock: Stock::Never,
        has_plan: false,
        parse: verify,
    },
    StatementForm {
        name: "SHOW HISTORY FOR TABLES",
        leading: &["SHOW HISTORY FOR TABLES"],
        syntax: "SHOW HISTORY FOR TABLES [LIKE name | 'pattern']",
        doc: "Lists tables with their ids, dropped ones included while they are restorable.",
        stock: Stock::Never,
        has_plan: false,
        parse: show_tables_history,
    },
    StatementForm {
        name: "SHOW HISTORY FOR TABLE",
        leading: &["SHOW HISTORY FOR"],
        syntax: "SHOW HISTORY FOR TABLE t [('id' = '…')] [PARTITION (column = value, …) | PARTITION ('id' = '…')]… \
                 [LSN '…'] [OFFSET n] [LIMIT n]",
        doc: "Lists the commits of a table or of some partitions.",
        stock: Stock::Never,
        has_plan: false,
        parse: show_history,
    },
    StatementForm {
        name: "SHOW PARTITIONS",
        leading: &["SHOW PARTITIONS", "LIST PARTITIONS"],
        syntax: "SHOW | LIST PARTITIONS t [PARTITION (column = value, …)]",
        doc: "Lists the partitions of a table.",
        stock: Stock::Never,
        has_plan: false,
        parse: show_partitions,
    },
    StatementForm {
        name: "DESC",
        leading: &["DESC", "DESCRIBE"],
        syntax: "DESC | DESCRIBE [EXTENDED] t",
        doc: "Describes a table; EXTENDED with id, sizes, key and properties.",
        stock: Stock::Fallback,
        has_plan: false,
        parse: describe,
    },
    StatementForm {
        name: "SETPROJECT",
        leading: &["SETPROJECT"],
        syntax: "SETPROJECT [key = value, …] [DRY RUN]",
        doc: "Sets settings of the project, such as odps.timemachine.retention.days, or lists them; DRY RUN says what VACUUM would delete then.",
        stock: Stock::Never,
        has_plan: false,
        parse: set_project,
    },
];

/// The form that the next words begin; of several the longest.
pub(crate) fn find(cursor: &Cursor<'_>) -> Option<&'static StatementForm> {
    let fitting = STATEMENTS.iter().flat_map(|form| form.leading.iter().map(move |words| (form, *words)));
    fitting.filter(|(_, words)| cursor.sees(words)).max_by_key(|(_, words)| words.len()).map(|(form, _)| form)
}
