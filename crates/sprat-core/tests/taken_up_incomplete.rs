//! A torrent that was incomplete when the session before this one ended wakes at once, and announces like a new one.

use std::sync::Arc;

use sprat_core::Session;
use sprat_core::config::Config;
use sprat_core::io::{AddSleeping, Input, Output};
use sprat_core::storage::{Found, StorageReply, StorageRequest};
use sprat_core::time::Time;
use sprat_wire::hash::Sha1Hash;
use sprat_wire::metainfo::build::{Builder, Description, Hashes};
use sprat_wire::metainfo::{Attributes, Version};
use sprat_wire::tracker::AnnounceEvent;

#[test]
fn what_is_incomplete_announces_after_a_new_start() {
    let builder = Builder::single(Version::V1, 16_384, "file", 16_384, Attributes::default()).unwrap();
    let hashes = Hashes { v1_pieces: vec![Sha1Hash([7; 20])], v2_files: Vec::new() };
    let metainfo = Arc::new(builder.build(&hashes, &Description::default()).unwrap().metainfo);
    for paused in [false, true] {
        let mut session = Session::new(Config::default(), 1);
        let asleep = AddSleeping {
            tiers: vec![vec!["http://tracker.example/announce".to_owned()]],
            complete: false,
            left: 16_384,
            paused,
            ..AddSleeping::new(metainfo.info_hashes)
        };
        let torrent = session.add_sleeping(Time::ZERO, asleep).unwrap();
        session.resume(Time::ZERO, torrent);
        let mut announced = Vec::new();
        while let Some(output) = session.poll_output() {
            let input = match output {
                Output::LoadMetadata { torrent } => {
                    Input::MetadataLoaded { torrent, result: Ok(Arc::clone(&metainfo)) }
                }
                Output::Storage(StorageRequest::Open { torrent, geometry, .. }) => {
                    let result = Ok(Found::nothing(geometry.pieces()));
                    Input::Storage(StorageReply::Opened { torrent, result })
                }
                Output::Announce { request, .. } => {
                    announced.push(request.event);
                    continue;
                }
                _ => continue,
            };
            session.handle_input(Time::ZERO, input);
        }
        assert_eq!(announced, [AnnounceEvent::Started], "paused: {paused}");
    }
}
