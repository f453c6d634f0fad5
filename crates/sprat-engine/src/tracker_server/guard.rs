//! A watch over one HTTP connection: how many bytes, and how long it may take for them.

use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::service::Service;

/// How long HTTP clients may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// From the connection, or from the last request, to the first byte of the next request; also for taking
    /// the answer.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { head: Duration::from_secs(5), idle: Duration::from_secs(30) }
    }
}

/// What a connection is doing, and until when it may.
pub(super) struct Watch {
    timeouts: Timeouts,
    /// Something of a request has come for which no request has been seen yet.
    in_request: Cell<bool>,
    deadline: Cell<Instant>,
}

impl Watch {
    pub(super) fn new(timeouts: Timeouts) -> Self {
        Self { timeouts, in_request: Cell::new(false), deadline: Cell::new(Instant::now() + timeouts.idle) }
    }

    /// A whole request head has arrived.
    pub(super) fn request_arrived(&self) {
        self.in_request.set(false);
        self.deadline.set(Instant::now() + self.timeouts.idle);
    }

    /// Bytes have arrived. Only the first of a request move the deadline: a client that sends a byte now and then
    /// gains nothing.
    fn bytes_arrived(&self) {
        if !self.in_request.replace(true) {
            self.deadline.set(Instant::now() + self.timeouts.head);
        }
    }

    /// Waits until the deadline has passed. To be polled by the task that serves the connection, and after it: then it
    /// sees each change of the deadline.
    pub(super) async fn expired(&self) {
        let mut sleep = pin!(sleep_until(self.deadline.get()));
        poll_fn(|context| {
            if sleep.deadline() != self.deadline.get() {
                sleep.as_mut().reset(self.deadline.get());
            }
            sleep.as_mut().poll(context)
        })
        .await;
    }
}

/// A stream under watch.
pub(super) struct Guarded {
    pub(super) stream: TcpStream,
    pub(super) watch: Rc<Watch>,
    pub(super) service: Rc<Service>,
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let received = buffer.filled().len() - before;
        if received > 0 {
            self.watch.bytes_arrived();
            self.service.count(|traffic| traffic.http_bytes_in += received as u64);
        }
        result
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(sent)) = &result {
            self.service.count(|traffic| traffic.http_bytes_out += *sent as u64);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
