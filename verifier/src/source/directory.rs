//! A log in a folder: a mirror, or a copy of one.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use super::{LogSource, SourceError};

/// A folder with the files of a public log.
#[derive(Debug)]
pub struct DirectorySource(PathBuf);

impl DirectorySource {
    /// Takes a folder; it is read only when something is asked for.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }
}

impl LogSource for DirectorySource {
    fn get(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, SourceError> {
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                SourceError::NotFound { path: path.to_owned() }
            }
            _ => SourceError::Failed { path: path.to_owned(), reason: error.to_string() },
        };
        let file = File::open(self.0.join(path)).map_err(failed)?;
        let mut bytes = Vec::new();
        let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
        file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > max_bytes {
            return Err(SourceError::TooLarge { path: path.to_owned(), max_bytes });
        }
        Ok(bytes)
    }

    fn location(&self) -> String {
        self.0.display().to_string()
    }
}
