//! `--now`: a clock that stands still. Commits still get strictly growing times, because the log sees to that.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use datafusion_timetravel::store::{Clock, ManualClock, Timestamp};

/// A clock that always shows the moment.
pub(crate) fn pinned(now: Timestamp) -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(now))
}

/// A date, a date and time, or RFC 3339; without a zone it is UTC.
pub(crate) fn parse_time(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc().into());
    }
    let local = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
    match local {
        Some(time) => Ok(time.and_utc().into()),
        None => Err("expected a time like '2026-01-31', '2026-01-31 12:00:00' or '2026-01-31T12:00:00Z'".to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_usual_forms_of_a_time_are_read() {
        for (text, shown) in [
            ("2026-01-31", "2026-01-31T00:00:00.000000Z"),
            ("2026-01-31 12:30:01", "2026-01-31T12:30:01.000000Z"),
            ("2026-01-31T12:30:01.25", "2026-01-31T12:30:01.250000Z"),
            ("2026-01-31T12:30:01+02:00", "2026-01-31T10:30:01.000000Z"),
        ] {
            assert_eq!(parse_time(text).unwrap().to_string(), shown);
        }
        for wrong in ["", "yesterday", "2026-02-30", "12:00"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }
}
