//! Transfers between sprat and the clients that people use, byte for byte.
//!
//! The tests are `#[ignore]`d, since they need other programs and take minutes; `cargo xtask test` installs the
//! programs where it can and runs them. A test whose program is missing says so and passes, unless
//! `SPRAT_INTEROP=require` is set. The `harness_*` tests transfer between the other clients only: if one of them
//! fails, the fault is not sprat's.

#![allow(clippy::print_stdout, reason = "tests say what they waited for and what they skipped")]

mod clients;
mod content;
mod http;
mod process;
mod torrent;
mod transfer;

use anyhow::{Result, bail};

use crate::clients::Client;
use crate::clients::aria2::Aria2;
use crate::clients::libtorrent::Libtorrent;
use crate::clients::opentracker::Opentracker;
use crate::clients::rtorrent::Rtorrent;
use crate::clients::transmission::Transmission;
use crate::content::Content;
use crate::torrent::{Torrent, Version};
use crate::transfer::{Meeting, remove_leftovers, transfer};

/// Runs one transfer, or says in one line why it cannot be run here.
fn check(
    seeder: &dyn Client,
    leecher: &dyn Client,
    content: Content,
    version: Version,
    meeting: Meeting<'_>,
) -> Result<()> {
    let tracker = match meeting {
        Meeting::Direct => None,
        Meeting::Http(tracker) | Meeting::Udp(tracker) => tracker.absence(),
    };
    // libtorrent is needed in every case: it makes the torrents.
    let absences = [seeder.absence(), leecher.absence(), tracker, Libtorrent.absence()];
    if let Some(absence) = absences.into_iter().flatten().next() {
        if std::env::var_os("SPRAT_INTEROP").is_some_and(|value| value == "require") {
            bail!("{absence}, but SPRAT_INTEROP=require");
        }
        println!("skipped: {absence}");
        return Ok(());
    }
    remove_leftovers()?;
    transfer(seeder, leecher, &Torrent::of(content, version)?, meeting)
}

#[test]
#[ignore = "needs other clients: cargo xtask test"]
fn harness_libtorrent_to_transmission() -> Result<()> {
    check(&Libtorrent, &Transmission, Content::Tree, Version::V1, Meeting::Http(&Opentracker))
}

#[test]
#[ignore = "needs other clients: cargo xtask test"]
fn harness_transmission_to_libtorrent() -> Result<()> {
    check(&Transmission, &Libtorrent, Content::BigFile, Version::V1, Meeting::Http(&Opentracker))
}

#[test]
#[ignore = "needs other clients: cargo xtask test"]
fn harness_libtorrent_to_aria2() -> Result<()> {
    check(&Libtorrent, &Aria2, Content::BigFile, Version::V1, Meeting::Http(&Opentracker))
}

#[test]
#[ignore = "needs other clients: cargo xtask test"]
fn harness_aria2_to_rtorrent() -> Result<()> {
    check(&Aria2, &Rtorrent, Content::Tree, Version::V1, Meeting::Http(&Opentracker))
}

#[test]
#[ignore = "needs other clients: cargo xtask test"]
fn harness_rtorrent_to_libtorrent() -> Result<()> {
    check(&Rtorrent, &Libtorrent, Content::Tree, Version::V1, Meeting::Udp(&Opentracker))
}

#[test]
#[ignore = "needs other clients: cargo xtask test"]
fn harness_libtorrent_v2() -> Result<()> {
    check(&Libtorrent, &Libtorrent, Content::BigFile, Version::V2, Meeting::Direct)
}

#[test]
#[ignore = "needs other clients: cargo xtask test"]
fn harness_libtorrent_hybrid() -> Result<()> {
    check(&Libtorrent, &Libtorrent, Content::Tree, Version::Hybrid, Meeting::Direct)
}
