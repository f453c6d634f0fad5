//! One UDP socket (BEP 15).

use std::net::SocketAddr;
use std::rc::Rc;

use sprat_tracker::Protocol;
use sprat_wire::compact::Family;
use sprat_wire::tracker::udp::{Request, Response};
use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::service::Service;

/// Packets answered before other tasks get their turn.
const BATCH: usize = 64;

/// No request is longer: the longest is a scrape of 74 swarms, or an announce with 2 KiB of URL (BEP 41).
const MAX_REQUEST: usize = 4096;

pub(super) async fn serve(socket: UdpSocket, service: Rc<Service>, mut stopping: watch::Receiver<bool>) {
    let mut packet = vec![0; MAX_REQUEST];
    let mut answer = Vec::new();
    loop {
        tokio::select! {
            _ = stopping.wait_for(|&stopping| stopping) => return,
            readable = socket.readable() => if let Err(error) = readable {
                tracing::error!(%error, "a UDP socket of the tracker failed");
                return;
            },
        }
        for _ in 0..BATCH {
            let (length, source) = match socket.try_recv_from(&mut packet) {
                Ok(received) => received,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                // An ICMP message about an earlier answer; it says nothing about the next packet.
                Err(_) => continue,
            };
            service.count(|traffic| {
                traffic.udp_packets_in += 1;
                traffic.udp_bytes_in += length as u64;
            });
            let Some(response) = respond(&service, source, &packet[..length]) else { continue };
            answer.clear();
            response.encode(Family::of(source), &mut answer);
            // What the system does not take now is lost, like any packet; the client will ask again.
            let sent = socket.try_send_to(&answer, source);
            service.count(|traffic| match sent {
                Ok(length) => {
                    traffic.udp_packets_out += 1;
                    traffic.udp_bytes_out += length as u64;
                }
                Err(_) => traffic.udp_unsent += 1,
            });
        }
        tokio::task::yield_now().await;
    }
}

/// The answer to a packet. `None`, and not an error message, to whatever comes without a valid connection id: its
/// source may be forged, and an answer would hit a third party.
fn respond(service: &Service, source: SocketAddr, packet: &[u8]) -> Option<Response> {
    let Ok(request) = Request::decode(packet) else {
        service.count(|traffic| traffic.udp_malformed += 1);
        return None;
    };
    let connection = match &request {
        Request::Connect { transaction } => {
            let connection = service.connect(source.ip());
            return Some(Response::Connect { transaction: *transaction, connection });
        }
        Request::Announce { connection, .. } | Request::Scrape { connection, .. } => *connection,
    };
    if !service.is_valid_connection_id(source.ip(), connection) {
        service.count(|traffic| traffic.udp_bad_connection_id += 1);
        return None;
    }
    match request {
        Request::Connect { .. } => None, // answered above
        Request::Announce { transaction, announce, .. } => {
            Some(match service.announce(Protocol::Udp, source, &announce) {
                Ok(announce) => Response::Announce { transaction, announce },
                Err(refusal) => Response::Error { transaction, message: refusal.to_string() },
            })
        }
        Request::Scrape { transaction, info_hashes, .. } => Some(Response::Scrape {
            transaction,
            entries: service.scrape(Protocol::Udp, source, &info_hashes),
        }),
    }
}
