use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const HASH: InfoHash = InfoHash([7; 20]);

fn announcer(tiers: &[&[&str]], hashes: &[InfoHash]) -> Announcer {
    let tiers: Vec<Vec<String>> =
        tiers.iter().map(|tier| tier.iter().map(|url| (*url).to_owned()).collect()).collect();
    let rng = fastrand::Rng::with_seed(1);
    let mut announcer = Announcer::new(AnnouncerConfig::default(), &tiers, hashes, 5, rng);
    announcer.start(Time::ZERO);
    announcer
}

fn poll(announcer: &mut Announcer, now: Time) -> Option<(TrackerId, String, AnnounceEvent)> {
    let made = announcer.poll(now, Progress::default(), &mut TrackerHosts::default())?;
    Some((made.tracker, made.url.to_string(), made.event))
}

fn answer() -> AnnounceResponse {
    AnnounceResponse {
        interval: 1800,
        peers: vec!["1.2.3.4:5".parse().unwrap()],
        ..AnnounceResponse::default()
    }
}

#[test]
fn events_are_told_once_each() {
    let mut announcer = announcer(&[&["http://a/announce"]], &[HASH]);
    let (id, _, event) = poll(&mut announcer, Time::ZERO).unwrap();
    assert_eq!(event, AnnounceEvent::Started);
    assert_eq!(poll(&mut announcer, Time::ZERO), None);
    assert_eq!(announcer.next_time(), None, "an answer is awaited");
    announcer.answered(Time::from_secs(1), id, &answer());
    announcer.completed(Time::from_secs(10));
    assert_eq!(poll(&mut announcer, Time::from_secs(10)).unwrap().2, AnnounceEvent::Completed);
    announcer.answered(Time::from_secs(11), id, &answer());
    let next = announcer.next_time().unwrap();
    assert!((Time::from_secs(1811)..=Time::from_secs(1811 + 90)).contains(&next), "{next:?}");
    assert_eq!(poll(&mut announcer, next).unwrap().2, AnnounceEvent::Interval);
    announcer.stop(next);
    assert_eq!(poll(&mut announcer, next), None, "not while an announce is under way");
    announcer.answered(next, id, &answer());
    assert_eq!(poll(&mut announcer, next).unwrap().2, AnnounceEvent::Stopped);
    announcer.failed(next, id, "gone");
    assert!(announcer.is_stopped() && announcer.next_time().is_none());
    assert_eq!(poll(&mut announcer, Time::from_secs(99_999)), None);
}

#[test]
fn a_dead_tracker_is_passed_over_and_tried_again_with_growing_pauses() {
    let mut announcer = announcer(&[&["http://dead/"], &["udp://alive/"]], &[HASH]);
    let (dead, url, _) = poll(&mut announcer, Time::ZERO).unwrap();
    assert_eq!(url, "http://dead/");
    announcer.failed(Time::from_secs(2), dead, "no answer");
    let (alive, url, event) = poll(&mut announcer, Time::from_secs(2)).unwrap();
    assert_eq!((url.as_str(), event), ("udp://alive/", AnnounceEvent::Started));
    announcer.answered(Time::from_secs(2), alive, &answer());
    let mut now = Time::from_secs(2);
    for failures in 1..20_u32 {
        let next = announcer.next_time().unwrap();
        let pause = next.since(now);
        let longest = FIRST_RETRY.saturating_mul(1 << (failures - 1).min(16)).min(LAST_RETRY);
        now = next;
        let (id, _, _) = poll(&mut announcer, now).unwrap();
        if id == dead {
            assert!(pause <= longest, "{failures}: {pause:?}");
            announcer.failed(now, dead, "no answer");
        } else {
            announcer.answered(now, alive, &answer());
        }
    }
    // It comes back, and is the one again.
    while announcer.trackers().any(|status| status.tracker == dead && status.failures > 0) {
        now = announcer.next_time().unwrap();
        let (id, _, _) = poll(&mut announcer, now).unwrap();
        announcer.answered(now, id, &answer());
    }
    now = announcer.next_time().unwrap();
    assert_eq!(poll(&mut announcer, now).unwrap().0, dead);
}

