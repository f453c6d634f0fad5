//! Telling systemd what the daemon is about: one datagram, whose text is documented in `sd_notify(3)`.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// What the daemon is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The API answers.
    Ready,
    /// The configuration is being read again; [`Self::Ready`] follows.
    Reloading,
    /// It ends.
    Stopping,
    /// It is alive.
    Watchdog,
}

/// Whoever has started us, if it wants to know. Failing to tell is no reason to fail.
#[derive(Debug)]
pub struct Supervisor {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// By `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    #[must_use]
    pub fn of_environment() -> Self {
        let socket = env::var_os("NOTIFY_SOCKET").and_then(|address| {
            connect(&address)
                .inspect_err(|error| tracing::warn!(%error, "systemd cannot be told that we are ready"))
                .ok()
        });
        let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
        let is_ours = number("WATCHDOG_PID").is_none_or(|process| process == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|_| is_ours).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Nobody.
    #[must_use]
    pub const fn none() -> Self {
        Self { socket: None, watchdog: None }
    }

    /// How often to tell [`Stage::Watchdog`]: half of what is allowed. `None`: nobody waits for it.
    #[must_use]
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|allowed| allowed / 2)
    }

    /// Tells.
    pub fn tell(&self, stage: Stage) {
        let text = match stage {
            Stage::Ready => "READY=1".to_owned(),
            Stage::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_microseconds()),
            Stage::Stopping => "STOPPING=1".to_owned(),
            Stage::Watchdog => "WATCHDOG=1".to_owned(),
        };
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(text.as_bytes())
        {
            tracing::warn!(%error, ?stage, "systemd cannot be told");
        }
    }
}

/// `/run/systemd/notify`, or `@name` in Linux' abstract namespace.
fn connect(address: &OsString) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match address.as_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt as _;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            socket.connect_addr(&address)?;
        }
        #[cfg(not(target_os = "linux"))]
        Some(_) => return Err(io::ErrorKind::Unsupported.into()),
        None => socket.connect(address)?,
    }
    Ok(socket)
}

/// The clock of `CLOCK_MONOTONIC`, which systemd compares with its own.
fn monotonic_microseconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    part(now.tv_sec).saturating_mul(1_000_000).saturating_add(part(now.tv_nsec) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supervisor_hears_of_every_stage() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let socket = Some(connect(&path.into_os_string()).unwrap());
        let supervisor = Supervisor { socket, watchdog: Some(Duration::from_secs(30)) };
        let heard = |stage| {
            supervisor.tell(stage);
            let mut buffer = [0; 100];
            let length = systemd.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        assert_eq!(heard(Stage::Ready), "READY=1");
        let reloading = heard(Stage::Reloading);
        let (first, second) = reloading.split_once("\nMONOTONIC_USEC=").unwrap();
        assert_eq!(first, "RELOADING=1");
        assert!(second.parse::<u64>().unwrap() > 0);
        assert_eq!(heard(Stage::Stopping), "STOPPING=1");
        assert_eq!(heard(Stage::Watchdog), "WATCHDOG=1");
        assert_eq!(supervisor.watchdog_interval(), Some(Duration::from_secs(15)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_without_a_file_is_reached_too() {
        use std::os::linux::net::SocketAddrExt as _;
        let name = format!("sprat-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let systemd = UnixDatagram::bind_addr(&address).unwrap();
        connect(&format!("@{name}").into()).unwrap().send(b"READY=1").unwrap();
        assert_eq!(systemd.recv(&mut [0; 100]).unwrap(), 7);
    }

    #[test]
    fn nobody_is_told_nothing() {
        Supervisor::none().tell(Stage::Ready);
    }
}
