//! What we have asked a peer for, and how much more to ask.
//!
//! The window follows the measured rate: what arrives within the quickest answer so far, [`QUEUE_TIME`] and the longest
//! pause that the peer makes is kept in flight, so that neither a fast nor a distant peer ever waits for the next request. Until a rate is known the window
//! grows by one with every block that arrives (doubling each round trip, as TCP's slow start) and stops when that no
//! longer brings more.

use std::collections::VecDeque;
use std::time::Duration;

use sprat_wire::BLOCK_LENGTH;

use crate::geometry::{BlockRef, PieceIndex};
use crate::time::Time;

/// How long the blocks in flight should last at the measured rate, besides a round trip: long enough for the pauses of a
/// peer that serves many by turns. Every block in flight was chosen by what was rare when it was asked for: with two
/// seconds of them, several leechers have asked a lone seeder for the same pieces, and it sends 1.16 copies instead of
/// 1.08 (`cargo xtask bench swarm`, 8 leechers).
const QUEUE_TIME: Duration = Duration::from_millis(500);

/// A pause is one in which so many blocks could have come; less is the turn of somebody else.
const BLOCKS_OF_PAUSE: u32 = 8;

/// Pauses are remembered for so long at least.
const PAUSE_MEMORY: Duration = Duration::from_secs(5);

/// Longer pauses are no way of serving.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// So many requests are worth a write of their own, 1 MiB.
const BITE: usize = 64;

/// Requests in flight before anything is known of the peer.
const FIRST_WINDOW: u32 = 8;

/// Never fewer: one being sent, and the next. What is asked for long before its turn was chosen by what was rare then,
/// and with many slow peers it is a good part of the file: with four, a thousand peers with pieces of one block were done
/// after 1.27 of the bound on average instead of 1.19, and used 88 % of their lines instead of 93 %.
const SMALLEST_WINDOW: u32 = 2;

/// Never more, whatever the peer says it can queue: 32 MiB in flight.
const LARGEST_WINDOW: u32 = 2048;

/// Peers answer in the order asked. One that has answered what was asked this much later has lost the request:
/// some clients drop requests beyond their queue limit without a word.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// How often slow start looks whether the rate still grows.
const SLOW_START_STEP: Duration = Duration::from_secs(1);

/// The requests in flight to one peer.
#[derive(Debug)]
pub(super) struct Requests {
    outstanding: VecDeque<Outstanding>,
    window: u32,
    slow_start: Option<SlowStart>,
    /// When the request was sent that was answered last: everything sent long before it is lost.
    newest_answered: Time,
    /// From a request to its answer, at best: the way there and back, without our own queue.
    quickest: Option<Duration>,
    /// The same for the first answer of all.
    first: Option<Duration>,
    pauses: Pauses,
}

/// How long a peer lets us wait between two answers, although it knows what we want. Transmission, for one, answers what it has
/// been asked for, and looks for more half a second later: with what comes in half a second in flight, each look would find
/// a little less than the one before.
#[derive(Debug, Default)]
struct Pauses {
    last_answer: Option<Time>,
    /// The beginning of the present [`PAUSE_MEMORY`].
    since: Time,
    /// The longest pause in it.
    longest: Duration,
    /// The longest one in that before.
    before: Duration,
}

impl Pauses {
    /// An answer to a request of some time ago has come.
    fn answered(&mut self, now: Time, sent_at: Time) {
        if now.since(self.since) >= PAUSE_MEMORY {
            self.before = std::mem::take(&mut self.longest);
            self.since = now;
        }
        let last_answer = self.last_answer.replace(now).filter(|last| sent_at <= *last);
        let pause = last_answer.map_or(Duration::ZERO, |last| now.since(last));
        self.longest = self.longest.max(pause.min(LONGEST_PAUSE));
    }

    /// The longest one of late, at this rate in bytes per second.
    fn longest(&self, rate: u64) -> Duration {
        let longest = self.longest.max(self.before);
        let missed = rate.saturating_mul(longest.as_millis() as u64) / 1000 / u64::from(BLOCK_LENGTH);
        if missed >= u64::from(BLOCKS_OF_PAUSE) { longest } else { Duration::ZERO }
    }
}

#[derive(Debug, Clone, Copy)]
struct Outstanding {
    block: BlockRef,
    sent_at: Time,
}

#[derive(Debug, Clone, Copy)]
struct SlowStart {
    next_look: Time,
    last_rate: u64,
}

