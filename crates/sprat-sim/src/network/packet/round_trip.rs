//! How long a round trip takes, and how long to wait for an answer (RFC 6298).

use std::time::Duration;

/// No shorter (Linux, `TCP_RTO_MIN`; RFC 6298 has a second).
const SHORTEST: Duration = Duration::from_millis(200);

/// No longer.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct RoundTrip {
    smoothed: Duration,
    deviation: Duration,
    pub(super) least: Duration,
    /// Times that nothing has come since something has.
    silences: u32,
}

impl RoundTrip {
    pub(super) fn new(first: Duration) -> Self {
        Self { smoothed: first, deviation: first / 2, least: first, silences: 0 }
    }

    pub(super) fn measured(&mut self, sample: Duration) {
        self.deviation = (self.deviation * 3 + self.smoothed.abs_diff(sample)) / 4;
        self.smoothed = (self.smoothed * 7 + sample) / 8;
        self.least = self.least.min(sample);
        self.silences = 0;
    }

    /// It was waited in vain: twice as long the next time.
    pub(super) const fn silent(&mut self) {
        self.silences = self.silences.saturating_add(1);
    }

    /// How long to wait.
    pub(super) fn patience(&self) -> Duration {
        let once = (self.smoothed + self.deviation * 4).max(SHORTEST);
        once.saturating_mul(1 << self.silences.min(10)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_follows_the_round_trip_and_doubles_in_silence() {
        let ms = Duration::from_millis;
        let mut round_trip = RoundTrip::new(ms(300));
        assert_eq!(round_trip.patience(), ms(900));
        for _ in 0..100 {
            round_trip.measured(ms(400));
        }
        assert!((ms(400)..ms(420)).contains(&round_trip.patience()), "{round_trip:?}");
        round_trip.silent();
        round_trip.silent();
        assert!((ms(1600)..ms(1680)).contains(&round_trip.patience()));
        for _ in 0..100 {
            round_trip.silent();
        }
        assert_eq!(round_trip.patience(), LONGEST);
        round_trip.measured(ms(400));
        assert!(round_trip.patience() < ms(420));
    }
}
