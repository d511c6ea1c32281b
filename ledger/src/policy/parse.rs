//! The text of a policy: one line per log, witness and group, and one for the quorum.
//!
//! Not here: what a policy says of a checkpoint (`policy`).

use std::collections::BTreeSet;

use thiserror::Error;

use super::{MemberName, Policy, PolicyGroup, PolicyLog, PolicyWitness, Quorum, Threshold};
use crate::encoding::parse_decimal;
use crate::note::{SignatureType, VerifierKey, VerifierKeyError};

/// The quorum that asks for no witness; no witness or group may have this name.
pub(super) const NO_QUORUM: &str = "none";
/// Most lines of one kind. The specification recommends room for 32 of each; a note carries no
/// more than 64 signatures, so more witnesses could not all be heard.
const MAX_COUNT: usize = 64;

/// Why the text of a policy was refused. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// The last line is not terminated.
    #[error("the policy does not end in a newline; it may have been cut short")]
    MissingFinalNewline,
    /// A control character other than tab and newline.
    #[error("line {line} has control character U+{code:04X}; only tab and newline are allowed")]
    ControlCharacter {
        /// Number of the line.
        line: usize,
        /// The character's code point.
        code: u32,
    },
    /// A line of an unknown kind.
    #[error("line {line} begins with {keyword:?}; log, witness, group or quorum is required")]
    Keyword {
        /// Number of the line.
        line: usize,
        /// First word of the line.
        keyword: String,
    },
    /// A line has too few or too many words.
    #[error("line {line} has {found} words after its first, expected {expected}")]
    WordCount {
        /// Number of the line.
        line: usize,
        /// What the line should be.
        expected: &'static str,
        /// Words found.
        found: usize,
    },
    /// The key breaks a rule.
    #[error("line {line}: {source}")]
    Key {
        /// Number of the line.
        line: usize,
        /// The rule.
        source: VerifierKeyError,
    },
    /// The key makes signatures that do not suit a log, or a witness.
    #[error("line {line}: a key for {found} does not suit a {keyword}")]
    KeyType {
        /// Number of the line.
        line: usize,
        /// `log` or `witness`.
        keyword: &'static str,
        /// Type of the key.
        found: SignatureType,
    },
    /// Two keys, of logs or witnesses, that are one public key or that no signature tells apart.
    #[error(
        "line {line}: the key of this {keyword} has the public key, or the name and id, of \
         another key of the policy; make a new key"
    )]
    DuplicateKey {
        /// Number of the line.
        line: usize,
        /// `log` or `witness`.
        keyword: &'static str,
    },
    /// Two witnesses whose keys have one name, which is the name of one cosigner.
    #[error("line {line}: the key of another witness has the name {name:?}; list a cosigner once")]
    DuplicateKeyName {
        /// Number of the line.
        line: usize,
        /// Name of the key.
        name: String,
    },
    /// `none` cannot be defined.
    #[error("line {line}: the name none is reserved for the quorum that asks for no witness")]
    ReservedName {
        /// Number of the line.
        line: usize,
    },
    /// The name is defined already.
    #[error("line {line}: {name:?} is defined already")]
    DuplicateName {
        /// Number of the line.
        line: usize,
        /// The name.
        name: String,
    },
    /// The name is not defined on a line before.
    #[error("line {line}: {name:?} is not defined on a line before")]
    UnknownName {
        /// Number of the line.
        line: usize,
        /// The name.
        name: String,
    },
    /// A witness or group may be a member once only, so that it counts in one way only.
    #[error("line {line}: {name:?} is a member of a group already")]
    MemberTwice {
        /// Number of the line.
        line: usize,
        /// The name.
        name: String,
    },
    /// The threshold is not `any`, `all` or a decimal that the members can reach.
    #[error("line {line}: threshold {found:?} is not any, all or a decimal from 1 to {members}")]
    Threshold {
        /// Number of the line.
        line: usize,
        /// The word found.
        found: String,
        /// Members of the group.
        members: usize,
    },
    /// More lines of one kind than accepted.
    #[error("line {line}: more than {MAX_COUNT} lines of kind {keyword}")]
    TooMany {
        /// Number of the line.
        line: usize,
        /// Kind of the line.
        keyword: &'static str,
    },
    /// No quorum line.
    #[error("the policy has no quorum line; add `quorum none` if no witness is required")]
    MissingQuorum,
    /// A second quorum line.
    #[error("line {line}: the quorum is defined already")]
    SecondQuorum {
        /// Number of the line.
        line: usize,
    },
}

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    let mut parser = Parser::default();
    if !text.is_empty() {
        let lines = text.strip_suffix('\n').ok_or(PolicyError::MissingFinalNewline)?;
        for (line, content) in (1..).zip(lines.split('\n')) {
            parser.line = line;
            parser.read_line(content)?;
        }
    }
    let Parser { logs, witnesses, groups, quorum, .. } = parser;
    let quorum = quorum.ok_or(PolicyError::MissingQuorum)?;
    Ok(Policy { logs, witnesses, groups, quorum })
}

