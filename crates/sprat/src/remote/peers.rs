//! `sprat peers`

use hyper::Method;
use serde_json::json;
use sprat_daemon::service::{PeerDetails, PeerOrigin};

use super::caller::Caller;
use super::table::{Heading, table};
use super::{act, listing, words};
use crate::cli::remote::PeersArgs;
use crate::output::Output;
use crate::text;

pub(crate) const HEADINGS: [Heading; 9] = [
    Heading::text("address"),
    Heading::long("program"),
    Heading::text("flags"),
    Heading::figure("done"),
    Heading::figure("down"),
    Heading::figure("up"),
    Heading::figure("received"),
    Heading::figure("sent"),
    Heading::text("from"),
];

/// Each flag: its letter, what it means, and who has it.
type Flag = (char, &'static str, fn(&PeerDetails) -> bool);

const FLAGS: [Flag; 7] = [
    ('D', "we receive from it", |peer| peer.interested && !peer.choked),
    ('d', "we want something, and it gives us nothing just now", |peer| peer.interested && peer.choked),
    ('U', "it receives from us", |peer| peer.wanted && !peer.choking),
    ('u', "it wants something, and we give it nothing just now", |peer| peer.wanted && peer.choking),
    ('S', "it has everything", |peer| peer.progress >= 1000),
    ('!', "it owes us blocks and does not deliver", |peer| peer.snubbed),
    ('I', "it has called us", |peer| peer.is_incoming),
];

pub(crate) async fn run(args: PeersArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let torrent = listing::one(&caller, &args.torrent).await?;
    let path = format!("/torrents/{}/peers", torrent.hash);
    if !args.add.is_empty() {
        caller.tell(Method::POST, &path, &json!({ "addresses": args.add })).await?;
        act::tell("calling", &[torrent], output);
        return Ok(());
    }
    let peers: Vec<PeerDetails> = caller.get(&path).await?;
    for peer in &peers {
        output.object(peer);
    }
    if peers.is_empty() {
        output.line("no peers are connected");
        return Ok(());
    }
    output.result(table(&HEADINGS, peers.iter().map(row)));
    for (letter, meaning, has) in FLAGS {
        if peers.iter().any(has) {
            output.line(format_args!("{letter}  {meaning}"));
        }
    }
    Ok(())
}

/// A row of it: text that is safe to print.
pub(crate) fn row(peer: &PeerDetails) -> Vec<String> {
    vec![
        peer.address.to_string(),
        text::safe(&peer.client, 60),
        flags(peer),
        words::permille(peer.progress.into()),
        words::rate(peer.download_rate),
        words::rate(peer.upload_rate),
        text::bytes(peer.downloaded),
        text::bytes(peer.uploaded),
        peer.source.map_or(words::NONE, origin).to_owned(),
    ]
}

/// The letters of a peer.
pub(crate) fn flags(peer: &PeerDetails) -> String {
    FLAGS.iter().filter(|(_, _, has)| has(peer)).map(|(letter, ..)| letter).collect()
}

const fn origin(origin: PeerOrigin) -> &'static str {
    match origin {
        PeerOrigin::User => "user",
        PeerOrigin::Lsd => "local network",
        PeerOrigin::Incoming => "it called",
        PeerOrigin::Tracker => "tracker",
        PeerOrigin::Pex => "peer",
        PeerOrigin::Dht => "DHT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_says_no_more_than_it_may() {
        let peer = PeerDetails {
            address: ([10, 0, 0, 1], 1).into(),
            client: "x\u{1b}[2J".to_owned(),
            peer_id: String::new(),
            source: Some(PeerOrigin::Pex),
            is_incoming: true,
            progress: 1000,
            choking: true,
            choked: false,
            interested: true,
            wanted: true,
            snubbed: false,
            downloaded: 1,
            uploaded: 0,
            download_rate: 1,
            upload_rate: 0,
        };
        assert_eq!(flags(&peer), "DuSI");
        assert!(!row(&peer).concat().contains('\u{1b}'));
    }
}