#[test]
fn a_working_tracker_moves_to_the_front_of_its_tier_only() {
    let mut announcer = announcer(&[&["http://a/", "http://b/"], &["http://c/"]], &[HASH]);
    let (first, _, _) = poll(&mut announcer, Time::ZERO).unwrap();
    announcer.failed(Time::ZERO, first, "x");
    let (second, _, _) = poll(&mut announcer, Time::ZERO).unwrap();
    announcer.answered(Time::ZERO, second, &answer());
    assert_eq!(announcer.chains, [vec![second.0 as usize, first.0 as usize, 2]]);
}

#[test]
fn a_hybrid_announces_both_hashes() {
    let other = InfoHash([9; 20]);
    let mut announcer = announcer(&[&["http://a/"]], &[HASH, other]);
    let first = announcer.poll(Time::ZERO, Progress::default(), &mut TrackerHosts::default()).unwrap();
    let second = announcer.poll(Time::ZERO, Progress::default(), &mut TrackerHosts::default()).unwrap();
    assert_eq!([first.info_hash, second.info_hash], [HASH, other]);
    assert_eq!(poll(&mut announcer, Time::ZERO), None);
}

#[test]
fn trackers_cannot_choose_absurd_intervals() {
    for interval in [0, 1, u32::MAX] {
        let mut announcer = announcer(&[&["http://a/"]], &[HASH]);
        let (id, _, _) = poll(&mut announcer, Time::ZERO).unwrap();
        let min_interval = Some(u32::MAX);
        announcer.answered(Time::ZERO, id, &AnnounceResponse { interval, min_interval, ..answer() });
        let next = announcer.next_time().unwrap();
        assert!(next >= Time::from_secs(30) && next <= Time::from_secs(7600), "{interval}: {next:?}");
    }
}

#[test]
fn a_lonely_client_asks_again_soon_unless_forbidden() {
    let mut announcer = announcer(&[&["http://a/"]], &[HASH]);
    let (id, _, _) = poll(&mut announcer, Time::ZERO).unwrap();
    announcer.answered(Time::ZERO, id, &AnnounceResponse { peers: Vec::new(), ..answer() });
    assert!(announcer.next_time().unwrap() <= Time::from_secs(63));
    let (id, _, _) = poll(&mut announcer, Time::from_secs(70)).unwrap();
    let forbidding = AnnounceResponse { peers: Vec::new(), min_interval: Some(900), ..answer() };
    announcer.answered(Time::from_secs(70), id, &forbidding);
    announcer.force(Time::from_secs(71));
    assert!(announcer.next_time().unwrap() >= Time::from_secs(970));
}

#[test]
fn whoever_finds_nobody_of_use_asks_again_less_and_less_often() {
    let mut announcer = announcer(&[&["http://a/"]], &[HASH]);
    let mut asked = Vec::new();
    let mut now = Time::ZERO;
    for _ in 0..7 {
        let (id, _, _) = poll(&mut announcer, now).unwrap();
        announcer.answered(now, id, &answer());
        assert!(
            announcer.next_time().unwrap() >= now + Duration::from_secs(1800),
            "the interval, as long as all is well"
        );
        announcer.set_lonely(true);
        let next = announcer.next_time().unwrap();
        announcer.set_lonely(true);
        assert_eq!(announcer.next_time(), Some(next));
        asked.push(next.since(now).as_secs() / 60);
        now = next;
    }
    assert_eq!(asked[..5], [1, 2, 4, 8, 16]);
    assert!(asked[5..].iter().all(|minutes| (30..=33).contains(minutes)), "{asked:?}");
}

#[test]
fn answers_nobody_waits_for_change_nothing() {
    let mut announcer = announcer(&[&["http://a/"]], &[HASH]);
    announcer.answered(Time::ZERO, TrackerId(0), &answer());
    announcer.failed(Time::ZERO, TrackerId(77), "x");
    assert_eq!(announcer.next_time(), Some(Time::ZERO));
}

