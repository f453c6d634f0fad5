//! The UDP sockets of a client, one per address, which several protocols share: one port to open in a firewall, one to
//! tell others, and one mapping in a NAT.
//!
//! What a datagram belongs to is told by its first byte. Messages of the DHT are dictionaries and begin with `d`; an
//! answer of a UDP tracker begins with an action, which is a small number (BEP 15), and is passed to whoever expects
//! its transaction from that address. (uTP begins with a type and a version, `01` to `41`: BEP 29.) Everything else
//! came unasked and is dropped.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use sprat_wire::compact::Family;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::uplink::Uplink;

mod refused;

/// What the kernel is asked to hold of incoming datagrams while this thread is busy.
const RECEIVE_BUFFER: usize = 512 * 1024;

/// The largest datagram there is; a shorter buffer would cut off some tracker's answer.
const MAX_DATAGRAM: usize = 65_535;

/// Datagrams of the DHT that wait for its node. What comes on top is lost, as in the network.
const DHT_QUEUE: usize = 256;

/// Datagrams taken in one after the other before others on this thread have their turn.
const BATCH: usize = 32;

/// Answers to one transaction that wait. There is one that counts; a forger may send others.
const ANSWERS: usize = 4;

/// Where datagrams are sent from and received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdpConfig {
    /// The addresses; one that this machine does not have is left out, unless it has none of them. Several of one family
    /// are for hosts with several links to the internet: each becomes a DHT node (BEP 45), and the first speaks with
    /// trackers.
    pub addresses: Vec<IpAddr>,
    /// The port of all; 0 is any.
    pub port: u16,
}

impl UdpConfig {
    /// Every address of this machine, as one of each family.
    #[must_use]
    pub fn everywhere(port: u16) -> Self {
        Self { addresses: vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()], port }
    }

    /// Only programs on this machine.
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        Self { addresses: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()], port }
    }
}

/// A datagram of the DHT.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// A handle to the sockets. They are closed when the last one is dropped.
#[derive(Debug, Clone)]
pub struct UdpSockets {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    sockets: Vec<Arc<SharedSocket>>,
    port: u16,
    expected: Arc<Expected>,
    receivers: Vec<AbortHandle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for receiver in &self.receivers {
            receiver.abort();
        }
    }
}

impl UdpSockets {
    /// Opens the sockets. Must be called within a tokio runtime.
    pub fn bind(config: &UdpConfig) -> io::Result<Self> {
        Self::bind_on(config, &Uplink::any())
    }

    /// The same, on this interface only.
    pub fn bind_on(config: &UdpConfig, uplink: &Uplink) -> io::Result<Self> {
        let mut port = config.port;
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address for UDP");
        let mut sockets = Vec::new();
        for ip in &config.addresses {
            match bind_one(SocketAddr::new(*ip, port), uplink) {
                Ok(socket) => {
                    // All on the port that the first one was given.
                    port = socket.local_addr()?.port();
                    sockets.push(Arc::new(SharedSocket {
                        address: socket.local_addr()?,
                        socket: RwLock::new(Arc::new(socket)),
                        dht: OnceLock::new(),
                    }));
                }
                Err(error) => last = error,
            }
        }
        if sockets.is_empty() {
            return Err(last);
        }
        let expected = Arc::new(Expected::default());
        let receive = |socket: &Arc<SharedSocket>| {
            tokio::spawn(receive(Arc::clone(socket), uplink.clone(), Arc::clone(&expected))).abort_handle()
        };
        let receivers = sockets.iter().map(receive).collect();
        Ok(Self { inner: Arc::new(Inner { sockets, port, expected, receivers }) })
    }

