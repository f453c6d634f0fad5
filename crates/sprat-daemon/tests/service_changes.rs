//! What becomes of changes that come together, and of what a power cut has left half done.

#![allow(clippy::unwrap_used, reason = "a test fails where its set-up does")]

mod service_under_test;

use std::collections::BTreeMap;

use futures_util::future::join_all;
use sprat_core::io::FilePriority;
use sprat_core::storage::TorrentId;
use sprat_daemon::Service;
use sprat_daemon::service::{Action, AddError, Change, HappeningKind, NewTorrent, Priority, Source};
use sprat_daemon::torrents::{Record, SeedingLimit, SeedingLimits, State};
use sprat_engine::client::Note;

use crate::service_under_test::album::Album;
use crate::service_under_test::{Place, next, torrent, until_one};

/// A link that leads nowhere, stopped.
fn link(number: usize) -> NewTorrent {
    let link = format!("magnet:?xt=urn:btih:{number:040x}");
    NewTorrent { start: false, ..NewTorrent::new(Source::Magnet(link)) }
}

/// So many of them, in the order in which they were added.
async fn links(service: &Service, many: usize) -> Vec<TorrentId> {
    let added = join_all((1..=many).map(|number| service.add(link(number)))).await;
    added.into_iter().map(|added| added.unwrap().torrent).collect()
}

/// The records that the engine has.
async fn records(service: &Service) -> BTreeMap<TorrentId, Record> {
    let list = service.client().list().await.unwrap();
    let record = |note: &Note| serde_json::from_str(note.as_str()).unwrap();
    list.iter().map(|listing| (listing.torrent, record(&listing.note))).collect()
}

/// The torrents by their places, as lists show them.
fn queue(service: &Service) -> Vec<TorrentId> {
    let snapshot = service.snapshot();
    let mut order: Vec<(i64, TorrentId)> =
        snapshot.lines().iter().map(|line| (line.summary.position, line.torrent)).collect();
    order.sort_unstable();
    assert!(order.iter().map(|(place, _)| *place).eq(0..order.len() as i64), "{order:?}");
    order.into_iter().map(|(_, torrent)| torrent).collect()
}

#[tokio::test]
async fn of_changes_that_come_together_none_is_lost() {
    let album = Album::new().await;
    let (service, torrent) = (&album.seeder, album.seeder.find(&album.hash).unwrap());
    let change = |change: Change| service.change(torrent, change);
    // Pad files have numbers, too.
    let files: Vec<usize> = service.files(torrent).await.unwrap().iter().map(|file| file.index).collect();
    let want = |file, priority| Change { priorities: vec![(file, priority)], ..Change::default() };
    let (first, second) =
        tokio::join!(change(want(files[0], FilePriority::High)), change(want(files[1], FilePriority::Low)),);
    first.and(second).unwrap();
    let wanted: Vec<_> =
        service.files(torrent).await.unwrap().into_iter().map(|file| file.priority).collect();
    assert_eq!(wanted, [Priority::High, Priority::Low, Priority::Normal]);

    let (first, second) = tokio::join!(
        change(Change { download_limit: Some(Some(1000)), ..Change::default() }),
        change(Change { upload_limit: Some(Some(2000)), ..Change::default() }),
    );
    first.and(second).unwrap();
    let limits = service.client().listing(torrent).await.unwrap().unwrap().limits;
    assert_eq!((limits.download, limits.upload), (Some(1000), Some(2000)));
    service.stop().await;
}