/// What the lines read so far define.
#[derive(Default)]
struct Parser {
    /// Number of the line being read.
    line: usize,
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<PolicyGroup>,
    quorum: Option<Quorum>,
    names: BTreeSet<MemberName>,
    members: BTreeSet<MemberName>,
}

impl Parser {
    fn read_line(&mut self, content: &str) -> Result<(), PolicyError> {
        let line = self.line;
        let is_forbidden = |c: &char| (*c < ' ' && *c != '\t') || *c == '\x7f';
        if let Some(control) = content.chars().find(is_forbidden) {
            return Err(PolicyError::ControlCharacter { line, code: control.into() });
        }
        // Only space and tab separate; other Unicode spaces are part of a word.
        let mut words = content.split([' ', '\t']).filter(|word| !word.is_empty());
        let Some(keyword) = words.next() else {
            return Ok(());
        };
        if keyword.starts_with('#') {
            return Ok(());
        }
        let words: Vec<&str> = words.collect();
        match keyword {
            "log" => self.read_log(&words),
            "witness" => self.read_witness(&words),
            "group" => self.read_group(&words),
            "quorum" => self.read_quorum(&words),
            _ => Err(PolicyError::Keyword { line, keyword: keyword.to_owned() }),
        }
    }

    fn read_log(&mut self, words: &[&str]) -> Result<(), PolicyError> {
        let (key, url) = match *words {
            [key] => (key, None),
            [key, url] => (key, Some(url.to_owned())),
            _ => return Err(self.word_count("<vkey> [<url>]", words)),
        };
        let key = self.read_key(key)?;
        // What tlog-checkpoint lets a log sign with, among the types handled here.
        if key.signature_type() == SignatureType::Ed25519Cosignature {
            return Err(self.key_type("log", &key));
        }
        self.check_distinct(&key, "log")?;
        self.check_room("log", self.logs.len())?;
        self.logs.push(PolicyLog { key, url });
        Ok(())
    }

    fn read_witness(&mut self, words: &[&str]) -> Result<(), PolicyError> {
        let (name, key, url) = match *words {
            [name, key] => (name, key, None),
            [name, key, url] => (name, key, Some(url.to_owned())),
            _ => return Err(self.word_count("<name> <vkey> [<url>]", words)),
        };
        let key = self.read_key(key)?;
        if key.signature_type() == SignatureType::Ed25519 {
            return Err(self.key_type("witness", &key));
        }
        self.check_distinct(&key, "witness")?;
        if self.witnesses.iter().any(|witness| witness.key.name() == key.name()) {
            let name = key.name().as_str().to_owned();
            return Err(PolicyError::DuplicateKeyName { line: self.line, name });
        }
        self.check_room("witness", self.witnesses.len())?;
        let name = self.define(name)?;
        self.witnesses.push(PolicyWitness { name, key, url });
        Ok(())
    }

