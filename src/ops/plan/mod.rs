//! What each verb makes of a snapshot: the actions to commit, nothing to do, or the reason why not.
//!
//! Pure: no I/O, no clock, no query. A verb that removes or restores what is there is planned anew on every head that it
//! meets (`Head` in the design's table of preconditions); a verb that wrote files carries a [`Draft`]. What was is kept:
//! plans end and reopen lifetimes, and no plan takes an entry away.

mod add_partitions;
mod alter;
mod append;
mod checks;
mod clone;
mod columns;
mod compact;
mod draft;
mod drop_partitions;
mod drop_table;
mod overwrite;
mod restore_partitions;
mod restore_table;
mod rewrite;
mod sweep;
mod timeline;
mod truncate;
mod undrop_partitions;
mod undrop_table;

pub use add_partitions::add_partitions;
pub use alter::{set_comment, set_lifecycle, set_partition_lifecycle, set_properties, touch_partitions, touch_table};
pub(in crate::ops) use append::adds;
pub use append::{NewFiles, append};
pub use clone::{CloneContent, clone_content, clone_new, clone_onto};
pub use columns::{ColumnEdit, add_columns, change_column, drop_columns, rename_column};
pub use compact::compact;
pub use draft::Draft;
pub use drop_partitions::drop_partitions;
pub use drop_table::drop_table;
pub use overwrite::{Replaced, overwrite};
pub use restore_partitions::restore_partitions;
pub use restore_table::restore_table;
pub use rewrite::{Rewritten, rewrite};
pub use sweep::{purge, range_is_whole, sweep};
pub use truncate::truncate;
pub use undrop_partitions::undrop_partitions;
pub use undrop_table::undrop_table;

use crate::error::Result;
use crate::log::Attempt;
use crate::table::Action;

/// What a verb makes of a head.
pub type Plan = Result<Attempt<Action>>;

/// Actions to commit, or nothing to do where there are none.
fn attempt(actions: Vec<Action>) -> Attempt<Action> {
    match actions.is_empty() {
        true => Attempt::Nothing,
        false => Attempt::Actions(actions),
    }
}
