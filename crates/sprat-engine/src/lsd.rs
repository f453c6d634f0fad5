//! Local service discovery (BEP 14) on real sockets: who else on this network has a torrent that we have?
//!
//! One socket per family hears announcements on every interface; to each interface one is sent. What comes from
//! outside the networks of our interfaces is not believed: such a datagram was not sent to the group.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use if_addrs::{IfAddr, Interface};
use socket2::{Domain, Protocol, Socket, Type};
use sprat_wire::hash::InfoHash;
use sprat_wire::lsd::{GROUP_V4, GROUP_V6, LocalAnnounce, MAX_DATAGRAM, MOST_SENT, PORT};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::uplink::Uplink;

/// How often torrents are announced (BEP 14: every five minutes).
pub const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// Announcements taken in a second; a network with more is attacked or broken.
const MOST_PER_SECOND: u32 = 50;

/// Somebody on the local network who has torrents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Where it accepts peers.
    pub address: SocketAddr,
    /// What it has.
    pub info_hashes: Vec<InfoHash>,
}

/// Announces our torrents and hears of those of others, on the interfaces that there are when it starts.
#[derive(Debug)]
pub struct LocalDiscovery {
    /// Not of tokio, which would refuse to send until its event loop has seen that the socket can.
    senders: Vec<(std::net::UdpSocket, SocketAddr)>,
    cookie: String,
    port: u16,
    hearing: Vec<AbortHandle>,
}

impl Drop for LocalDiscovery {
    fn drop(&mut self) {
        for task in &self.hearing {
            task.abort();
        }
    }
}

impl LocalDiscovery {
    /// Joins the groups, on the interfaces that may be used. `port` is where we accept peers. Must be called within a tokio runtime; what is heard goes to
    /// `heard` until this is dropped.
    pub fn start(port: u16, heard: &mpsc::UnboundedSender<Neighbour>, uplink: &Uplink) -> io::Result<Self> {
        let mut interfaces = if_addrs::get_if_addrs()?;
        interfaces.retain(|interface| uplink.includes(&interface.name));
        let cookie = format!("sprat-{:08x}", getrandom::u32().map_err(io::Error::other)?);
        let mut senders = Vec::new();
        let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "no interface for local discovery");
        let (v4, v6) = (listen_v4(&interfaces, uplink), listen_v6(&interfaces, uplink));
        for interface in interfaces.iter().filter(|interface| !interface.is_loopback()) {
            match sender(interface, uplink) {
                Ok(Some(sender)) => senders.push(sender),
                Ok(None) => {}
                Err(error) => last = error,
            }
        }
        if senders.is_empty() {
            return Err(last);
        }
        let hear = |socket| {
            let networks = interfaces.iter().map(|interface| interface.addr.clone()).collect();
            tokio::spawn(hear(socket, networks, cookie.clone(), heard.clone())).abort_handle()
        };
        let hearing = [v4, v6].into_iter().flatten().map(hear).collect();
        Ok(Self { senders, cookie, port, hearing })
    }

    /// Tells the local network of our torrents.
    pub fn announce(&self, info_hashes: &[InfoHash]) {
        for some in info_hashes.chunks(MOST_SENT) {
            let cookie = Some(self.cookie.clone());
            let announce = LocalAnnounce { port: self.port, info_hashes: some.to_vec(), cookie };
            for (socket, group) in &self.senders {
                // A lost datagram is made good by the next one.
                let _ = socket.send_to(announce.encode(&group.to_string()).as_bytes(), *group);
            }
        }
    }
}

/// Takes in announcements for ever.
async fn hear(
    socket: UdpSocket,
    networks: Vec<IfAddr>,
    cookie: String,
    heard: mpsc::UnboundedSender<Neighbour>,
) {
    let mut buffer = vec![0; MAX_DATAGRAM + 1];
    let (mut second, mut taken) = (Instant::now(), 0);
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        if second.elapsed() >= Duration::from_secs(1) {
            (second, taken) = (Instant::now(), 0);
        }
        taken += 1;
        if taken > MOST_PER_SECOND || !is_near(from.ip(), &networks) {
            continue;
        }
        let Ok(announce) = LocalAnnounce::decode(buffer.get(..length).unwrap_or_default()) else { continue };
        if announce.cookie.as_deref() == Some(&cookie) {
            continue;
        }
        // The peer is whoever has sent this; what it says of addresses would be a way to have us call others.
        let address = SocketAddr::new(from.ip().to_canonical(), announce.port);
        if heard.send(Neighbour { address, info_hashes: announce.info_hashes }).is_err() {
            return;
        }
    }
}

