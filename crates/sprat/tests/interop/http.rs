//! Just enough of an HTTP client to ask other programs on this machine how they are doing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, bail};

use crate::network::Machine;

/// No local program needs longer for a status request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where a program answers.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    /// From which it can be reached, if not from this one.
    machine: Option<Machine>,
}

impl Server {
    /// On a machine, or on this one.
    pub(crate) fn on(machine: Option<&Machine>, address: SocketAddr) -> Self {
        Self { address, machine: machine.cloned() }
    }

    fn connect(&self) -> Result<TcpStream> {
        let connect = || TcpStream::connect_timeout(&self.address, TIMEOUT);
        let stream = match &self.machine {
            Some(machine) => machine.inside(connect).map_err(Error::msg)?,
            None => connect(),
        };
        stream.with_context(|| format!("connect {}", self.address))
    }
}

impl From<SocketAddr> for Server {
    fn from(address: SocketAddr) -> Self {
        Self::on(None, address)
    }
}

/// An answer, read to its end.
pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The body of an answer that is not an error.
    pub(crate) fn success(self) -> Result<Vec<u8>> {
        if self.status != 200 {
            bail!("HTTP status {}: {}", self.status, String::from_utf8_lossy(&self.body));
        }
        Ok(self.body)
    }
}

/// Sends one request. HTTP/1.0, so that the end of the connection is the end of the answer.
pub(crate) fn request(
    server: impl Into<Server>,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Response> {
    let server = server.into();
    let mut stream = server.connect()?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut head = format!(
        "{method} {target} HTTP/1.0\r\nHost: {}\r\nContent-Length: {}\r\n",
        server.address,
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("reading the answer")?;
    parse(answer)
}

fn parse(answer: Vec<u8>) -> Result<Response> {
    let end =
        answer.windows(4).position(|window| window == b"\r\n\r\n").context("an answer without a head")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    Ok(Response { status, head, body: answer[end + 4..].to_vec() })
}
