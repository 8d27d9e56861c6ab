//! A commit by a machine whose clock was far ahead.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use datafusion_timetravel::store::{ManualClock, ObjectStore, Timestamp};
use datafusion_timetravel::{Code, TimeTravel};
use object_store::memory::InMemory;

use super::lake::{Session, ours, store};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn a_commit_by_a_wrong_clock_does_not_block_a_table_for_ever() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let clock = ManualClock::new(Timestamp::from_millis(1_700_000_000_000));
    let open = |skew: Option<Duration>| {
        let builder = TimeTravel::builder_with_store(store(Arc::clone(&objects))).clock(Arc::new(clock.clone()));
        let builder = skew.into_iter().fold(builder, |builder, skew| builder.clock_skew(skew));
        async move { Session::with(builder.build().await.unwrap()).await }
    };
    let session = open(None).await;
    session.ok("CREATE TABLE t (k BIGINT PRIMARY KEY)").await;
    clock.advance(40 * DAY);
    session.ok("INSERT INTO t VALUES (1)").await;
    clock.set(Timestamp::from_millis(1_700_000_000_000));
    let error = session.run("INSERT INTO t VALUES (2)").await.unwrap_err();
    assert_eq!(ours(&error).code(), Code::ClockSkew, "{error}");
    assert!(error.to_string().contains("larger clock skew"), "{error}");

    let tolerant = open(Some(41 * DAY)).await;
    tolerant.ok("INSERT INTO t VALUES (2)").await;
    assert_eq!(tolerant.ok("SELECT k FROM t ORDER BY k").await, ["1", "2"]);
    assert_eq!(tolerant.ok("SELECT count(DISTINCT \"timestamp\") FROM history('t')").await, ["3"]);
}