impl Requests {
    pub(super) fn new(now: Time) -> Self {
        Self {
            outstanding: VecDeque::new(),
            window: FIRST_WINDOW,
            slow_start: Some(SlowStart { next_look: now + SLOW_START_STEP, last_rate: 0 }),
            newest_answered: now,
            quickest: None,
            first: None,
            pauses: Pauses::default(),
        }
    }

    /// Bytes of memory.
    pub(super) fn holds(&self) -> usize {
        self.outstanding.capacity() * size_of::<Outstanding>()
    }

    pub(super) fn len(&self) -> usize {
        self.outstanding.len()
    }

    /// How many more blocks to ask for: `rate` in bytes per second, `limit` as the peer announced it (`reqq`).
    pub(super) fn room(&mut self, now: Time, rate: u64, limit: u32) -> usize {
        self.room_beyond(now, rate, limit, 0)
    }

    /// As [`Self::room`], if so many more may be in flight than is useful for the rate.
    pub(super) fn room_beyond(&mut self, now: Time, rate: u64, limit: u32, beyond: u32) -> usize {
        self.leave_slow_start(now, rate);
        let in_flight = QUEUE_TIME + self.quickest.unwrap_or_default() + self.pauses.longest(rate);
        let in_flight = u64::try_from(in_flight.as_millis());
        let sustained = rate.saturating_mul(in_flight.unwrap_or(u64::MAX)) / 1000 / u64::from(BLOCK_LENGTH);
        let sustained = u32::try_from(sustained).unwrap_or(u32::MAX).max(SMALLEST_WINDOW);
        let wanted = if self.slow_start.is_some() { self.window.max(sustained) } else { sustained };
        let window = (wanted + beyond).min(limit.max(1)).min(LARGEST_WINDOW) as usize;
        window.saturating_sub(self.outstanding.len())
    }

    /// Asking in small bites would cost a message and a write each: all of `room`, or nothing until there is room for some.
    pub(super) fn worth_asking(&self, room: usize) -> usize {
        let window = room + self.outstanding.len();
        let is_enough = room >= (window / 4).min(BITE) || self.outstanding.len() < SMALLEST_WINDOW as usize;
        if is_enough { room } else { 0 }
    }

    pub(super) fn sent(&mut self, now: Time, block: BlockRef) {
        self.outstanding.push_back(Outstanding { block, sent_at: now });
    }

    /// Takes the request for `block` off the list; `false` when there was none.
    pub(super) fn answered(&mut self, now: Time, block: BlockRef) -> bool {
        let Some(request) = self.take(block) else { return false };
        let took = now.since(request.sent_at);
        self.quickest = Some(self.quickest.map_or(took, |quickest| quickest.min(took)));
        self.first.get_or_insert(took);
        self.pauses.answered(now, request.sent_at);
        self.newest_answered = self.newest_answered.max(request.sent_at);
        if self.slow_start.is_some() {
            self.window = self.window.saturating_add(1).min(LARGEST_WINDOW);
        }
        true
    }

    /// As [`Self::answered`], but nothing was gained: rejected or cancelled.
    pub(super) fn withdraw(&mut self, block: BlockRef) -> bool {
        self.take(block).is_some()
    }

    /// Takes off what the peer has evidently forgotten.
    pub(super) fn take_lost(&mut self) -> Vec<BlockRef> {
        let newest = self.newest_answered;
        let mut lost = Vec::new();
        self.outstanding.retain(|request| {
            let keep = request.sent_at + LOST_AFTER >= newest;
            if !keep {
                lost.push(request.block);
            }
            keep
        });
        lost
    }

    /// Takes off what was asked of this piece.
    pub(super) fn take_piece(&mut self, piece: PieceIndex) -> Vec<BlockRef> {
        let mut gone = Vec::new();
        self.outstanding.retain(|request| {
            let keep = request.block.piece() != piece;
            if !keep {
                gone.push(request.block);
            }
            keep
        });
        gone
    }

    /// Takes off everything.
    pub(super) fn take_all(&mut self) -> Vec<BlockRef> {
        self.outstanding.drain(..).map(|request| request.block).collect()
    }

