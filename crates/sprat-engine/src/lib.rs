//! The shell around the machines: sockets, storage workers and clocks.

pub mod storage;
