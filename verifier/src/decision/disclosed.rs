//! What is disclosed of a decision: to everybody, and by whoever gave it to the verifier.
//!
//! Not here: what follows from it.

use std::collections::BTreeMap;

use letopis_ledger::disclosure::{Disclosure, DisclosureDigest};
use serde_json::{Map, Value};

use super::case::Case;
use super::{Check, Stop, parse_disclosures};
use crate::finding::{Finding, Rule};
use crate::source::SourceError;

/// Most bytes of a list of disclosures.
const DISCLOSURES_MAX_BYTES: usize = 1 << 20;

impl Check<'_> {
    /// The disclosures that are public and those that were given, by digest.
    pub(super) fn opened(
        &self,
        given: &[String],
        broken: impl Fn(String) -> Stop + Copy,
    ) -> Result<BTreeMap<DisclosureDigest, Disclosure>, Stop> {
        let mut open = BTreeMap::new();
        for text in self.disclosures(given).map_err(|stop| stop.or_found(broken))? {
            let disclosure = Disclosure::parse(&text).map_err(|e| broken(e.to_string()))?;
            open.insert(disclosure.digest(), disclosure);
        }
        Ok(open)
    }

    /// The inputs of the decision: every digest that it commits to, opened.
    pub(super) fn inputs(&self, case: &Case, given: &[String]) -> Result<Map<String, Value>, Stop> {
        let decided = &self.collected.events[case.decided_at];
        let broken =
            |detail: String| Stop::Found(Finding::at(Rule::InputsDisclosed, decided.place, detail));
        let open = self.opened(given, broken)?;
        let mut inputs = Map::new();
        let mut closed = 0_usize;
        for digest in &decided.event().private {
            let Some(disclosure) = open.get(digest) else {
                closed += 1;
                continue;
            };
            let name = disclosure.name();
            let Some(input) = name.strip_prefix("input.") else {
                return Err(broken(format!("disclosure {name:?} is no input")));
            };
            if inputs.insert(input.to_owned(), disclosure.value().to_value()).is_some() {
                return Err(broken(format!("the decision commits to {name:?} twice")));
            }
        }
        if closed > 0 {
            return Err(broken(format!(
                "{closed} of {} facts are not disclosed; ask the applicant for them and give \
                 them with --disclosures",
                decided.event().private.len()
            )));
        }
        Ok(inputs)
    }

    /// The disclosures that are public and those that were given.
    fn disclosures(&self, given: &[String]) -> Result<Vec<String>, Unreadable> {
        let mut texts = given.to_vec();
        let stream = self.collected.stream.as_ref().map_or("", |stream| stream.as_str());
        let path = format!("disclosure/{}", stream.trim_start_matches("application/"));
        match self.source.get(&path, DISCLOSURES_MAX_BYTES) {
            Ok(bytes) => {
                let public = parse_disclosures(&bytes);
                texts.extend(public.map_err(|e| Unreadable::Form(format!("{path}: {e}")))?);
            }
            Err(SourceError::NotFound { .. }) => {}
            Err(error) if error.is_of_log() => return Err(Unreadable::Form(error.to_string())),
            Err(error) => return Err(Unreadable::Source(error)),
        }
        Ok(texts)
    }
}

/// Why there are no disclosures to look at.
enum Unreadable {
    /// The published list is not one.
    Form(String),
    /// The log could not be read.
    Source(SourceError),
}

impl Unreadable {
    fn or_found(self, broken: impl Fn(String) -> Stop) -> Stop {
        match self {
            Self::Form(reason) => broken(reason),
            Self::Source(error) => Stop::Source(error),
        }
    }
}
