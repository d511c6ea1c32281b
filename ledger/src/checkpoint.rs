//! Checkpoints: the three lines that name a log, its size and its root (C2SP tlog-checkpoint).
//!
//! Not here: the signatures under them (`note`, `cosignature`) and whom to trust (`policy`).

use std::fmt;

use thiserror::Error;

use crate::encoding::{Base64Error, parse_decimal};
use crate::hash::{Hash, empty_root};
use crate::position::TreeSize;

/// The name of a log, first line of its checkpoints, for example `registry.example.org/log`.
///
/// Not empty and without control characters. The specification advises a URL without a scheme and
/// asks readers not to rely on that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

/// Why an origin was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OriginError {
    /// The text is empty.
    #[error("the origin is empty; name the log, for example registry.example.org/log")]
    Empty,
    /// A character below U+0020, which would break the line.
    #[error("the origin has control character U+{code:04X}; remove it")]
    ControlCharacter {
        /// The character's code point.
        code: u32,
    },
}

impl Origin {
    /// Takes a text as an origin.
    ///
    /// # Errors
    /// The text is empty or has control characters.
    pub fn new(text: &str) -> Result<Self, OriginError> {
        if text.is_empty() {
            return Err(OriginError::Empty);
        }
        if let Some(control) = text.chars().find(|c| *c < ' ') {
            return Err(OriginError::ControlCharacter { code: control.into() });
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a checkpoint body was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// The last line is not terminated.
    #[error("the checkpoint does not end in a newline; it may have been cut short")]
    MissingFinalNewline,
    /// Fewer lines than origin, size and root.
    #[error("the checkpoint has {found} lines, at least 3 are required: origin, size, root")]
    LineCount {
        /// Lines found.
        found: usize,
    },
    /// A line without characters.
    #[error("line {line} of the checkpoint is empty")]
    EmptyLine {
        /// Number of the line, from 1.
        line: usize,
    },
    /// A character below U+0020 that is not a newline.
    #[error("line {line} of the checkpoint has control character U+{code:04X}")]
    ControlCharacter {
        /// Number of the line, from 1.
        line: usize,
        /// The character's code point.
        code: u32,
    },
    /// The size is not a canonical decimal that fits 64 bits.
    #[error("{text:?} is not a tree size; a decimal below 2^64 without leading zeros is required")]
    Size {
        /// The line as found.
        text: String,
    },
    /// The root is not the canonical base64 of 32 bytes.
    #[error("the root hash is refused: {0}")]
    Root(#[from] Base64Error),
    /// Size 0 with a root other than the hash of nothing.
    #[error("a tree without leaves has root {}, not {found}", empty_root())]
    EmptyTreeRoot {
        /// Root found.
        found: Hash,
    },
}

/// What a log states of itself: at this size, its root is this hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: Origin,
    size: TreeSize,
    root: Hash,
    extension_lines: Vec<String>,
}

impl Checkpoint {
    /// A checkpoint of a log, without extension lines.
    ///
    /// # Panics
    /// The size is 0 and the root is not that of the empty tree: such a statement is false.
    #[must_use]
    pub fn new(origin: Origin, size: TreeSize, root: Hash) -> Self {
        assert!(size > TreeSize::ZERO || root == empty_root(), "an empty tree has one root only");
        Self { origin, size, root, extension_lines: Vec::new() }
    }

    /// Reads a checkpoint body, which is the text of a signed note, in its one spelling.
    ///
    /// # Errors
    /// The first rule of tlog-checkpoint that does not hold.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::MissingFinalNewline)?;
        let lines: Vec<&str> = body.split('\n').collect();
        for (line, content) in (1..).zip(&lines) {
            if content.is_empty() {
                return Err(CheckpointError::EmptyLine { line });
            }
            if let Some(control) = content.chars().find(|c| *c < ' ') {
                return Err(CheckpointError::ControlCharacter { line, code: control.into() });
            }
        }
        let [origin, size, root, extension_lines @ ..] = lines.as_slice() else {
            return Err(CheckpointError::LineCount { found: lines.len() });
        };
        let origin = Origin::new(origin).expect("invariant: every line was checked above");
        let size = parse_decimal(size)
            .map(TreeSize::new)
            .ok_or_else(|| CheckpointError::Size { text: (*size).to_owned() })?;
        let root = Hash::from_base64(root)?;
        if size == TreeSize::ZERO && root != empty_root() {
            return Err(CheckpointError::EmptyTreeRoot { found: root });
        }
        let extension_lines = extension_lines.iter().map(|line| (*line).to_owned()).collect();
        Ok(Self { origin, size, root, extension_lines })
    }

    /// Name of the log.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// Root of the tree of that many leaves.
    #[must_use]
    pub const fn root(&self) -> &Hash {
        &self.root
    }

    /// Lines after the root, without meaning here. This log writes none; others may.
    #[must_use]
    pub fn extension_lines(&self) -> &[String] {
        &self.extension_lines
    }
}

/// The note text: each line terminated by a newline.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)?;
        self.extension_lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of the specification.
    const EXAMPLE: &str = "example.com/behind-the-sofa\n\
                           20852163\n\
                           CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_example_of_the_specification_reads_and_prints() {
        let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
        assert_eq!(checkpoint.origin().as_str(), "example.com/behind-the-sofa");
        assert_eq!(checkpoint.size(), TreeSize::new(20_852_163));
        assert_eq!(checkpoint.root().to_base64(), "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=");
        assert_eq!(checkpoint.to_string(), EXAMPLE);
        let other = metamorphic_log::checkpoint::Checkpoint::parse(EXAMPLE).unwrap();
        assert_eq!(other.marshal(), checkpoint.to_string());
    }

    #[test]
    fn extension_lines_are_kept() {
        let text = format!("{EXAMPLE}one\ntwo\n");
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!(checkpoint.extension_lines(), ["one", "two"]);
        assert_eq!(checkpoint.to_string(), text);
    }

    #[test]
    fn each_broken_rule_has_its_error() {
        use CheckpointError as E;
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        let cases = [
            (format!("a\n1\n{root}"), E::MissingFinalNewline),
            (String::new(), E::MissingFinalNewline),
            ("\n".into(), E::EmptyLine { line: 1 }),
            ("a\n1\n".into(), E::LineCount { found: 2 }),
            (format!("a\n1\n{root}\n\n"), E::EmptyLine { line: 4 }),
            (format!("a\n\n{root}\n"), E::EmptyLine { line: 2 }),
            (format!("a\tb\n1\n{root}\n"), E::ControlCharacter { line: 1, code: 9 }),
            (format!("a\n1\r\n{root}\n"), E::ControlCharacter { line: 2, code: 13 }),
            (format!("a\n01\n{root}\n"), E::Size { text: "01".into() }),
            (format!("a\n-1\n{root}\n"), E::Size { text: "-1".into() }),
            (
                format!("a\n18446744073709551616\n{root}\n"),
                E::Size { text: "18446744073709551616".into() },
            ),
            (
                format!("a\n0\n{root}\n"),
                E::EmptyTreeRoot { found: Hash::from_base64(root).unwrap() },
            ),
        ];
        for (text, error) in cases {
            assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
        }
        for bad in [&root[..43], &root.replace("I=", "J="), "AAAA"] {
            let text = format!("a\n1\n{bad}\n");
            assert!(matches!(Checkpoint::parse(&text), Err(E::Root(_))), "{text:?}");
        }
    }

    #[test]
    fn origins_break_no_line() {
        assert_eq!(Origin::new(""), Err(OriginError::Empty));
        assert_eq!(Origin::new("a\nb"), Err(OriginError::ControlCharacter { code: 10 }));
        assert_eq!(Origin::new("реестр.example/log").unwrap().as_str(), "реестр.example/log");
    }

    #[test]
    #[should_panic(expected = "an empty tree has one root only")]
    fn a_false_statement_about_the_empty_tree_cannot_be_made() {
        let _ = Checkpoint::new(Origin::new("a").unwrap(), TreeSize::ZERO, Hash::of(b"x"));
    }

    proptest! {
        #[test]
        fn every_checkpoint_reads_back(
            origin in "[^\\x00-\\x1f]{1,40}",
            size in 1_u64..,
            root: [u8; 32],
        ) {
            let origin = Origin::new(&origin).unwrap();
            let checkpoint =
                Checkpoint::new(origin, TreeSize::new(size), Hash::from_bytes(root));
            prop_assert_eq!(Checkpoint::parse(&checkpoint.to_string()), Ok(checkpoint));
        }

        #[test]
        fn whatever_is_read_prints_the_same(text in "[a\n]{0,3}[0-9]{1,3}\n[A-Za-z=\n]{0,50}") {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.to_string(), text);
            }
        }
    }
}
