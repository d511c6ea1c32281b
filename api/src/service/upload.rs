//! Large bodies of requests, received into a temporary file instead of memory.

use std::io::{self, Write};

use axum::body::Body;
use futures::StreamExt;
use tempfile::NamedTempFile;
use thiserror::Error;

/// Most bytes of an uploaded file.
const UPLOAD_MAX_BYTES: u64 = 1 << 30;

/// Why a body was not received.
#[derive(Debug, Error)]
pub(crate) enum UploadError {
    /// More bytes than a file may have.
    #[error("the file is larger than {max_bytes} bytes")]
    TooLarge {
        /// Most bytes allowed.
        max_bytes: u64,
    },
    /// The connection broke.
    #[error("the file was not received whole: {reason}")]
    Broken {
        /// What happened.
        reason: String,
    },
    /// The disk failed.
    #[error("the file could not be stored: {0}")]
    Disk(#[from] io::Error),
}

/// Receives a body. The file is removed when the result is dropped.
pub(crate) async fn receive(body: Body) -> Result<NamedTempFile, UploadError> {
    let mut file = NamedTempFile::new()?;
    let mut chunks = body.into_data_stream();
    let mut size_bytes = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|e| UploadError::Broken { reason: e.to_string() })?;
        size_bytes += chunk.len() as u64;
        if size_bytes > UPLOAD_MAX_BYTES {
            return Err(UploadError::TooLarge { max_bytes: UPLOAD_MAX_BYTES });
        }
        file.write_all(&chunk)?;
    }
    file.flush()?;
    Ok(file)
}
