//! What the service does with torrents, between two of them on this machine.

mod service_under_test;

use std::sync::Arc;

use sprat_core::io::{Event, Manner};
use sprat_core::storage::{Files, TorrentId};
use sprat_daemon::Service;
use sprat_daemon::service::{Action, AddError, Change, ChangeError, HappeningKind, NewTorrent, Source};
use sprat_daemon::settings::SeedingAction;
use sprat_daemon::torrents::{SeedingLimit, SeedingLimits, State};
use sprat_engine::address_policy::AddressPolicy;

use crate::service_under_test::{Place, next, torrent, until, until_one};

#[tokio::test]
async fn a_torrent_goes_from_one_service_to_another_and_all_of_it_is_told() {
    let (seeder_place, leecher_place) = (Place::new(), Place::new());
    let file = torrent(&seeder_place.downloads(), "some file", 1, 300_000);
    let (seeder, leecher) = (seeder_place.start().await, leecher_place.start().await);
    let seeding =
        seeder.add(NewTorrent { adopt: true, ..NewTorrent::new(Source::File(file.clone())) }).await.unwrap();
    until_one(&seeder, &seeding.hash, |one| one.state == State::Seeding && one.left == 0).await;

    let mut happenings = leecher.happenings();
    let label = Some("films".to_owned());
    let new = NewTorrent { label: label.clone(), ..NewTorrent::new(Source::File(file.clone())) };
    let added = leecher.add(new).await.unwrap();
    assert_eq!((added.hash.as_str(), added.name.as_str()), (seeding.hash.as_str(), "some file"));
    assert!(leecher.labels().labels.contains_key("films"));
    let again = leecher.add(NewTorrent::new(Source::File(file))).await;
    assert!(matches!(again, Err(AddError::Duplicate(known)) if known == added));

    let address = format!("127.0.0.1:{}", seeder.client().port()).parse().unwrap();
    let torrent = added.torrent;
    leecher.client().with(move |session, now| session.add_peers(now, torrent, &[address])).await.unwrap();
    let done =
        until_one(&leecher, &added.hash, |one| one.state == State::Seeding && one.completed_at.is_some())
            .await;
    assert_eq!(
        (done.size, done.left, done.have, done.progress, done.label),
        (300_000, 0, 300_000, 1000, label)
    );
    assert_eq!(leecher.statistics().session.downloaded, 300_000);
    for expected in [HappeningKind::Added, HappeningKind::Finished] {
        assert_eq!(next(&mut happenings).await, expected);
    }
    let given = until_one(&seeder, &seeding.hash, |one| one.uploaded == 300_000).await;
    assert!((given.ratio - 1.0).abs() < 1e-9, "{}", given.ratio);

    leecher.remove(&[added.torrent], Files::Delete).await.unwrap();
    until(&leecher, |snapshot| snapshot.lines().is_empty()).await;
    assert_eq!(next(&mut happenings).await, HappeningKind::Removed);
    assert!(!leecher_place.downloads().join("some file").exists());
    leecher.stop().await;
    seeder.stop().await;
}

#[tokio::test]
async fn what_the_user_has_said_is_there_after_a_restart() {
    let place = Place::new();
    let file = torrent(&place.downloads(), "kept", 2, 100_000);
    let service = place.start().await;
    let new = NewTorrent { adopt: true, start: false, ..NewTorrent::new(Source::File(file)) };
    let added = service.add(new).await.unwrap();
    let stopped =
        until_one(&service, &added.hash, |one| one.state == State::Stopped && one.is_complete).await;
    assert!(stopped.added_at > 0);
    let change = Change {
        name: Some("another name".to_owned()),
        label: Some(Some("books".to_owned())),
        add_tags: ["red".to_owned()].into(),
        upload_limit: Some(Some(50_000)),
        sequential: Some(true),
        first_last: Some(true),
        super_seeding: Some(true),
        connection_limit: Some(Some(7)),
        ..Change::default()
    };
    service.change(added.torrent, change).await.unwrap();
    let before = service.snapshot().by_hash(&added.hash).unwrap().summary.clone();
    assert_eq!(
        (before.name.as_str(), before.upload_limit, before.sequential),
        ("another name", Some(50_000), true)
    );
    assert_eq!((before.first_last, before.super_seeding, before.connection_limit), (true, true, Some(7)));
    service.stop().await;

    let service = place.start().await;
    let after = service.snapshot().by_hash(&added.hash).unwrap().summary.clone();
    assert_eq!(after, before);
    assert_eq!(service.statistics().all().starts, 2);
    assert_eq!(service.statistics().all().added, 1);
    service.act(&[added.torrent], Action::Start).await.unwrap();
    until_one(&service, &added.hash, |one| one.state == State::Seeding && one.have == 100_000).await;
    let back = Change { super_seeding: Some(false), connection_limit: Some(None), ..Change::default() };
    service.change(added.torrent, back).await.unwrap();
    let one = service.snapshot().by_hash(&added.hash).unwrap().summary.clone();
    assert_eq!((one.first_last, one.super_seeding, one.connection_limit), (true, false, None));
    service.stop().await;
}

