//! Commands of the shell itself: a line that begins with a backslash. All of them stand in one table.

use std::io::Write;

use datafusion::error::{DataFusionError, Result};
use datafusion_cli::print_format::PrintFormat;

use crate::session::Shell;

/// What the prompt does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Reads the next line.
    Prompt,
    /// Runs the statement.
    Run(String),
    /// Ends the shell.
    Quit,
}

struct Command {
    name: &'static str,
    argument: &'static str,
    help: &'static str,
    action: fn(&mut Shell, &str) -> Result<Next>,
}

const COMMANDS: &[Command] = &[
    Command { name: "q", argument: "", help: "end the shell", action: |_, _| Ok(Next::Quit) },
    Command { name: "?", argument: "", help: "show these commands", action: help },
    Command { name: "d", argument: "[TABLE]", help: "list tables, or describe one", action: describe },
    Command { name: "timing", argument: "[on|off]", help: "print elapsed times or not", action: timing },
    Command { name: "quiet", argument: "[on|off]", help: "print results only or not", action: quiet },
    Command { name: "pset", argument: "[format NAME]", help: "show or set how results are printed", action: pset },
];

/// Whether the line is a command of the shell.
pub(crate) fn is_command(line: &str) -> bool {
    line.trim_start().starts_with('\\')
}

/// The names of the commands, for completion.
pub(crate) fn names() -> impl Iterator<Item = String> {
    COMMANDS.iter().map(|command| format!("\\{}", command.name))
}

/// Does what the line says.
pub(crate) fn run(shell: &mut Shell, line: &str) -> Result<Next> {
    let line = line.trim().trim_end_matches(';').trim_end();
    let text = line.strip_prefix('\\').unwrap_or(line);
    let (name, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) if command.argument.is_empty() && !argument.trim().is_empty() => {
            Err(usage(format!("\\{name} takes no argument")))
        }
        Some(command) => (command.action)(shell, argument.trim()),
        None => Err(usage(format!("\\{name} is no command; \\? lists them"))),
    }
}

fn usage(message: String) -> DataFusionError {
    DataFusionError::Plan(message)
}

fn say(text: &str) -> Result<Next> {
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(Next::Prompt)
}

fn help(_: &mut Shell, _: &str) -> Result<Next> {
    let line =
        |command: &Command| format!("{:<24}{}", format!("\\{} {}", command.name, command.argument), command.help);
    let mut lines: Vec<String> = COMMANDS.iter().map(line).collect();
    lines.push("A statement ends with ';'. Ctrl-C cancels it, Ctrl-D ends the shell.".to_string());
    say(&lines.join("\n"))
}

fn describe(_: &mut Shell, table: &str) -> Result<Next> {
    Ok(Next::Run(if table.is_empty() { "SHOW TABLES".to_string() } else { format!("DESC {table}") }))
}

fn timing(shell: &mut Shell, argument: &str) -> Result<Next> {
    shell.timing = switch(argument, shell.timing)?;
    say(&format!("Timing is {}.", on_off(shell.timing)))
}

fn quiet(shell: &mut Shell, argument: &str) -> Result<Next> {
    shell.print.quiet = switch(argument, shell.print.quiet)?;
    say(&format!("Quiet mode is {}.", on_off(shell.print.quiet)))
}

fn pset(shell: &mut Shell, argument: &str) -> Result<Next> {
    let mut words = argument.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (None, ..) | (Some("format"), None, _) => {}
        (Some("format"), Some(name), None) => {
            let unknown = |_| usage(format!("'{name}' is no format; use automatic, table, csv, tsv, json or nd-json"));
            shell.print.format = name.parse::<PrintFormat>().map_err(unknown)?;
        }
        _ => return Err(usage("\\pset knows only: \\pset format NAME".to_string())),
    }
    say(&format!("The format is {}.", format_name(shell.print.format)))
}

/// No argument turns the switch over.
fn switch(argument: &str, now: bool) -> Result<bool> {
    match argument.to_ascii_lowercase().as_str() {
        "" => Ok(!now),
        "on" | "true" | "t" | "yes" | "y" => Ok(true),
        "off" | "false" | "f" | "no" | "n" => Ok(false),
        _ => Err(usage(format!("'{argument}' is neither on nor off"))),
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn format_name(format: PrintFormat) -> &'static str {
    match format {
        PrintFormat::Csv => "csv",
        PrintFormat::Tsv => "tsv",
        PrintFormat::Table => "table",
        PrintFormat::Json => "json",
        PrintFormat::NdJson => "nd-json",
        PrintFormat::Automatic => "automatic",
    }
}
