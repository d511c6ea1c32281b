//! The one door to what makes files of papers. Not here: how they look; the tests have a twin that
//! sets plain text.

use jiff::civil::Date;
use thiserror::Error;

use crate::messages::Language;

/// A paper as it is set.
#[derive(Clone)]
pub struct Paper {
    /// Language of its text.
    pub language: Language,
    /// Its title.
    pub title: String,
    /// Whose name stands on it.
    pub issuer: String,
    /// The day that it is of.
    pub date: Date,
    /// Its text, in Markdown.
    pub markdown: String,
    /// Path of the page that checks it, below the agency's address.
    pub check_path: String,
    /// What the code that leads there is, for who cannot see it.
    pub code_description: String,
    /// What stands beside the code.
    pub check_lines: Vec<String>,
    /// Name of the machine-readable form, which is attached.
    pub data_name: String,
    /// What the attachment is.
    pub data_description: String,
    /// The machine-readable form: canonical JSON.
    pub data: Vec<u8>,
}

/// Makes files of papers. The same paper must always give the same bytes.
pub trait Typesetter: Send + Sync {
    /// The paper as a PDF file.
    ///
    /// # Errors
    /// The text cannot be set.
    fn pdf(&self, paper: &Paper) -> Result<Vec<u8>, TypesettingFailed>;
}

/// A paper was not set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the paper cannot be set: {reason}; nothing was issued")]
pub struct TypesettingFailed {
    /// Why not.
    pub reason: String,
}
