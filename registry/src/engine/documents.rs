//! The document of an ended case: the result or the reasoned refusal, filled in for its holder.
//!
//! It shows private values, so it is for the holder of the case's token alone.

use std::collections::BTreeMap;

use super::{CaseEngine, EngineError, LedgerPort};
use crate::case::{CaseRefusal, CaseStatus, Opened};
use crate::event::CaseId;
use crate::messages::Language;
use crate::pack::{DocumentKind, plain_text};

impl<P: LedgerPort> CaseEngine<P> {
    /// The document of a case in Markdown; `None` while it has not ended.
    ///
    /// # Errors
    /// There is no such case, or its values cannot be opened.
    pub async fn document(
        &self,
        case: CaseId,
        language: Language,
    ) -> Result<Option<String>, EngineError> {
        let state = self.case_state(case).await?;
        let kind = match state.status() {
            CaseStatus::Granted => DocumentKind::Result,
            CaseStatus::Refused => DocumentKind::Refusal,
            _ => return Ok(None),
        };
        let submitted = state.submitted().ok_or(CaseRefusal::NotSubmitted)?;
        let installed = self.packs.pinned(&submitted.pack)?;
        let service = installed
            .service(&submitted.service)
            .ok_or_else(|| EngineError::UnknownService { service: submitted.service.clone() })?;
        let calendar = installed.pack.calendar();
        let mut values = BTreeMap::new();
        let mut set = |name: &str, value: String| values.insert(name.to_owned(), value);
        let digests: Vec<_> = state.digests().copied().collect();
        let disclosures = self.private.open_digests(&digests)?;
        let opened = Opened::new(disclosures.iter().flatten());
        for (field, value) in opened.values(&state).map_err(CaseRefusal::from)?.form {
            set(&format!("form.{field}"), plain_text(&value));
        }
        if let Some(registered) = state.registered() {
            set("case.number", registered.number.clone());
            set("case.registered_on", calendar.date(registered.registered_at).to_string());
            set("case.due", registered.last_day.to_string());
        }
        if let Some(row) = self.model.decision(case)?.value {
            set("decision.date", calendar.date(row.decided_at).to_string());
        }
        if let Some((decided, _)) = state.decided() {
            let grounds = decided.grounds.iter().filter_map(|found| {
                let ground = service.regulation.ground(&found.code)?;
                let (text, law) = (ground.text.in_language(language), &ground.law);
                Some(format!("- {}: {text}. {}.", found.code, law.in_language(language)))
            });
            set("decision.grounds", grounds.collect::<Vec<_>>().join("\n"));
        }
        if let Some(result) = state.result() {
            set("result.number", result.number.clone());
            set("result.valid_from", result.valid_from.to_string());
            set("result.valid_until", result.valid_until.to_string());
        }
        Ok(Some(service.document(kind, language, &values)))
    }
}
