//! What clients may ask for, and sprat does not have. They are told so, instead of being told that it was done.

use super::call::Answer;
use super::failure::{Code, Failure};
use super::names::Name;
use super::params::Params;
use super::value::{Object, Out};

/// No list of addresses that are kept away.
pub(super) fn blocklist_update() -> Answer {
    Err(Failure::new(Code::Fetch, "sprat has no blocklist"))
}

/// No server outside that could try to reach us.
pub(super) fn port_test(params: &Params) -> Answer {
    let mut failure = Failure::new(
        Code::Fetch,
        "sprat asks no server outside whether its port can be reached; torrents with incoming peers show that it can",
    );
    if let Some(protocol) = params.text("ip_protocol")? {
        if !matches!(protocol, "ipv4" | "ipv6") {
            return Err(Failure::parameter("ip_protocol", "this is neither ipv4 nor ipv6"));
        }
        failure.result.push((Name::Same("ip_protocol"), protocol.into()));
    }
    Err(failure)
}

/// No groups of torrents with a limit in common.
pub(super) fn group_get() -> Object {
    vec![(Name::Same("group"), Out::List(Vec::new()))]
}

/// So none can be changed.
pub(super) fn group_set() -> Answer {
    Err(Failure::new(Code::InvalidParams, "sprat has no bandwidth groups"))
}
