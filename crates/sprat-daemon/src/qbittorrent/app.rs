//! `app/…`: which program this is taken for, and its preferences.
//!
//! It is version 5.1.4 with version 2.11.4 of the Web API: the last one before answers became JSON and cookies were renamed, which
//! programs have yet to learn, and of the generation that says stop and start. Programs that speak of pause and resume are
//! understood all the same.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::params::Params;
use super::preferences::{self, View};
use super::state::Web;

/// The program.
pub(super) const VERSION: &str = "v5.1.4";

/// The interface.
pub(super) const API_VERSION: &str = "2.11.4";

/// `app/buildInfo`: there are no such libraries in here.
pub(super) fn build_info() -> Json<Value> {
    Json(json!({
        "bitness": usize::BITS, "boost": "", "libtorrent": concat!("sprat ", env!("CARGO_PKG_VERSION")), "openssl": "",
        "platform": std::env::consts::OS, "qt": "", "zlib": "",
    }))
}

/// `app/defaultSavePath`
pub(super) fn default_save_path(web: &Web) -> String {
    web.service.choices().downloads.display().to_string()
}

/// `app/preferences`
pub(super) fn preferences(web: &Web) -> Map<String, Value> {
    let choices = web.service.choices();
    preferences::all(&View {
        choices: &choices,
        fixed: web.service.fixed(),
        port: web.service.client().port(),
    })
}

/// `app/setPreferences`: what sprat has is changed; what it does not have, and was to be otherwise than it is, is named in a refusal.
pub(super) async fn set_preferences(State(web): State<Arc<Web>>, params: Params) -> Result<(), Failure> {
    let wishes: Map<String, Value> =
        serde_json::from_str(params.needed("json")?).map_err(Failure::bad_request)?;
    let (before, said) = (web.service.choices(), preferences(&web));
    let differing: Map<String, Value> =
        wishes.into_iter().filter(|(name, wish)| !said.get(name).is_some_and(|so| is_so(so, wish))).collect();
    let after = preferences::chosen(&differing, &before)?;
    if after != before {
        (web.around.choose)(before, after).await.map_err(Failure::conflict)?;
    }
    let refused: Vec<&str> =
        differing.keys().map(String::as_str).filter(|name| !preferences::HEEDED.contains(name)).collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(Failure::conflict(format!(
        "done but for this, which cannot be changed from here: {}",
        refused.join(", ")
    )))
}

/// Numbers are alike if they are equal.
fn is_so(so: &Value, wish: &Value) -> bool {
    so == wish || (so.is_number() && so.as_f64() == wish.as_f64())
}
