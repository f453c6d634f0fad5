//! A stream of server-sent events, as the daemon sends them (HTML Standard, “Server-sent events”).

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::failure::CallError;
use super::place::Address;

/// The longest event: all that is known of 100,000 torrents.
const LONGEST_EVENT: usize = 128 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its kind.
    pub(crate) name: String,
    /// What it says.
    pub(crate) data: String,
}

/// Events, as they come.
pub(crate) struct Events {
    body: Incoming,
    decoder: Decoder,
    address: Address,
}

impl Events {
    pub(super) fn new(body: Incoming, address: Address) -> Self {
        Self { body, decoder: Decoder::default(), address }
    }

    /// The next one; `None` when the daemon has ended the stream. Nothing is lost when this is not awaited to its end.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            if let Some(event) = self.decoder.next() {
                return Ok(Some(event));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| self.broken(error))?;
            let bytes: Bytes = frame.into_data().unwrap_or_default();
            self.decoder.push(&bytes).map_err(|error| self.broken(error))?;
        }
    }

    fn broken(&self, reason: impl ToString) -> anyhow::Error {
        CallError::Answer { address: self.address.clone(), reason: reason.to_string() }.into_error()
    }
}

/// Bytes become events.
#[derive(Debug, Default)]
struct Decoder {
    /// What has come and is not used yet.
    waiting: Vec<u8>,
    /// Up to where there is no end of a line in it.
    searched: usize,
    /// What is known of the event that is coming.
    event: Event,
    has_data: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {LONGEST_EVENT} bytes")]
struct TooLong;

impl Decoder {
    fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.waiting.len() + self.event.data.len() + bytes.len() > LONGEST_EVENT {
            return Err(TooLong);
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    fn next(&mut self) -> Option<Event> {
        let mut used = 0;
        let mut found = None;
        while found.is_none() {
            let from = self.searched.max(used);
            let rest = self.waiting.get(from..).unwrap_or_default();
            let Some(end) = rest.iter().position(|byte| *byte == b'\n').map(|at| from + at) else { break };
            let line = self.waiting.get(used..end).unwrap_or_default();
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
            (used, self.searched) = (end + 1, end + 1);
            found = self.line(&line);
        }
        self.waiting.drain(..used);
        self.searched = if found.is_some() { 0 } else { self.waiting.len() };
        found
    }

    /// An empty line ends an event.
    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // Identities are in the data as well; a comment keeps the connection alive.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        ": alive\n\nevent: torrents\r\nid: 1-2\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\ndata:x\n\nevent: none\n\n";

    fn decoded(pieces: impl Iterator<Item = Vec<u8>>) -> Vec<(String, String)> {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for piece in pieces {
            decoder.push(&piece).unwrap();
            while let Some(event) = decoder.next() {
                events.push((event.name, event.data));
            }
        }
        events
    }

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let expected = [("torrents".to_owned(), "{\"a\":\n1}".to_owned()), (String::new(), "x".to_owned())];
        for length in [1, 2, 3, 7, 1000] {
            assert_eq!(decoded(STREAM.as_bytes().chunks(length).map(<[u8]>::to_vec)), expected, "{length}");
        }
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let mut decoder = Decoder::default();
        decoder.push(&vec![b'x'; LONGEST_EVENT]).unwrap();
        assert_eq!(decoder.next(), None);
        assert_eq!(decoder.push(b"x"), Err(TooLong));
    }
}
