//! How an event loop ends.

use std::time::Duration;

use tokio::runtime::Runtime;

/// How long what still runs on threads of its own may take when a runtime ends.
const LAST_PATIENCE: Duration = Duration::from_millis(300);

/// Ends a runtime, at most 300 ms later.
///
/// Dropping it instead would wait without limit for what cannot be broken off, of which looking up a name is the most
/// common: where no name server answers, the system takes ten seconds and more for each. Whatever has to be on the disk
/// must have been awaited before.
pub fn end(runtime: Runtime) {
    runtime.shutdown_timeout(LAST_PATIENCE);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn an_end_does_not_wait_for_what_cannot_be_broken_off() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (begun, beginning) = mpsc::channel();
        let (answer, no_answer) = mpsc::channel::<()>();
        let (over, end_of_question) = mpsc::channel();
        runtime.spawn_blocking(move || {
            begun.send(()).unwrap();
            let _ = no_answer.recv();
            over.send(()).unwrap();
        });
        beginning.recv().unwrap();
        end(runtime);
        assert!(end_of_question.try_recv().is_err(), "it has waited for the answer");
        drop(answer);
        end_of_question.recv().unwrap();
    }
}
