//! The daemon: torrents that are looked after for years, and the interfaces by which people and programs reach them.

pub mod feeds;
pub mod fetch;
pub mod schedule;
pub mod torrents;
pub mod wall_clock;
pub mod watch_folder;
pub mod webhook;
