use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn totals(uploaded: u64, downloaded: u64, seeding: Duration, inactive: Duration) -> Totals {
    Totals { uploaded, downloaded, seeding, inactive }
}

fn ratio(ratio: f64) -> SeedingLimits {
    SeedingLimits { ratio: SeedingLimit::Limit(ratio), ..SeedingLimits::default() }
}

fn layer(limits: SeedingLimits) -> Layer {
    Layer { limits, ..Layer::default() }
}

#[test]
fn the_inner_layer_goes_first_and_may_lift_a_limit() {
    let global = SeedingLimits { seconds: SeedingLimit::Limit(3600), ..ratio(1.0) };
    let global = Layer { action: Some(Action::Remove), ..layer(global) };
    let label = layer(SeedingLimits { seconds: SeedingLimit::Unlimited, ..ratio(2.0) });
    let torrent = layer(SeedingLimits { ratio: SeedingLimit::Unlimited, ..SeedingLimits::default() });
    let nothing = Layer::default();

    assert_eq!(effective(&[nothing, nothing, global]).ratio, Some(Ratio::from_thousandths(1000)));
    let by_label = effective(&[nothing, label, global]);
    assert_eq!((by_label.ratio, by_label.seeding), (Some(Ratio::from_thousandths(2000)), None));
    assert_eq!(by_label.action, Action::Remove);
    assert_eq!(effective(&[torrent, label, global]).ratio, None);
    assert_eq!(effective(&[nothing]).action, Action::Pause);
}

#[test]
fn each_limit_is_enough_unless_all_are_demanded() {
    let any = effective(&[layer(SeedingLimits { seconds: SeedingLimit::Limit(3600), ..ratio(1.5) })]);
    let all = Effective { combination: Combination::All, ..any };
    for (totals, by_any, by_all) in [
        (totals(149, 100, Duration::ZERO, Duration::ZERO), false, false),
        (totals(150, 100, Duration::ZERO, Duration::ZERO), true, false),
        (totals(0, 100, HOUR, HOUR), true, false),
        (totals(150, 100, HOUR, Duration::ZERO), true, true),
    ] {
        assert_eq!(
            (is_reached(&any, &totals, 0), is_reached(&all, &totals, 0)),
            (by_any, by_all),
            "{totals:?}"
        );
    }
}

#[test]
fn without_limits_nothing_is_ever_enough() {
    let none = effective(&[]);
    let much = totals(u64::MAX, 1, Duration::MAX, Duration::MAX);
    assert!(!is_reached(&none, &much, 0));
    assert!(!is_reached(&Effective { combination: Combination::All, ..none }, &much, 0));
}

#[test]
fn what_was_on_the_disk_before_counts_like_what_was_downloaded() {
    let limits = effective(&[layer(ratio(1.0))]);
    let totals = totals(500, 0, Duration::ZERO, Duration::ZERO);
    assert!(!is_reached(&limits, &totals, 1000));
    assert!(is_reached(&limits, &totals, 500));
    // A torrent without any content is not removed at once.
    assert!(!is_reached(&limits, &totals, 0));
    assert_eq!((totals.ratio(1000), totals.ratio(0)), (Some(0.5), None));
}

#[test]
fn inactivity_ends_with_the_first_byte_sent() {
    let mut totals = Totals::default();
    let idle = Step { elapsed: HOUR, uploaded: 0, downloaded: 0, seeding: true };
    totals.advance(Step { seeding: false, downloaded: 7, ..idle });
    assert_eq!(totals, self::totals(0, 7, Duration::ZERO, Duration::ZERO));
    totals.advance(idle);
    totals.advance(idle);
    assert_eq!(totals, self::totals(0, 7, 2 * HOUR, 2 * HOUR));
    totals.advance(Step { uploaded: 1, ..idle });
    assert_eq!(totals, self::totals(1, 7, 3 * HOUR, Duration::ZERO));
}

#[test]
fn what_is_no_ratio_is_no_limit() {
    for number in [-1.0, 1e9, f64::NAN, f64::INFINITY] {
        assert!(Ratio::try_from(number).is_err(), "{number}");
        assert_eq!(effective(&[layer(ratio(number))]).ratio, None);
    }
    assert_eq!(Ratio::try_from(1.5).map(f64::from), Ok(1.5));
}

proptest! {
    #[test]
    fn totals_only_grow_and_survive_being_saved(
        steps in proptest::collection::vec((0..10_000_u64, 0..5_u64, 0..5_u64, any::<bool>()), 0..30),
        restart_after in 0..30_usize,
    ) {
        let mut totals = Totals::default();
        let mut unbroken = Totals::default();
        for (number, (millis, uploaded, downloaded, seeding)) in steps.into_iter().enumerate() {
            let before = totals;
            let step = Step { elapsed: Duration::from_millis(millis), uploaded, downloaded, seeding };
            totals.advance(step);
            unbroken.advance(step);
            prop_assert!(totals.uploaded >= before.uploaded && totals.seeding >= before.seeding);
            prop_assert!(totals.inactive <= totals.seeding);
            if number == restart_after {
                totals = serde_json::from_str(&serde_json::to_string(&totals).unwrap()).unwrap();
            }
        }
        prop_assert_eq!(totals, unbroken);
    }

    #[test]
    fn who_has_reached_a_limit_has_reached_every_lower_one(
        uploaded in any::<u64>(),
        base in any::<u64>(),
        a in any::<u32>(),
        b in any::<u32>(),
    ) {
        let high = Ratio::from_thousandths(a.max(b));
        let low = Ratio::from_thousandths(a.min(b));
        prop_assert!(!high.is_reached(uploaded, base) || low.is_reached(uploaded, base));
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
