//! The daemon: torrents that are looked after for years, and the interfaces by which people and programs reach them.

pub mod api;
pub mod clock;
pub mod labels;
pub mod page;
pub mod service;
pub mod space;
pub mod statistics;
pub mod torrents;

pub use service::{Service, ServiceConfig};
