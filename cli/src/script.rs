//! Statements from `-f`, `-c` or standard input: one after the other, to the first error.

use std::io::BufRead;
use std::process::ExitCode;

use datafusion::error::{DataFusionError, Result};
use datafusion_timetravel::is_complete;

use crate::args::Args;
use crate::report;
use crate::session::Shell;

/// Ctrl-C ended the script.
const INTERRUPTED: u8 = 130;

/// How a part of the script ended.
enum End {
    Done,
    Failed,
    Stop(ExitCode),
}

/// Runs the scripts of the command line: files, then commands; without either, standard input.
pub(crate) async fn run(shell: &Shell, args: &Args) -> ExitCode {
    let mut failed = false;
    if args.files.is_empty() && args.commands.is_empty() {
        return match from_stdin(shell, args).await {
            End::Done => ExitCode::SUCCESS,
            End::Failed => ExitCode::FAILURE,
            End::Stop(code) => code,
        };
    }
    let files = args.files.iter().map(|path| {
        let open = |error| DataFusionError::Execution(format!("{} can't be read: {error}", path.display()));
        std::fs::read_to_string(path).map_err(open)
    });
    for text in files.chain(args.commands.iter().map(|command| Ok(command.clone()))) {
        match run_text(shell, text, args).await {
            End::Done => {}
            End::Failed => failed = true,
            End::Stop(code) => return code,
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Runs each statement as soon as it is complete, so that a program can talk to the shell through a pipe.
async fn from_stdin(shell: &Shell, args: &Args) -> End {
    let mut failed = false;
    let mut text = String::new();
    let mut lines = std::io::stdin().lock();
    loop {
        let start = text.len();
        let read = match lines.read_line(&mut text) {
            Ok(read) => read,
            Err(error) => {
                report::error(&error.into());
                return End::Stop(ExitCode::FAILURE);
            }
        };
        // Looking only at lines that end in `;` keeps the cost of a long statement low.
        let ends = text.get(start..).is_some_and(|line| line.trim_end().ends_with(';'));
        if read > 0 && !(ends && is_complete(&text)) {
            continue;
        }
        match run_text(shell, Ok(std::mem::take(&mut text)), args).await {
            End::Done => {}
            End::Failed => failed = true,
            stop @ End::Stop(_) => return stop,
        }
        if read == 0 {
            return if failed { End::Failed } else { End::Done };
        }
    }
}

async fn run_text(shell: &Shell, text: Result<String>, args: &Args) -> End {
    let statements = match text.and_then(|text| Ok(shell.tt.split(without_shebang(&text))?)) {
        Ok(statements) => statements,
        Err(error) => return failure(&error, args),
    };
    let mut interrupts = shell.interrupts.clone();
    let mut end = End::Done;
    for statement in statements {
        let result = tokio::select! {
            result = shell.run(&statement) => result,
            () = interrupts.next() => return End::Stop(ExitCode::from(INTERRUPTED)),
        };
        let Err(error) = result else { continue };
        match failure(&error, args) {
            End::Failed => end = End::Failed,
            stop => return stop,
        }
    }
    end
}

fn failure(error: &DataFusionError, args: &Args) -> End {
    if report::is_closed_pipe(error) {
        return End::Stop(ExitCode::SUCCESS);
    }
    report::error(error);
    if args.keep_going { End::Failed } else { End::Stop(ExitCode::FAILURE) }
}

/// A script may begin with `#!/usr/bin/env …`.
fn without_shebang(text: &str) -> &str {
    match text.strip_prefix("#!") {
        Some(rest) => rest.split_once('\n').map_or("", |(_, script)| script),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_for_the_system_is_skipped() {
        assert_eq!(without_shebang("#!/usr/bin/env timetravel-cli\nSELECT 1"), "SELECT 1");
        assert_eq!(without_shebang("SELECT 1"), "SELECT 1");
        assert_eq!(without_shebang("#!x"), "");
    }
}
