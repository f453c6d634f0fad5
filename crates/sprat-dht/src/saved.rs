//! What a node takes from one run into the next.

use std::net::SocketAddr;

use sprat_wire::bencode::{Dict, Document, Encoder, Limits};
use sprat_wire::compact::{self, Family};
use sprat_wire::hash::NodeId;
use sprat_wire::krpc::Contact;
use thiserror::Error;

/// Contacts of one family that are saved, and read at most.
const MAX_CONTACTS: usize = 512;

const LIMITS: Limits = Limits { depth: 4, tokens: 100, length: 256 << 10 };

/// Ids and contacts of both families.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SavedState {
    v4: Option<(NodeId, Vec<Contact>)>,
    v6: Option<(NodeId, Vec<Contact>)>,
}

/// The file is none that we have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the saved state of a DHT node")]
pub struct NotSavedState;

impl SavedState {
    pub(crate) fn new(v4: Option<(NodeId, Vec<Contact>)>, v6: Option<(NodeId, Vec<Contact>)>) -> Self {
        let cut = |net: Option<(NodeId, Vec<Contact>)>| {
            net.map(|(id, mut contacts)| {
                contacts.truncate(MAX_CONTACTS);
                (id, contacts)
            })
        };
        Self { v4: cut(v4), v6: cut(v6) }
    }

    /// Reads what [`encode`](Self::encode) has written. Nothing in it is believed before the contacts have answered.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotSavedState> {
        let document = Document::decode(bytes, LIMITS).map_err(|_| NotSavedState)?;
        let dict = document.as_dict().ok_or(NotSavedState)?;
        let net = |family, id: &str, nodes: &str| -> Result<Option<(NodeId, Vec<Contact>)>, NotSavedState> {
            let Some(id) = dict.bytes(id) else { return Ok(None) };
            let id = NodeId::from_slice(id).ok_or(NotSavedState)?;
            Ok(Some((id, contacts(dict, family, nodes))))
        };
        Ok(Self { v4: net(Family::V4, "id", "nodes")?, v6: net(Family::V6, "id6", "nodes6")? })
    }

    /// The bytes to save.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.begin_dict();
        for (key, net) in [("id", &self.v4), ("id6", &self.v6)] {
            if let Some((id, _)) = net {
                out.key(key).bytes(id);
            }
        }
        for (key, family, net) in [("nodes", Family::V4, &self.v4), ("nodes6", Family::V6, &self.v6)] {
            if let Some((_, contacts)) = net {
                let mut list = Vec::new();
                for contact in contacts {
                    list.extend_from_slice(contact.id.as_bytes());
                    compact::encode(family, [contact.address], &mut list);
                }
                out.key(key).bytes(list);
            }
        }
        out.end();
        out.finish()
    }

    /// How many contacts there are.
    #[must_use]
    pub fn contacts(&self) -> usize {
        [&self.v4, &self.v6].into_iter().flatten().map(|(_, contacts)| contacts.len()).sum()
    }

    pub(crate) fn of(&self, family: Family) -> (Option<NodeId>, &[Contact]) {
        let net = match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        };
        net.as_ref().map_or((None, &[]), |(id, contacts)| (Some(*id), contacts))
    }
}

fn contacts(dict: Dict<'_>, family: Family, key: &str) -> Vec<Contact> {
    let entries = dict.bytes(key).unwrap_or_default().chunks_exact(NodeId::LENGTH + family.entry_length());
    let contacts = entries.filter_map(|entry| {
        let (id, address) = entry.split_first_chunk()?;
        let address: SocketAddr = compact::decode(family, address).next()?;
        (Family::of(address) == family).then_some(Contact { id: NodeId(*id), address })
    });
    contacts.take(MAX_CONTACTS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_comes_back_and_other_files_do_not() {
        let contact =
            |n: u8, address: &str| Contact { id: NodeId([n; 20]), address: address.parse().unwrap() };
        let state = SavedState::new(
            Some((NodeId([1; 20]), vec![contact(2, "192.0.2.1:1"), contact(3, "192.0.2.2:2")])),
            Some((NodeId([4; 20]), vec![contact(5, "[2001:db8::1]:3")])),
        );
        assert_eq!(SavedState::decode(&state.encode()), Ok(state.clone()));
        assert_eq!(state.contacts(), 3);
        assert_eq!(SavedState::decode(&SavedState::default().encode()), Ok(SavedState::default()));
        assert_eq!(SavedState::decode(b"d2:id3:abce"), Err(NotSavedState));
        assert_eq!(SavedState::decode(&state.encode()[1..]), Err(NotSavedState));
        assert_eq!(SavedState::decode(b""), Err(NotSavedState));
    }

    #[test]
    fn no_more_contacts_are_kept_than_allowed() {
        let contact = Contact { id: NodeId([1; 20]), address: "192.0.2.1:1".parse().unwrap() };
        for (count, kept) in [(MAX_CONTACTS, MAX_CONTACTS), (MAX_CONTACTS + 1, MAX_CONTACTS)] {
            assert_eq!(SavedState::new(Some((contact.id, vec![contact; count])), None).contacts(), kept);
        }
    }
}
