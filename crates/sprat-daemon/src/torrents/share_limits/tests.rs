use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn given(uploaded: u64, downloaded: u64, seeding: Duration, inactive: Duration) -> Given {
    Given { uploaded, downloaded, have: 0, seeding, inactive }
}

fn ratio(ratio: f64) -> SeedingLimits {
    SeedingLimits { ratio: SeedingLimit::Limit(ratio), ..SeedingLimits::default() }
}

fn is_reached(limits: &Effective, given: &Given) -> bool {
    reached(limits, given).go_beyond(&ReachedLimits::default())
}

fn layer(limits: SeedingLimits) -> Layer {
    Layer { limits, ..Layer::default() }
}

#[test]
fn the_inner_layer_goes_first_and_may_lift_a_limit() {
    let global = SeedingLimits { seconds: SeedingLimit::Limit(3600), ..ratio(1.0) };
    let global = Layer { action: Some(SeedingAction::Remove), ..layer(global) };
    let label = layer(SeedingLimits { seconds: SeedingLimit::Unlimited, ..ratio(2.0) });
    let torrent = layer(SeedingLimits { ratio: SeedingLimit::Unlimited, ..SeedingLimits::default() });
    let nothing = Layer::default();

    assert_eq!(effective(&[nothing, nothing, global]).ratio, Ratio::from_float(1.0));
    let by_label = effective(&[nothing, label, global]);
    assert_eq!((by_label.ratio, by_label.seeding), (Ratio::from_float(2.0), None));
    assert_eq!(by_label.action, SeedingAction::Remove);
    assert_eq!(effective(&[torrent, label, global]).ratio, None);
    assert_eq!(effective(&[nothing]).action, SeedingAction::Pause);
}

#[test]
fn each_limit_is_enough() {
    let limits = SeedingLimits {
        seconds: SeedingLimit::Limit(3600),
        idle_seconds: SeedingLimit::Limit(1800),
        ..ratio(1.5)
    };
    let limits = effective(&[layer(limits)]);
    for (given, expected) in [
        (given(149, 100, HOUR / 2, HOUR / 4), false),
        (given(150, 100, Duration::ZERO, Duration::ZERO), true),
        (given(0, 100, HOUR, Duration::ZERO), true),
        (given(0, 100, HOUR / 2, HOUR / 2), true),
    ] {
        assert_eq!(is_reached(&limits, &given), expected, "{given:?}");
    }
}

#[test]
fn without_limits_nothing_is_ever_enough() {
    assert!(!is_reached(&effective(&[]), &given(u64::MAX, 1, Duration::MAX, Duration::MAX)));
}

#[test]
fn what_was_on_the_disk_before_counts_like_what_was_downloaded() {
    let limits = effective(&[layer(ratio(1.0))]);
    let given = |have| Given { have, ..given(500, 0, Duration::ZERO, Duration::ZERO) };
    assert!(!is_reached(&limits, &given(1000)));
    assert!(is_reached(&limits, &given(500)));
    // A torrent without any content is not removed at once.
    assert!(!is_reached(&limits, &given(0)));
    assert_eq!((given(1000).ratio(), given(0).ratio()), (Some(0.5), None));
}

#[test]
fn what_is_no_ratio_is_no_limit() {
    for number in [-1.0, 1e9, f64::NAN, f64::INFINITY] {
        assert_eq!(effective(&[layer(ratio(number))]).ratio, None);
    }
}

proptest! {
    #[test]
    fn who_has_reached_a_limit_has_reached_every_lower_one(
        uploaded in any::<u64>(),
        have in any::<u64>(),
        a in 0.0..1_000_000.0_f64,
        b in 0.0..1_000_000.0_f64,
    ) {
        let given = Given { uploaded, have, ..Given::default() };
        let reaches = |number| is_reached(&effective(&[layer(ratio(number))]), &given);
        prop_assert!(!reaches(a.max(b)) || reaches(a.min(b)));
    }

    #[test]
    fn the_innermost_word_holds(layers in proptest::collection::vec(0..4_u64, 0..5)) {
        let limits: Vec<SeedingLimit<u64>> = layers
            .into_iter()
            .map(|number| match number {
                0 | 1 => SeedingLimit::Inherit,
                2 => SeedingLimit::Unlimited,
                _ => SeedingLimit::Limit(number),
            })
            .collect();
        let layers: Vec<Layer> = limits
            .iter()
            .map(|seconds| layer(SeedingLimits { seconds: *seconds, ..SeedingLimits::default() }))
            .collect();
        let expected = match limits.into_iter().find(|limit| *limit != SeedingLimit::Inherit) {
            Some(SeedingLimit::Limit(seconds)) => Some(Duration::from_secs(seconds)),
            _ => None,
        };
        prop_assert_eq!(effective(&layers).seeding, expected);
    }
}

#[test]
fn a_limit_that_was_overruled_counts_again_when_it_is_raised() {
    let limits = |most: f64| {
        let seconds = SeedingLimit::Limit(3600);
        effective(&[layer(SeedingLimits { seconds, ..ratio(most) })])
    };
    let given = |uploaded, seeding| given(uploaded, 100, seeding, Duration::ZERO);
    let overruled = reached(&limits(1.0), &given(120, HOUR / 2));
    let is_enough =
        |most, uploaded, seeding| reached(&limits(most), &given(uploaded, seeding)).go_beyond(&overruled);
    assert!(!is_enough(1.0, 150, HOUR / 2));
    assert!(!is_enough(0.5, 150, HOUR / 2), "a lower one was passed as well");
    assert!(!is_enough(2.0, 150, HOUR / 2), "the higher one is not reached");
    assert!(is_enough(2.0, 200, HOUR / 2));
    assert!(is_enough(1.0, 150, HOUR), "nobody has overruled the other limit");
}
