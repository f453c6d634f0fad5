//! The real program on real disks that fail it: killed, refused by the kernel, full, changed behind its back, and shared with
//! files of others. What it says afterwards is compared with the disk by an oracle that shares no code with it.
//!
//! Every run has a number, and the number says everything about it but how fast the machine was. `SPRAT_RUNS` says how many
//! of them are made, percent (a small share if it says nothing); `SPRAT_SEED` repeats one run.

// Mounts, and traced calls.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where its set-up does")]

mod changed;
mod ended;
mod foreign;
mod full;
mod killed;
mod mount;
mod oracle;
mod peer;
mod runs;
mod seed;
mod sprat;
mod syscalls;
