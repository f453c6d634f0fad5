//! Those who attack: each calls, does what its kind does, and calls again when it is cut off.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sprat_wire::hash::{InfoHash, PeerId, Sha256Hash};
use sprat_wire::metainfo::Metainfo;
use sprat_wire::peer::handshake::Handshake;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::kinds::{Hello, Kind, Manner, Reads};

/// Threads of the attackers.
const THREADS: u32 = 2;

/// Before one that was cut off calls again.
const PAUSE: Duration = Duration::from_millis(50);

/// Whom they attack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Victim {
    pub(crate) address: SocketAddr,
    pub(crate) info_hash: InfoHash,
    pub(crate) pieces: u32,
    pub(crate) piece_length: u32,
    pub(crate) root: Sha256Hash,
}

impl Victim {
    pub(crate) fn new(address: SocketAddr, metainfo: &Metainfo) -> Self {
        Self {
            address,
            info_hash: metainfo.info_hashes.primary(),
            pieces: metainfo.info.piece_count(),
            piece_length: metainfo.info.piece_length,
            root: metainfo.info.files[0].pieces_root.unwrap(),
        }
    }
}

/// What those of one kind have done.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    calls: AtomicU64,
    /// The handshake was answered.
    let_in: AtomicU64,
    /// The victim has ended the connection.
    cut_off: AtomicU64,
    sent: AtomicU64,
    /// It was allowed to ask, where it waited for that.
    unchoked: AtomicU64,
}

/// The same with its kind.
pub(crate) struct Tally<'a> {
    kind: Kind,
    counts: &'a Counts,
}

impl Tally<'_> {
    fn get(count: &AtomicU64) -> u64 {
        count.load(Ordering::Relaxed)
    }

    pub(crate) fn cut_off(&self) -> u64 {
        Self::get(&self.counts.cut_off)
    }

    /// It was let in, if it wants that, and has sent what it is there to send.
    pub(crate) fn did_its_thing(&self) -> bool {
        let manner = self.kind.manner(0, &EXAMPLE);
        let wants_in = manner.hello == Hello::Whole;
        let counts = self.counts;
        Self::get(&counts.calls) > 0
            && (!wants_in || Self::get(&counts.let_in) > 0)
            && (manner.again.is_empty() || !wants_in || Self::get(&counts.sent) > 10_000)
            && (manner.reads != Reads::UntilUnchoked || Self::get(&counts.unchoked) > 0)
    }
}

/// For looking at what a kind does.
const EXAMPLE: Victim = Victim {
    address: SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1),
    info_hash: InfoHash([0; 20]),
    pieces: 1000,
    piece_length: 256 * 1024,
    root: Sha256Hash([0; 32]),
};

impl std::fmt::Display for Tally<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { calls, let_in, cut_off, sent, unchoked } = self.counts;
        let [calls, let_in, cut_off, sent, unchoked] =
            [calls, let_in, cut_off, sent, unchoked].map(Self::get);
        let sent = sent as f64 / 1024.0;
        let name = self.kind.name();
        write!(
            f,
            "{name}: {calls} calls, {let_in} let in, {unchoked} unchoked, {sent:.0} KiB sent, {cut_off} cut off"
        )
    }
}

/// All attackers, on threads of their own.
pub(crate) struct Army {
    attack: watch::Sender<bool>,
    counts: Arc<Vec<Counts>>,
}

impl Army {
    pub(crate) fn raise(size: u32, victim: Victim) -> Self {
        let (attack, orders) = watch::channel(false);
        let counts: Arc<Vec<Counts>> = Arc::new(Kind::ALL.iter().map(|_| Counts::default()).collect());
        for thread in 0..THREADS {
            let (orders, counts) = (orders.clone(), Arc::clone(&counts));
            std::thread::spawn(move || {
                // The machines of attackers are others than that of the victim: they get what the honest leave.
                let _ = rustix::process::nice(19);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let tasks = LocalSet::new();
                for number in (thread..size).step_by(THREADS as usize) {
                    let at = number as usize % Kind::ALL.len();
                    let (orders, counts) = (orders.clone(), Arc::clone(&counts));
                    tasks.spawn_local(async move {
                        let manner = Kind::ALL[at].manner(number, &victim);
                        let mut attacker = Attacker { number, manner, victim, calls: 0 };
                        attacker.serve(orders, &counts[at]).await;
                    });
                }
                runtime.block_on(tasks);
            });
        }
        Self { attack, counts }
    }

    pub(crate) fn attack(&self) {
        self.attack.send_replace(true);
    }

    /// All hang up.
    pub(crate) fn retreat(&self) {
        self.attack.send_replace(false);
    }

