//! One transfer between two who do not know each other: somebody in the middle tells the leecher of the seeder (BEP 11).

use std::net::SocketAddr;

use anyhow::{Result, bail};

use crate::clients::{Client, Discovery, Role, Running};
use crate::content::test_directory;
use crate::process::{HOST, free_port, wait_until};
use crate::torrent::Torrent;
use crate::transfer::{Place, READY_TIMEOUT, TRANSFER_TIMEOUT, compare, explain};

/// Who opens the connection between the seeder and the introducer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The introducer can pass on the address that it has called.
    Introducer,
    /// The introducer can pass on only the port that the seeder has told it (BEP 10, `p`).
    Seeder,
}

/// Lets a client get a torrent from a seeder of which only the introducer knows, and which speaks of nobody.
pub(crate) fn introduction(
    [seeder, introducer, leecher]: [&dyn Client; 3],
    torrent: &Torrent,
    caller: Caller,
) -> Result<()> {
    let directory = test_directory()?;
    let path = directory.path();
    torrent.content.link_into(&path.join("seeder"))?;
    let file = torrent.write(path, None)?;
    let place = |client, role, name| -> Result<Place<'_>> {
        Ok(Place { magnet: None, machine: None, client, role, name, port: free_port()?, peers: vec![] })
    };
    let mut seeder = place(seeder, Role::Seeder, "seeder")?;
    let mut introducer = place(introducer, Role::Introducer, "introducer")?;
    let mut leecher = place(leecher, Role::Leecher, "leecher")?;
    let address = |place: &Place<'_>| SocketAddr::from((HOST, place.port));
    match caller {
        Caller::Introducer => introducer.peers.push(address(&seeder)),
        Caller::Seeder => seeder.peers.push(address(&introducer)),
    }
    leecher.peers.push(address(&introducer));

    let mut running = Vec::new();
    let start = |place: &Place<'_>, discovery, running: &mut Vec<Box<dyn Running>>| {
        running.push(place.start(torrent, &file, discovery, path)?);
        Ok::<_, anyhow::Error>(running.len() - 1)
    };
    // Whoever calls comes second. The leecher comes when both have met: what changes later is told a minute later.
    let middle = match caller {
        Caller::Introducer => {
            let seeder = start(&seeder, Discovery::None, &mut running)?;
            let ready = wait_until("the seeder seeds", READY_TIMEOUT, || running[seeder].is_complete());
            explain(ready, &mut running)?;
            start(&introducer, Discovery::PeerExchange, &mut running)?
        }
        Caller::Seeder => {
            let middle = start(&introducer, Discovery::PeerExchange, &mut running)?;
            start(&seeder, Discovery::None, &mut running)?;
            middle
        }
    };
    let met =
        wait_until("the introducer knows the seeder", READY_TIMEOUT, || running[middle].has_met_a_peer());
    explain(met, &mut running)?;
    let last = start(&leecher, Discovery::PeerExchange, &mut running)?;
    let what = format!("{} has heard of it and got it", leecher.client.name());
    let done = wait_until(&what, TRANSFER_TIMEOUT, || {
        for client in &mut running {
            client.process().must_not_have_failed()?;
        }
        running[last].is_complete()
    })
    .and_then(|()| compare(torrent, &path.join("leecher")))
    .and_then(|()| {
        if running[middle].is_complete()? { bail!("the introducer had it to give") } else { Ok(()) }
    });
    explain(done, &mut running)
}
