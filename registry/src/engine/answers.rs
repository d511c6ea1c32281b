//! Answers as officials read them: a table for each request, in the order and with the titles that
//! the pack gives; and the forms by which officials answer.
//!
//! Not here: the raw record of an answer, which its leaf is.

use std::collections::BTreeMap;

use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::json::Json;
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};
use serde_json::Value;

use super::{CaseEngine, EngineError, InstalledPack, LedgerPort};
use crate::case::{CaseRefusal, CaseState};
use crate::code::{FieldPath, StepCode};
use crate::event::CaseId;
use crate::messages::Text;
use crate::pack::{Asked, Pack, RequestRule, Service};

/// The answer of a request, to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerTable {
    /// The request.
    pub request: StepCode,
    /// What the step is called.
    pub title: Text,
    /// Title and value of each fact that came.
    pub rows: Vec<(Text, Json)>,
    /// Number of the answer in the case's stream.
    pub version: StreamVersion,
    /// The leaf that carries the answer, signed.
    pub leaf: LeafIndex,
}

/// The form by which an open request is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerForm {
    /// The request.
    pub request: StepCode,
    /// What the step is called.
    pub title: Text,
    /// JSON Schema of the facts.
    pub schema: Value,
}

/// What the applicant of a case is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedApplicant {
    /// The form by which it is answered.
    pub form: AnswerForm,
    /// What to bring, in words.
    pub message: Text,
    /// Last instant at which an answer is in time.
    pub due: Timestamp,
    /// Last instant until which the clock of the case stands still for it.
    pub suspended_until: Option<Timestamp>,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// The open requests of a case to its applicant.
    ///
    /// # Errors
    /// There is no such case, or its events cannot be read.
    pub async fn asked_of_applicant(
        &self,
        case: CaseId,
    ) -> Result<Vec<AskedApplicant>, EngineError> {
        self.catch_up().await?;
        let state = self.case_state(case).await?;
        let submitted = state.submitted().ok_or(CaseRefusal::NotSubmitted)?;
        let installed = self.packs.pinned(&submitted.pack)?;
        let unknown = || EngineError::UnknownService { service: submitted.service.clone() };
        let service = installed.service(&submitted.service).ok_or_else(unknown)?;
        let suspended = state.clock().and_then(|clock| clock.suspended.as_ref());
        let asked = forms(&state, (&installed, service)).into_iter().filter_map(|form| {
            let Asked::Applicant(message) = &service.regulation.request(&form.request)?.from else {
                return None;
            };
            let suspended = suspended.filter(|suspended| suspended.request == form.request);
            Some(AskedApplicant {
                message: message.clone(),
                due: state.requests().get(&form.request)?.sent.due,
                suspended_until: suspended.map(|suspended| suspended.until),
                form,
            })
        });
        Ok(asked.collect())
    }
}

/// A table for each answer that brought facts. `leaves` are those of the case's events, in order.
pub(super) fn tables(
    state: &CaseState,
    (installed, service): (&InstalledPack, &Service),
    (disclosures, leaves): (&[Disclosure], &[LeafIndex]),
) -> Vec<AnswerTable> {
    let values: BTreeMap<&str, &Json> =
        disclosures.iter().map(|field| (field.name(), field.value())).collect();
    let answered = service.regulation.requests().filter_map(|(step, rule)| {
        let request = &step.code.value;
        let answer = state.requests().get(request)?.answered.as_ref()?;
        let place = usize::try_from(answer.version.get()).ok()?;
        let rows = shown(&installed.pack, rule).into_iter().filter_map(|(field, title)| {
            let value = values.get(format!("answer.{request}.{field}").as_str())?;
            Some((title, (*value).clone()))
        });
        Some(AnswerTable {
            request: request.clone(),
            title: step.title.clone(),
            rows: rows.collect(),
            version: answer.version,
            leaf: *leaves.get(place)?,
        })
    });
    answered.filter(|table| !table.rows.is_empty()).collect()
}

/// The forms of open requests that people answer.
pub(super) fn forms(
    state: &CaseState,
    (installed, service): (&InstalledPack, &Service),
) -> Vec<AnswerForm> {
    let open = service.regulation.requests().filter_map(|(step, rule)| {
        if !state.is_open(step.code.value.as_str()) {
            return None;
        }
        let kind = installed.pack.request_kind(rule)?;
        Some(AnswerForm {
            request: step.code.value.clone(),
            title: step.title.clone(),
            schema: kind.schema(&rule.take),
        })
    });
    open.collect()
}

/// The facts of an answer that are shown, in order, with their titles.
fn shown(pack: &Pack, rule: &RequestRule) -> Vec<(FieldPath, Text)> {
    let taken = |field: &FieldPath| rule.take.iter().any(|taken| &taken.value == field);
    let own = rule.display.iter().map(|field| field.value.clone());
    let fields: Vec<FieldPath> = match (pack.request_kind(rule), rule.display.is_empty()) {
        (_, false) => own.collect(),
        (Some(kind), true) => kind.display.iter().map(|field| field.value.clone()).collect(),
        (None, true) => rule.take.iter().map(|field| field.value.clone()).collect(),
    };
    let title = |field: &FieldPath| {
        let of_kind = pack.request_kind(rule).and_then(|kind| kind.response_field(field));
        let of_kind = of_kind.map(|field| field.title.clone());
        let of_registry = || match &rule.from {
            Asked::Registry(registry) => {
                Some(pack.registry(&registry.value)?.field(field)?.title.clone())
            }
            _ => None,
        };
        let name = || Text { ru: field.to_string(), en: field.to_string() };
        of_kind.or_else(of_registry).unwrap_or_else(name)
    };
    let fields = fields.into_iter().filter(taken);
    fields.map(|field| (field.clone(), title(&field))).collect()
}
