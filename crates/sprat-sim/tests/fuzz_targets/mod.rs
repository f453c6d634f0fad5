//! What a fuzzer feeds. The target of libFuzzer (`fuzz/`) and the test that replays its corpus share these files.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "to fail loudly is what a target is for"
)]

mod far_disk;
mod remote;
mod script;
mod world;

use script::Script;
use world::World;

/// More steps than this say nothing new and only slow the fuzzer down.
const MOST_STEPS: usize = 600;

/// A session against everything that it does not control: peers, disk, trackers, time, its user. The bytes choose the
/// torrent, its state at the start, and what happens then, step by step.
pub(crate) fn session(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::new(&mut script);
    for _ in 0..MOST_STEPS {
        if script.is_over() {
            break;
        }
        world.step(&mut script);
    }
    world.end();
}
