//! Where backups go: a folder, or anything that speaks the S3 API.
//!
//! A folder is named by its path or as `file:///path`; a bucket as `s3://bucket/prefix`, with the
//! usual `AWS_…` variables for credentials, region and, for other providers than Amazon,
//! `AWS_ENDPOINT`. Not here: what the objects hold.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use thiserror::Error;
use tokio::io::AsyncWriteExt;

/// Bytes of one part of a large object.
const PART_BYTES: usize = 8 << 20;

/// Why a target cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// The text names no target.
    #[error("{text} is no target for backups: {reason}; give a folder or s3://bucket/prefix")]
    Name {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An object could not be read or written.
    #[error("cannot {what} {object}: {reason}")]
    Object {
        /// What was to be done.
        what: &'static str,
        /// The object, or the folder of objects.
        object: String,
        /// What the store said.
        reason: String,
    },
}

/// A place that keeps backups. Clones share it.
#[derive(Clone)]
pub struct Target {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    name: Arc<str>,
}

impl Target {
    /// Reads a target's name and prepares it; a folder is made.
    ///
    /// # Errors
    /// The name is none, or the folder cannot be made.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let refused = |reason: String| TargetError::Name { text: text.to_owned(), reason };
        let Some(bucket) = text.strip_prefix("s3://") else {
            let folder = text.strip_prefix("file://").unwrap_or(text);
            if folder.is_empty() || folder.contains("://") {
                return Err(refused("it is neither a folder nor s3://".to_owned()));
            }
            return Self::folder(FilePath::new(folder)).map_err(|e| refused(e.to_string()));
        };
        let (bucket, prefix) = bucket.split_once('/').unwrap_or((bucket, ""));
        if bucket.is_empty() {
            return Err(refused("it has no bucket".to_owned()));
        }
        let prefix = Path::parse(prefix.trim_end_matches('/'));
        let prefix = prefix.map_err(|e| refused(e.to_string()))?;
        let store = AmazonS3Builder::from_env().with_bucket_name(bucket).build();
        let store = store.map_err(|e| refused(e.to_string()))?;
        Ok(Self { store: Arc::new(store), prefix, name: Arc::from(text) })
    }

    fn folder(folder: &FilePath) -> Result<Self, std::io::Error> {
        std::fs::create_dir_all(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(std::io::Error::other)?;
        let name = Arc::from(folder.to_string_lossy());
        Ok(Self { store: Arc::new(store.with_fsync(true)), prefix: Path::default(), name })
    }

    #[cfg(test)]
    pub(super) fn memory() -> Self {
        let store = Arc::new(object_store::memory::InMemory::new());
        Self { store, prefix: Path::from("some/where"), name: Arc::from("memory") }
    }

    /// Bytes of every object in a folder of objects, by name.
    pub(super) async fn list(&self, folder: &str) -> Result<BTreeMap<String, u64>, TargetError> {
        let prefix = self.path(folder);
        let listed = self.store.list(Some(&prefix)).map_ok(|meta| {
            let name = meta.location.filename().unwrap_or_default().to_owned();
            (format!("{folder}/{name}"), meta.size)
        });
        listed.try_collect().await.map_err(|e| failed("list", folder, &e))
    }

    /// The content of an object, or `None` when there is none.
    pub(super) async fn get(&self, object: &str) -> Result<Option<Bytes>, TargetError> {
        match self.store.get(&self.path(object)).await {
            Ok(found) => found.bytes().await.map(Some).map_err(|e| failed("read", object, &e)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read", object, &error)),
        }
    }

    /// The content of an object as it comes, or `None` when there is none.
    pub(super) async fn stream(
        &self,
        object: &str,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, TargetError>>>, TargetError> {
        match self.store.get(&self.path(object)).await {
            Ok(found) => {
                let object = object.to_owned();
                let read = found.into_stream();
                Ok(Some(read.map_err(move |e| failed("read", &object, &e)).boxed()))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read", object, &error)),
        }
    }

    pub(super) async fn put(&self, object: &str, bytes: Vec<u8>) -> Result<(), TargetError> {
        let put = self.store.put(&self.path(object), bytes.into()).await;
        put.map(drop).map_err(|e| failed("write", object, &e))
    }

    pub(super) async fn delete(&self, object: &str) -> Result<(), TargetError> {
        match self.store.delete(&self.path(object)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("delete", object, &error)),
        }
    }

    /// Begins to send an object of any length; it is there once the upload is finished.
    pub(super) fn upload(&self, object: &str) -> Upload {
        let store = Arc::clone(&self.store);
        let writer = BufWriter::with_capacity(store, self.path(object), PART_BYTES);
        Upload { writer, object: object.to_owned() }
    }

    fn path(&self, object: &str) -> Path {
        object.split('/').fold(self.prefix.clone(), Path::join)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// An object on its way.
pub(super) struct Upload {
    writer: BufWriter,
    object: String,
}

impl Upload {
    pub(super) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), TargetError> {
        let written = self.writer.put(bytes.into()).await;
        written.map_err(|e| failed("write", &self.object, &e))
    }

    pub(super) async fn finish(mut self) -> Result<(), TargetError> {
        let shut = self.writer.shutdown().await;
        shut.map_err(|e| failed("write", &self.object, &e))
    }

    /// Gives up: nothing of the object remains.
    pub(super) async fn abort(mut self) {
        if let Err(error) = self.writer.abort().await {
            tracing::debug!(object = self.object, %error, "an upload was not taken back");
        }
    }
}

fn failed(what: &'static str, object: &str, error: &dyn fmt::Display) -> TargetError {
    TargetError::Object { what, object: object.to_owned(), reason: error.to_string() }
}