#[test]
fn completion_during_an_announce_is_told_right_after_it() {
    let mut announcer = announcer(&[&["http://a/"]], &[HASH]);
    let (id, _, _) = poll(&mut announcer, Time::ZERO).unwrap();
    announcer.completed(Time::from_secs(1));
    announcer.answered(Time::from_secs(2), id, &answer());
    assert_eq!(poll(&mut announcer, Time::from_secs(2)).unwrap().2, AnnounceEvent::Completed);
    announcer.answered(Time::from_secs(3), id, &answer());
    // Another file is chosen, and is complete as well.
    announcer.completed(Time::from_secs(4));
    assert_eq!(poll(&mut announcer, Time::from_secs(4)), None);
}

#[test]
fn who_first_hears_of_us_when_we_are_complete_is_not_told_of_a_completion() {
    let mut announcer = announcer(&[&["http://a/"]], &[HASH]);
    let (id, _, _) = poll(&mut announcer, Time::ZERO).unwrap();
    announcer.completed(Time::from_secs(1));
    announcer.failed(Time::from_secs(2), id, "x");
    assert_eq!(poll(&mut announcer, Time::from_secs(9)).unwrap().2, AnnounceEvent::Started);
    announcer.answered(Time::from_secs(9), id, &answer());
    assert_eq!(poll(&mut announcer, Time::from_secs(10)), None);
}

#[test]
fn a_tracker_that_never_heard_of_us_is_not_told_that_we_leave() {
    let mut announcer = announcer(&[&["http://dead/"]], &[HASH]);
    let (id, _, _) = poll(&mut announcer, Time::ZERO).unwrap();
    announcer.stop(Time::from_secs(1));
    announcer.failed(Time::from_secs(2), id, "x");
    assert!(announcer.is_stopped());
    assert_eq!(poll(&mut announcer, Time::from_secs(2)), None);
}

#[test]
fn a_start_that_fails_after_a_pause_is_tried_again_as_a_start() {
    let mut announcer = announcer(&[&["http://a/"]], &[HASH]);
    let (id, _, _) = poll(&mut announcer, Time::ZERO).unwrap();
    announcer.answered(Time::ZERO, id, &answer());
    announcer.stop(Time::ZERO);
    assert_eq!(poll(&mut announcer, Time::ZERO).unwrap().2, AnnounceEvent::Stopped);
    announcer.answered(Time::ZERO, id, &answer());
    announcer.start(Time::from_secs(60));
    assert_eq!(poll(&mut announcer, Time::from_secs(60)).unwrap().2, AnnounceEvent::Started);
    announcer.failed(Time::from_secs(60), id, "x");
    assert_eq!(poll(&mut announcer, Time::from_secs(70)).unwrap().2, AnnounceEvent::Started);
}

#[test]
fn with_all_tiers_one_tracker_of_each_is_told() {
    let tiers = [vec!["http://a/".to_owned(), "http://b/".to_owned()], vec!["http://c/".to_owned()]];
    let config = AnnouncerConfig { all_tiers: true, ..AnnouncerConfig::default() };
    let mut announcer = Announcer::new(config, &tiers, &[HASH], 5, fastrand::Rng::with_seed(1));
    announcer.start(Time::ZERO);
    let told: Vec<String> =
        std::iter::from_fn(|| poll(&mut announcer, Time::ZERO)).map(|(_, url, _)| url).collect();
    assert_eq!(told.len(), 2);
    assert!(told.contains(&"http://c/".to_owned()));
}

#[test]
fn a_torrent_cannot_bring_endless_trackers() {
    let urls: Vec<String> = (0..10_000).map(|n| format!("http://tracker{n}/")).collect();
    let rng = fastrand::Rng::with_seed(1);
    let announcer = Announcer::new(AnnouncerConfig::default(), &[urls], &[HASH], 5, rng);
    assert_eq!(announcer.trackers().count(), MOST_TRACKERS);
}

