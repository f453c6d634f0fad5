//! One task per connection that reads, and writes what the kernel did not take at once.
//!
//! Reading: into buffers that all connections share (`receive`); what came is handed on by reference. A reader waits while the
//! session or the disk of its torrent is behind, so the kernel's buffers fill and the sender slows down. Writing: whatever has collected goes out with one vectored call, by the driver itself as soon as the session has
//! nothing more to say, while it is in the processor's cache. Only when the kernel's buffer is full does the task wait for room.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use rustix::io::Errno;
use sprat_core::io::ConnectionId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use super::receive::{Appetite, ReceiveBuffers};
use crate::listen::{DIAL_TIMEOUT, dial, listen, set_up};
use crate::storage::Pressure;
use crate::uplink::Uplink;

/// Stretches handed to one vectored write; the kernel takes up to 1024.
const SLICES_PER_WRITE: usize = 64;

/// When the system has no descriptor left there is no point in trying to accept at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// After any other error of `accept`, which is the caller's: the next one is not to wait for it.
const SHORT_ACCEPT_PAUSE: Duration = Duration::from_millis(1);

/// Something that a socket has to tell.
#[derive(Debug)]
pub(super) enum Happened {
    Accepted(TcpStream, SocketAddr),
    /// Somebody calls, and the system has no descriptor left.
    NoDescriptors,
    On(ConnectionId, What),
}

#[derive(Debug)]
pub(super) enum What {
    Connected,
    Received(Bytes),
    Sent(usize),
    Closed,
}

/// The session's end of a connection. Dropping it ends the connection at once.
#[derive(Debug)]
pub(super) struct Connection {
    link: Rc<Link>,
    task: AbortHandle,
}

/// What the session's end and the task share.
#[derive(Debug, Default)]
struct Link {
    /// Once connected.
    stream: OnceCell<TcpStream>,
    /// What is to be written.
    waiting: RefCell<VecDeque<Bytes>>,
    /// The kernel has not taken everything.
    left_over: Notify,
    /// Of the disk that what is read may go to. Before the torrent is known and open nothing goes there.
    pressure: OnceCell<Pressure>,
}

/// What all connections have to do with. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) happened: mpsc::Sender<Happened>,
    pub(super) buffers: Rc<ReceiveBuffers>,
    /// By which peers are called.
    pub(super) uplink: Uplink,
}

impl Surroundings {
    /// `false` when nobody listens any more.
    async fn tell(&self, id: ConnectionId, what: What) -> bool {
        self.happened.send(Happened::On(id, what)).await.is_ok()
    }
}

impl Connection {
    /// Calls `address` and reports how that went.
    pub(super) fn dial(id: ConnectionId, address: SocketAddr, around: Surroundings) -> Self {
        Self::spawn(Link::default(), |link| async move {
            if let Ok(stream) = dial(address, DIAL_TIMEOUT, &around.uplink).await {
                let stream = link.stream.get_or_init(|| stream);
                around.tell(id, What::Connected).await;
                // How it ends does not matter: it has ended.
                let _ = serve(id, stream, &link, &around).await;
            }
            around.tell(id, What::Closed).await;
        })
    }

    /// Takes over a connection that was accepted.
    pub(super) fn accepted(id: ConnectionId, stream: TcpStream, around: Surroundings) -> Self {
        let link = Link { stream: OnceCell::from(stream), ..Link::default() };
        Self::spawn(link, |link| async move {
            if let Some(stream) = link.stream.get() {
                let _ = serve(id, stream, &link, &around).await;
            }
            around.tell(id, What::Closed).await;
        })
    }

