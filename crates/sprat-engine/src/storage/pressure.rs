//! How much waits for a disk, and waiting until it is less: what makes sockets stop reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::budget::{Budget, Portion};

/// How much waits for one disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pressure(Arc<Gauge>);

#[derive(Debug)]
struct Gauge {
    queued: Portion,
    /// Somebody waits for it to sink.
    is_awaited: AtomicBool,
    sank: Notify,
}

impl Pressure {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        let (queued, is_awaited) = (Portion::new(budget), AtomicBool::new(false));
        Self(Arc::new(Gauge { queued, is_awaited, sank: Notify::new() }))
    }

    /// Bytes submitted and not yet taken in by a worker.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.0.queued.taken()
    }

    /// More is queued than should be.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.queued_bytes() > self.0.queued.limit()
    }

    /// Returns when at most half of the limit is queued.
    pub async fn drained(&self) {
        loop {
            // Both before the look at the gauge: `notify_waiters` reaches every future made before it.
            let sank = self.0.sank.notified();
            self.0.is_awaited.store(true, Ordering::SeqCst);
            if self.is_low() {
                return;
            }
            sank.await;
        }
    }

    pub(super) fn rise(&self, bytes: usize) {
        self.0.queued.rise(bytes);
    }

    pub(super) fn sink(&self, bytes: usize) {
        self.0.queued.sink(bytes);
        // The limit may have changed since somebody began to wait, so it is not enough to see half of it passed.
        if self.0.is_awaited.load(Ordering::SeqCst) && self.is_low() {
            self.0.is_awaited.store(false, Ordering::SeqCst);
            self.0.sank.notify_waiters();
        }
    }

    fn is_low(&self) -> bool {
        self.queued_bytes() <= self.0.queued.limit() / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn it_rises_with_what_is_queued_and_falls_with_the_work() {
        let pressure = Pressure::new(Budget::new(100));
        runtime().block_on(pressure.drained());
        pressure.rise(100);
        assert!(!pressure.is_congested());
        pressure.rise(1);
        assert!(pressure.is_congested());
        let waiter = pressure.clone();
        let waiting = std::thread::spawn(move || runtime().block_on(waiter.drained()));
        pressure.sink(50);
        assert!(!waiting.is_finished(), "51 is more than half");
        pressure.sink(1);
        waiting.join().unwrap();
        assert_eq!(pressure.queued_bytes(), 50);
    }

    #[test]
    fn who_waits_is_woken_also_when_the_limit_has_grown_meanwhile() {
        let budget = Budget::new(100);
        let (one, other) = (Pressure::new(Arc::clone(&budget)), Pressure::new(budget));
        one.rise(60);
        other.rise(1);
        assert!(one.is_congested() && !other.is_congested());
        let mut drained = Box::pin(one.drained());
        let waker = std::task::Waker::noop();
        let mut cx = std::task::Context::from_waker(waker);
        assert!(drained.as_mut().poll(&mut cx).is_pending());
        one.sink(20);
        assert!(drained.as_mut().poll(&mut cx).is_pending(), "40 is more than half of 50");
        other.sink(1);
        one.sink(1);
        assert!(drained.as_mut().poll(&mut cx).is_ready(), "39 is less than half of 100");
    }
}
