//! Private values of a case, opened by their disclosures and checked against its events.

use std::collections::BTreeMap;
use std::fmt;

use letopis_ledger::disclosure::{Disclosure, DisclosureDigest};
use letopis_ledger::json::Json;
use thiserror::Error;

use super::command::source::SOURCE;
use super::signing::ANSWER_SIGNATURE;
use super::state::CaseState;
use crate::code::FieldPath;
use crate::event::RequestOutcome;
use crate::pack::{AnswerValues, CaseValues};

/// The private values of a case that are needed to decide it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Opened(BTreeMap<DisclosureDigest, (String, Json)>);

/// Why a case's values cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenedError {
    /// An event names a digest that nobody opened.
    #[error(
        "private field {digest} of the case cannot be opened: its disclosure is not in the \
             store; restore the store from a backup"
    )]
    Missing {
        /// The digest.
        digest: DisclosureDigest,
    },
    /// A disclosure's name is not one that such an event has.
    #[error("a private field is named {name:?}, which an event of this kind does not have")]
    Name {
        /// The name.
        name: String,
    },
}

impl Opened {
    /// Takes disclosures; each opens the digest that it has, and no other.
    #[must_use]
    pub fn new<'a>(disclosures: impl IntoIterator<Item = &'a Disclosure>) -> Self {
        let open = |d: &Disclosure| (d.digest(), (d.name().to_owned(), d.value().clone()));
        Self(disclosures.into_iter().map(open).collect())
    }

    /// The name and value behind a digest.
    #[must_use]
    pub fn get(&self, digest: &DisclosureDigest) -> Option<(&str, &Json)> {
        self.0.get(digest).map(|(name, value)| (name.as_str(), value))
    }

    /// Puts the values of a case together: public ones from its events, private ones from here.
    ///
    /// # Errors
    /// See [`OpenedError`].
    pub fn values(&self, state: &CaseState) -> Result<CaseValues, OpenedError> {
        let mut values = CaseValues::default();
        if let Some(submitted) = state.submitted() {
            for (name, value) in submitted.form.iter() {
                values.form.insert(field(name, name)?, value.clone());
            }
        }
        for digest in state.form_digests() {
            // What another system says beside the form decides nothing.
            if self.get(digest).is_some_and(|(name, _)| name.starts_with(SOURCE)) {
                continue;
            }
            let (name, value) = self.named(digest, "form.")?;
            values.form.insert(field(&name, &name)?, value);
        }
        for (code, request) in state.requests() {
            let Some(answered) = &request.answered else {
                // The regulation goes on as if there were no data.
                if request.timed_out {
                    values.answers.insert(code.clone(), AnswerValues::NoData);
                }
                continue;
            };
            let answer = match answered.event.outcome {
                RequestOutcome::NoData => AnswerValues::NoData,
                RequestOutcome::Answered => {
                    let prefix = format!("answer.{code}.");
                    // A signature decides nothing.
                    let is_fact = |digest: &&DisclosureDigest| {
                        let name = self.get(digest).map(|(name, _)| name);
                        !name.is_some_and(|name| name.starts_with(ANSWER_SIGNATURE))
                    };
                    let facts = answered.private.iter().filter(is_fact).map(|digest| {
                        let (name, value) = self.named(digest, &prefix)?;
                        Ok::<_, OpenedError>((field(&name, &name)?, value))
                    });
                    AnswerValues::Answered(facts.collect::<Result<_, _>>()?)
                }
            };
            values.answers.insert(code.clone(), answer);
        }
        Ok(values)
    }

    /// The name (without `prefix`) and the value behind a digest.
    fn named(
        &self,
        digest: &DisclosureDigest,
        prefix: &str,
    ) -> Result<(String, Json), OpenedError> {
        let (name, value) = self.get(digest).ok_or(OpenedError::Missing { digest: *digest })?;
        match name.strip_prefix(prefix) {
            Some(name) => Ok((name.to_owned(), value.clone())),
            None => Err(OpenedError::Name { name: name.to_owned() }),
        }
    }
}

impl fmt::Debug for Opened {
    /// Shows the count only: a private value must not reach a log line by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} values)", self.0.len())
    }
}

fn field(path: &str, name: &str) -> Result<FieldPath, OpenedError> {
    FieldPath::parse(path).map_err(|_| OpenedError::Name { name: name.to_owned() })
}
