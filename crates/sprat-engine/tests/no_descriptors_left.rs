//! A client that has no descriptor left neither spins nor stays deaf, and who is nobody makes room for who is somebody. Alone
//! in its process, because the limit holds for all of it.

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]
#![cfg(target_os = "linux")]

#[allow(dead_code, clippy::expect_used, clippy::panic, reason = "not everything is of use here")]
mod client_under_test;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use sprat_engine::create::{CreateOptions, create};
use sprat_wire::hash::PeerId;
use sprat_wire::metainfo::build::Description;
use sprat_wire::metainfo::{Metainfo, Version};
use sprat_wire::peer::handshake::{Handshake, Reserved};

use client_under_test::{Node, config};

/// Few, so that all of them are soon used up.
const LIMIT: u64 = 400;

/// How soon a caller is heard when there are descriptors again.
const SOON: Duration = Duration::from_secs(1);

fn publish(directory: &Path) -> Arc<Metainfo> {
    std::fs::write(directory.join("file"), vec![7; 100_000]).unwrap();
    let options = CreateOptions {
        path: directory.join("file"),
        version: Version::V1,
        piece_length: Some(16 * 1024),
        threads: Some(1),
        description: Description::default(),
    };
    Arc::new(create(&options, &|_, _| {}).unwrap().metainfo)
}

/// Opens files until the system says no.
fn exhaust() -> Vec<File> {
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    hoard
}

/// What processor time this process has used. The file is open already: there may be no descriptor left.
fn cpu(stat: &File) -> Duration {
    let mut text = [0; 1024];
    let length = stat.read_at(&mut text, 0).unwrap();
    let text = String::from_utf8_lossy(&text[..length]);
    let (_, fields) = text.rsplit_once(')').unwrap();
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Connects a socket that exists already.
fn call(socket: Socket, address: SocketAddr) -> TcpStream {
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Says a handshake, and how long it took until it was answered.
fn greet(mut stream: &TcpStream, metainfo: &Metainfo, name: u8) -> Duration {
    let info_hash = metainfo.info_hashes.primary();
    let handshake = Handshake { reserved: Reserved::default(), info_hash, peer_id: PeerId([name; 20]) };
    let asked = Instant::now();
    stream.write_all(&handshake.encode()).unwrap();
    stream.read_exact(&mut [0; Handshake::LENGTH]).unwrap();
    asked.elapsed()
}

#[tokio::test]
async fn without_descriptors_nothing_spins_strangers_make_room_and_it_passes() {
    let home = tempfile::tempdir().unwrap();
    let metainfo = publish(home.path());
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(LIMIT), maximum: limit.maximum }).unwrap();
    let node = Node::that_has(config(1), Arc::clone(&metainfo), home.path().to_owned()).await;
    let (address, stat) = (node.address(), File::open("/proc/self/stat").unwrap());
    let sockets: Vec<Socket> =
        (0..12).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).collect();
    let mut sockets = sockets.into_iter();

    // Ten who say nothing, and then not a descriptor is left.
    let silent: Vec<TcpStream> = sockets.by_ref().take(10).map(|socket| call(socket, address)).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut hoard = exhaust();
    let honest = call(sockets.next().unwrap(), address);
    let took = greet(&honest, &metainfo, 1);
    assert!(took < SOON, "{took:?} until those who are nobody made room");

    // They have hung up, so that there are descriptors again; now nobody is left who could go.
    drop(silent);
    tokio::time::sleep(Duration::from_millis(300)).await;
    hoard.extend(exhaust());
    let late = call(sockets.next().unwrap(), address);
    let before = cpu(&stat);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let spent = cpu(&stat) - before;
    assert!(spent < Duration::from_millis(200), "{spent:?} of two seconds");
    drop(hoard);
    let took = greet(&late, &metainfo, 2);
    assert!(took < SOON, "{took:?} until it was heard");
    let connected = node.client.with({
        let torrent = node.torrent;
        move |session, now| session.torrent(torrent).unwrap().status(now).connections
    });
    assert_eq!(connected.await.unwrap(), 2);
}
