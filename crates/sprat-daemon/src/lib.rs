//! The daemon: torrents that are looked after for years, and the interfaces by which people and programs reach them.

pub mod access;
pub mod api;
pub mod clock;
pub mod http;
pub mod labels;
pub mod notify;
pub mod service;
pub mod settings;
pub mod space;
pub mod statistics;
pub mod torrents;

pub use service::{Service, ServiceConfig};
