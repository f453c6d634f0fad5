//! What no swarm could do better, and what the fluid model says.

use super::setup::{Arrival, GroupSetup, Has, Leaving, Setup};

/// The minimum distribution time of Kumar and Ross (2006), max{F/d_min, F/u_s, N·F/(u_s + Σu)}, in seconds, for peers
/// that come at once; with what they have at first taken off. `None` when nobody wants anything, when nobody has all of
/// it, or when peers come one after the other, for whom it says nothing.
pub(super) fn bound(setup: &Setup) -> Option<f64> {
    let spread = |group: &GroupSetup| matches!(group.arrive, Arrival::Poisson { .. } | Arrival::Recorded(_));
    if setup.groups.values().any(|group| group.takes() && group.count > 0 && spread(group)) {
        return None;
    }
    let file = setup.content.size.0 as f64;
    let missing = |group: &GroupSetup| match group.has {
        Has::Nothing => file,
        Has::Some(share) => file * f64::from(1000 - share.0) / 1000.0,
        Has::Everything => 0.0,
    };
    let (mut slowest, mut seeds, mut together, mut wanted) = (0.0_f64, 0.0, 0.0, 0.0);
    let mut all_begin_with_nothing = true;
    for group in setup.groups.values().filter(|group| group.count > 0) {
        let (count, upload) = (f64::from(group.count), group.upload.0 as f64);
        if group.contributes() {
            together += count * upload;
        }
        if group.is_seed() {
            seeds += count * upload;
        } else if group.takes() {
            slowest = slowest.max(missing(group) / group.download.0 as f64);
            wanted += count * missing(group);
            all_begin_with_nothing &= group.has == Has::Nothing;
        }
    }
    if wanted == 0.0 || together == 0.0 || (all_begin_with_nothing && seeds == 0.0) {
        return None;
    }
    let fresh = if all_begin_with_nothing { file / seeds } else { 0.0 };
    Some(slowest.max(fresh).max(wanted / together))
}

/// The mean time of Qiu and Srikant's fluid model (2004) in its steady state, with η = 1 and the capacity of seeds that
/// stay taken into account: T = max{1/c, 1/μ − 1/γ − s/(μλ)}, in seconds. `None` unless exactly one group takes, it
/// comes as a Poisson process and leaves after completion.
pub(super) fn fluid(setup: &Setup) -> Option<f64> {
    let mut takers = setup.groups.values().filter(|group| group.takes() && group.count > 0);
    let (group, None) = (takers.next()?, takers.next()) else { return None };
    let Arrival::Poisson { peers, every } = group.arrive else { return None };
    let (Leaving::AfterCompletion(stay) | Leaving::AfterCompletionAbout(stay)) = group.leave else {
        return None;
    };
    let file = setup.content.size.0 as f64;
    let (up, down) = (file / group.upload.0 as f64, file / group.download.0 as f64);
    let seeds: f64 = setup
        .groups
        .values()
        .filter(|group| group.is_seed())
        .map(|group| f64::from(group.count) * group.upload.0 as f64)
        .sum();
    let arrivals = f64::from(peers) / every.0.as_secs_f64().max(1e-9);
    let from_seeds = seeds / (group.upload.0 as f64 * arrivals);
    Some(down.max(up - stay.0.as_secs_f64() - from_seeds))
}

#[cfg(test)]
mod tests {
    use super::super::Scenario;
    use super::*;

    fn setup(groups: &str) -> Setup {
        let text = format!(
            "question = \"?\"\nlimit = \"1 h\"\ncontent = {{ size = \"64 MiB\", piece-length = \"256 KiB\" }}\n{groups}"
        );
        Scenario::parse("test", &text).unwrap().runs().next().unwrap().setup().clone()
    }

    #[test]
    fn the_bound_is_that_of_kumar_and_ross() {
        let seed =
            "[groups.seed]\ncount = 1\nupload = \"2 MiB/s\"\ndownload = \"2 MiB/s\"\nhas = \"everything\"\n";
        let leechers = |count: u32, upload: &str, download: &str| {
            format!(
                "{seed}[groups.leechers]\ncount = {count}\nupload = \"{upload}\"\ndownload = \"{download}\"\n"
            )
        };
        // Their own lines, the seed, and all together.
        let by = |text: String| bound(&setup(&text)).unwrap();
        assert!((by(leechers(1, "1 MiB/s", "1 MiB/s")) - 64.0).abs() < 1e-9);
        assert!((by(leechers(2, "64 MiB/s", "64 MiB/s")) - 32.0).abs() < 1e-9);
        assert!((by(leechers(1000, "1 MiB/s", "64 MiB/s")) - 64_000.0 / 1002.0).abs() < 1e-9);
        assert_eq!(bound(&setup(seed)), None);
    }

    #[test]
    fn the_fluid_model_knows_seeds_that_stay() {
        let text = "[groups.seed]\ncount = 1\nupload = \"1 MiB/s\"\ndownload = \"1 MiB/s\"\nhas = \"everything\"\n\
            [groups.leechers]\ncount = 10\nupload = \"1 MiB/s\"\ndownload = \"16 MiB/s\"\n\
            arrive = { poisson = { peers = 1, every = \"2 s\" } }\nleave = { after-completion-about = \"10 s\" }\n";
        // 64 s for a copy at a peer's rate, 10 s of seeding, and the seed makes up for 2 s.
        assert!((fluid(&setup(text)).unwrap() - 52.0).abs() < 1e-9);
        assert_eq!(bound(&setup(text)), None);
    }
}
