//! The command line. It is parsed here and nowhere else; what follows gets typed values.

use std::path::PathBuf;

use clap::Parser;
use datafusion_cli::print_format::PrintFormat;
use datafusion_cli::print_options::MaxRows;
use datafusion_timetravel::store::Timestamp;

use crate::catalogs::Warehouse;
use crate::clock::parse_time;

/// A SQL shell for time-travel tables.
///
/// Without -c or -f it reads statements from the terminal, or from standard input where that is none.
#[derive(Debug, Parser)]
#[command(name = "timetravel-cli", version)]
pub(crate) struct Args {
    /// Runs the statements and ends; may repeat, and runs after every -f
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    pub(crate) commands: Vec<String>,

    /// Runs the statements of the file and ends; may repeat
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// A warehouse: a directory or a URL (s3://, az://, gs://, memory://). The first is the default catalog; more may
    /// follow
    #[arg(long = "warehouse", value_name = "[NAME=]ROOT", env = "TIMETRAVEL_WAREHOUSE", default_value = "./warehouse")]
    pub(crate) warehouses: Vec<Warehouse>,

    /// The first warehouse's name as a catalog [default: the last segment of its root]
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,

    /// Pins the clock, so that a script gives the same commit times again
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) now: Option<Timestamp>,

    /// How many hours a table's last commit may be ahead of this clock: after a commit by a machine whose clock was wrong
    #[arg(long, value_name = "HOURS")]
    pub(crate) clock_skew: Option<u32>,

    /// The caller, as history and audit show it, and as the policy knows it
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true)]
    pub(crate) user: Option<String>,

    /// Who may do what: a TOML file of [[allow]] entries with user, privilege and object [default: everything is
    /// allowed]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,

    /// Prints results only, neither row counts nor times
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// How results are printed
    #[arg(long, value_enum, default_value_t = PrintFormat::Automatic)]
    pub(crate) format: PrintFormat,

    /// The most rows that a table shows, or `inf`
    #[arg(long, value_name = "ROWS", default_value = "40")]
    pub(crate) maxrows: MaxRows,

    /// Rows in a batch [default: DataFusion's]
    #[arg(short, long, value_name = "ROWS")]
    pub(crate) batch_size: Option<std::num::NonZeroUsize>,

    /// The most memory that queries may take, for example 512m or 4g [default: no limit]
    #[arg(short, long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) memory_limit: Option<usize>,

    /// Colours the statements while they are typed
    #[arg(long)]
    pub(crate) color: bool,

    /// Goes on after an error; the exit status is 1 all the same
    #[arg(long)]
    pub(crate) keep_going: bool,

    /// Behaves as on a terminal where standard input is none
    #[arg(short, long, conflicts_with_all = ["commands", "files"])]
    pub(crate) interactive: bool,
}

/// Bytes, with a unit as in `512m`; units are powers of 1024.
fn parse_size(text: &str) -> Result<usize, String> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = lower.get(digits.len()..).unwrap_or_default();
    let shift = match unit {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(format!("unknown unit '{unit}', use b, k, m, g or t")),
    };
    let number: usize = digits.parse().map_err(|_| "expected a number with a unit, for example 512m".to_string())?;
    1_usize
        .checked_shl(shift)
        .and_then(|unit| number.checked_mul(unit))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "the size must be above zero and below this machine's address space".to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("17"), Ok(17));
        assert_eq!(parse_size("2k"), Ok(2048));
        assert_eq!(parse_size("3GB"), Ok(3 << 30));
        for wrong in ["", "m", "-1", "1.5g", "0", "1x", "99999999999999999999t", "18446744073709551615k"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn options_repeat_in_order() {
        let args = Args::try_parse_from([
            "timetravel-cli",
            "-c",
            "SELECT 1",
            "-c",
            "SELECT 2",
            "--warehouse",
            "a=./x",
            "--warehouse",
            "b=./y",
            "--format",
            "nd-json",
        ])
        .unwrap();
        assert_eq!(args.commands, ["SELECT 1", "SELECT 2"]);
        assert_eq!(args.warehouses.len(), 2);
        assert_eq!(args.format, PrintFormat::NdJson);
    }

    #[test]
    fn interactive_excludes_scripts() {
        assert!(Args::try_parse_from(["timetravel-cli", "-i", "-c", "SELECT 1"]).is_err());
    }
}
