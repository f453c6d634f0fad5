//! The daemon: torrents that are looked after for years, and the interfaces by which people and programs reach them.

pub mod settings;
