//! The line editor: several lines up to `;`, colours, completion, and history in the user's state directory.

use std::borrow::Cow;
use std::path::PathBuf;

use datafusion::config::Dialect;
use datafusion_cli::highlighter::{NoSyntaxHighlighter, SyntaxHighlighter};
use datafusion_timetravel::is_complete;
use rustyline::completion::Completer;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Editor, Helper};

use crate::meta;

/// Words of statements that the shell completes besides the names of tables.
const KEYWORDS: &[&str] = &[
    "ALTER",
    "AND",
    "AS",
    "BETWEEN",
    "BY",
    "COMPACT",
    "COPY",
    "CREATE",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DROP",
    "EXISTS",
    "EXPLAIN",
    "EXTENDED",
    "EXTERNAL",
    "FOR",
    "FROM",
    "GROUP",
    "HAVING",
    "HISTORY",
    "INSERT",
    "INTO",
    "JOIN",
    "KEY",
    "LIFECYCLE",
    "LIMIT",
    "LIST",
    "LSN",
    "MAJOR",
    "MERGE",
    "MINOR",
    "NOT",
    "NULL",
    "OF",
    "ON",
    "ORDER",
    "OVERWRITE",
    "PARTITION",
    "PARTITIONED",
    "PARTITIONS",
    "PRIMARY",
    "PURGE",
    "RENAME",
    "REPLACE",
    "RESTORE",
    "SELECT",
    "SET",
    "SHOW",
    "TABLE",
    "TABLES",
    "TBLPROPERTIES",
    "TIMESTAMP",
    "TO",
    "UNION",
    "UPDATE",
    "VACUUM",
    "VALUES",
    "VERSION",
    "VIEW",
    "WHERE",
    "WITH",
    "at(",
    "getdate()",
    "get_latest_timestamp(",
    "get_latest_version(",
    "history(",
    "incremental(",
];

/// What the editor knows of SQL and of the session.
pub(crate) struct Language {
    highlighter: Box<dyn Highlighter>,
    /// The names that completion offers besides keywords.
    pub(crate) tables: Vec<String>,
    /// A question is open: one line is the answer, whatever it holds.
    pub(crate) asking: bool,
}

impl Language {
    /// The rules of the session's dialect.
    pub(crate) fn new(dialect: Dialect, color: bool) -> Self {
        let highlighter: Box<dyn Highlighter> =
            if color { Box::new(SyntaxHighlighter::new(&dialect)) } else { Box::new(NoSyntaxHighlighter {}) };
        Self { highlighter, tables: Vec::new(), asking: false }
    }
}

impl Helper for Language {}

impl Hinter for Language {
    type Hint = String;
}

impl Highlighter for Language {
    fn highlight<'l>(&self, line: &'l str, position: usize) -> Cow<'l, str> {
        self.highlighter.highlight(line, position)
    }

    fn highlight_char(&self, line: &str, position: usize, kind: CmdKind) -> bool {
        self.highlighter.highlight_char(line, position, kind)
    }
}

impl Validator for Language {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let whole = self.asking || text.trim().is_empty() || meta::is_command(text) || is_complete(text);
        Ok(if whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Completer for Language {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..position).unwrap_or(line);
        Ok(candidates(before, &self.tables))
    }
}

/// The words that continue the last one, and where that begins.
fn candidates(before: &str, tables: &[String]) -> (usize, Vec<String>) {
    let start = before
        .rfind(|c: char| !(c.is_alphanumeric() || "_.\\".contains(c)))
        .map_or(0, |at| at + before.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
    let word = before.get(start..).unwrap_or_default();
    if word.is_empty() {
        return (start, Vec::new());
    }
    let lower = word.to_lowercase();
    let fits = |candidate: &String| candidate.to_lowercase().starts_with(&lower);
    let typed_lower = word.chars().any(char::is_lowercase);
    // A keyword takes the case in which its beginning was typed.
    let keywords = KEYWORDS.iter().map(|word| if typed_lower { word.to_lowercase() } else { (*word).to_string() });
    (start, tables.iter().cloned().chain(keywords).chain(meta::names()).filter(fits).collect())
}

/// An editor with the language and the history of earlier sessions.
pub(crate) fn open(language: Language) -> rustyline::Result<Editor<Language, DefaultHistory>> {
    let mut editor = Editor::new()?;
    editor.set_helper(Some(language));
    if let Some(path) = history_file()
        && path.exists()
    {
        editor.load_history(&path)?;
    }
    Ok(editor)
}

/// Keeps the statement for this and later sessions.
pub(crate) fn remember(editor: &mut Editor<Language, DefaultHistory>, text: &str) -> rustyline::Result<()> {
    if !editor.add_history_entry(text.trim_end())? {
        return Ok(());
    }
    let Some(path) = history_file() else { return Ok(()) };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    editor.append_history(&path)
}

/// The file of the history: in the user's state directory, or in the local data directory where the system has none.
fn history_file() -> Option<PathBuf> {
    Some(dirs::state_dir().or_else(dirs::data_local_dir)?.join("timetravel-cli").join("history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_completed_in_the_case_that_was_typed() {
        let tables = ["prices".to_string(), "other.Prices".to_string()];
        assert_eq!(candidates("SELECT * FROM pri", &tables), (14, vec!["prices".to_string(), "primary".to_string()]));
        assert_eq!(candidates("RES", &tables), (0, vec!["RESTORE".to_string()]));
        assert_eq!(candidates("\\ti", &tables), (0, vec!["\\timing".to_string()]));
        assert_eq!(candidates("SELECT ", &tables).1, Vec::<String>::new());
        assert_eq!(candidates("é(get_latest_v", &tables), (3, vec!["get_latest_version(".to_string()]));
    }
}
