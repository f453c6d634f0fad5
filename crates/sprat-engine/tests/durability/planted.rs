//! The sweep finds what is wrong: each of these bugs loses something in one of its runs.

use sprat_engine::disk::planted::PlantedBug;
use sprat_wire::metainfo::Version;

use crate::sample::Sample;
use crate::sweep::{RUNS, run};

fn is_found(bug: PlantedBug) {
    let sample = Sample::new(Version::V1, 32 * 1024);
    // In an order in which each fault comes soon.
    for number in (0..RUNS).map(|step| step * 617 % RUNS) {
        // What goes wrong without the bug as well shows nothing.
        if let Err(loss) = run(&sample, number, Some(bug))
            && run(&sample, number, None).is_ok()
        {
            println!("{bug:?} is found by run {number}: {loss}");
            return;
        }
    }
    panic!("{bug:?} is found by none of {RUNS} runs");
}

#[test]
fn a_claim_before_the_sync() {
    is_found(PlantedBug::ClaimBeforeSync);
}

#[test]
fn a_write_error_that_is_lost() {
    is_found(PlantedBug::LostWriteError);
}

#[test]
fn a_sync_error_that_is_lost() {
    is_found(PlantedBug::LostSyncError);
}

#[test]
fn a_sync_that_is_tried_again_as_if_nothing_had_happened() {
    is_found(PlantedBug::SyncRetriedAsIfNothing);
}

#[test]
fn names_that_are_not_synced() {
    is_found(PlantedBug::DirectoryNotSynced);
}

#[test]
fn a_short_write_taken_for_a_whole_one() {
    is_found(PlantedBug::ShortWriteTaken);
}
