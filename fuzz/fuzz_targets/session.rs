//! Fuzzes `session`; the body is shared with the tests of sprat-sim.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/sprat-sim/tests/fuzz_targets/mod.rs"]
mod fuzz_targets;

fuzz_target!(|data: &[u8]| fuzz_targets::session(data));
