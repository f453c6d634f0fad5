//! The files of the page, by name. A test compares them with what is in the folder.

use super::File;

macro_rules! files {
    ($($name:literal)*) => {
        &[$( File { name: $name, bytes: include_bytes!(concat!("../../page/", $name)) }, )*]
    };
}

/// All of them.
pub(super) const FILES: &[File] = files![
    "index.html"
    "style.css"
    "icon.svg"
    "sprat.webmanifest"
    "scripts/actions.js"
    "scripts/add.js"
    "scripts/alerts.js"
    "scripts/api.js"
    "scripts/bits.js"
    "scripts/changes.js"
    "scripts/columns.js"
    "scripts/details.js"
    "scripts/details/files.js"
    "scripts/details/overview.js"
    "scripts/details/peers.js"
    "scripts/details/speed.js"
    "scripts/details/table.js"
    "scripts/details/trackers.js"
    "scripts/dialog.js"
    "scripts/dom.js"
    "scripts/filetree.js"
    "scripts/format.js"
    "scripts/graph.js"
    "scripts/history.js"
    "scripts/icons.js"
    "scripts/keyboard.js"
    "scripts/list.js"
    "scripts/login.js"
    "scripts/main.js"
    "scripts/menu.js"
    "scripts/pieces.js"
    "scripts/query.js"
    "scripts/selection.js"
    "scripts/settings.js"
    "scripts/sidebar.js"
    "scripts/stream.js"
    "scripts/theme.js"
    "scripts/torrents.js"
];
