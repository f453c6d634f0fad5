//! The thread that keeps the state: whoever changes something says what is to be told when it is durable, and goes on.
//!
//! A commit costs several waits for the disk, whatever it changes. So everything that waits when the thread is free becomes
//! one commit.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::state::{Change, Rows, StateError, StateStore, Table};

/// Changes that one commit takes at the most, unless a single request has more: who is first must not wait for everybody.
const GROUP_CHANGES: usize = 4096;

/// Bytes of values that one commit takes at the most, unless a single request has more.
const GROUP_BYTES: usize = 8 << 20;

/// The owner of the thread. When it is dropped, what has been asked for is still done, and the thread ends.
#[derive(Debug)]
pub struct Ledger {
    handle: LedgerHandle,
    thread: Option<JoinHandle<()>>,
}

/// How to reach the thread.
#[derive(Debug, Clone)]
pub struct LedgerHandle {
    requests: Sender<Request>,
}

enum Request {
    Get { table: Table, key: Vec<u8>, reply: Sender<Result<Option<Vec<u8>>, StateError>> },
    Scan { table: Table, reply: Sender<Result<Rows, StateError>> },
    Write { changes: Vec<Change>, done: Done },
    Stop,
}

impl Ledger {
    /// Starts the thread.
    pub fn start(store: StateStore) -> io::Result<Self> {
        let (requests, inbox) = channel();
        let thread =
            std::thread::Builder::new().name("ledger".to_owned()).spawn(move || run(store, &inbox))?;
        Ok(Self { handle: LedgerHandle { requests }, thread: Some(thread) })
    }

    /// Another way to reach it.
    #[must_use]
    pub fn handle(&self) -> LedgerHandle {
        self.handle.clone()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let _ = self.handle.requests.send(Request::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that keeps the state has panicked");
        }
    }
}

impl LedgerHandle {
    /// The value of a record, after everything that was written before. Waits.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.ask(|reply| Request::Get { table, key: key.to_vec(), reply })?
    }

    /// All records of a table in the order of their keys, after everything that was written before. Waits.
    pub fn scan(&self, table: Table) -> Result<Rows, StateError> {
        self.ask(|reply| Request::Scan { table, reply })?
    }

    /// Changes records, all or none, and calls `done` from the thread when that is durable or has failed. Never waits;
    /// `done` is called exactly once, also when the thread has ended.
    pub fn write(&self, changes: Vec<Change>, done: impl FnOnce(Result<(), StateError>) + Send + 'static) {
        // What cannot be sent comes back, is dropped, and says so.
        let _ = self.requests.send(Request::Write { changes, done: Done(Some(Box::new(done))) });
    }

    /// Changes records, all or none, and waits until that is durable.
    pub fn write_and_wait(&self, changes: Vec<Change>) -> Result<(), StateError> {
        let (reply, answer) = channel();
        self.write(changes, move |result| {
            let _ = reply.send(result);
        });
        answer.recv().map_err(|_| StateError::Closed)?
    }

    fn ask<T>(&self, request: impl FnOnce(Sender<T>) -> Request) -> Result<T, StateError> {
        let (reply, answer) = channel();
        self.requests.send(request(reply)).map_err(|_| StateError::Closed)?;
        answer.recv().map_err(|_| StateError::Closed)
    }
}

/// Whom to tell. Tells also when it is dropped, so that nobody waits for nothing.
struct Done(Option<Tell>);

type Tell = Box<dyn FnOnce(Result<(), StateError>) + Send>;

impl Done {
    fn tell(mut self, result: Result<(), StateError>) {
        if let Some(tell) = self.0.take() {
            tell(result);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            tell(Err(StateError::Closed));
        }
    }
}

/// What becomes one commit.
#[derive(Default)]
struct Group {
    changes: Vec<Change>,
    /// Where in `changes` the last change of a record is.
    places: HashMap<(Table, Vec<u8>), usize>,
    bytes: usize,
    waiting: Vec<Done>,
}

