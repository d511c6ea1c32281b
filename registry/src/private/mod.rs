//! What the agency keeps to itself beside the log: disclosures, tokens, submissions under way,
//! drafts.
//!
//! One SQLite file, durable before a record is proposed: whoever reads a digest in the log can be
//! answered as long as this file exists. Writes of many callers are batched by one writer thread,
//! so that one sync serves them all. Not here: who may see what; encryption of the file's disk.

mod draft;
mod schema;
mod token;
mod writer;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures::channel::oneshot;
use letopis_ledger::Hash;
use letopis_ledger::disclosure::{Disclosure, DisclosureDigest};
use letopis_ledger::id::StreamName;
use rusqlite::{Connection, OptionalExtension, params};
use thiserror::Error;

pub use draft::{DRAFT_DAYS_MAX, Draft, DraftChange, SUBMITTED_DAYS_MAX};
pub use token::{AccessToken, TokenDigest, TokenError};

use crate::event::CaseId;
use writer::Writer;

/// Most connections that readers keep open.
const READERS_MAX: usize = 8;

/// Why the store failed. Nothing that was acknowledged is lost by it.
#[derive(Debug, Clone, Error)]
pub enum PrivateError {
    /// The database failed.
    #[error("private store {path}: {reason}; nothing was kept: free the disk or restore the file")]
    Database {
        /// The file.
        path: PathBuf,
        /// What the database says.
        reason: String,
    },
    /// The writer thread has stopped after an error, so durability cannot be promised any more.
    #[error("private store {path} has stopped writing; restart the node and read its log")]
    Stopped {
        /// The file.
        path: PathBuf,
    },
    /// The bytes of a file are not what was stored.
    #[error("private store: file {sha256} is damaged; restore the private store from a backup")]
    FileDamaged {
        /// The SHA-256 asked for.
        sha256: Hash,
    },
    /// Stored bytes are not what was stored.
    #[error("private store: disclosure {digest} is damaged; restore the file from a backup")]
    Damaged {
        /// The digest asked for.
        digest: DisclosureDigest,
    },
}

/// What must be durable before a record is proposed.
#[derive(Debug, Default)]
pub struct PrivateBatch {
    /// Disclosures, each with the stream that it belongs to.
    pub disclosures: Vec<(StreamName, Disclosure)>,
    /// Tokens that give access to a stream.
    pub tokens: Vec<(TokenDigest, StreamName)>,
    /// A submission under way.
    pub submission: Option<Submission>,
    /// Files that go out, each with the stream that it belongs to.
    pub files: Vec<(StreamName, Vec<u8>)>,
    /// What becomes of drafts.
    pub drafts: Vec<DraftChange>,
}

/// A submission as the client's idempotency key finds it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// SHA-256 of the client's key.
    pub key: Hash,
    /// SHA-256 of what was submitted with it.
    pub input: Hash,
    /// The case that it made.
    pub case: CaseId,
    /// The signed record, to be proposed again as it is.
    pub signed_record: Vec<u8>,
}

/// The store. Clones share it.
#[derive(Debug, Clone)]
pub struct PrivateStore {
    path: Arc<Path>,
    writer: Arc<Writer>,
    readers: Arc<Mutex<Vec<Connection>>>,
}

impl PrivateStore {
    /// Opens or makes the store.
    ///
    /// # Errors
    /// The file cannot be opened, or is of a newer shape.
    pub fn open(path: &Path) -> Result<Self, PrivateError> {
        let database = |e: rusqlite::Error| failed(path, &e);
        let mut connection = Connection::open(path).map_err(database)?;
        schema::prepare(&mut connection).map_err(database)?;
        Ok(Self {
            path: path.into(),
            writer: Arc::new(Writer::start(path, connection)),
            readers: Arc::default(),
        })
    }

