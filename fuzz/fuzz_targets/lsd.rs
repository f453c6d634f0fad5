//! Fuzzes `lsd`; the body is shared with the tests of sprat-wire.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/sprat-wire/tests/fuzz_targets/mod.rs"]
mod fuzz_targets;

fuzz_target!(|data: &[u8]| fuzz_targets::run("lsd", data));