#[derive(Debug, Clone)]
enum Act {
    Wait(u16),
    WaitUntilDue,
    Answer(u8, bool),
    Complete,
    Stop,
    Start,
    Force,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (0..4000_u16).prop_map(Act::Wait),
        4 => Just(Act::WaitUntilDue),
        6 => (any::<u8>(), any::<bool>()).prop_map(|(which, works)| Act::Answer(which, works)),
        1 => Just(Act::Complete),
        1 => Just(Act::Stop),
        1 => Just(Act::Start),
        1 => Just(Act::Force),
    ]
}

/// What one tracker has seen of us.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    present: bool,
    completions: u32,
    in_flight: Option<AnnounceEvent>,
    /// Since when it is to be left alone for a while.
    failed_at: Option<Time>,
}

proptest! {
    #[test]
    fn whatever_happens_trackers_hear_a_consistent_story(acts in prop::collection::vec(act(), 1..200)) {
        let mut announcer = announcer(&[&["http://a/", "http://b/"], &["http://c/"]], &[HASH, InfoHash([9; 20])]);
        let mut now = Time::ZERO;
        let mut seen: BTreeMap<TrackerId, Seen> = BTreeMap::new();
        for act in acts {
            if matches!(act, Act::Complete | Act::Start | Act::Force) {
                // The user, or news, may come before the end of a pause.
                seen.values_mut().for_each(|seen| seen.failed_at = None);
            }
            match act {
                Act::Wait(seconds) => now += Duration::from_secs(seconds.into()),
                Act::WaitUntilDue => now = announcer.next_time().map_or(now, |time| time.max(now)),
                Act::Answer(which, works) => {
                    let waiting: Vec<TrackerId> =
                        seen.iter().filter(|(_, seen)| seen.in_flight.is_some()).map(|(id, _)| *id).collect();
                    let Some(id) = waiting.get(usize::from(which) % waiting.len().max(1)) else { continue };
                    let seen = seen.get_mut(id).unwrap();
                    let event = seen.in_flight.take().unwrap();
                    if works {
                        announcer.answered(now, *id, &answer());
                        seen.present = event != AnnounceEvent::Stopped;
                        seen.completions += u32::from(event == AnnounceEvent::Completed);
                        seen.failed_at = None;
                    } else {
                        announcer.failed(now, *id, "x");
                        seen.present &= event != AnnounceEvent::Stopped;
                        seen.failed_at = (event != AnnounceEvent::Stopped).then_some(now);
                    }
                }
                Act::Complete => announcer.completed(now),
                Act::Stop => announcer.stop(now),
                Act::Start => announcer.start(now),
                Act::Force => announcer.force(now),
            }
            let due = announcer.next_time().is_some_and(|time| time <= now);
            let mut made = 0;
            while let Some((id, _, event)) = poll(&mut announcer, now) {
                made += 1;
                let seen = seen.entry(id).or_default();
                prop_assert_eq!(seen.in_flight, None, "two announces under way");
                match event {
                    AnnounceEvent::Started => prop_assert!(!seen.present),
                    AnnounceEvent::Completed => prop_assert!(seen.present && seen.completions == 0, "{id:?} {seen:?}"),
                    AnnounceEvent::Interval | AnnounceEvent::Stopped => prop_assert!(seen.present),
                }
                if let Some(failed) = seen.failed_at && event != AnnounceEvent::Stopped {
                    prop_assert!(now.since(failed) >= FIRST_RETRY / 2);
                }
                seen.in_flight = Some(event);
            }
            prop_assert_eq!(due, made > 0, "next_time says when poll has something");
            let in_flight = seen.values().filter(|seen| seen.in_flight.is_some()).count();
            prop_assert!(in_flight > 0 || announcer.is_stopped() || announcer.next_time().is_some(), "asleep for ever");
        }
    }
}

/// The tiers of each of `urls`, one URL in each.
fn tiers(urls: &[&str]) -> Vec<Vec<String>> {
    urls.iter().map(|url| vec![(*url).to_owned()]).collect()
}