/// Whether an address belongs to a network of one of our interfaces.
fn is_near(ip: IpAddr, networks: &[IfAddr]) -> bool {
    networks.iter().any(|network| match (network, ip.to_canonical()) {
        (IfAddr::V4(own), IpAddr::V4(ip)) => {
            let mask = u32::from(own.netmask);
            u32::from(own.ip) & mask == u32::from(ip) & mask
        }
        (IfAddr::V6(own), IpAddr::V6(ip)) => {
            let mask = u128::from(own.netmask);
            u128::from(own.ip) & mask == u128::from(ip) & mask
        }
        _ => false,
    })
}

fn listen_v4(interfaces: &[Interface], uplink: &Uplink) -> Option<UdpSocket> {
    let socket = open(Domain::IPV4, uplink).ok()?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)).into()).ok()?;
    for interface in interfaces {
        if let IfAddr::V4(own) = &interface.addr {
            // Some interfaces have no multicast.
            let _ = socket.join_multicast_v4(&GROUP_V4, &own.ip);
        }
    }
    UdpSocket::from_std(socket.into()).ok()
}

fn listen_v6(interfaces: &[Interface], uplink: &Uplink) -> Option<UdpSocket> {
    let socket = open(Domain::IPV6, uplink).ok()?;
    socket.set_only_v6(true).ok()?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)).into()).ok()?;
    let numbers: BTreeSet<u32> = interfaces.iter().filter_map(|interface| interface.index).collect();
    for number in numbers {
        let _ = socket.join_multicast_v6(&GROUP_V6, number);
    }
    UdpSocket::from_std(socket.into()).ok()
}

/// A socket from which announcements go out to the network of this interface.
fn sender(interface: &Interface, uplink: &Uplink) -> io::Result<Option<(std::net::UdpSocket, SocketAddr)>> {
    let (socket, group) = match (&interface.addr, interface.index) {
        (IfAddr::V4(own), _) => {
            let socket = open(Domain::IPV4, uplink)?;
            socket.set_multicast_if_v4(&own.ip)?;
            socket.bind(&SocketAddr::from((own.ip, 0)).into())?;
            (socket, SocketAddr::from((GROUP_V4, PORT)))
        }
        // Addresses of one interface share their network; the link-local one is always there.
        (IfAddr::V6(own), Some(number)) if own.ip.is_unicast_link_local() => {
            let socket = open(Domain::IPV6, uplink)?;
            socket.set_multicast_if_v6(number)?;
            (socket, SocketAddr::from((GROUP_V6, PORT)))
        }
        _ => return Ok(None),
    };
    Ok(Some((socket.into(), group)))
}

/// Other clients on this machine listen on the same port.
fn open(domain: Domain, uplink: &Uplink) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    uplink.confine(&socket)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use if_addrs::Ifv4Addr;

    use super::*;

    #[tokio::test]
    async fn an_announcement_leaves_before_the_event_loop_has_turned() {
        let interfaces = if_addrs::get_if_addrs().unwrap();
        let loopback = interfaces.iter().find(|interface| interface.ip() == Ipv4Addr::LOCALHOST).unwrap();
        let (socket, _) = sender(loopback, &Uplink::any()).unwrap().unwrap();
        let neighbour = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        neighbour.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let senders = vec![(socket, neighbour.local_addr().unwrap())];
        let info_hash = InfoHash::from([7; 20]);
        LocalDiscovery { senders, cookie: "ours".to_owned(), port: 6881, hearing: Vec::new() }
            .announce(&[info_hash]);
        let mut buffer = [0; MAX_DATAGRAM];
        let length = neighbour.recv(&mut buffer).unwrap();
        let announce = LocalAnnounce::decode(&buffer[..length]).unwrap();
        assert_eq!((announce.port, announce.info_hashes), (6881, vec![info_hash]));
    }

    #[test]
    fn only_our_own_networks_are_near() {
        let own = Ifv4Addr {
            ip: Ipv4Addr::new(10, 1, 2, 3),
            netmask: Ipv4Addr::new(255, 255, 255, 0),
            prefixlen: 24,
            broadcast: None,
        };
        let networks = [IfAddr::V4(own)];
        for (ip, near) in [("10.1.2.99", true), ("10.1.3.99", false), ("8.8.8.8", false), ("fe80::1", false)]
        {
            assert_eq!(is_near(ip.parse().unwrap(), &networks), near, "{ip}");
        }
    }
}
