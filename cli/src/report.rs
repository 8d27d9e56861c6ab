//! What goes to standard error: errors and warnings, never results.

use datafusion::error::DataFusionError;
use datafusion_timetravel::Error;

/// Prints an error of a statement: one of ours as it is, without the layers that it came through.
pub(crate) fn error(error: &DataFusionError) {
    match Error::find(error) {
        Some(ours) => eprintln!("Error: {ours}"),
        None => eprintln!("Error: {}", error.strip_backtrace()),
    }
}

/// Prints warnings of a statement.
pub(crate) fn warnings(warnings: Vec<String>) {
    for warning in warnings {
        eprintln!("Warning: {warning}");
    }
}

/// Whether the reader of our output went away, as `head` does: no error of ours.
pub(crate) fn is_closed_pipe(error: &DataFusionError) -> bool {
    let mut current: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = current {
        if cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe) {
            return true;
        }
        current = cause.source();
    }
    false
}
