//! Bugs planted on purpose, so that the checkers of the simulator can be seen to find them. Without the feature
//! `planted-bugs` there are none.

/// A bug that a session can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "planted-bugs"), expect(unreachable_pub, reason = "exported with the feature"))]
pub enum PlantedBug {
    /// Of every fourth piece nobody is told.
    LostHave,
    /// A piece is claimed before its hash is known.
    EarlyClaim,
    /// That a peer chokes us is not noticed.
    ChokeIgnored,
    /// Choking a peer takes nothing back of what it had asked for.
    ChokedAreServed,
    /// Blocks that were read together are all sent as the first one.
    WrongOffset,
    /// A request reaches one byte too far.
    RequestTooLong,
    /// What was asked of a peer that is gone is not asked of others.
    RequestsOfTheGone,
    /// Whoever had a part in a bad piece is banned.
    EverybodyBanned,
    /// A refused piece is asked for again at once.
    RefusalForgotten,
    /// News of pieces wakes no interest.
    NeverInterested,
    /// Callers that come while we are calling are too many.
    TooManyConnections,
    /// A request is given up without a word.
    SilentCancel,
    /// A piece is reported to be durable when that was only asked for.
    FinishedTooEarly,
}

/// Which bug there is, if any. Takes no room without the feature.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Planted {
    #[cfg(feature = "planted-bugs")]
    pub(crate) bug: Option<PlantedBug>,
}

impl Planted {
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn is(self, bug: PlantedBug) -> bool {
        self.bug == Some(bug)
    }

    #[cfg(not(feature = "planted-bugs"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(crate) const fn is(self, _bug: PlantedBug) -> bool {
        false
    }
}
