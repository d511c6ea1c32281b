//! Where work that blocks a thread runs: beside the tasks where there are several threads, in
//! place where there is one. A simulation has one, and what it does must not depend on others.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Whether everything of this runtime happens on one thread.
pub(crate) fn is_single_threaded() -> bool {
    Handle::try_current().is_ok_and(|h| h.runtime_flavor() == RuntimeFlavor::CurrentThread)
}

/// Runs work that blocks.
pub(crate) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if is_single_threaded() {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => unreachable!("invariant: blocking work is never aborted"),
        },
    }
}
