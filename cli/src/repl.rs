//! The prompt: reads a statement or command, runs it, and goes on until Ctrl-D or `\q`.

use std::process::ExitCode;

use datafusion::error::Result;
use rustyline::Editor;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;

use crate::confirm::{is_yes, question};
use crate::editor::{self, Language};
use crate::meta::{self, Next};
use crate::report;
use crate::session::Shell;
use crate::words::words;

const PROMPT: &str = "> ";

/// Runs the prompt to its end.
pub(crate) async fn run(shell: &mut Shell, quiet: bool) -> ExitCode {
    let dialect = shell.ctx.task_ctx().session_config().options().sql_parser.dialect;
    let mut editor = match editor::open(Language::new(dialect, shell.print.color)) {
        Ok(editor) => editor,
        Err(error) => {
            eprintln!("Error: the line editor does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    if !quiet {
        eprintln!("timetravel-cli {}. \\? for help, \\q to quit.", env!("CARGO_PKG_VERSION"));
    }
    loop {
        if let Some(language) = editor.helper_mut() {
            language.tables = table_names(shell);
        }
        let line = match editor.readline(PROMPT) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("Error: the terminal can't be read: {error}");
                return ExitCode::FAILURE;
            }
        };
        if line.trim().is_empty() {
            continue;
        }
        if let Err(error) = editor::remember(&mut editor, &line) {
            eprintln!("Warning: the history is not kept: {error}");
        }
        match run_line(shell, &mut editor, &line).await {
            Ok(Flow::Goes) => {}
            Ok(Flow::Ends) => return ExitCode::SUCCESS,
            Err(error) if report::is_closed_pipe(&error) => return ExitCode::SUCCESS,
            Err(error) => report::error(&error),
        }
    }
}

enum Flow {
    Goes,
    Ends,
}

/// Runs all that the line holds, to the first error.
async fn run_line(shell: &mut Shell, editor: &mut Editor<Language, DefaultHistory>, line: &str) -> Result<Flow> {
    let statements = if meta::is_command(line) {
        match meta::run(shell, line)? {
            Next::Prompt => return Ok(Flow::Goes),
            Next::Quit => return Ok(Flow::Ends),
            Next::Run(statement) => vec![statement],
        }
    } else {
        shell.tt.split(line)?
    };
    for statement in statements {
        if let Some(question) = question(&words(&statement))
            && !ask(editor, &question)
        {
            eprintln!("Not done.");
            return Ok(Flow::Goes);
        }
        let mut interrupts = shell.interrupts.clone();
        interrupts.forget();
        tokio::select! {
            result = shell.run(&statement) => result?,
            () = interrupts.next() => {
                eprintln!("Cancelled.");
                return Ok(Flow::Goes);
            }
        }
    }
    Ok(Flow::Goes)
}

/// Whether the user says yes. The end of the input, or Ctrl-C, is a no.
fn ask(editor: &mut Editor<Language, DefaultHistory>, question: &str) -> bool {
    set_asking(editor, true);
    let answer = editor.readline(question);
    set_asking(editor, false);
    answer.is_ok_and(|answer| is_yes(&answer))
}

fn set_asking(editor: &mut Editor<Language, DefaultHistory>, asking: bool) {
    if let Some(language) = editor.helper_mut() {
        language.asking = asking;
    }
}

/// The names of all tables as a statement may write them: those of the default schema in one part, of the default
/// catalog in two, others in three.
fn table_names(shell: &Shell) -> Vec<String> {
    let task = shell.ctx.task_ctx();
    let defaults = &task.session_config().options().catalog;
    let mut names = Vec::new();
    for catalog_name in shell.ctx.catalog_names() {
        let Some(catalog) = shell.ctx.catalog(&catalog_name) else { continue };
        for schema_name in catalog.schema_names() {
            let prefix = match (catalog_name == defaults.default_catalog, schema_name == defaults.default_schema) {
                (true, true) => String::new(),
                (true, false) => format!("{schema_name}."),
                (false, _) => format!("{catalog_name}.{schema_name}."),
            };
            let tables = catalog.schema(&schema_name).map(|schema| schema.table_names()).unwrap_or_default();
            names.extend(tables.into_iter().map(|table| format!("{prefix}{table}")));
        }
    }
    names.sort();
    names
}
