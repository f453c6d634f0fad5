//! How far ahead of a reader is fetched, and by when each piece is needed.

use std::time::Duration;

use sprat_core::time::Time;

/// Bytes per second that a reader is supposed to read at least: 8 Mbit/s, a film in good quality.
const LEAST_RATE: u64 = 1 << 20;

/// For how long the order of pieces is settled ahead of a reader.
const AHEAD: Duration = Duration::from_secs(8);

/// Bytes ahead at the least: what [`AHEAD`] is at [`LEAST_RATE`].
const LEAST: u64 = 8 << 20;

/// Bytes ahead at the most, for one that reads as fast as it can.
const MOST: u64 = 64 << 20;

/// Pieces ahead at the least, with the one that is read: those that come next take time, however large they are.
const LEAST_PIECES: u64 = 2;

/// For so long one must have read in order before its rate says something.
const SETTLED: Duration = Duration::from_secs(2);

/// How a reader goes through its file.
#[derive(Debug)]
pub(super) struct ReadAhead {
    /// When it has begun to read in order, and where.
    since: Time,
    from: u64,
    /// Where it goes on if it does not go elsewhere.
    next: u64,
}

impl ReadAhead {
    pub(super) const fn new(now: Time) -> Self {
        Self { since: now, from: 0, next: 0 }
    }

    /// It wants to read here.
    pub(super) const fn go_to(&mut self, now: Time, offset: u64) {
        if offset != self.next {
            *self = Self { since: now, from: offset, next: offset };
        }
    }

    /// It has read so many bytes.
    pub(super) const fn advance(&mut self, bytes: usize) {
        self.next = self.next.saturating_add(bytes as u64);
    }

    /// Bytes per second that it reads. Never less than a film has: one that waits for bytes would read more.
    fn rate(&self, now: Time) -> u64 {
        let time = now.since(self.since);
        if time < SETTLED {
            return LEAST_RATE;
        }
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        ((self.next - self.from).saturating_mul(1000) / milliseconds).max(LEAST_RATE)
    }

    /// The pieces from `offset` on, and by when they are needed. `place` says which piece a byte of the file lies in, and where in it.
    pub(super) fn pieces<P>(
        &self,
        now: Time,
        (offset, length): (u64, u64),
        piece_length: u32,
        place: impl Fn(u64) -> Option<(P, u32)>,
    ) -> Vec<(P, Time)> {
        let rate = self.rate(now);
        let bytes = rate.saturating_mul(AHEAD.as_secs()).clamp(LEAST, MOST);
        let bytes = bytes.max(LEAST_PIECES * u64::from(piece_length));
        let end = length.min(offset.saturating_add(bytes));
        let mut ahead = Vec::new();
        let mut at = offset;
        while at < end
            && let Some((piece, begin)) = place(at)
        {
            let until_then = Duration::from_millis((at - offset).saturating_mul(1000) / rate);
            ahead.push((piece, now + until_then));
            at += u64::from(piece_length.saturating_sub(begin).max(1));
        }
        ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    /// The numbers of the pieces of so many bytes from `offset` on, and in how many seconds they are needed.
    fn ahead(reader: &ReadAhead, now: Time, offset: u64, piece_length: u64) -> Vec<(u64, u64)> {
        let place = |at| Some((at / piece_length, u32::try_from(at % piece_length).unwrap()));
        let pieces = reader.pieces(now, (offset, 1000 * MIB), u32::try_from(piece_length).unwrap(), place);
        pieces.into_iter().map(|(piece, by)| (piece, by.since(now).as_secs())).collect()
    }

    #[test]
    fn a_film_is_fetched_eight_seconds_ahead_and_large_pieces_two_at_a_time() {
        let reader = ReadAhead::new(at(0));
        let film = ahead(&reader, at(0), MIB / 2, MIB);
        assert_eq!(film.len(), 9);
        assert_eq!((film[0], film[8]), ((0, 0), (8, 7)));
        assert_eq!(ahead(&reader, at(0), 0, 16 * MIB), [(0, 0), (1, 16)]);
        assert_eq!(ahead(&reader, at(0), 999 * MIB, MIB), [(999, 0)], "to the end of the file");
    }

    #[test]
    fn who_reads_faster_has_more_fetched_ahead_until_he_goes_elsewhere() {
        let mut reader = ReadAhead::new(at(0));
        for second in 0..4 {
            reader.go_to(at(second), second * 4 * MIB);
            reader.advance(4 << 20);
        }
        let fast = ahead(&reader, at(4), 16 * MIB, MIB);
        assert_eq!((fast.len(), fast[31]), (32, (47, 7)), "4 MiB/s for eight seconds");
        reader.advance(1 << 30);
        assert_eq!(ahead(&reader, at(4), 0, MIB).len() as u64, MOST / MIB);
        reader.go_to(at(5), 500 * MIB);
        assert_eq!(ahead(&reader, at(8), 500 * MIB, MIB).len(), 8);
    }
}
