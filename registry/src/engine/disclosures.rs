//! What can be opened of a case, event by event, with who may see it.
//!
//! Digests are taken from the ledger, so disclosures of records that were never appended do not
//! show. Not here: the decision to show; the node knows who asks.

use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::{LeafIndex, StreamVersion};

use super::{CaseEngine, EngineError, InstalledPack, LedgerPort};
use crate::case::CaseRefusal;
use crate::code::{FieldPath, ServiceCode, StepCode};
use crate::event::CaseId;
use crate::pack::{Asked, Visibility};

/// A private field of an event of a case, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseDisclosure {
    /// The leaf of the event.
    pub leaf: LeafIndex,
    /// The event's number in the case's stream.
    pub version: StreamVersion,
    /// The field.
    pub disclosure: Disclosure,
    /// Who may see it, by the version of the pack that the case follows.
    pub visibility: Visibility,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Every private field of a case that this agency can open, in the order of its events. Those
    /// with [`Visibility::Public`] are served to anybody, so that anybody can repeat the decision.
    ///
    /// # Errors
    /// There is no such case, or its events or disclosures cannot be read.
    pub async fn case_disclosures(&self, case: CaseId) -> Result<Vec<CaseDisclosure>, EngineError> {
        let state = self.case_state(case).await?;
        let submitted = state.submitted().ok_or(CaseRefusal::NotSubmitted)?;
        let installed = self.packs.pinned(&submitted.pack)?;
        let mut opened = Vec::new();
        for (leaf, event) in self.events_of(&case.stream()).await? {
            let found = self.private.open_digests(&event.private)?;
            opened.extend(found.into_iter().flatten().map(|disclosure| CaseDisclosure {
                leaf,
                version: event.version,
                visibility: installed.visibility(&submitted.service, disclosure.name()),
                disclosure,
            }));
        }
        Ok(opened)
    }
}

impl InstalledPack {
    /// Who may see a private field of a case by its name; whatever is not known is private.
    #[must_use]
    pub fn visibility(&self, service: &ServiceCode, name: &str) -> Visibility {
        self.stated_visibility(service, name).unwrap_or(Visibility::Private)
    }

    fn stated_visibility(&self, service: &ServiceCode, name: &str) -> Option<Visibility> {
        let service = self.pack.service(service)?;
        let (kind, rest) = name.split_once('.')?;
        match kind {
            "form" => {
                let field = FieldPath::parse(rest).ok()?;
                Some(service.form.fields().get(&field)?.visibility)
            }
            "input" => Some(service.regulation.input(rest)?.visibility),
            "request" | "answer" => {
                let (request, field) = rest.split_once('.')?;
                let rule = service.regulation.request(&StepCode::parse(request).ok()?)?;
                let Asked::Registry(registry) = &rule.from else { return None };
                let field = FieldPath::parse(field).ok()?;
                let field = self.pack.registry(&registry.value)?.field(&field)?;
                // That a public value is one of this case's is not public by itself.
                Some(field.visibility.max(Visibility::Official))
            }
            _ => None,
        }
    }
}
