//! The last heads that a node signed, kept apart from everything else it stores.
//!
//! This file is what keeps a node from ever signing two roots for one size: it is written before a
//! signature exists. A folder restored from an older copy needs the newest such file put into it;
//! then a node whose leaves do not lead to what was signed refuses to start. Text:
//!
//! ```text
//! letopis-signed-heads/v1
//! log 1024 <base64 root>
//! cosigner 1024 <base64 root>
//! ```
//!
//! A line is left out while its key has signed nothing.

use std::fmt;

use letopis_ledger::encoding::parse_decimal;
use letopis_ledger::{Hash, TreeSize};
use thiserror::Error;

use crate::fatal::Fatal;
use crate::raft::types::TreeHead;

const HEADER: &str = "letopis-signed-heads/v1";
const LOG: &str = "log";
const COSIGNER: &str = "cosigner";

/// Why the file cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "line {line} of the file of signed heads is not what this program writes: restore the file; \
     without it the node could sign two roots for one size"
)]
pub struct SignedHeadsError {
    /// Number of the line, from 1.
    pub line: usize,
}

/// The largest heads that a node's keys have signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignedHeads {
    /// By the log's keys.
    pub log: Option<TreeHead>,
    /// By the node's cosigning key.
    pub cosigner: Option<TreeHead>,
}

impl SignedHeads {
    /// Reads the file.
    ///
    /// # Errors
    /// Anything that this program does not write.
    pub fn parse(text: &str) -> Result<Self, SignedHeadsError> {
        let mut heads = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let error = SignedHeadsError { line: number };
            let mut words = line.split(' ');
            let known = match (number, words.next()) {
                (1, Some(HEADER)) => continue,
                (_, Some(LOG)) => &mut heads.log,
                (_, Some(COSIGNER)) => &mut heads.cosigner,
                _ => return Err(error),
            };
            let size = words.next().and_then(parse_decimal).map(TreeSize::new);
            let root = words.next().and_then(|root| Hash::from_base64(root).ok());
            let (Some(size), Some(root)) = (size, root) else { return Err(error) };
            *known = Some(TreeHead { size, root });
        }
        // One spelling: this also refuses doubled, reordered and unterminated lines.
        if heads.to_string() != text {
            return Err(SignedHeadsError { line: text.lines().count().max(1) });
        }
        Ok(heads)
    }

    /// The largest size signed by any key.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        let size = |head: Option<TreeHead>| head.map_or(TreeSize::ZERO, |head| head.size);
        size(self.log).max(size(self.cosigner))
    }

    /// What the file must say before the log's keys sign this head.
    pub(crate) fn with_log(self, head: TreeHead) -> Result<Self, Fatal> {
        Ok(Self { log: Some(next(self.log, head)?), ..self })
    }

    /// What the file must say before the cosigning key signs this head.
    pub(crate) fn with_cosigner(self, head: TreeHead) -> Result<Self, Fatal> {
        Ok(Self { cosigner: Some(next(self.cosigner, head)?), ..self })
    }
}

/// Never a smaller size, never another root for the same size.
fn next(last: Option<TreeHead>, asked: TreeHead) -> Result<TreeHead, Fatal> {
    match last {
        Some(last) if asked.size < last.size => Err(Fatal::SignedBefore { asked, last }),
        Some(last) if asked.size == last.size && asked.root != last.root => {
            Err(Fatal::SignedBefore { asked, last })
        }
        _ => Ok(asked),
    }
}

impl fmt::Display for SignedHeads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        for (name, head) in [(LOG, self.log), (COSIGNER, self.cosigner)] {
            if let Some(head) = head {
                writeln!(f, "{name} {} {}", head.size, head.root)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64, root: &str) -> TreeHead {
        TreeHead { size: TreeSize::new(size), root: Hash::of(root.as_bytes()) }
    }

    #[test]
    fn golden_file() {
        let heads = SignedHeads { log: Some(head(7, "a")), cosigner: Some(head(6, "b")) };
        let text = "letopis-signed-heads/v1\n\
                    log 7 ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=\n\
                    cosigner 6 PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0=\n";
        assert_eq!(heads.to_string(), text);
        assert_eq!(SignedHeads::parse(text), Ok(heads));
        assert_eq!(heads.size(), TreeSize::new(7));
        for at in 0..text.len() {
            let mut damaged = text.as_bytes().to_vec();
            damaged[at] ^= 1;
            let read = std::str::from_utf8(&damaged).ok().map(SignedHeads::parse);
            assert_ne!(read, Some(Ok(heads)), "byte {at}");
        }
    }

    #[test]
    fn neither_another_root_nor_a_smaller_size_is_signed() {
        let heads = SignedHeads { log: Some(head(7, "a")), cosigner: None };
        assert_eq!(heads.with_log(head(7, "a")), Ok(heads));
        assert!(heads.with_log(head(8, "c")).is_ok());
        let refused = |asked| Err(Fatal::SignedBefore { asked, last: head(7, "a") });
        assert_eq!(heads.with_log(head(7, "b")), refused(head(7, "b")));
        assert_eq!(heads.with_log(head(6, "a")), refused(head(6, "a")));
        assert!(heads.with_cosigner(head(1, "x")).is_ok());
    }
}