    pub(crate) fn tally(&self, kind: Kind) -> Tally<'_> {
        let at = Kind::ALL.iter().position(|other| *other == kind).unwrap();
        Tally { kind, counts: &self.counts[at] }
    }

    fn sum(&self, count: impl Fn(&Counts) -> &AtomicU64) -> f64 {
        self.counts.iter().map(|counts| Tally::get(count(counts)) as f64).sum()
    }

    pub(crate) fn calls(&self) -> f64 {
        self.sum(|counts| &counts.calls)
    }

    pub(crate) fn sent(&self) -> f64 {
        self.sum(|counts| &counts.sent)
    }

    pub(crate) fn cut_off(&self) -> f64 {
        self.sum(|counts| &counts.cut_off)
    }
}

struct Attacker {
    number: u32,
    manner: Manner,
    victim: Victim,
    calls: u32,
}

impl Attacker {
    /// Attacks whenever it is told to, until the test is over.
    async fn serve(&mut self, mut orders: watch::Receiver<bool>, counts: &Counts) {
        while orders.wait_for(|attack| *attack).await.is_ok() {
            let mut end = orders.clone();
            tokio::select! {
                _ = end.wait_for(|attack| !*attack) => {}
                // How it ends does not matter: it calls again.
                _ = self.call(counts) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Half of them have one address, the others a new one for each call.
    fn source(&self) -> SocketAddr {
        let [.., a, b] = self.number.to_be_bytes();
        let ip = if self.number % 4 < 2 {
            Ipv4Addr::new(127, 1, a, b)
        } else {
            let [_, c, d, e] = (self.calls.wrapping_mul(65_537) ^ (self.number << 12)).to_be_bytes();
            Ipv4Addr::new(127, 2 + c % 200, d, e.clamp(1, 254))
        };
        SocketAddr::from((ip, 0))
    }

    async fn call(&mut self, counts: &Counts) -> io::Result<()> {
        self.calls += 1;
        counts.calls.fetch_add(1, Ordering::Relaxed);
        let socket = TcpSocket::new_v4()?;
        socket.bind(self.source())?;
        if self.manner.reads == Reads::UntilUnchoked {
            socket.set_recv_buffer_size(4096)?;
        }
        let mut stream = socket.connect(self.victim.address).await?;
        stream.set_nodelay(true)?;
        let end = self.behave(&mut stream, counts).await;
        if end.is_err() {
            counts.cut_off.fetch_add(1, Ordering::Relaxed);
        }
        end
    }

    /// Goes on until the victim hangs up.
    async fn behave(&self, stream: &mut TcpStream, counts: &Counts) -> io::Result<()> {
        let manner = &self.manner;
        let mut peer_id = *b"-XX0001-............";
        peer_id[8..12].copy_from_slice(&self.number.to_be_bytes());
        peer_id[12..16].copy_from_slice(&self.calls.to_be_bytes());
        let handshake = Handshake {
            reserved: manner.reserved,
            info_hash: self.victim.info_hash,
            peer_id: PeerId(peer_id),
        };
        let handshake = handshake.encode();
        match manner.hello {
            Hello::None => {}
            Hello::ByteByByte => {
                for byte in &handshake[..Handshake::LENGTH - 1] {
                    send(stream, std::slice::from_ref(byte), counts).await?;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
            Hello::Whole => {
                send(stream, &handshake, counts).await?;
                stream.read_exact(&mut [0; Handshake::LENGTH]).await?;
                counts.let_in.fetch_add(1, Ordering::Relaxed);
            }
        }
        send(stream, &manner.opening, counts).await?;
        if manner.reads == Reads::UntilUnchoked {
            until_unchoked(stream).await?;
            counts.unchoked.fetch_add(1, Ordering::Relaxed);
            send(stream, &manner.again, counts).await?;
            // Not a byte is read any more; that the victim hangs up is seen when something is said.
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                send(stream, &[0; 4], counts).await?;
            }
        }
        let (mut reader, mut writer) = stream.split();
        let hear = async {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                if reader.read(&mut buffer).await? == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                }
                if manner.reads == Reads::Slowly {
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
            }
        };
        let say = async {
            if manner.again.is_empty() {
                std::future::pending::<()>().await;
            }
            loop {
                for part in manner.again.chunks(manner.portion) {
                    writer.write_all(part).await?;
                    counts.sent.fetch_add(part.len() as u64, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            }
        };
        tokio::select! { end = hear => end, end = say => end }
    }
}

async fn send(stream: &mut TcpStream, bytes: &[u8], counts: &Counts) -> io::Result<()> {
    stream.write_all(bytes).await?;
    counts.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    Ok(())
}

/// Reads up to an `unchoke`.
async fn until_unchoked(stream: &mut TcpStream) -> io::Result<()> {
    loop {
        let length = stream.read_u32().await? as usize;
        if length == 0 {
            continue;
        }
        let id = stream.read_u8().await?;
        let mut rest = vec![0; length - 1];
        stream.read_exact(&mut rest).await?;
        if id == 1 {
            return Ok(());
        }
    }
}
