//! What the targets share: the entrances are those of the tests.

use std::future::Future;

#[allow(dead_code)]
#[path = "../../tests/it/trust/targets.rs"]
pub mod targets;

/// Runs a case to its end; what must not happen is a panic for libFuzzer.
#[allow(dead_code)]
pub fn run(case: impl Future<Output = Result<(), String>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let Err(what) = runtime.block_on(case) {
        panic!("{what}");
    }
}

/// The first bytes choose the statements, the rest is the input.
#[allow(dead_code)]
pub fn split(data: &[u8]) -> Option<(u64, &[u8])> {
    let (choice, rest) = data.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*choice), rest))
}
