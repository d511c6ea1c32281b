//! Why a decision is proposed: in the words of the official, or those of a typical decision.
//!
//! A typical decision is taken over only where the rules give its outcome and its grounds. Not
//! here: the outcome, which the rules give in any case.

use std::collections::BTreeMap;

use super::approve::REMARKS_MAX_CHARS;
use super::check_text;
use crate::case::{CaseRefusal, CaseRules, CaseState};
use crate::code::TypicalCode;
use crate::messages::Language;
use crate::pack::{CaseValues, Judgement, plain_text};

/// Why a decision is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Motive {
    /// In the official's own words.
    Words(String),
    /// In those of a typical decision of the regulation.
    Typical {
        /// Which.
        code: TypicalCode,
        /// In which language.
        language: Language,
    },
}

impl Motive {
    /// The motive as it stands in the proposal.
    pub(super) fn text(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
        (judgement, values): (&Judgement, &CaseValues),
    ) -> Result<String, CaseRefusal> {
        let text = match self {
            Self::Words(words) => words.clone(),
            Self::Typical { code, language } => {
                let regulation = &rules.service.regulation;
                let unknown = || CaseRefusal::NoTypicalDecision { code: code.clone() };
                let typical = regulation.typical(code).ok_or_else(unknown)?;
                if !typical.is_of(judgement.outcome, &judgement.grounds) {
                    return Err(CaseRefusal::TypicalDiffers {
                        code: code.clone(),
                        outcome: judgement.outcome.as_str(),
                        grounds: judgement.grounds.clone(),
                    });
                }
                let values = named(state, rules, (judgement, values), *language);
                typical.text(*language, &values).ok_or_else(unknown)?
            }
        };
        check_text("the motive", &text, REMARKS_MAX_CHARS)?;
        Ok(text)
    }
}

/// The values that reasons may take, by name.
fn named(
    state: &CaseState,
    rules: &CaseRules<'_>,
    (judgement, values): (&Judgement, &CaseValues),
    language: Language,
) -> BTreeMap<String, String> {
    let form = values.form.iter();
    let mut named: BTreeMap<String, String> =
        form.map(|(field, value)| (format!("form.{field}"), plain_text(value))).collect();
    if let Some(registered) = state.registered() {
        let date = rules.calendar.date(registered.registered_at);
        named.insert("case.number".to_owned(), registered.number.clone());
        named.insert("case.registered_on".to_owned(), date.to_string());
    }
    let grounds = rules.service.regulation.ground_list(&judgement.grounds, language);
    named.insert("decision.grounds".to_owned(), grounds);
    named
}
