//! Checks author signatures on threads of their own, one for each core.
//!
//! A check takes some 30 µs of pure computation: many of them on the threads that run the Raft core
//! would hold it up, and one thread each would only make the cores switch between them. A check
//! that is alone runs where it is, which is the fastest for a single caller, and so does every
//! check where there is one thread.
//!
//! Not here: which keys are in force; the append machine decides that when the record is applied.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use letopis_ledger::key::{AuthorKey, KeyError};
use letopis_ledger::record::SignedRecord;
use tokio::sync::oneshot;

use crate::metric;
use crate::runtime::is_single_threaded;

/// A record, its keys in the order of its signatures, and who waits.
struct Job {
    record: SignedRecord,
    keys: Vec<AuthorKey>,
    done: oneshot::Sender<Result<SignedRecord, KeyError>>,
}

/// The threads' queue; they end when it is dropped.
pub(crate) struct Verifier {
    /// Everything happens on one thread: a check runs where it is.
    in_place: bool,
    jobs: Sender<Job>,
    under_way: AtomicUsize,
}

impl Verifier {
    /// Starts the threads.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let in_place = is_single_threaded();
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let cores = if in_place { 0 } else { cores };
        for number in 0..cores {
            let queue = Arc::clone(&queue);
            let name = format!("signatures-{number}");
            std::thread::Builder::new().name(name).spawn(move || work(&queue))?;
        }
        Ok(Self { in_place, jobs, under_way: AtomicUsize::new(0) })
    }

    /// Checks every signature of a record, or `None` when the threads have ended.
    pub(crate) async fn verify(
        &self,
        record: SignedRecord,
        keys: Vec<AuthorKey>,
    ) -> Option<Result<SignedRecord, KeyError>> {
        let others = self.under_way.fetch_add(1, Ordering::Relaxed);
        let verified = if others == 0 || self.in_place {
            Some(verify_all(record, &keys))
        } else {
            let (done, verified) = oneshot::channel();
            match self.jobs.send(Job { record, keys, done }) {
                Ok(()) => verified.await.ok(),
                Err(_) => None,
            }
        };
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        verified
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: whoever has it takes the next record.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { record, keys, done }) = job else { return };
        // A caller that went away needs no answer.
        let _ = done.send(verify_all(record, &keys));
    }
}

fn verify_all(record: SignedRecord, keys: &[AuthorKey]) -> Result<SignedRecord, KeyError> {
    assert_eq!(record.signatures().len(), keys.len(), "one key for each signature");
    // The work itself, without the wait for a thread.
    let started = Instant::now();
    let mut pairs = record.signatures().iter().zip(keys);
    let verified =
        pairs.try_for_each(|((_, signature), key)| key.verify(record.record_bytes(), signature));
    metric::signature_checked(started.elapsed());
    verified.map(|()| record)
}

#[cfg(test)]
mod tests {
    use letopis_ledger::key::AuthorSignature;

    use super::*;
    use crate::machine::test_records::{event, founder};

    #[tokio::test(flavor = "multi_thread")]
    async fn many_records_get_each_its_own_answer() {
        let verifier = Arc::new(Verifier::start().unwrap());
        let mut checks = tokio::task::JoinSet::new();
        for number in 0..200 {
            let verifier = Arc::clone(&verifier);
            checks.spawn(async move {
                let mut record = founder().record(number, vec![event("case/1", 0)], vec![]);
                if number % 2 == 1 {
                    let key = record.signatures()[0].0;
                    let forged = vec![(key, AuthorSignature::from_bytes([1; 64]))];
                    record = SignedRecord::from_parts(record.record().clone(), forged).unwrap();
                }
                let verified = verifier.verify(record.clone(), vec![founder().key()]).await;
                match verified.unwrap() {
                    Ok(verified) => verified == record && number % 2 == 0,
                    Err(error) => matches!(error, KeyError::BadSignature { .. }) && number % 2 == 1,
                }
            });
        }
        assert!(checks.join_all().await.into_iter().all(|held| held));
    }
}
