#![no_main]
#[path = "common.rs"]
mod common;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some((choice, input)) = common::split(data) {
        common::run(common::targets::log_entry(input, choice));
    }
});