    /// Everything asked for, oldest first.
    pub(super) fn blocks(&self) -> impl Iterator<Item = BlockRef> + '_ {
        self.outstanding.iter().map(|request| request.block)
    }

    /// When the oldest request in flight was sent.
    pub(super) fn oldest(&self) -> Option<Time> {
        self.outstanding.front().map(|request| request.sent_at)
    }

    /// The quickest answer so far.
    pub(super) const fn quickest(&self) -> Option<Duration> {
        self.quickest
    }

    pub(super) const fn first_took(&self) -> Option<Duration> {
        self.first
    }

    fn take(&mut self, block: BlockRef) -> Option<Outstanding> {
        let at = self.outstanding.iter().position(|request| request.block == block)?;
        self.outstanding.remove(at)
    }

    fn leave_slow_start(&mut self, now: Time, rate: u64) {
        let Some(slow_start) = &mut self.slow_start else { return };
        if now < slow_start.next_look {
            return;
        }
        // Less than a tenth more than a second ago, although twice as much was in flight: the path is full.
        if rate > 0 && rate < slow_start.last_rate + slow_start.last_rate / 10 {
            self.slow_start = None;
        } else {
            *slow_start = SlowStart { next_look: now + SLOW_START_STEP, last_rate: rate };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_torrents::geometry_of_one_file;

    fn blocks(count: u32) -> Vec<BlockRef> {
        let geometry = geometry_of_one_file(64 << 20, 1 << 20);
        let all = geometry.all_pieces();
        all.flat_map(|piece| (0..geometry.blocks_in(piece)).map(move |i| (piece, i)))
            .take(count as usize)
            .map(|(piece, index)| geometry.block(piece, index).unwrap())
            .collect()
    }

    #[test]
    fn the_window_doubles_while_the_rate_grows_and_then_follows_it() {
        let mut requests = Requests::new(Time::ZERO);
        assert_eq!(requests.room(Time::ZERO, 0, 500), FIRST_WINDOW as usize);
        let blocks = blocks(40);
        for block in &blocks[..8] {
            requests.sent(Time::ZERO, *block);
        }
        for block in &blocks[..8] {
            assert!(requests.answered(Time::from_millis(100), *block));
        }
        assert_eq!(requests.room(Time::from_millis(100), 0, 500), 16);
        // Half a second and the way at a steady 1 MiB/s: 38 blocks in flight, no more slow start.
        requests.room(Time::from_secs(2), 1 << 20, 500);
        requests.room(Time::from_secs(3), 1 << 20, 500);
        assert!(requests.slow_start.is_none());
        assert_eq!(requests.room(Time::from_secs(3), 1 << 20, 500), 38);
        assert_eq!(requests.room(Time::from_secs(3), 1 << 30, 500), 500, "the peer's own limit holds");
    }

    #[test]
    fn who_answers_by_turns_of_half_a_second_is_asked_for_ever_more() {
        let blocks = blocks(4000);
        let mut blocks = blocks.iter().copied();
        let mut requests = Requests::new(Time::ZERO);
        requests.slow_start = None;
        let mut ask = |requests: &mut Requests, now, rate| {
            let room = requests.room(now, rate, 512);
            blocks.by_ref().take(room).for_each(|block| requests.sent(now, block));
        };
        ask(&mut requests, Time::ZERO, 1 << 20);
        let first = requests.len();
        let mut rate = 1 << 20;
        for turn in 1..=10 {
            let now = Time::from_millis(500 * turn);
            let asked: Vec<BlockRef> = requests.blocks().collect();
            rate = asked.len() as u64 * u64::from(BLOCK_LENGTH) * 2;
            asked.into_iter().for_each(|block| assert!(requests.answered(now, block)));
            ask(&mut requests, now + Duration::from_millis(1), rate);
        }
        assert!(first < 40, "{first}");
        assert!(requests.len() > 512 - BITE, "{} at {rate} bytes per second", requests.len());
    }

    #[test]
    fn a_request_overtaken_by_five_seconds_is_lost() {
        let mut requests = Requests::new(Time::ZERO);
        let blocks = blocks(3);
        requests.sent(Time::from_secs(1), blocks[0]);
        requests.sent(Time::from_secs(2), blocks[1]);
        requests.sent(Time::from_millis(6500), blocks[2]);
        assert!(requests.answered(Time::from_secs(7), blocks[2]));
        assert_eq!(requests.take_lost(), [blocks[0]]);
        assert_eq!(requests.len(), 1);
        assert!(!requests.answered(Time::from_secs(7), blocks[0]));
    }
}