#[tokio::test]
async fn of_those_who_add_the_same_each_learns_what_it_is_called() {
    let place = Place::new();
    let service = place.start().await;
    let adding = (0..64).map(|_| {
        let service = service.clone();
        tokio::spawn(async move { service.add(link(7)).await })
    });
    let mut added = 0;
    for result in join_all(adding).await {
        match result.unwrap() {
            Ok(_) => added += 1,
            Err(AddError::Duplicate(known)) => assert_eq!(known.hash, format!("{:040x}", 7)),
            // It is just being added.
            Err(AddError::Engine(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((added, service.snapshot().lines().len()), (1, 1));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_looked_at_by_many_at_once_is_counted_once() {
    let (album, place) = (Album::new().await, Place::new());
    let service = place.start().await;
    service.add(NewTorrent::new(Source::File(album.file.clone()))).await.unwrap();
    let lookers: Vec<_> = (0..8)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { while service.act(&[], Action::Reannounce).await.is_ok() {} })
        })
        .collect();
    album.introduce(&service).await;
    until_one(&service, &album.hash, |one| one.completed_at.is_some()).await;
    lookers.iter().for_each(tokio::task::JoinHandle::abort);
    let one = until_one(&service, &album.hash, |one| one.left == 0).await;
    assert_eq!(service.statistics().session.downloaded, one.downloaded);
    service.stop().await;
    album.seeder.stop().await;
}

#[tokio::test]
async fn what_was_acknowledged_is_with_the_engine_and_nothing_else() {
    let place = Place::new();
    let service = place.start().await;
    let torrents = links(&service, 600).await;
    service.act(&torrents, Action::Start).await.unwrap();
    assert!(records(&service).await.values().all(|record| record.is_started));
    service.act(&torrents, Action::Stop).await.unwrap();
    let before = records(&service).await;
    assert!(before.values().all(|record| !record.is_started));

    let last = *queue(&service).last().unwrap();
    service.act(&[last], Action::QueueTop).await.unwrap();
    assert_eq!(queue(&service)[0], last);
    let after = records(&service).await;
    let moved = |after: &BTreeMap<TorrentId, Record>| {
        let moved = after.iter().filter(|(id, record)| before[id].position != record.position);
        moved.map(|(id, _)| *id).collect::<Vec<_>>()
    };
    assert_eq!(moved(&after), [last]);
    service.stop().await;
}

#[tokio::test]
async fn places_in_the_queue_are_told_from_0_whatever_has_gone() {
    let place = Place::new();
    let service = place.start().await;
    let [a, b, c, d, e] = links(&service, 5).await.try_into().unwrap();
    // They were added together: some may share a position.
    service.requeue_at(&[a, b, c, d, e], 0).await.unwrap();
    assert_eq!(queue(&service), [a, b, c, d, e]);
    for (chosen, action, expected) in [
        (vec![d, e], Action::QueueTop, [d, e, a, b, c]),
        (vec![d, e], Action::QueueTop, [d, e, a, b, c]),
        (vec![d], Action::QueueBottom, [e, a, b, c, d]),
        (vec![c, d], Action::QueueUp, [e, a, c, d, b]),
        (vec![e, a], Action::QueueDown, [c, e, a, d, b]),
        (vec![c, e], Action::QueueUp, [c, e, a, d, b]),
        (vec![b, d], Action::QueueDown, [c, e, a, d, b]),
    ] {
        service.act(&chosen, action).await.unwrap();
        assert_eq!(queue(&service), expected, "{chosen:?} {action:?}");
    }
    service.requeue_at(&[b, c], 1).await.unwrap();
    assert_eq!(queue(&service), [e, b, c, a, d]);
    service.remove(&[b], sprat_core::storage::Files::Forget).await.unwrap();
    let first = service.add(NewTorrent { at_top: true, ..link(6) }).await.unwrap().torrent;
    service.act(&[], Action::Reannounce).await.unwrap();
    assert_eq!(queue(&service), [first, e, c, a, d]);
    service.stop().await;
    let service = place.start().await;
    assert_eq!(service.snapshot().lines().iter().map(|line| line.summary.position).max(), Some(4));
    queue(&service);
    service.stop().await;
}

#[tokio::test]
async fn one_that_has_given_enough_gives_more_if_its_user_starts_it() {
    let place = Place::new();
    let file = torrent(&place.downloads(), "given", 4, 50_000);
    let service = place.start().await;
    let seeding = SeedingLimits { ratio: SeedingLimit::Limit(0.0), ..SeedingLimits::default() };
    let new = NewTorrent { adopt: true, seeding, ..NewTorrent::new(Source::File(file)) };
    let added = service.add(new).await.unwrap();
    until_one(&service, &added.hash, |one| one.has_given_enough && one.state == State::Stopped).await;
    let decide_again = || {
        let tags = Change { add_tags: ["seen".to_owned()].into(), ..Change::default() };
        service.change(added.torrent, tags)
    };
    let runs = || {
        let one = service.snapshot().by_hash(&added.hash).unwrap().summary.clone();
        one.state == State::Seeding && !one.has_given_enough
    };
    for action in [Action::Start, Action::ForceStart] {
        service.act(&[added.torrent], action).await.unwrap();
        decide_again().await.unwrap();
        assert!(runs(), "{action:?}: {:?}", service.snapshot().by_hash(&added.hash));
    }
    // Not forced any more, it still may.
    service.act(&[added.torrent], Action::Start).await.unwrap();
    decide_again().await.unwrap();
    assert!(runs());
    service.stop().await;
}

#[tokio::test]
async fn what_is_complete_is_told_and_shown_when_it_is_where_it_stays() {
    let (album, place) = (Album::new().await, Place::new());
    let mut config = place.config();
    let half = place.home.path().join("half");
    config.choices.incomplete = Some(half.clone());
    let service = Service::start(config).await.unwrap();
    let mut happenings = service.happenings();
    let mut changes = service.changes();
    let hash = album.hash.clone();
    let watching = tokio::spawn(async move {
        loop {
            let one = changes.borrow_and_update().by_hash(&hash).map(|line| line.summary.clone());
            if let Some(one) = one.filter(|one| one.is_complete && one.state != State::Moving) {
                return one;
            }
            changes.changed().await.unwrap();
        }
    });
    service.add(NewTorrent::new(Source::File(album.file.clone()))).await.unwrap();
    album.introduce(&service).await;
    let downloads = place.downloads().display().to_string();
    assert_eq!(watching.await.unwrap().directory, downloads);
    for expected in
        [HappeningKind::Added, HappeningKind::Moved { directory: downloads }, HappeningKind::Finished]
    {
        assert_eq!(next(&mut happenings).await, expected);
    }
    assert!(place.downloads().join("album/one.flac").exists() && !half.join("album").exists());
    service.stop().await;
    album.seeder.stop().await;
}

#[tokio::test]
async fn what_has_become_complete_unnoticed_is_brought_home_at_the_next_start() {
    let place = Place::new();
    let file = torrent(&place.downloads(), "late", 5, 40_000);
    let service = place.start().await;
    let new = NewTorrent { adopt: true, start: false, ..NewTorrent::new(Source::File(file)) };
    let added = service.add(new).await.unwrap();
    until_one(&service, &added.hash, |one| one.completed_at.is_some()).await;
    service.act(&[], Action::Stop).await.unwrap();
    // As if the power had gone before that was written down.
    let home = place.downloads().join("home");
    let record = Record { destination: Some(home.clone()), ..Record::default() };
    let note = Note::new(&serde_json::to_string(&record).unwrap()).unwrap();
    service.client().annotate(vec![(added.torrent, note)]).await.unwrap();
    service.stop().await;

    let service = place.start().await;
    let one = service.snapshot().by_hash(&added.hash).unwrap().summary.clone();
    assert_eq!((one.state, one.completed_at), (State::Moving, None));
    let mut happenings = service.happenings();
    service.go_on();
    let directory = home.display().to_string();
    assert_eq!(next(&mut happenings).await, HappeningKind::Moved { directory: directory.clone() });
    let is_home = |one: &sprat_daemon::torrents::Summary| {
        one.state == State::Stopped && one.completed_at.is_some() && one.directory == directory
    };
    until_one(&service, &added.hash, is_home).await;
    assert!(home.join("late").exists());
    service.stop().await;
}
