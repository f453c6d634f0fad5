//! How nodes are attacked: around one key, and everywhere.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sprat_dht::node_id;
use sprat_wire::compact::Family;
use sprat_wire::hash::NodeId;
use sprat_wire::krpc::{Contact, Request, Want};

use super::host::{HostNumber, Hostile, distance};
use super::network::Network;

/// Honest nodes around a key that the besiegers make themselves known to.
const RESPONSIBLE: usize = 40;

/// Puts `count` hostile nodes next to a key, closer than any honest one is: each in a network of its own, at an address
/// that fits its id. They name only each other, and make themselves known, for five minutes, to those who are
/// responsible for the key.
pub fn besiege(network: &mut Network, key: NodeId, count: usize) {
    let friends: Arc<[Contact]> = fitting(key, count).into();
    let place = |contact: &Contact| {
        let hostile = Hostile { id: contact.id, friends: Arc::clone(&friends), invents: false };
        network.add_hostile(contact.address, hostile)
    };
    let besiegers: Vec<HostNumber> = friends.iter().map(place).collect();
    let mut closest = network.honest();
    closest.sort_by_cached_key(|host| {
        let id = network.node(*host).and_then(|node| node.id(Family::V4));
        distance(id.unwrap_or_default(), key)
    });
    closest.truncate(RESPONSIBLE);
    for _ in 0..10 {
        for besieger in &besiegers {
            for _ in 0..8 {
                let victim = closest[network.random_below(closest.len())];
                network.ask(*besieger, victim, Request::FindNode { target: key, want: Want::default() });
            }
        }
        network.run(Duration::from_secs(30));
    }
}

/// Ids that share some 140 bits with a key, and addresses in as many networks for which BEP 42 lets them be: it takes
/// a search of eight million, and control over much of the internet.
fn fitting(key: NodeId, count: usize) -> Vec<Contact> {
    let mut fitting: Vec<Contact> = Vec::new();
    for masked in 0..1_u32 << 20 {
        let [_, a, b, d] = masked.to_be_bytes();
        // BEP 42 masks an address with 03.0f.3f.ff.
        let (a, b, c) = (a >> 2, (a & 3) << 2 | b >> 6, b & 63);
        for last in 0..8 {
            let mut id = key;
            id.0[19] = id.0[19] & !7 | last;
            if !node_id::is_secure(id, [40 | a, b, c, d].into()) {
                continue;
            }
            for free in 0..=255_u8 {
                let Ok(place) = u8::try_from(fitting.len()) else { return fitting };
                if fitting.len() == count {
                    return fitting;
                }
                let ip = [(40 + (free & 15) * 4) | a, (free & 0xf0) | b, c, d];
                id.0[18] = key.0[18] ^ place;
                fitting.push(Contact { id, address: (ip, 6881).into() });
            }
        }
    }
    fitting
}

/// Puts `count` hostile nodes into `networks` networks, each a /24 with at most 255 of them. They name only each other, at ids that they invent next to
/// whatever is asked for, and make themselves known to twenty honest nodes each.
pub fn infiltrate(network: &mut Network, count: usize, networks: usize) {
    let address = |number: usize| {
        let ([subnet, ..], [host, ..]) =
            ((number % networks).to_le_bytes(), (number / networks + 1).to_le_bytes());
        SocketAddr::from(([150, 1, subnet, host], 6881))
    };
    let friends: Vec<Contact> = (0..count)
        .map(|number| {
            let id = NodeId(std::array::from_fn(|_| network.random_below(256).to_le_bytes()[0]));
            Contact { id, address: address(number) }
        })
        .collect();
    // Whatever is asked, it is answered from these.
    let named: Arc<[Contact]> = friends.iter().take(200).copied().collect();
    for contact in &friends {
        let hostile = Hostile { id: contact.id, friends: Arc::clone(&named), invents: true };
        let sybil = network.add_hostile(contact.address, hostile);
        for _ in 0..20 {
            if let Some(victim) = network.some_honest() {
                network.ask(sybil, victim, Request::Ping);
            }
        }
    }
}
