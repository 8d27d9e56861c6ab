//! What the command line says.

/// The settings of a run.
#[derive(Debug, Clone)]
pub(crate) struct Args {
    /// TPC-H's scale factor: 1 is 6,001,215 lines.
    pub(crate) scale: f64,
    /// How many refresh rounds.
    pub(crate) rounds: u32,
    /// The warehouse's URL.
    pub(crate) warehouse: String,
    /// Whether every answer is compared with plain DataFusion's.
    pub(crate) verify: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self { scale: 0.01, rounds: 10, warehouse: "memory://".to_owned(), verify: false }
    }
}

impl Args {
    /// Reads `--scale S --rounds N --warehouse DIR|memory --verify`.
    #[allow(dead_code, reason = "the tests make their settings themselves")]
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--scale" => args.scale = value()?.parse().map_err(|error| format!("--scale: {error}"))?,
                "--rounds" => args.rounds = value()?.parse().map_err(|error| format!("--rounds: {error}"))?,
                "--warehouse" => {
                    let place = value()?;
                    args.warehouse = if place == "memory" { "memory://".to_owned() } else { place };
                }
                "--verify" => args.verify = true,
                other => return Err(format!("{other}: use --scale S, --rounds N, --warehouse DIR|memory, --verify")),
            }
        }
        if args.rounds > 99 {
            return Err("--rounds: at most 99, as each round changes other lines".to_owned());
        }
        Ok(args)
    }
}