    fn spawn<F: Future<Output = ()> + 'static>(link: Link, task: impl FnOnce(Rc<Link>) -> F) -> Self {
        let link = Rc::new(link);
        let task = tokio::task::spawn_local(task(Rc::clone(&link)));
        Self { link, task: task.abort_handle() }
    }

    /// Our own end, once connected.
    pub(super) fn local_ip(&self) -> Option<IpAddr> {
        let address = self.link.stream.get()?.local_addr().ok()?;
        Some(address.ip().to_canonical())
    }

    /// The other end, once connected.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.link.stream.get()?.peer_addr().ok()
    }

    /// Whether it is known which disk to wait for.
    pub(super) fn is_on_a_disk(&self) -> bool {
        self.link.pressure.get().is_some()
    }

    /// From now on nothing is read while too much waits for this disk.
    pub(super) fn put_on_disk(&self, pressure: Pressure) {
        // It stays with the first one.
        let _ = self.link.pressure.set(pressure);
    }

    /// Queues bytes for writing. How much is queued is bounded by the session, which counts what is reported as sent.
    pub(super) fn queue(&self, bytes: Bytes) {
        self.link.waiting.borrow_mut().push_back(bytes);
    }

    /// Gives the kernel what is queued, as far as it takes it, and says how many bytes that were. The task writes the rest, and finds out
    /// about errors.
    pub(super) fn flush(&self) -> usize {
        let mut waiting = self.link.waiting.borrow_mut();
        let mut sent = 0;
        if let Some(stream) = self.link.stream.get() {
            while !waiting.is_empty() {
                let Ok(count) = write_some(stream, &mut waiting) else { break };
                sent += count;
            }
        }
        if !waiting.is_empty() {
            self.link.left_over.notify_one();
        }
        sent
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts for ever, also when the interface goes and comes again.
pub(super) async fn accept(mut listener: TcpListener, uplink: Uplink, happened: mpsc::Sender<Happened>) {
    let Ok(own) = listener.local_addr() else { return };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = uplink.lost(&listener) => {
                listener = uplink.renew(|uplink| listen(own, uplink)).await;
                continue;
            }
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_shortage(&error) => {
                if happened.send(Happened::NoDescriptors).await.is_err() {
                    return;
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
            Err(_) => {
                tokio::time::sleep(SHORT_ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Without this it is a connection as well.
        let _ = set_up(&stream);
        if happened.send(Happened::Accepted(stream, address)).await.is_err() {
            return;
        }
    }
}

/// Whether the system lacks what a socket needs.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    shortages.iter().any(|shortage| error.raw_os_error() == Some(shortage.raw_os_error()))
}

/// Moves bytes both ways until one way fails.
async fn serve(id: ConnectionId, stream: &TcpStream, link: &Link, around: &Surroundings) -> io::Result<()> {
    tokio::select! {
        end = read(id, stream, link, around) => end,
        end = write(id, stream, link, around) => end,
    }
}

async fn read(id: ConnectionId, stream: &TcpStream, link: &Link, around: &Surroundings) -> io::Result<()> {
    let mut appetite = Appetite::default();
    loop {
        if let Some(pressure) = link.pressure.get().filter(|pressure| pressure.is_congested()) {
            pressure.drained().await;
        }
        stream.readable().await?;
        let bytes = match around.buffers.read(stream, &mut appetite) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            result => result?,
        };
        if bytes.is_empty() || !around.tell(id, What::Received(bytes)).await {
            return Ok(());
        }
    }
}

/// Writes what the kernel did not take from [`Connection::flush`].
async fn write(id: ConnectionId, stream: &TcpStream, link: &Link, around: &Surroundings) -> io::Result<()> {
    loop {
        link.left_over.notified().await;
        stream.writable().await?;
        // The driver may have written it in the meantime.
        while !link.waiting.borrow().is_empty() {
            let written = write_some(stream, &mut link.waiting.borrow_mut());
            let count = match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    stream.writable().await?;
                    continue;
                }
                result => result?,
            };
            if !around.tell(id, What::Sent(count)).await {
                return Ok(());
            }
        }
    }
}

/// One vectored write of what waits, of which what was written is taken away.
fn write_some(stream: &TcpStream, waiting: &mut VecDeque<Bytes>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
    let mut used = 0;
    for (slice, bytes) in slices.iter_mut().zip(&*waiting) {
        *slice = IoSlice::new(bytes);
        used += 1;
    }
    let count = stream.try_write_vectored(slices.get(..used).unwrap_or(&[]))?;
    if count == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    advance(waiting, count);
    Ok(count)
}

/// Takes `count` bytes off the front.
fn advance(writing: &mut VecDeque<Bytes>, mut count: usize) {
    while let Some(first) = writing.front_mut() {
        if first.len() > count {
            first.advance(count);
            return;
        }
        count -= first.len();
        writing.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_write_leaves_the_rest_in_order() {
        let mut writing: VecDeque<Bytes> = [&b"abc"[..], b"", b"defg"].map(Bytes::from_static).into();
        advance(&mut writing, 4);
        assert_eq!(writing, [Bytes::from_static(b"efg")]);
        advance(&mut writing, 3);
        assert!(writing.is_empty());
    }
}