    /// Keeps a batch; when this resolves to `Ok`, it is on disk. Putting the same again is
    /// harmless. A submission whose key is already there is replaced only if it is the same case.
    pub fn put(
        &self,
        batch: PrivateBatch,
    ) -> impl Future<Output = Result<(), PrivateError>> + Send + 'static {
        let receipt: oneshot::Receiver<Result<(), String>> = self.writer.send(batch);
        let path = Arc::clone(&self.path);
        async move {
            match receipt.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(reason)) => Err(PrivateError::Database { path: path.to_path_buf(), reason }),
                Err(_) => Err(PrivateError::Stopped { path: path.to_path_buf() }),
            }
        }
    }

    /// The disclosures of digests, in their order; `None` for one that is not here.
    ///
    /// # Errors
    /// See [`PrivateError`].
    pub fn open_digests(
        &self,
        digests: &[DisclosureDigest],
    ) -> Result<Vec<Option<Disclosure>>, PrivateError> {
        let texts: Vec<Option<String>> = self.read(|connection| {
            let mut select =
                connection.prepare_cached("SELECT text FROM disclosure WHERE digest = ?1")?;
            let mut find = |digest: &DisclosureDigest| {
                select.query_row([digest.hash().as_bytes()], |row| row.get(0)).optional()
            };
            digests.iter().map(&mut find).collect()
        })?;
        let parse = |(text, digest): (Option<String>, &DisclosureDigest)| match text {
            None => Ok(None),
            Some(text) => match Disclosure::parse(&text) {
                Ok(disclosure) if disclosure.digest() == *digest => Ok(Some(disclosure)),
                _ => Err(PrivateError::Damaged { digest: *digest }),
            },
        };
        texts.into_iter().zip(digests).map(parse).collect()
    }

    /// Whether a token gives access to a stream.
    ///
    /// # Errors
    /// See [`PrivateError`].
    pub fn admits(&self, token: &AccessToken, stream: &StreamName) -> Result<bool, PrivateError> {
        let digest = token.digest();
        self.read(|connection| {
            connection
                .prepare_cached("SELECT 1 FROM token WHERE digest = ?1 AND stream = ?2")?
                .exists(params![digest.as_bytes(), stream.as_str()])
        })
    }

    /// The digests of the tokens that give access to a stream.
    ///
    /// # Errors
    /// See [`PrivateError`].
    pub fn tokens_of(&self, stream: &StreamName) -> Result<Vec<TokenDigest>, PrivateError> {
        self.read(|connection| {
            let mut select = connection
                .prepare_cached("SELECT digest FROM token WHERE stream = ?1 ORDER BY digest")?;
            let rows = select
                .query_map([stream.as_str()], |row| row.get(0).map(TokenDigest::from_bytes))?;
            rows.collect()
        })
    }

    /// The bytes of a file by their SHA-256.
    ///
    /// # Errors
    /// See [`PrivateError`]; the stored bytes have another hash, among others.
    pub fn file(&self, sha256: &Hash) -> Result<Option<Vec<u8>>, PrivateError> {
        let found: Option<Vec<u8>> = self.read(|connection| {
            connection
                .prepare_cached("SELECT bytes FROM file WHERE sha256 = ?1")?
                .query_row([sha256.as_bytes()], |row| row.get(0))
                .optional()
        })?;
        match found {
            Some(bytes) if Hash::of(&bytes) != *sha256 => {
                Err(PrivateError::FileDamaged { sha256: *sha256 })
            }
            found => Ok(found),
        }
    }

    /// The submission of an idempotency key.
    ///
    /// # Errors
    /// See [`PrivateError`].
    pub fn submission(&self, key: &Hash) -> Result<Option<Submission>, PrivateError> {
        let found: Option<([u8; 32], String, Vec<u8>)> = self.read(|connection| {
            connection
                .prepare_cached("SELECT input, case_id, record FROM submission WHERE key = ?1")?
                .query_row([key.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()
        })?;
        let Some((input, case, signed_record)) = found else { return Ok(None) };
        let case = CaseId::parse(&case).map_err(|e| PrivateError::Database {
            path: self.path.to_path_buf(),
            reason: e.to_string(),
        })?;
        Ok(Some(Submission { key: *key, input: Hash::from_bytes(input), case, signed_record }))
    }

    /// Writes a consistent copy of everything that is durable now, as one database file.
    ///
    /// # Errors
    /// See [`PrivateError`]; the file must not be there yet.
    pub fn copy_to(&self, copy: &Path) -> Result<(), PrivateError> {
        let copied = schema::reader(&self.path).and_then(|connection| {
            connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()]).map(drop)
        });
        copied.map_err(|error| failed(&self.path, &error))
    }

    fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, PrivateError> {
        let idle = self.readers.lock().expect("invariant: no reader panics").pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::reader(&self.path).map_err(|e| failed(&self.path, &e))?,
        };
        let found = query(&connection).map_err(|e| failed(&self.path, &e))?;
        let mut readers = self.readers.lock().expect("invariant: no reader panics");
        if readers.len() < READERS_MAX {
            readers.push(connection);
        }
        Ok(found)
    }
}

fn failed(path: &Path, error: &rusqlite::Error) -> PrivateError {
    PrivateError::Database { path: path.to_path_buf(), reason: error.to_string() }
}

#[cfg(test)]
mod test;
