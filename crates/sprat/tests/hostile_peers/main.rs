//! Two hundred hostile peers of fourteen kinds against the real program, while it takes from an honest seeder and trades with an
//! honest leecher: its memory grows by 128 MiB at the most, and the honest transfer goes on at 70 % at least of what it is
//! without them. Both are measured in the same run, by turns.
//!
//! `SPRAT_RUNS` is how long the attack lasts, per cent of thirty seconds (15 if it says nothing).

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]
#![cfg(target_os = "linux")]

mod attacker;
mod kinds;
mod scene;

use std::time::{Duration, Instant};

use attacker::Army;
use kinds::{Expected, Kind};
use scene::Scene;

const MIB: f64 = (1 << 20) as f64;

/// How many attack at a time.
const ATTACKERS: u32 = 200;

/// Of the attack, with `SPRAT_RUNS=100`.
const FULL_LENGTH: Duration = Duration::from_secs(30);

/// By so much the memory may grow, in MiB.
const MOST_GROWTH: f64 = 128.0;

/// So much of the undisturbed transfer is left at least, per cent.
const LEAST_TRANSFER: f64 = 70.0;

/// The same where two seconds are compared with two others, on a machine that may have something else to do in one of them.
const LEAST_TRANSFER_OF_MOMENTS: f64 = 50.0;

/// Bytes per second that leave the honest seeder: what a line of 64 Mbit/s carries.
const SEEDER_RATE: u64 = 8 << 20;

/// How long the transfer has to get under way.
const WARM_UP: Duration = Duration::from_secs(3);

/// One part of the run.
struct Part {
    /// What the victim and the leecher had in it, MiB per second.
    rates: [f64; 2],
    /// MiB, the most that was resident.
    memory: f64,
}

/// Lets some time pass and looks what happens.
fn watch(scene: &Scene, length: Duration) -> Part {
    let (from, began) = scene.transferred();
    let mut memory: f64 = 0.0;
    while began.elapsed() < length {
        memory = memory.max(scene.memory());
        std::thread::sleep(Duration::from_millis(20));
    }
    let (to, ended) = scene.transferred();
    let seconds = (ended - began).as_secs_f64();
    let rate = |who: usize| (to[who] - from[who]) as f64 / MIB / seconds;
    Part { rates: [rate(0), rate(1)], memory }
}

/// Of both together.
fn mean(parts: &[Part]) -> f64 {
    parts.iter().map(|part| part.rates.iter().sum::<f64>()).sum::<f64>() / parts.len() as f64
}

fn peak(parts: &[Part]) -> f64 {
    parts.iter().map(|part| part.memory).fold(0.0, f64::max)
}

#[test]
fn hostile_peers_cost_little_memory_and_little_of_the_honest_transfer() {
    let percent: u32 =
        std::env::var("SPRAT_RUNS").map_or(15, |runs| runs.parse().expect("SPRAT_RUNS is a number"));
    let attack = FULL_LENGTH * percent.min(100) / 100;
    let rounds = if percent > 50 { 6 } else { 2 };
    let length = attack / rounds;
    // Both parts of each round, and then some.
    let seconds = (WARM_UP + 2 * attack).as_secs() + 10;
    let mut scene = Scene::new(seconds * SEEDER_RATE, SEEDER_RATE);
    let army = Army::raise(ATTACKERS, scene.victim());
    std::thread::sleep(WARM_UP);
    let (mut calm, mut disturbed) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        calm.push(watch(&scene, length));
        army.attack();
        disturbed.push(watch(&scene, length));
        army.retreat();
        scene.must_be_well();
    }
    let growth = peak(&disturbed) - calm[0].memory;
    let transfer = 100.0 * mean(&disturbed) / mean(&calm);
    println!(
        "hostile peers: {ATTACKERS} peers, {} kinds, {:.1} s, {:.0} calls, {:.0} MiB sent by them, {:.0} cut off; memory {:+.0} MiB \
         to {:.0} MiB; honest transfer {transfer:.0} % of {:.1} MiB/s; CPU {:.0} %",
        Kind::ALL.len(),
        attack.as_secs_f64(),
        army.calls(),
        army.sent() / MIB,
        army.cut_off(),
        growth,
        peak(&disturbed),
        mean(&calm),
        100.0 * scene.processor_share(),
    );
    for (calm, disturbed) in calm.iter().zip(&disturbed) {
        let ([victim, leecher], [attacked, beside]) = (calm.rates, disturbed.rates);
        println!(
            "  victim {victim:.1} MiB/s, leecher {leecher:.1}; under attack {attacked:.1} and {beside:.1}"
        );
    }
    for kind in Kind::ALL {
        println!("  {}", army.tally(kind));
    }
    for kind in Kind::ALL {
        let tally = army.tally(kind);
        assert!(tally.did_its_thing(), "{tally}");
        assert!(kind.expected() == Expected::Borne || tally.cut_off() > 0, "nobody was cut off: {tally}");
    }
    assert!(growth <= MOST_GROWTH, "{growth:.0} MiB more than undisturbed");
    let least = if percent > 50 { LEAST_TRANSFER } else { LEAST_TRANSFER_OF_MOMENTS };
    assert!(transfer >= least, "{transfer:.0} % of the undisturbed transfer");
}

/// Waits until something is there.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
