//! Telling hooks what happens.

use std::collections::BTreeSet;
use std::sync::Arc;

use sprat_engine::http::HttpClient;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use crate::running::Running;
use crate::service::{Happening, HappeningKind};
use crate::settings::Webhook;
use crate::webhook::{EventKind, HookConfig, Webhooks};

/// Tells hooks of everything from now on, also of what happens before the task runs for the first time.
pub(super) fn start(running: &Arc<Running>, http: HttpClient) -> JoinHandle<()> {
    let happenings = running.service.happenings();
    tokio::spawn(notify(Arc::clone(running), happenings, http))
}

/// Runs as long as the daemon. Hooks that were changed in the settings hold from the next happening on.
async fn notify(
    running: Arc<Running>,
    mut happenings: broadcast::Receiver<Arc<Happening>>,
    http: HttpClient,
) {
    let mut hooks = Webhooks::new(http);
    let mut held: Vec<Webhook> = Vec::new();
    loop {
        match happenings.recv().await {
            Ok(happening) => {
                let wanted = running.layers().settings().webhooks.endpoints.clone();
                set(&mut hooks, &mut held, wanted);
                tell(&mut hooks, &happening);
            }
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "hooks were not told of everything"),
            Err(RecvError::Closed) => return,
        }
    }
}

fn set(hooks: &mut Webhooks, held: &mut Vec<Webhook>, wanted: Vec<Webhook>) {
    for (at, hook) in wanted.iter().enumerate().filter(|(at, hook)| held.get(*at) != Some(hook)) {
        let config = HookConfig {
            url: hook.url.reveal().clone(),
            secret: hook.secret.as_ref().map(|secret| secret.reveal().clone()),
            events: hook.events.iter().copied().collect::<BTreeSet<_>>(),
            paused: false,
        };
        hooks.set(&at.to_string(), config);
    }
    for at in wanted.len()..held.len() {
        hooks.remove(&at.to_string());
    }
    *held = wanted;
}

fn tell(hooks: &mut Webhooks, happening: &Happening) {
    let kind = match happening.kind {
        HappeningKind::Added => EventKind::Added,
        HappeningKind::MetadataFound => EventKind::Metadata,
        HappeningKind::Finished => EventKind::Finished,
        HappeningKind::Removed => EventKind::Removed,
        HappeningKind::TroubleBegan(_)
        | HappeningKind::MoveFailed { .. }
        | HappeningKind::FeedMatchFailed { .. } => EventKind::Trouble,
        HappeningKind::FeedMatch { .. } => EventKind::FeedMatch,
        HappeningKind::TroubleEnded | HappeningKind::GaveEnough | HappeningKind::Moved { .. } => return,
    };
    hooks.notify(kind, &serde_json::to_value(happening).unwrap_or_default());
}
