//! Random times without floating point, so that they are the same on every machine.

use std::time::Duration;

use fastrand::Rng;

/// An exponentially distributed time with this mean, by von Neumann's method: only comparisons of uniform numbers, no
/// logarithm.
pub(super) fn exponential(mean: Duration, rng: &mut Rng) -> Duration {
    let mut whole: u64 = 0;
    let fraction = loop {
        let first = rng.u32(..);
        let (mut last, mut run) = (first, 1_u32);
        loop {
            let next = rng.u32(..);
            if next > last {
                break;
            }
            (last, run) = (next, run + 1);
        }
        // A descending run of odd length: accepted.
        if run % 2 == 1 {
            break first;
        }
        whole += 1;
    };
    let drawn = (u128::from(whole) << 32) + u128::from(fraction);
    let nanos = (mean.as_nanos() * drawn) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exponential() {
        let mut rng = Rng::with_seed(1);
        let mean = Duration::from_secs(10);
        let mut drawn: Vec<f64> = (0..20_000).map(|_| exponential(mean, &mut rng).as_secs_f64()).collect();
        drawn.sort_unstable_by(f64::total_cmp);
        let average = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let median = drawn[drawn.len() / 2];
        let p95 = drawn[drawn.len() * 95 / 100];
        assert!((9.8..10.2).contains(&average), "{average}");
        assert!((6.75..7.1).contains(&median), "{median}, not 10 ln 2");
        assert!((29.0..31.0).contains(&p95), "{p95}, not 10 ln 20");
    }
}
