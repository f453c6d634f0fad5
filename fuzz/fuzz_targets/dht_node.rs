//! Fuzzes `dht_node`; the body is shared with the tests of sprat-dht.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/sprat-dht/tests/fuzz_targets/mod.rs"]
mod fuzz_targets;

fuzz_target!(|data: &[u8]| fuzz_targets::dht_node(data));
