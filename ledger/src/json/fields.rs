//! Reading an object member by member, so that every member is asked for or refused.
//!
//! Not here: what the members mean; each shape's own file knows that.

use std::collections::BTreeSet;

use thiserror::Error;

use super::{Json, Object};

/// Why an object does not have the shape that was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FieldError {
    /// The value is not an object.
    #[error("{what} is {found}, not an object")]
    NotAnObject {
        /// What was being read.
        what: &'static str,
        /// The kind of value found.
        found: &'static str,
    },
    /// A required member is absent.
    #[error("{what} has no member {name:?}")]
    Missing {
        /// What was being read.
        what: &'static str,
        /// The member's name.
        name: &'static str,
    },
    /// A member has the wrong kind of value.
    #[error("member {name:?} of {what} is {found}, not {expected}")]
    Kind {
        /// What was being read.
        what: &'static str,
        /// The member's name.
        name: &'static str,
        /// The kind asked for.
        expected: &'static str,
        /// The kind found.
        found: &'static str,
    },
    /// A member has a value of the right kind that breaks a rule.
    #[error("member {name:?} of {what}: {reason}")]
    Invalid {
        /// What was being read.
        what: &'static str,
        /// The member's name.
        name: &'static str,
        /// The broken rule.
        reason: String,
    },
    /// A member that the shape does not know.
    #[error("{what} has an unknown member {name:?}")]
    Unknown {
        /// What was being read.
        what: &'static str,
        /// The member's name.
        name: String,
    },
}

/// A cursor over an object's members; [`Fields::finish`] refuses those nobody asked for.
#[derive(Debug)]
pub struct Fields<'a> {
    what: &'static str,
    members: &'a Object,
    asked: BTreeSet<&'static str>,
}

impl<'a> Fields<'a> {
    /// Starts to read `value`, which messages call `what`.
    ///
    /// # Errors
    /// The value is not an object.
    pub fn of(what: &'static str, value: &'a Json) -> Result<Self, FieldError> {
        let members =
            value.as_object().ok_or(FieldError::NotAnObject { what, found: value.kind() })?;
        Ok(Self::of_object(what, members))
    }

    /// Starts to read an object, which messages call `what`.
    #[must_use]
    pub const fn of_object(what: &'static str, members: &'a Object) -> Self {
        Self { what, members, asked: BTreeSet::new() }
    }

    /// The member if it is present.
    pub fn optional(&mut self, name: &'static str) -> Option<&'a Json> {
        self.asked.insert(name);
        self.members.get(name)
    }

    /// The member.
    ///
    /// # Errors
    /// It is absent.
    pub fn required(&mut self, name: &'static str) -> Result<&'a Json, FieldError> {
        self.optional(name).ok_or(FieldError::Missing { what: self.what, name })
    }

    /// The member as a string.
    ///
    /// # Errors
    /// It is absent or of another kind.
    pub fn string(&mut self, name: &'static str) -> Result<&'a str, FieldError> {
        let value = self.required(name)?;
        value.as_str().ok_or_else(|| self.kind(name, "a string", value))
    }

    /// The member as a string read by `parse`.
    ///
    /// # Errors
    /// It is absent, of another kind, or refused by `parse`.
    pub fn parsed<T, E: ToString>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, FieldError> {
        let text = self.string(name)?;
        parse(text).map_err(|e| self.invalid(name, &e))
    }

    /// The member as an integer of at least 0.
    ///
    /// # Errors
    /// It is absent, of another kind, or negative.
    pub fn unsigned(&mut self, name: &'static str) -> Result<u64, FieldError> {
        let value = self.required(name)?;
        let number = value.as_integer().ok_or_else(|| self.kind(name, "an integer", value))?;
        u64::try_from(number).map_err(|_| self.invalid(name, &"negative"))
    }

    /// The member as an array.
    ///
    /// # Errors
    /// It is absent or of another kind.
    pub fn array(&mut self, name: &'static str) -> Result<&'a [Json], FieldError> {
        let value = self.required(name)?;
        value.as_array().ok_or_else(|| self.kind(name, "an array", value))
    }

    /// The member as an object.
    ///
    /// # Errors
    /// It is absent or of another kind.
    pub fn object(&mut self, name: &'static str) -> Result<&'a Object, FieldError> {
        let value = self.required(name)?;
        value.as_object().ok_or_else(|| self.kind(name, "an object", value))
    }

    /// The member, which must be the integer `version`.
    ///
    /// # Errors
    /// It is absent or another value.
    pub fn version(&mut self, name: &'static str, version: u64) -> Result<(), FieldError> {
        let found = self.unsigned(name)?;
        if found == version {
            return Ok(());
        }
        Err(self.invalid(name, &format!("version {found}; this program knows version {version}")))
    }

    /// An error of this object about one of its members.
    #[must_use]
    pub fn invalid(&self, name: &'static str, reason: &impl ToString) -> FieldError {
        FieldError::Invalid { what: self.what, name, reason: reason.to_string() }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// There is a member that was never asked for.
    pub fn finish(self) -> Result<(), FieldError> {
        match self.members.iter().find(|(key, _)| !self.asked.contains(key)) {
            Some((key, _)) => Err(FieldError::Unknown { what: self.what, name: key.to_owned() }),
            None => Ok(()),
        }
    }

    fn kind(&self, name: &'static str, expected: &'static str, found: &Json) -> FieldError {
        FieldError::Kind { what: self.what, name, expected, found: found.kind() }
    }
}
