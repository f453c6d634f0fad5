use proptest::prelude::*;

use super::*;

const NOW: Time = Time::from_secs(1_000_000);
const LIMITS: QueueLimits = QueueLimits {
    active_downloads: Some(2),
    active_seeds: Some(2),
    active_total: None,
    active_checks: Some(1),
};

fn torrent(number: u32, stage: Stage) -> Candidate<u32> {
    Candidate {
        torrent: number,
        position: number.into(),
        forced: false,
        stage,
        running_since: None,
        slow: false,
        swarm: None,
        seeding_time: Duration::ZERO,
    }
}

fn download(number: u32) -> Candidate<u32> {
    torrent(number, Stage::Downloading)
}

fn seed(number: u32, seeds: u32, leechers: u32) -> Candidate<u32> {
    Candidate { swarm: Some(Swarm { seeds, leechers }), ..torrent(number, Stage::Seeding) }
}

fn running_for(candidate: Candidate<u32>, minutes: u64) -> Candidate<u32> {
    let since = Time::from_secs(1_000_000 - 60 * minutes);
    Candidate { running_since: Some(since), ..candidate }
}

#[track_caller]
fn runs(candidates: &[Candidate<u32>], limits: &QueueLimits, expected: &[u32]) {
    assert_eq!(decide(NOW, candidates, limits).into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn downloads_run_in_the_order_of_the_queue() {
    runs(&[download(3), download(1), download(2)], &LIMITS, &[1, 2]);
    // Also when that stops one that runs.
    runs(&[running_for(download(3), 1), download(1), download(2)], &LIMITS, &[1, 2]);
}

#[test]
fn a_slow_download_makes_room_for_another_and_goes_on() {
    let slow = Candidate { slow: true, ..running_for(download(1), 10) };
    runs(&[slow, download(2), download(3), download(4)], &LIMITS, &[1, 2, 3]);
}

#[test]
fn forced_torrents_run_beside_the_limits() {
    let forced = Candidate { forced: true, ..download(9) };
    runs(&[download(1), download(2), download(3), forced], &LIMITS, &[1, 2, 9]);
    let none = QueueLimits { active_downloads: Some(0), ..LIMITS };
    runs(&[download(1), forced], &none, &[9]);
}

#[test]
fn the_total_goes_to_downloads_first() {
    let limits = QueueLimits { active_total: Some(3), ..LIMITS };
    runs(&[seed(1, 1, 9), seed(2, 1, 9), download(3), download(4)], &limits, &[1, 3, 4]);
    let limits = QueueLimits { active_total: Some(1), ..LIMITS };
    runs(&[seed(1, 1, 9), download(3), download(4)], &limits, &[3]);
}

#[test]
fn the_rarest_seed_goes_first() {
    let common = seed(1, 100, 10);
    let rare = seed(2, 2, 10);
    let unwanted = seed(3, 1, 0);
    let lost = seed(4, 0, 1);
    let unknown = torrent(5, Stage::Seeding);
    let one = QueueLimits { active_seeds: Some(1), ..LIMITS };
    let mut all = vec![unwanted, unknown, common, rare, lost];
    for expected in [4, 2, 1, 5, 3] {
        runs(&all, &one, &[expected]);
        all.retain(|candidate| candidate.torrent != expected);
    }
}

#[test]
fn a_seed_keeps_its_slot_for_ten_minutes() {
    let one = QueueLimits { active_seeds: Some(1), ..LIMITS };
    let rarer = seed(2, 1, 100);
    runs(&[running_for(seed(1, 100, 1), 9), rarer], &one, &[1]);
    runs(&[running_for(seed(1, 100, 1), 10), rarer], &one, &[2]);
}

#[test]
fn a_seed_as_rare_as_another_keeps_its_slot_for_an_hour() {
    let one = QueueLimits { active_seeds: Some(1), ..LIMITS };
    let incumbent = Candidate { seeding_time: Duration::from_secs(3600), ..seed(1, 10, 100) };
    // 10.0 and 10.1 leechers per seed are the same.
    let other = seed(2, 10, 101);
    runs(&[running_for(incumbent, 59), other], &one, &[1]);
    runs(&[running_for(incumbent, 60), other], &one, &[2]);
}

#[test]
fn a_check_that_has_begun_goes_on() {
    let begun = running_for(torrent(2, Stage::Checking), 1);
    let forced = Candidate { forced: true, ..torrent(3, Stage::Checking) };
    runs(&[torrent(1, Stage::Checking), begun, forced], &LIMITS, &[2]);
    runs(&[torrent(1, Stage::Checking), forced], &LIMITS, &[3]);
}

#[test]
fn a_torrent_is_slow_after_a_minute_and_fast_after_another() {
    let threshold = SlowThreshold::default();
    let mut slowness = Slowness::default();
    let mut states = Vec::new();
    for (second, rate) in
        [(0, 0), (59, 0), (60, 0), (61, 5000), (100, 0), (101, 5000), (160, 5000), (161, 5000)]
    {
        slowness.observe(Time::from_secs(second), rate, threshold);
        states.push(slowness.is_slow());
    }
    assert_eq!(states, [false, false, true, true, true, true, true, false]);
}

fn any_candidate() -> impl Strategy<Value = Candidate<u32>> {
    let stage = prop_oneof![Just(Stage::Checking), Just(Stage::Downloading), Just(Stage::Seeding)];
    let swarm = proptest::option::of((0..50_u32, 0..50_u32));
    (
        0..10_i64,
        proptest::bool::weighted(0.1),
        stage,
        proptest::option::of(0..100_u64),
        any::<bool>(),
        swarm,
        0..5_u64,
    )
        .prop_map(|(position, forced, stage, minutes, slow, swarm, hours)| Candidate {
            torrent: 0,
            position,
            forced,
            stage,
            running_since: minutes.map(|minutes| Time::from_secs(1_000_000 - 60 * minutes)),
            slow,
            swarm: swarm.map(|(seeds, leechers)| Swarm { seeds, leechers }),
            seeding_time: Duration::from_secs(3600 * hours),
        })
}

fn any_candidates() -> impl Strategy<Value = Vec<Candidate<u32>>> {
    proptest::collection::vec(any_candidate(), 0..30).prop_map(|mut candidates| {
        for (number, candidate) in (0..).zip(&mut candidates) {
            candidate.torrent = number;
        }
        candidates
    })
}

fn any_limits() -> impl Strategy<Value = QueueLimits> {
    let limit = || proptest::option::of(0..6_u32);
    (limit(), limit(), limit(), limit()).prop_map(
        |(active_downloads, active_seeds, active_total, active_checks)| QueueLimits {
            active_downloads,
            active_seeds,
            active_total,
            active_checks,
        },
    )
}

/// How many of those that run take a slot, by stage.
fn slots(candidates: &[Candidate<u32>], run: &BTreeSet<u32>, stage: Stage) -> u32 {
    let taken = candidates.iter().filter(|it| {
        it.stage == stage && run.contains(&it.torrent) && (stage == Stage::Checking || !it.takes_no_slot())
    });
    taken.count().try_into().unwrap()
}

proptest! {
    #[test]
    fn no_limit_is_exceeded_and_no_slot_left_empty(candidates in any_candidates(), limits in any_limits()) {
        let run = decide(NOW, &candidates, &limits);
        let everybody: BTreeSet<u32> = candidates.iter().map(|it| it.torrent).collect();
        prop_assert!(run.is_subset(&everybody));
        let taken = |stage| slots(&candidates, &run, stage);
        let wanted = |stage| slots(&candidates, &everybody, stage);
        let unlimited = u32::MAX / 2;
        let total = limits.active_total.unwrap_or(unlimited);
        let downloads = wanted(Stage::Downloading).min(limits.active_downloads.unwrap_or(unlimited)).min(total);
        prop_assert_eq!(taken(Stage::Downloading), downloads);
        let seeds = wanted(Stage::Seeding).min(limits.active_seeds.unwrap_or(unlimited)).min(total - downloads);
        prop_assert_eq!(taken(Stage::Seeding), seeds);
        let checks = wanted(Stage::Checking).min(limits.active_checks.unwrap_or(unlimited));
        prop_assert_eq!(taken(Stage::Checking), checks);
    }

    #[test]
    fn forced_torrents_run(candidates in any_candidates(), limits in any_limits()) {
        let run = decide(NOW, &candidates, &limits);
        for candidate in candidates.iter().filter(|it| it.forced && it.stage != Stage::Checking) {
            prop_assert!(run.contains(&candidate.torrent));
        }
    }

    #[test]
    fn no_download_is_passed_over(candidates in any_candidates(), limits in any_limits()) {
        let run = decide(NOW, &candidates, &limits);
        let order = |it: &Candidate<u32>| (it.position, it.torrent);
        let downloads =
            || candidates.iter().filter(|it| it.stage == Stage::Downloading && !it.takes_no_slot());
        let last = downloads().filter(|it| run.contains(&it.torrent)).map(order).max();
        let first_waiting = downloads().filter(|it| !run.contains(&it.torrent)).map(order).min();
        prop_assert!(last.is_none() || first_waiting.is_none() || last < first_waiting);
    }

    #[test]
    fn a_decision_that_was_carried_out_stands(candidates in any_candidates(), limits in any_limits()) {
        let run = decide(NOW, &candidates, &limits);
        let mut after = candidates;
        for it in &mut after {
            let since = it.running_since.filter(|_| run.contains(&it.torrent));
            // Who is started is not slow yet.
            it.slow &= since.is_some();
            it.running_since = since.or_else(|| run.contains(&it.torrent).then_some(NOW));
        }
        prop_assert_eq!(decide(NOW, &after, &limits), run);
    }

    #[test]
    fn what_scrapes_say_displaces_no_seed_that_was_just_started(
        candidates in any_candidates(),
        limits in any_limits(),
        scrapes in proptest::collection::vec((0..50_u32, 0..50_u32), 30),
    ) {
        let run = decide(NOW, &candidates, &limits);
        let mut after = candidates;
        for (it, (seeds, leechers)) in after.iter_mut().zip(scrapes) {
            it.slow = false;
            it.forced = false;
            it.running_since = run.contains(&it.torrent).then_some(NOW);
            it.swarm = Some(Swarm { seeds, leechers });
        }
        let limits = QueueLimits { active_seeds: Some(slots(&after, &run, Stage::Seeding)), ..limits };
        let limits = QueueLimits { active_total: None, ..limits };
        let later = decide(NOW + Duration::from_secs(599), &after, &limits);
        for it in after.iter().filter(|it| it.stage == Stage::Seeding) {
            prop_assert_eq!(later.contains(&it.torrent), run.contains(&it.torrent));
        }
    }
}
