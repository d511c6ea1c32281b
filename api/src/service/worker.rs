//! Takes cases forward in the background until each has ended or waits for somebody.
//!
//! As many at once as the configuration allows. A case that waits for nothing but time is looked at
//! again at the instant that its terms name. What is open when the process ends is taken up again
//! at the next start, so nothing here needs to be durable.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use letopis_consensus::{AppendError, LedgerHandle, Receipt};
use letopis_ledger::Timestamp;
use letopis_ledger::record::SignedRecord;
use letopis_registry::engine::{AppendRefused, EngineError};
use letopis_registry::environment::Clock;
use letopis_registry::event::CaseId;
use metrics::{counter, gauge};
use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Engine;
use super::environment::System;

/// Shortest and longest wait before a ledger that is busy or not ready is asked again.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Longest wait before the clock is looked at again.
const CLOCK_CHECK: Duration = Duration::from_secs(60);

/// Cases to look at again, by instant.
#[derive(Debug, Default)]
struct Timers {
    due: Mutex<BTreeSet<(Timestamp, CaseId)>>,
    changed: Notify,
}

/// Takes cases forward.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    engine: Arc<Engine>,
    places: Arc<Semaphore>,
    timers: Arc<Timers>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Worker {
    /// A worker for as many cases at once.
    pub(crate) fn new(engine: Arc<Engine>, at_once: usize) -> Self {
        let worker = Self {
            engine,
            places: Arc::new(Semaphore::new(at_once.max(1))),
            timers: Arc::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        };
        let timing = worker.clone();
        worker.tasks.spawn(async move {
            tokio::select! {
                () = timing.keep_time() => {}
                () = timing.stopping.cancelled() => {}
            }
        });
        worker
    }

    /// Takes up each case when its instant has come.
    async fn keep_time(&self) {
        loop {
            let next = self.timers.first();
            let now = System.now();
            match next {
                Some((at, case)) if at < now => {
                    self.timers.remove(at, case);
                    self.take_up(case);
                }
                Some((at, _)) => {
                    let wait = u64::try_from(at.unix_ms() - now.unix_ms() + 1).unwrap_or(1);
                    // Not longer than this, because a clock on the wall may be set.
                    let wait = Duration::from_millis(wait).min(CLOCK_CHECK);
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.timers.changed.notified() => {}
                    }
                }
                None => self.timers.changed.notified().await,
            }
        }
    }

    /// Takes a case forward as soon as there is a place.
    pub(crate) fn take_up(&self, case: CaseId) {
        let worker = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = worker.work(case) => {}
                () = worker.stopping.cancelled() => {}
            }
        });
    }

    /// Takes up cases that wait for an answer of this one.
    fn take_up_waiting(&self, case: CaseId) {
        match self.engine.model().cases_waiting_for(case) {
            Ok(waiting) => waiting.value.into_iter().for_each(|waiting| self.take_up(waiting)),
            Err(error) => tracing::error!(%case, %error, "waiting cases cannot be taken up"),
        }
    }

    /// Stops; what is under way is left where the ledger has it.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn work(&self, case: CaseId) {
        let place = self.places.acquire().await;
        let _place = place.expect("invariant: the places are never closed");
        gauge!("letopis_cases_under_way").increment(1.0);
        let mut wait = RETRY_MIN;
        loop {
            match self.engine.advance(case).await {
                Ok(progress) => {
                    counter!("letopis_cases_advanced_total", "status" => progress.status.as_str())
                        .increment(1);
                    if let Some(at) = progress.look_again_at {
                        self.timers.add(at, case);
                    }
                    self.take_up_waiting(case);
                    break;
                }
                Err(error) if passes_by_itself(&error) => {
                    sleep(wait).await;
                    wait = (wait * 2).min(RETRY_MAX);
                }
                Err(error) => {
                    // The case stays open and visible; an official or a restart takes it up.
                    counter!("letopis_cases_stuck_total").increment(1);
                    tracing::error!(%case, %error, "a case cannot be taken forward");
                    // It may have got the answer that another one waits for before it stuck.
                    self.take_up_waiting(case);
                    break;
                }
            }
        }
        gauge!("letopis_cases_under_way").decrement(1.0);
    }
}

impl Timers {
    fn add(&self, at: Timestamp, case: CaseId) {
        self.lock().insert((at, case));
        self.changed.notify_one();
    }

    fn first(&self) -> Option<(Timestamp, CaseId)> {
        self.lock().first().copied()
    }

    fn remove(&self, at: Timestamp, case: CaseId) {
        self.lock().remove(&(at, case));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Timestamp, CaseId)>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn passes_by_itself(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::TooManyRaces { .. }
            | EngineError::Append(AppendRefused::Busy { .. } | AppendRefused::Unavailable { .. })
    )
}

/// Appends a record to a ledger that may not have elected its leader yet.
pub(crate) async fn append_when_ready(
    ledger: &LedgerHandle,
    record: SignedRecord,
) -> Result<Receipt, AppendError> {
    let mut wait = RETRY_MIN;
    loop {
        match ledger.append(record.clone()).await {
            Err(AppendError::Unavailable | AppendError::Busy { .. }) => {
                sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
            other => return other,
        }
    }
}
