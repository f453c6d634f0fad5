//! The daemon: torrents that are looked after for years, and the interfaces by which people and programs reach them.

pub mod access;
pub mod api;
pub mod choosing;
pub mod clock;
pub mod daemon;
mod feeding;
pub mod feeds;
pub mod fetch;
pub mod fetching;
pub mod http;
pub mod labels;
pub mod log;
pub mod media_type;
pub mod metrics;
pub mod notify;
pub mod page;
pub mod qbittorrent;
mod running;
pub mod schedule;
pub mod service;
pub mod settings;
pub mod space;
pub mod state;
pub mod statistics;
pub mod streaming;
pub mod torrents;
pub mod transmission;
pub mod watch_folder;
pub mod webhook;

pub use daemon::{Daemon, DaemonError, Options};
pub use service::{Service, ServiceConfig};