    fn read_group(&mut self, words: &[&str]) -> Result<(), PolicyError> {
        let [name, threshold, first, rest @ ..] = words else {
            return Err(self.word_count("<name> <any, all or a number> <name>...", words));
        };
        let mut members = Vec::with_capacity(1 + rest.len());
        for member in std::iter::once(first).chain(rest) {
            let member = self.defined(member)?;
            if !self.members.insert(member.clone()) {
                return Err(PolicyError::MemberTwice { line: self.line, name: member.0 });
            }
            members.push(member);
        }
        let threshold = self.read_threshold(threshold, members.len())?;
        self.check_room("group", self.groups.len())?;
        let name = self.define(name)?;
        self.groups.push(PolicyGroup { name, threshold, members });
        Ok(())
    }

    fn read_quorum(&mut self, words: &[&str]) -> Result<(), PolicyError> {
        let [name] = *words else {
            return Err(self.word_count("<name of a witness or group, or none>", words));
        };
        if self.quorum.is_some() {
            return Err(PolicyError::SecondQuorum { line: self.line });
        }
        self.quorum = Some(match name {
            NO_QUORUM => Quorum::None,
            _ => Quorum::Member(self.defined(name)?),
        });
        Ok(())
    }

    fn read_key(&self, text: &str) -> Result<VerifierKey, PolicyError> {
        VerifierKey::parse(text).map_err(|source| PolicyError::Key { line: self.line, source })
    }

    /// A signature names its key by name and a 32-bit id. Ids that collide are found by trying, so
    /// two keys with one name and id would let one signature count twice.
    fn check_distinct(&self, key: &VerifierKey, keyword: &'static str) -> Result<(), PolicyError> {
        let logs = self.logs.iter().map(|log| &log.key);
        let mut keys = logs.chain(self.witnesses.iter().map(|witness| &witness.key));
        let is_same = |other: &VerifierKey| {
            (other.name(), other.id()) == (key.name(), key.id())
                || other.public_key() == key.public_key()
        };
        if keys.any(is_same) {
            return Err(PolicyError::DuplicateKey { line: self.line, keyword });
        }
        Ok(())
    }

    fn read_threshold(&self, word: &str, members: usize) -> Result<Threshold, PolicyError> {
        match word {
            "any" => return Ok(Threshold::Any),
            "all" => return Ok(Threshold::All),
            _ => {}
        }
        parse_decimal(word)
            .and_then(|count| usize::try_from(count).ok())
            .filter(|count| (1..=members).contains(count))
            .map(Threshold::Count)
            .ok_or_else(|| PolicyError::Threshold {
                line: self.line,
                found: word.to_owned(),
                members,
            })
    }

    fn define(&mut self, name: &str) -> Result<MemberName, PolicyError> {
        if name == NO_QUORUM {
            return Err(PolicyError::ReservedName { line: self.line });
        }
        let member = MemberName(name.to_owned());
        if !self.names.insert(member.clone()) {
            return Err(PolicyError::DuplicateName { line: self.line, name: member.0 });
        }
        Ok(member)
    }

    fn defined(&self, name: &str) -> Result<MemberName, PolicyError> {
        let member = MemberName(name.to_owned());
        if !self.names.contains(&member) {
            return Err(PolicyError::UnknownName { line: self.line, name: member.0 });
        }
        Ok(member)
    }

    fn check_room(&self, keyword: &'static str, count: usize) -> Result<(), PolicyError> {
        if count == MAX_COUNT {
            return Err(PolicyError::TooMany { line: self.line, keyword });
        }
        Ok(())
    }

    fn word_count(&self, expected: &'static str, words: &[&str]) -> PolicyError {
        PolicyError::WordCount { line: self.line, expected, found: words.len() }
    }

    fn key_type(&self, keyword: &'static str, key: &VerifierKey) -> PolicyError {
        PolicyError::KeyType { line: self.line, keyword, found: key.signature_type() }
    }
}
