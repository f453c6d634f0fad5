//! An HTTP client that keeps its connection, to ask other programs on this machine again and again.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_LENGTH, HOST};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// No local program needs longer, however busy it is.
const LIMIT: Duration = Duration::from_secs(120);

/// One connection, which is made anew when the other end has closed it.
pub(crate) struct KeepAlive {
    address: SocketAddr,
    runtime: Runtime,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body of an answer that is not an error.
    pub(crate) fn success(self) -> Result<Bytes> {
        ensure!(self.status.is_success(), "{}: {}", self.status, String::from_utf8_lossy(&self.body));
        Ok(self.body)
    }
}

impl KeepAlive {
    /// To a program at an address; nothing is sent yet.
    pub(crate) fn to(address: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { address, runtime, sender: None })
    }

    /// Sends a request, and waits for the end of the answer.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer> {
        let body = body.into();
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, self.address.to_string())
            .header(CONTENT_LENGTH, body.len());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body))?;
        let (address, sender) = (self.address, &mut self.sender);
        let asked = async {
            if let Some(kept) = sender
                && let Ok(answer) = exchange(kept, request.clone()).await
            {
                return Ok(answer);
            }
            // Nobody has been asked yet, or the other end had closed the connection.
            exchange(sender.insert(connect(address).await?), request).await
        };
        let answer = self.runtime.block_on(async { timeout(LIMIT, asked).await });
        if !matches!(answer, Ok(Ok(_))) {
            self.sender = None;
        }
        answer
            .with_context(|| format!("no answer in {LIMIT:?}"))?
            .with_context(|| format!("{method} {target}"))
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn exchange(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Result<Answer> {
    sender.ready().await?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Answer { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
}
