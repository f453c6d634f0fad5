//! The daemon: torrents that are looked after for years, and the interfaces by which people and programs reach them.

pub mod access;
pub mod http;
pub mod notify;
pub mod settings;
