//! Settings of a session: `SET timetravel.…`.

use std::any::Any;

use datafusion::common::Result;
use datafusion::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};

use crate::error::{Code, Error};
use crate::merge::Verify;
use crate::ops::version::PurgedHistory;

const PURGED_HISTORY: &str = "purged_history";
const VERIFY: &str = "verify";

/// What a session says about reading versions. Registered by `with_timetravel`.
#[derive(Debug, Clone, Default)]
pub struct TimeTravelOptions {
    /// What reading a version from before a PURGE gives.
    pub purged_history: PurgedHistory,
    /// Which data files are compared with their digests before they are read.
    pub verify: Verify,
}

impl TimeTravelOptions {
    /// Those of a session, defaults where it has none.
    pub(crate) fn of(config: &ConfigOptions) -> Self {
        config.extensions.get::<Self>().cloned().unwrap_or_default()
    }
}

impl ConfigExtension for TimeTravelOptions {
    const PREFIX: &'static str = "timetravel";
}

impl ExtensionOptions for TimeTravelOptions {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let refuse = |message: String| Err(Error::new(Code::InvalidArgument, message).into());
        match (key, value.to_ascii_lowercase().as_str()) {
            (PURGED_HISTORY, "warn") => self.purged_history = PurgedHistory::Warn,
            (PURGED_HISTORY, "error") => self.purged_history = PurgedHistory::Error,
            (PURGED_HISTORY, _) => {
                return refuse(format!("timetravel.purged_history = {value:?}: it takes 'warn' or 'error'"));
            }
            (VERIFY, "small") => self.verify = Verify::Small,
            (VERIFY, "always") => self.verify = Verify::Always,
            (VERIFY, _) => {
                return refuse(format!("timetravel.verify = {value:?}: it takes 'small' or 'always'"));
            }
            _ => {
                return refuse(format!(
                    "timetravel.{key} is no setting: there are timetravel.purged_history and timetravel.verify"
                ));
            }
        }
        Ok(())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        let purged = match self.purged_history {
            PurgedHistory::Warn => "warn",
            PurgedHistory::Error => "error",
        };
        let verify = match self.verify {
            Verify::Small => "small",
            Verify::Always => "always",
        };
        let entry = |key: &str, value: &str, description| ConfigEntry {
            key: key.to_owned(),
            value: Some(value.to_owned()),
            description,
        };
        vec![
            entry(
                PURGED_HISTORY,
                purged,
                "What reading a version from before a PURGE gives: 'warn' the content at the PURGE with a warning, 'error' an error",
            ),
            entry(
                VERIFY,
                verify,
                "Which data files are compared with their checksums before they are read: 'small' those up to 8 MiB, 'always' all, once per process",
            ),
        ]
    }
}
