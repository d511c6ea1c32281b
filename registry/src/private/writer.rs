//! The one writer of the private store: a thread that commits whatever is waiting at once.
//!
//! While one commit syncs, more batches arrive, and the next commit takes them all: the number of
//! syncs does not grow with the number of callers.

use std::fmt;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use futures::channel::oneshot;
use letopis_ledger::Hash;
use rusqlite::{Connection, params};

use super::PrivateBatch;

/// Most batches of one commit, so that the first caller does not wait without end.
const COMMIT_BATCHES_MAX: usize = 1_024;

type Receipt = oneshot::Sender<Result<(), String>>;

/// The hand that callers hold; the thread ends when the last one is gone.
pub(super) struct Writer {
    jobs: Sender<(PrivateBatch, Receipt)>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Panics
    /// The system cannot start a thread.
    pub(super) fn start(path: &Path, connection: Connection) -> Self {
        let (jobs, waiting) = channel();
        let path = path.to_path_buf();
        thread::Builder::new()
            .name("private-store".into())
            .spawn(move || {
                if let Err(error) = write_all(connection, &waiting) {
                    // After a failed commit the state of the file is unknown to us: no later write
                    // may be acknowledged, and callers see that the store has stopped.
                    tracing::error!(path = %path.display(), %error, "the private store stopped");
                }
            })
            .expect("invariant: the system can start a thread");
        Self { jobs }
    }

    /// Hands a batch over; the receipt says when it is on disk.
    pub(super) fn send(&self, batch: PrivateBatch) -> oneshot::Receiver<Result<(), String>> {
        let (receipt, waiting) = oneshot::channel();
        // When the thread has stopped, the receipt is dropped here and the caller sees that.
        let _stopped = self.jobs.send((batch, receipt));
        waiting
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

fn write_all(
    mut connection: Connection,
    waiting: &Receiver<(PrivateBatch, Receipt)>,
) -> Result<(), rusqlite::Error> {
    while let Ok(first) = waiting.recv() {
        let mut jobs = vec![first];
        while jobs.len() < COMMIT_BATCHES_MAX
            && let Ok(next) = waiting.try_recv()
        {
            jobs.push(next);
        }
        match commit(&mut connection, &jobs) {
            Ok(()) => {
                for (_, receipt) in jobs {
                    // A caller that went away needs no receipt.
                    let _gone = receipt.send(Ok(()));
                }
            }
            Err(error) => {
                for (_, receipt) in jobs {
                    let _gone = receipt.send(Err(error.to_string()));
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

fn commit(
    connection: &mut Connection,
    jobs: &[(PrivateBatch, Receipt)],
) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction()?;
    {
        let mut disclosure = transaction.prepare_cached(
            "INSERT INTO disclosure (digest, stream, text) VALUES (?1, ?2, ?3)
             ON CONFLICT (digest) DO NOTHING",
        )?;
        let mut token = transaction.prepare_cached(
            "INSERT INTO token (digest, stream) VALUES (?1, ?2)
                             ON CONFLICT DO NOTHING",
        )?;
        let mut submission = transaction.prepare_cached(
            "INSERT INTO submission (key, input, case_id, record) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (key) DO UPDATE SET record = excluded.record
             WHERE case_id = excluded.case_id AND input = excluded.input",
        )?;
        let mut file = transaction.prepare_cached(
            "INSERT INTO file (sha256, stream, bytes) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?;
        for (batch, _) in jobs {
            for (stream, bytes) in &batch.files {
                file.execute(params![Hash::of(bytes).as_bytes(), stream.as_str(), bytes])?;
            }
            for (stream, opened) in &batch.disclosures {
                let digest = opened.digest();
                disclosure.execute(params![
                    digest.hash().as_bytes(),
                    stream.as_str(),
                    opened.as_str()
                ])?;
            }
            for (digest, stream) in &batch.tokens {
                token.execute(params![digest.as_bytes(), stream.as_str()])?;
            }
            for change in &batch.drafts {
                change.write(&transaction)?;
            }
            if let Some(row) = &batch.submission {
                submission.execute(params![
                    row.key.as_bytes(),
                    row.input.as_bytes(),
                    row.case.to_string(),
                    row.signed_record,
                ])?;
            }
        }
    }
    transaction.commit()
}