impl Group {
    fn add(&mut self, changes: Vec<Change>, done: Done) {
        for change in changes {
            let length = |change: &Change| change.key.len() + change.value.as_ref().map_or(0, Vec::len);
            self.bytes += length(&change);
            let place = self.places.entry((change.table, change.key.clone())).or_insert(self.changes.len());
            match self.changes.get_mut(*place) {
                // The later one wins.
                Some(earlier) => {
                    self.bytes -= length(earlier);
                    *earlier = change;
                }
                None => self.changes.push(change),
            }
        }
        self.waiting.push(done);
    }

    fn has_room(&self) -> bool {
        self.changes.len() < GROUP_CHANGES && self.bytes < GROUP_BYTES
    }

    fn commit(self, store: &mut StateStore) {
        let result = store.commit(&self.changes);
        for done in self.waiting {
            done.tell(result.clone());
        }
    }
}

fn run(mut store: StateStore, inbox: &Receiver<Request>) {
    let mut next = None;
    loop {
        let Some(request) = next.take().or_else(|| inbox.recv().ok()) else { return };
        match request {
            Request::Get { table, key, reply } => drop(reply.send(store.get(table, &key))),
            Request::Scan { table, reply } => drop(reply.send(store.scan(table))),
            Request::Write { changes, done } => {
                let mut group = Group::default();
                group.add(changes, done);
                while group.has_room() {
                    match inbox.try_recv() {
                        Ok(Request::Write { changes, done }) => group.add(changes, done),
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                group.commit(&mut store);
            }
            Request::Stop => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, value: Option<&str>) -> Change {
        let value = value.map(|value| value.as_bytes().to_vec());
        Change { table: Table::Torrents, key: key.as_bytes().to_vec(), value }
    }

    fn ledger(home: &tempfile::TempDir) -> Ledger {
        Ledger::start(StateStore::open(home.path()).unwrap().0).unwrap()
    }

    #[test]
    fn what_was_asked_for_is_done_before_the_thread_ends() {
        let home = tempfile::tempdir().unwrap();
        let (told, answers) = channel();
        let first = ledger(&home);
        let handle = first.handle();
        for number in 0..500 {
            let told = told.clone();
            handle.write(
                vec![change(&format!("{:02}", number % 20), Some(&number.to_string()))],
                move |result| {
                    told.send((number, result)).unwrap();
                },
            );
        }
        drop(first);
        drop(told);
        let answers: Vec<_> = answers.iter().collect();
        assert_eq!(answers, (0..500).map(|number| (number, Ok(()))).collect::<Vec<_>>());
        let again = ledger(&home);
        let rows = again.handle().scan(Table::Torrents).unwrap();
        assert_eq!(rows.len(), 20);
        assert_eq!(again.handle().get(Table::Torrents, b"07").unwrap().unwrap(), b"487");
        handle.write_and_wait(vec![change("late", None)]).unwrap_err();
        assert_eq!(handle.get(Table::Torrents, b"07"), Err(StateError::Closed));
    }

    #[test]
    fn a_reader_sees_what_was_written_before() {
        let home = tempfile::tempdir().unwrap();
        let ledger = ledger(&home);
        let handle = ledger.handle();
        handle.write(vec![change("key", Some("1"))], |_| {});
        assert_eq!(handle.get(Table::Torrents, b"key").unwrap().unwrap(), b"1");
        handle.write_and_wait(vec![change("key", Some("2")), change("key", None)]).unwrap();
        assert_eq!(handle.get(Table::Torrents, b"key").unwrap(), None);
    }

    #[test]
    fn a_group_has_an_end_and_the_last_change_of_a_record() {
        let mut group = Group::default();
        group.add(vec![change("a", Some("1234")), change("b", None), change("a", Some("5"))], Done(None));
        assert_eq!(group.changes, [change("a", Some("5")), change("b", None)]);
        assert_eq!(group.bytes, 3);
        let big = Change { value: Some(vec![0; GROUP_BYTES]), ..change("c", None) };
        group.add(vec![big], Done(None));
        assert!(!group.has_room());
    }
}
