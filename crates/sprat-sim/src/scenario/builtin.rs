//! The scenarios that come with sprat: small ones first, then a question each.

/// Names and files.
pub(super) const SCENARIOS: &[(&str, &str)] = &[
    ("hello", include_str!("../../scenarios/hello.toml")),
    ("eight-leechers", include_str!("../../scenarios/eight-leechers.toml")),
    ("sixteen-leechers", include_str!("../../scenarios/sixteen-leechers.toml")),
    ("flash-crowd", include_str!("../../scenarios/flash-crowd.toml")),
    ("ten-thousand", include_str!("../../scenarios/ten-thousand.toml")),
    ("diversity", include_str!("../../scenarios/diversity.toml")),
    ("steady-arrivals", include_str!("../../scenarios/steady-arrivals.toml")),
    ("three-classes", include_str!("../../scenarios/three-classes.toml")),
    ("free-riders", include_str!("../../scenarios/free-riders.toml")),
    ("strategic-peer", include_str!("../../scenarios/strategic-peer.toml")),
    ("seed-slot-attack", include_str!("../../scenarios/seed-slot-attack.toml")),
    ("poisoners", include_str!("../../scenarios/poisoners.toml")),
    ("half-leave", include_str!("../../scenarios/half-leave.toml")),
    ("faults", include_str!("../../scenarios/faults.toml")),
];