    /// The port of all sockets.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.inner.port
    }

    /// The sockets of a family, in the order of the configuration.
    pub(crate) fn of(&self, family: Family) -> impl Iterator<Item = &Arc<SharedSocket>> {
        self.inner.sockets.iter().filter(move |socket| Family::of(socket.address) == family)
    }

    /// Sends a request to a UDP tracker, from the first socket of the family.
    pub(crate) async fn send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        let socket = self.of(Family::of(to)).next();
        let socket = socket.ok_or_else(|| io::Error::from(io::ErrorKind::NetworkUnreachable))?;
        let socket = socket.current();
        let sent = match socket.send_to(datagram, to).await {
            Err(error) if refused::is_refusal(&error) => socket.send_to(datagram, to).await,
            result => result,
        };
        sent.map(|_| ())
    }

    /// From now on, answers to this transaction from this address are kept for the caller.
    pub(crate) fn expect(&self, from: SocketAddr, transaction: u32) -> Answers {
        let (sender, receiver) = mpsc::channel(ANSWERS);
        let key = (from, transaction);
        self.inner.expected.lock().insert(key, sender);
        Answers { key, expected: Arc::clone(&self.inner.expected), receiver }
    }
}

/// What comes back for one request to a tracker.
#[derive(Debug)]
pub(crate) struct Answers {
    key: (SocketAddr, u32),
    expected: Arc<Expected>,
    receiver: mpsc::Receiver<Answer>,
}

/// A datagram, or that nobody listens there.
type Answer = Result<Vec<u8>, io::ErrorKind>;

impl Answers {
    pub(crate) async fn next(&mut self) -> io::Result<Vec<u8>> {
        match self.receiver.recv().await {
            Some(answer) => answer.map_err(io::Error::from),
            // Two conversations with the same random number; the later one has taken over.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.expected.lock().remove(&self.key);
    }
}

/// Who waits for which answer of a tracker.
#[derive(Debug, Default)]
struct Expected(Mutex<BTreeMap<(SocketAddr, u32), mpsc::Sender<Answer>>>);

impl Expected {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(SocketAddr, u32), mpsc::Sender<Answer>>> {
        // No step on the way leaves the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, from: SocketAddr, transaction: u32, answer: Answer) {
        if let Some(sender) = self.lock().get(&(from, transaction)) {
            let _ = sender.try_send(answer);
        }
    }
}

/// One socket.
#[derive(Debug)]
pub(crate) struct SharedSocket {
    address: SocketAddr,
    /// Another one when its interface is.
    socket: RwLock<Arc<UdpSocket>>,
    dht: OnceLock<mpsc::Sender<Datagram>>,
}

impl SharedSocket {
    /// From now on, datagrams of the DHT arrive here. There may be one node for each socket.
    pub(crate) fn serve_dht(&self) -> io::Result<mpsc::Receiver<Datagram>> {
        let (sender, receiver) = mpsc::channel(DHT_QUEUE);
        let taken =
            |_| io::Error::new(io::ErrorKind::AddrInUse, "there is a DHT node on this socket already");
        self.dht.set(sender).map_err(taken)?;
        Ok(receiver)
    }

    /// Sends a datagram, or fails with [`io::ErrorKind::WouldBlock`]. Other than tokio's `try_send_to`, it works from the
    /// first moment on.
    pub(crate) fn send_now(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        let socket = self.current();
        let socket = SockRef::from(&*socket);
        let sent = match socket.send_to(datagram, &to.into()) {
            // That was about an earlier datagram, to whomever. The second attempt is about this one.
            Err(error) if refused::is_refusal(&error) => socket.send_to(datagram, &to.into()),
            result => result,
        };
        sent.map(|_| ())
    }

    fn current(&self) -> Arc<UdpSocket> {
        Arc::clone(&self.socket.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, socket: UdpSocket) {
        *self.socket.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(socket);
    }

    /// Passes a datagram on to whom it belongs.
    fn dispatch(&self, from: SocketAddr, datagram: &[u8], expected: &Expected) {
        if datagram.first() == Some(&b'd') {
            if let Some(queue) = self.dht.get() {
                let _ = queue.try_send(Datagram { from, bytes: datagram.to_vec() });
            }
        } else if let Some(transaction) = number_at(datagram, 4) {
            expected.deliver(from, transaction, Ok(datagram.to_vec()));
        }
    }
}

/// Takes in datagrams for ever, also when the interface goes and comes again.
async fn receive(shared: Arc<SharedSocket>, uplink: Uplink, expected: Arc<Expected>) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let socket = shared.current();
        tokio::select! {
            () = receive_from(&socket, &mut buffer, &shared, &expected) => return,
            () = uplink.lost(&*socket) => {}
        }
        shared.replace(uplink.renew(|uplink| bind_one(shared.address, uplink)).await);
    }
}