#[tokio::test]
async fn a_torrent_that_has_given_enough_goes_on_as_a_super_seeder_if_that_is_wished() {
    let place = Place::new();
    let file = torrent(&place.downloads(), "given", 4, 50_000);
    let mut config = place.config();
    config.choices.seeding.action = Some(SeedingAction::SuperSeed);
    let service = Service::start(config).await.unwrap();
    let seeding = SeedingLimits { ratio: SeedingLimit::Limit(0.0), ..SeedingLimits::default() };
    let manner = Manner { connections: Some(3), ..Manner::USUAL };
    let new = NewTorrent { adopt: true, seeding, manner, ..NewTorrent::new(Source::File(file)) };
    let added = service.add(new).await.unwrap();
    let one = until_one(&service, &added.hash, |one| one.super_seeding).await;
    assert!(one.has_given_enough && one.state == State::Seeding, "{one:?}");
    assert_eq!(one.connection_limit, Some(3));
    let manner = service.client().with(move |session, _| session.manner(added.torrent)).await.unwrap();
    assert!(manner.unwrap().super_seeding);
    service.stop().await;
}

#[tokio::test]
async fn many_are_changed_at_once_or_none() {
    let place = Place::new();
    let service = place.start().await;
    let mut torrents = Vec::new();
    for number in 1..4 {
        let file = torrent(&place.home.path().join("elsewhere"), &format!("{number}"), number, 1000);
        let new = NewTorrent {
            start: false,
            tags: ["old".to_owned()].into(),
            ..NewTorrent::new(Source::File(file))
        };
        torrents.push(service.add(new).await.unwrap().torrent);
    }
    let change = Change {
        label: Some(Some("many".to_owned())),
        add_tags: ["new".to_owned()].into(),
        remove_tags: ["old".to_owned()].into(),
        upload_limit: Some(Some(1000)),
        ..Change::default()
    };
    let nobody = [torrents[0], TorrentId(u32::MAX)];
    assert!(matches!(service.change_all(&nobody, change.clone()).await, Err(ChangeError::Unknown)));
    let are = |label: Option<&str>| {
        let snapshot = service.snapshot();
        snapshot.lines().iter().filter(|line| line.summary.label.as_deref() == label).count()
    };
    assert_eq!(are(None), 3);
    service.change_all(&torrents[..2], change).await.unwrap();
    assert_eq!((are(Some("many")), are(None)), (2, 1));
    let snapshot = service.snapshot();
    let one = &snapshot.lines()[0].summary;
    assert_eq!(
        (one.tags.iter().map(String::as_str).collect::<Vec<_>>(), one.upload_limit),
        (vec!["new"], Some(1000))
    );
    service.stop().await;
}

#[tokio::test]
async fn files_lie_only_below_directories_that_were_chosen() {
    let place = Place::new();
    let file = torrent(&place.home.path().join("elsewhere"), "x", 3, 1000);
    let service = place.start().await;
    for directory in ["/etc", "relative", "/tmp/../etc"] {
        let new =
            NewTorrent { directory: Some(directory.into()), ..NewTorrent::new(Source::File(file.clone())) };
        assert!(matches!(service.add(new).await, Err(AddError::Directory(_))), "{directory}");
    }
    let below = place.downloads().join("../downloads-not");
    let new = NewTorrent { directory: Some(below), ..NewTorrent::new(Source::File(file)) };
    assert!(matches!(service.add(new).await, Err(AddError::Directory(_))));
    service.stop().await;
}

#[tokio::test]
async fn a_link_leads_to_nobody_in_the_private_network() {
    for (policy, known) in [(AddressPolicy::public(), 0), (AddressPolicy::permissive(), 1)] {
        let place = Place::new();
        let mut config = place.config();
        config.client.policy = Arc::new(policy);
        let service = Service::start(config).await.unwrap();
        let link = "magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&x.pe=127.0.0.1:9";
        let added = service.add(NewTorrent::new(Source::Magnet(link.to_owned()))).await.unwrap();
        let one = until_one(&service, &added.hash, |one| one.state == State::FetchingMetadata).await;
        assert_eq!(one.known_peers, known);
        service.stop().await;
    }
}

#[tokio::test]
async fn nobody_is_contacted_in_the_private_network_because_an_interface_was_told_to() {
    let place = Place::new();
    let mut config = place.config();
    config.client.policy = Arc::new(AddressPolicy::public());
    let service = Service::start(config).await.unwrap();
    let mut events = service.client().events();
    let inside = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = inside.local_addr().unwrap();
    let tracker = |name: &str| vec![vec![format!("http://{address}/{name}")]];

    let link = Source::Magnet("magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned());
    let new = NewTorrent { trackers: tracker("added"), ..NewTorrent::new(link) };
    let refused = service.add(NewTorrent { peers: vec![address], ..new.clone() }).await;
    assert!(matches!(refused, Err(AddError::Address(_))));
    let torrent = service.add(new).await.unwrap().torrent;
    let refused = service.add_peers(torrent, vec![address]).await;
    assert!(matches!(refused, Err(ChangeError::Address(_))));
    for name in ["added", "changed"] {
        let (url, reason) = loop {
            if let Event::TrackerFailed { url, reason, .. } = events.recv().await.unwrap() {
                break (url, reason);
            }
        };
        assert!(url.ends_with(name), "{url}: {reason}");
        let change = Change { trackers: Some(tracker("changed")), ..Change::default() };
        service.change(torrent, change).await.unwrap();
    }
    let knock = tokio::net::TcpStream::connect(address).await.unwrap();
    let (_, first) = inside.accept().await.unwrap();
    assert_eq!(first, knock.local_addr().unwrap(), "somebody was here before");
    service.stop().await;
}