#[test]
fn trackers_that_stay_keep_their_state_and_others_are_told_that_we_come_or_go() {
    let mut announcer = announcer(&[&["http://a/"], &["http://b/"]], &[HASH]);
    let (a, _, _) = poll(&mut announcer, Time::ZERO).unwrap();
    announcer.answered(Time::ZERO, a, &answer());
    let before = announcer.trackers().next().unwrap();
    announcer.set_tiers(Time::from_secs(5), &tiers(&["http://new/", "http://a/"]));
    assert_eq!(
        announcer.trackers().map(|one| one.url.to_string()).collect::<Vec<_>>(),
        ["http://new/", "http://a/"]
    );
    assert_eq!(announcer.trackers().nth(1).unwrap(), TrackerStatus { tier: 1, ..before });
    let (new, url, event) = poll(&mut announcer, Time::from_secs(5)).unwrap();
    assert_eq!((url.as_str(), event), ("http://new/", AnnounceEvent::Started));
    announcer.answered(Time::from_secs(5), new, &answer());
    assert_eq!(poll(&mut announcer, Time::from_secs(6)), None, "b was never told of us");
    announcer.set_tiers(Time::from_secs(7), &tiers(&["http://new/"]));
    assert_eq!(
        poll(&mut announcer, Time::from_secs(7)),
        Some((a, "http://a/".into(), AnnounceEvent::Stopped))
    );
    announcer.answered(Time::from_secs(8), a, &answer());
    assert!(announcer.next_time().unwrap() > Time::from_secs(1000));
    announcer.set_tiers(Time::from_secs(9), &[]);
    assert_eq!(poll(&mut announcer, Time::from_secs(9)).unwrap().2, AnnounceEvent::Stopped);
    announcer.failed(Time::from_secs(9), new, "gone");
    assert_eq!((announcer.trackers().count(), announcer.next_time()), (0, None));
}

#[test]
fn a_tracker_that_goes_while_it_is_told_of_us_is_told_that_we_leave_and_may_come_back() {
    let mut announcer = announcer(&[&["http://a/"]], &[HASH]);
    let (a, _, _) = poll(&mut announcer, Time::ZERO).unwrap();
    announcer.set_tiers(Time::ZERO, &tiers(&["http://b/"]));
    let (b, url, _) = poll(&mut announcer, Time::ZERO).unwrap();
    assert_eq!(url, "http://b/");
    assert_ne!(a, b, "an answer is awaited by that name");
    announcer.answered(Time::from_secs(1), a, &answer());
    assert_eq!(poll(&mut announcer, Time::from_secs(1)).unwrap().2, AnnounceEvent::Stopped);
    announcer.set_tiers(Time::from_secs(2), &tiers(&["http://a/"]));
    announcer.answered(Time::from_secs(3), a, &answer());
    announcer.failed(Time::from_secs(3), b, "no answer");
    assert_eq!(
        poll(&mut announcer, Time::from_secs(3)),
        Some((a, "http://a/".into(), AnnounceEvent::Started))
    );
    announcer.answered(Time::from_secs(3), a, &answer());
    // The names of those that are gone are given to others, however often the list is changed.
    for at in 0..100 {
        announcer.set_tiers(Time::from_secs(4), &tiers(&[&format!("http://{at}/"), "http://a/"]));
    }
    assert!(announcer.entries.len() <= 3, "{}", announcer.entries.len());
}

#[test]
fn what_is_changed_while_paused_is_announced_when_it_starts() {
    let mut announcer = announcer(&[&["http://a/"]], &[HASH]);
    let (a, _, _) = poll(&mut announcer, Time::ZERO).unwrap();
    announcer.answered(Time::ZERO, a, &answer());
    announcer.stop(Time::from_secs(1));
    announcer.set_tiers(Time::from_secs(1), &tiers(&["http://b/"]));
    assert_eq!(poll(&mut announcer, Time::from_secs(1)).unwrap().2, AnnounceEvent::Stopped);
    announcer.answered(Time::from_secs(1), a, &answer());
    assert_eq!(poll(&mut announcer, Time::from_secs(1)), None);
    assert!(announcer.is_stopped());
    announcer.start(Time::from_secs(9));
    assert_eq!(poll(&mut announcer, Time::from_secs(9)).unwrap().1, "http://b/");
}