/// Until the runtime ends.
async fn receive_from(socket: &UdpSocket, buffer: &mut [u8], shared: &SharedSocket, expected: &Expected) {
    loop {
        let Ok(ready) = socket.ready(Interest::READABLE | Interest::ERROR).await else { return };
        if ready.is_error() {
            // There is no more to be taken until the next event.
            let _: io::Result<()> = socket.try_io(Interest::ERROR, || {
                tell_of_refused(socket, buffer, expected);
                Err(io::ErrorKind::WouldBlock.into())
            });
        }
        for _ in 0..BATCH {
            match socket.try_recv_from(buffer) {
                Ok((length, from)) => {
                    shared.dispatch(from, buffer.get(..length).unwrap_or_default(), expected);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // About an earlier datagram, of which the queue of errors tells.
                Err(_) => {}
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Tells of datagrams that were refused.
fn tell_of_refused(socket: &UdpSocket, buffer: &mut [u8], expected: &Expected) {
    for (to, datagram) in refused::take(socket, buffer) {
        // The transaction of a request lies behind the connection id and the action.
        if let Some(transaction) = number_at(&datagram, 12) {
            expected.deliver(to, transaction, Err(io::ErrorKind::ConnectionRefused));
        }
    }
}

fn number_at(datagram: &[u8], at: usize) -> Option<u32> {
    datagram.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn bind_one(address: SocketAddr, uplink: &Uplink) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    refused::report(&socket, address.is_ipv6());
    uplink.confine(&socket)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_protocol_gets_its_own_datagrams() {
        let sockets = UdpSockets::bind(&UdpConfig::loopback(0)).unwrap();
        let mut dht = sockets.of(Family::V4).next().unwrap().serve_dht().unwrap();
        let there = SocketAddr::from((Ipv4Addr::LOCALHOST, sockets.port()));
        let tracker = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut answers = sockets.expect(tracker.local_addr().unwrap(), 0x0102_0304);
        let answer = [0, 0, 0, 1, 1, 2, 3, 4, 9];
        stranger.send_to(&answer, there).await.unwrap();
        tracker.send_to(&[0, 0, 0, 1, 1, 2, 3, 5, 9], there).await.unwrap();
        tracker.send_to(&answer, there).await.unwrap();
        stranger.send_to(b"d1:y1:qe", there).await.unwrap();
        assert_eq!(answers.next().await.unwrap(), answer);
        let datagram = dht.recv().await.unwrap();
        assert_eq!((datagram.from, datagram.bytes), (stranger.local_addr().unwrap(), b"d1:y1:qe".to_vec()));
        assert!(answers.receiver.try_recv().is_err(), "nothing else was for it");
        drop(answers);
        assert!(sockets.inner.expected.lock().is_empty());
        assert!(sockets.of(Family::V4).next().unwrap().serve_dht().is_err(), "a second node");
    }

    #[tokio::test]
    async fn a_refusal_reaches_whom_it_concerns_and_nobody_else() {
        let sockets = UdpSockets::bind(&UdpConfig::loopback(0)).unwrap();
        let gone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
        let there = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut request = [7; 16];
        request[12..].copy_from_slice(&5_u32.to_be_bytes());
        let mut answers = sockets.expect(gone, 5);
        let mut other = sockets.expect(there.local_addr().unwrap(), 5);
        sockets.send(&request, gone).await.unwrap();
        sockets.send(&request, there.local_addr().unwrap()).await.unwrap();
        assert_eq!(answers.next().await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(there.recv_from(&mut [0; 32]).await.unwrap().0, 16, "what came after was sent");
        assert!(other.receiver.try_recv().is_err());
    }
}
