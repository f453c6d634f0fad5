//! The menu of peers.

/// How a peer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// As the session does.
    #[default]
    Honest,
    /// Takes and never gives: its upload limit is zero.
    FreeRider,
    /// So many thousandths of the blocks it sends are wrong.
    Poisoner {
        /// 0 to 1000.
        per_mille: u16,
    },
    /// Has everything and gives to everybody, but so many thousandths of the pieces it sends are wrong: the same pieces
    /// and the same wrong bytes as from all others of its kind.
    ColludingPoisoner {
        /// 0 to 1000.
        per_mille: u16,
    },
    /// Says that it has everything, and has nothing.
    Liar {
        /// Refuses what it is asked for; otherwise it keeps silent.
        rejects: bool,
    },
    /// Asks for as much as it may, and reads for one second in ten.
    SlowReader,
    /// Asks for much more than anybody can queue, choked or not.
    RequestFlooder,
    /// Gives to those who give most for it, and to them no more than they seem to want (BitTyrant, Piatek et al. 2007).
    Strategic,
    /// Takes from whoever lets it, all the time, and comes back under another name when its turn is over (Adamsky et al.
    /// 2014).
    SeedSlotAttacker,
}

impl Behaviour {
    /// It is played by a session; the others speak the protocol in their own way.
    pub(crate) const fn is_session(self) -> bool {
        matches!(self, Self::Honest | Self::FreeRider | Self::Poisoner { .. })
    }

    /// It keeps the rules, and nobody may say otherwise.
    #[must_use]
    pub const fn is_honest(self) -> bool {
        matches!(self, Self::Honest | Self::FreeRider)
    }
}
