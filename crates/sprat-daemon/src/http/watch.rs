//! A watch over one connection: what we wait for from the other end, and until when.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

/// How long the other end may take. Only what is waited for *from it* counts: an answer that is long in coming, or a
/// stream of events without an event, has no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request to the end of its head. Also for the TLS handshake.
    pub head: Duration,
    /// For a body, whatever its length.
    pub body: Duration,
    /// And in addition a second for so many bytes that have come of it.
    pub body_bytes_per_second: u64,
    /// From the connection, or from the last answer, to the first byte of the next request.
    pub idle: Duration,
    /// How long not a byte of an answer is taken. Media players pause.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            body: Duration::from_secs(10),
            body_bytes_per_second: 16 * 1024,
            idle: Duration::from_secs(30),
            stall: Duration::from_secs(60),
        }
    }
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Nothing of a request has come.
    Waiting { since: Instant },
    /// A byte of a request has come, but not all of its head.
    Head { since: Instant },
    /// The head has come, the body not yet.
    Body { since: Instant, received: u64 },
    /// It is our turn.
    Answering,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Since when nothing of what we want to send is taken.
    stalled: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Watch {
    timeouts: Timeouts,
    state: Mutex<State>,
}

impl Watch {
    pub(super) fn new(timeouts: Timeouts) -> Arc<Self> {
        let state = State { phase: Phase::Waiting { since: Instant::now() }, stalled: None };
        Arc::new(Self { timeouts, state: Mutex::new(state) })
    }

    /// A request head has arrived. Its body is under the watch from now on.
    pub(super) fn request(self: &Arc<Self>, body: Incoming) -> Body {
        let has_body = !body.is_end_stream();
        self.state().phase =
            if has_body { Phase::Body { since: Instant::now(), received: 0 } } else { Phase::Answering };
        if !has_body {
            return Body::empty();
        }
        let end = |watch: &Self| {
            let mut state = watch.state();
            if matches!(state.phase, Phase::Body { .. }) {
                state.phase = Phase::Answering;
            }
        };
        Body::new(Ending { body: UnsyncBoxBody::new(body), at_end: Some(end), watch: Arc::clone(self) })
    }

    /// An answer; when it has been handed over, the next request is waited for and `then` is called.
    pub(super) fn answer<F: FnOnce() + Send + Unpin + 'static>(
        self: &Arc<Self>,
        body: Body,
        then: F,
    ) -> impl HttpBody<Data = Bytes, Error = axum::Error> + Send + use<F> {
        let end = |watch: &Self| {
            watch.restart();
            then();
        };
        Ending { body: UnsyncBoxBody::new(body), at_end: Some(end), watch: Arc::clone(self) }
    }

    /// A new request is waited for.
    pub(super) fn restart(&self) {
        self.state().phase = Phase::Waiting { since: Instant::now() };
    }

    fn received(&self, bytes: usize) {
        let mut state = self.state();
        match &mut state.phase {
            // Only the first bytes of a request move the deadline: one byte now and then gains nothing.
            phase @ Phase::Waiting { .. } => *phase = Phase::Head { since: Instant::now() },
            Phase::Body { received, .. } => *received += bytes as u64,
            Phase::Head { .. } | Phase::Answering => {}
        }
    }

    fn sent(&self, progress: bool) {
        let mut state = self.state();
        state.stalled = if progress { None } else { state.stalled.or_else(|| Some(Instant::now())) };
    }

    fn deadline(&self) -> Option<Instant> {
        let Timeouts { head, body, body_bytes_per_second, idle, stall } = self.timeouts;
        let state = self.state();
        let for_request = match state.phase {
            Phase::Waiting { since } => Some(since + idle),
            Phase::Head { since } => Some(since + head),
            Phase::Body { since, received } => {
                Some(since + body + Duration::from_secs(received / body_bytes_per_second.max(1)))
            }
            Phase::Answering => None,
        };
        let for_answer = state.stalled.map(|since| since + stall);
        [for_request, for_answer].into_iter().flatten().min()
    }

    /// Waits until a deadline has passed. To be polled by the task that serves the connection, and after it: then it sees
    /// each change of the deadline.
    pub(super) async fn expired(&self) {
        /// When there is no deadline; only to have some moment.
        const LATER: Duration = Duration::from_secs(86_400);
        let mut sleep = pin!(sleep_until(Instant::now() + LATER));
        poll_fn(|context| {
            loop {
                let deadline = self.deadline();
                let moment = deadline.unwrap_or_else(|| Instant::now() + LATER);
                if deadline.is_none() || sleep.deadline() != moment {
                    sleep.as_mut().reset(moment);
                }
                match sleep.as_mut().poll(context) {
                    Poll::Ready(()) if self.deadline().is_some() => return Poll::Ready(()),
                    Poll::Ready(()) => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body that says when it has ended, or was given up.
struct Ending<E, F: FnOnce(&Watch)> {
    body: UnsyncBoxBody<Bytes, E>,
    at_end: Option<F>,
    watch: Arc<Watch>,
}

impl<E, F: FnOnce(&Watch)> Ending<E, F> {
    fn end(&mut self) {
        if let Some(at_end) = self.at_end.take() {
            at_end(&self.watch);
        }
    }
}

impl<E, F: FnOnce(&Watch) + Unpin> HttpBody for Ending<E, F> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.end();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<E, F: FnOnce(&Watch)> Drop for Ending<E, F> {
    fn drop(&mut self) {
        self.end();
    }
}

/// A stream under watch.
#[derive(Debug)]
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) watch: Arc<Watch>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let received = buffer.filled().len() - before;
        if received > 0 {
            self.watch.received(received);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch.sent(result.is_ready());
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch.sent(result.is_ready());
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
