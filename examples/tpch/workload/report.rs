//! What was measured, as a table.

use std::fmt;
use std::time::Duration;

/// The measurements of a run, in the order in which they were taken.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<(String, String)>,
    times: Vec<(&'static str, Vec<Duration>)>,
    ratios: Vec<(String, String)>,
    verified: usize,
    loaded_in: Duration,
    copied_in: Duration,
    drained_in: Duration,
}

impl Report {
    /// A load: rows, and the time to generate them alone, to COPY them and to INSERT them.
    pub(super) fn loaded(&mut self, table: &str, rows: u64, drained: Duration, copied: Duration, loaded: Duration) {
        self.lines.push((format!("{table}: rows"), rows.to_string()));
        for (what, took) in
            [("generate alone", drained), ("COPY to plain Parquet", copied), ("INSERT into the keyed table", loaded)]
        {
            self.lines
                .push((format!("{table}: {what}"), format!("{}, {} rows/s", shown(took), per_second(rows, took))));
        }
        self.loaded_in += loaded;
        self.copied_in += copied;
        self.drained_in += drained;
    }

    /// One more measurement of the same kind.
    pub(super) fn time(&mut self, what: &'static str, took: Duration) {
        match self.times.iter_mut().find(|(name, _)| *name == what) {
            Some((_, times)) => times.push(took),
            None => self.times.push((what, vec![took])),
        }
    }

    /// An upsert of 1 % of the lines.
    pub(super) fn upserted(&mut self, rows: u64, took: Duration) {
        self.time("1 % of lines changed", took);
        if self.times.iter().any(|(name, times)| *name == "1 % of lines changed" && times.len() == 1) {
            self.lines.push(("lines changed in a round".to_owned(), rows.to_string()));
        }
    }

    /// A query after a round, first and again.
    pub(super) fn queried(&mut self, query: &str, round: usize, first: Duration, again: Duration) {
        self.lines.push((format!("{query} after round {round}"), format!("{}, again {}", shown(first), shown(again))));
    }

    /// One answer agreed with plain DataFusion.
    pub(super) fn verified(&mut self) {
        self.verified += 1;
    }

    /// Q6 on the newest version beside plain Parquet.
    pub(super) fn ratio_q6(&mut self, ours: Duration, plain: Duration) {
        let ratio = format!("{} ({} / {})", ratio(ours, plain), shown(ours), shown(plain));
        self.ratios.push(("Q6 / Q6 on plain Parquet".to_owned(), ratio));
    }

    /// How many answers were compared.
    #[allow(dead_code, reason = "for the tests")]
    pub(crate) fn answers_verified(&self) -> usize {
        self.verified
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.lines {
            writeln!(f, "{name:<44} {value}")?;
        }
        for (name, times) in &self.times {
            let mut sorted = times.clone();
            sorted.sort_unstable();
            let (least, median, most) = (sorted.first(), sorted.get(sorted.len() / 2), sorted.last());
            if let (Some(least), Some(median), Some(most)) = (least, median, most) {
                writeln!(f, "{name:<44} median {}, {} to {}", shown(*median), shown(*least), shown(*most))?;
            }
        }
        writeln!(f)?;
        let gross = format!(
            "{} ({} / {})",
            ratio(self.loaded_in, self.copied_in),
            shown(self.loaded_in),
            shown(self.copied_in)
        );
        writeln!(f, "{:<44} {gross}", "load / COPY")?;
        let net = |took: Duration| took.saturating_sub(self.drained_in);
        writeln!(f, "{:<44} {}", "load / COPY, without generating", ratio(net(self.loaded_in), net(self.copied_in)))?;
        for (name, value) in &self.ratios {
            writeln!(f, "{name:<44} {value}")?;
        }
        if self.verified > 0 {
            writeln!(f, "{:<44} {}", "answers equal to plain DataFusion's", self.verified)?;
        }
        Ok(())
    }
}

fn shown(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}

fn ratio(a: Duration, b: Duration) -> String {
    if b.is_zero() { "not measurable".to_owned() } else { format!("{:.2}x", a.as_secs_f64() / b.as_secs_f64()) }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "for people to read"
)]
fn per_second(rows: u64, took: Duration) -> u64 {
    (rows as f64 / took.as_secs_f64().max(1e-9)) as u64
}
