//! A whole daemon on this machine alone, with everything below one directory.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::Path;

use sprat_daemon::http::Inherited;
use sprat_daemon::notify::Supervisor;
use sprat_daemon::settings::Places;
use sprat_daemon::{Daemon, Options};

/// Nobody outside is spoken to, and whoever is near may be.
const SETTINGS: &str = "[api]\nlisten = [\"127.0.0.1:0\"]\ntransmission = true\n\
    [peers]\nport = 0\naddresses = [\"127.0.0.1\"]\ndht = false\nlsd = false\n\
    [addresses]\nallow_private = true\n";

/// It runs, and what it needs to be asked.
pub(crate) struct RunningDaemon {
    pub(crate) daemon: Daemon,
    /// The owner's.
    pub(crate) token: String,
}

impl RunningDaemon {
    /// Also once more, with what was kept there.
    pub(crate) async fn start(home: &Path) -> Self {
        let file = home.join("sprat.toml");
        std::fs::write(&file, SETTINGS).unwrap();
        let options = Options {
            file: Some(file),
            places: Places::of(|name| (name == "HOME").then(|| home.as_os_str().to_owned())),
            inherited: Inherited::none(),
            supervisor: Supervisor::none(),
            set_log_level: Box::new(|_| ()),
        };
        let daemon = Daemon::start(options).await.unwrap();
        let token = std::fs::read_to_string(daemon.token_file()).unwrap().trim().to_owned();
        Self { daemon, token }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.daemon.addresses()[0]
    }

    /// The value of the header that opens it.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }
}
