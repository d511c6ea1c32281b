//! The public log in the formats of process mining: OCEL 2.0 and XES (IEEE 1849).
//!
//! Only cases and entries, only what the log tells everybody: codes, numbers, instants, officials
//! by their ids; no field of a form and no name. Leaves are taken one at a time into a file on
//! disk, so a log of any length fits. Not here: where leaves come from, and whether they verify.

mod ocel;
mod spool;
mod told;
mod xes;

use thiserror::Error;

pub use ocel::OcelExport;
pub use xes::XesExport;

/// Why an export failed.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The file could not be written.
    #[error("the export could not be written: {0}")]
    Write(#[from] std::io::Error),
    /// The file on disk that holds what waits to be written failed.
    #[error("the temporary file of the export failed: {0}; make room where temporary files lie")]
    Spool(#[from] rusqlite::Error),
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Objects of OCEL, or traces of XES.
    pub objects: u64,
    /// Events.
    pub events: u64,
}

#[cfg(test)]
mod test;
