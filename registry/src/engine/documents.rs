//! Papers of an ended case: the result or the reasoned refusal, issued once in each language.
//!
//! A paper is set when somebody first asks for it. Its file is kept, and its SHA-256 enters the
//! case's stream, so whoever holds the file can tell whether the agency issued it. With it goes its
//! machine-readable form. Papers show private values: they are for the holder of the case's token
//! and for officials. Not here: how a paper looks.

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::json::{Json, Object};
use letopis_ledger::{Hash, LeafIndex, Timestamp};

use super::packs::InstalledPack;
use super::{CaseEngine, EngineError, LedgerPort, Paper};
use crate::case::{CaseRefusal, CaseState, CaseStatus, Opened};
use crate::event::{CaseEvent, CaseId, Cause, DocumentIssued, DomainEvent, EntryEvent};
use crate::messages::{Language, MessageId};
use crate::pack::{DocumentKind, Pack, Service, plain_text};
use crate::record_draft::{Decision, NewEvent};

/// Media type of a paper.
const PDF: &str = "application/pdf";
/// Media type of its machine-readable form.
const JSON: &str = "application/json";
/// ISO 639-2 for a text in several languages.
const BOTH_LANGUAGES: &str = "mul";

/// A file that was issued.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedDocument {
    /// What the log holds of it.
    pub event: DocumentIssued,
    /// The file.
    pub bytes: Vec<u8>,
}

/// What the papers of a case are made of.
struct Content {
    kind: DocumentKind,
    decided_at: Timestamp,
    leaf: LeafIndex,
    /// Values by the names that templates use.
    values: BTreeMap<String, Json>,
    /// What proves the private ones of them.
    evidence: Vec<Disclosure>,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// The paper of a case as a PDF file; `None` while the case has not ended with a decision.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn document(
        &self,
        case: CaseId,
        language: Language,
    ) -> Result<Option<IssuedDocument>, EngineError> {
        self.issued(case, language, (PDF, language.code())).await
    }

    /// The machine-readable form of the paper, canonical JSON; it goes out with the paper.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn document_data(&self, case: CaseId) -> Result<Option<IssuedDocument>, EngineError> {
        self.issued(case, Language::Ru, (JSON, BOTH_LANGUAGES)).await
    }

    async fn issued(
        &self,
        case: CaseId,
        language: Language,
        (media_type, written_in): (&str, &str),
    ) -> Result<Option<IssuedDocument>, EngineError> {
        self.catch_up().await?;
        let state = self.case_state(case).await?;
        let Some(kind) = kind_of(&state) else { return Ok(None) };
        let wanted = |state: &CaseState| {
            let found = state.documents().iter().find(|issued| {
                let is_it = issued.media_type == media_type && issued.language == written_in;
                is_it && issued.kind == kind.as_str()
            });
            found.cloned()
        };
        let known = wanted(&state);
        if let Some(event) = &known
            && let Some(bytes) = self.private.file(&event.sha256)?
        {
            return Ok(Some(IssuedDocument { event: event.clone(), bytes }));
        }
        let mut files = self.set((case, &state), language).await?;
        match &known {
            None => self.issue((case, &state), &files).await?,
            Some(event) => {
                // The store was restored from before: the same paper has the same bytes.
                files.retain(|file| file.event.sha256 == event.sha256);
                self.keep(&state, &files).await?;
            }
        }
        let event = wanted(&self.case_state(case).await?).ok_or(CaseRefusal::NotSubmitted)?;
        let bytes = self.private.file(&event.sha256)?;
        let bytes = bytes.ok_or_else(|| EngineError::StoredRecord {
            reason: format!("the file {} that was issued is not there", event.sha256),
        })?;
        Ok(Some(IssuedDocument { event, bytes }))
    }

    /// Sets the paper in a language, and writes its machine-readable form.
    async fn set(
        &self,
        (case, state): (CaseId, &CaseState),
        language: Language,
    ) -> Result<Vec<IssuedDocument>, EngineError> {
        let submitted = state.submitted().ok_or(CaseRefusal::NotSubmitted)?;
        let installed = self.packs.pinned(&submitted.pack)?;
        let service = installed
            .service(&submitted.service)
            .ok_or_else(|| EngineError::UnknownService { service: submitted.service.clone() })?;
        let content = self.content((case, state), service, &installed).await?;
        let data = self.data(state, service, &content).to_string().into_bytes();
        let paper = self.paper(state, (&installed.pack, service), &content, (language, &data));
        let pdf = self.typesetter.pdf(&paper)?;
        let file = |bytes: Vec<u8>, media_type: &str, language: &str| IssuedDocument {
            event: DocumentIssued {
                kind: content.kind.as_str().to_owned(),
                language: language.to_owned(),
                sha256: Hash::of(&bytes),
                size_bytes: bytes.len() as u64,
                media_type: media_type.to_owned(),
            },
            bytes,
        };
        Ok(vec![file(pdf, PDF, language.code()), file(data, JSON, BOTH_LANGUAGES)])
    }

    /// Keeps files, then puts those that are not there yet on record.
    async fn issue(
        &self,
        (case, state): (CaseId, &CaseState),
        files: &[IssuedDocument],
    ) -> Result<(), EngineError> {
        self.keep(state, files).await?;
        let mut none_left = false;
        let issued = self.work_on(case, |_, state, _| {
            let is_new = |file: &&IssuedDocument| {
                let same = |known: &DocumentIssued| {
                    let (one, other) = (known, &file.event);
                    (&one.kind, &one.language, &one.media_type)
                        == (&other.kind, &other.language, &other.media_type)
                };
                !state.documents().iter().any(same)
            };
            let mut version = state.length();
            let mut events = Vec::new();
            for file in files.iter().filter(is_new) {
                events.push(NewEvent {
                    stream: state.stream().clone(),
                    version,
                    event: DomainEvent::Case(CaseEvent::DocumentIssued(file.event.clone())),
                    private: vec![],
                });
                version = version.next();
            }
            none_left = events.is_empty();
            if none_left {
                // Somebody was faster; there is nothing to append.
                return Err(CaseRefusal::AlreadyEnded.into());
            }
            Ok(Decision { events, claims: vec![] })
        });
        match issued.await {
            Err(EngineError::Case(CaseRefusal::AlreadyEnded)) if none_left => {}
            other => drop(other?),
        }
        self.catch_up().await?;
        Ok(())
    }

    async fn keep(&self, state: &CaseState, files: &[IssuedDocument]) -> Result<(), EngineError> {
        let files = files.iter().map(|file| (state.stream().clone(), file.bytes.clone())).collect();
        let batch = crate::private::PrivateBatch { files, ..Default::default() };
        Ok(self.private.put(batch).await?)
    }

    /// The values that the paper of a case shows, in any language, with their evidence.
    async fn content(
        &self,
        (case, state): (CaseId, &CaseState),
        service: &Service,
        installed: &InstalledPack,
    ) -> Result<Content, EngineError> {
        let kind = kind_of(state).ok_or(CaseRefusal::NotSubmitted)?;
        let row = self.model.decision(case)?.value.ok_or(EngineError::UnknownCase { case })?;
        let calendar = installed.pack.calendar();
        let digests: Vec<_> = state.digests().copied().collect();
        let disclosures: Vec<_> =
            self.private.open_digests(&digests)?.into_iter().flatten().collect();
        let opened = Opened::new(&disclosures);
        let mut values: BTreeMap<String, Json> = BTreeMap::new();
        for (field, value) in opened.values(state).map_err(CaseRefusal::from)?.form {
            values.insert(format!("form.{field}"), value);
        }
        let entry = self.entry_fields(state, row.leaf).await?;
        values.extend(entry.0);
        let mut set =
            |name: &str, value: String| values.insert(name.to_owned(), value.as_str().into());
        if let Some(registered) = state.registered() {
            set("case.number", registered.number.clone());
            set("case.registered_on", calendar.date(registered.registered_at).to_string());
            set("case.due", registered.last_day.to_string());
        }
        set("decision.date", calendar.date(row.decided_at).to_string());
        if let Some(result) = state.result() {
            set("result.number", result.number.clone());
            set("result.valid_from", result.valid_from.to_string());
            set("result.valid_until", result.valid_until.to_string());
        }
        let shown: BTreeSet<&str> = service.shown(kind);
        values.retain(|name, _| shown.contains(name.as_str()));
        let mut evidence = disclosures;
        evidence.retain(|disclosure| shown.contains(disclosure.name()));
        let of_the_entry = |disclosure: &Disclosure| {
            let field = disclosure.name().strip_prefix("field.");
            field.is_some_and(|field| shown.contains(format!("entry.{field}").as_str()))
        };
        evidence.extend(entry.1.into_iter().filter(of_the_entry));
        Ok(Content { kind, decided_at: row.decided_at, leaf: row.leaf, values, evidence })
    }

    /// Fields of the entry that the decision made or revised, named `entry.<field>`, with the
    /// disclosures of the private ones.
    async fn entry_fields(
        &self,
        state: &CaseState,
        leaf: LeafIndex,
    ) -> Result<(BTreeMap<String, Json>, Vec<Disclosure>), EngineError> {
        let (mut fields, mut disclosures) = (BTreeMap::new(), Vec::new());
        let Some(result) = state.result() else { return Ok((fields, disclosures)) };
        for event in self.events_at(leaf, &result.registry_entry).await? {
            let public = match DomainEvent::read(&event)? {
                Some(DomainEvent::Entry(EntryEvent::Created(created))) => created.fields,
                Some(DomainEvent::Entry(EntryEvent::Revised(revised))) => revised.fields,
                _ => continue,
            };
            let public = public.iter();
            fields.extend(public.map(|(name, v)| (format!("entry.{name}"), v.clone())));
            disclosures.extend(self.private.open_digests(&event.private)?.into_iter().flatten());
        }
        for disclosure in &disclosures {
            if let Some(field) = disclosure.name().strip_prefix("field.") {
                fields.insert(format!("entry.{field}"), disclosure.value().clone());
            }
        }
        Ok((fields, disclosures))
    }

    /// The machine-readable form; `docs/EVENTS.md` states its shape.
    fn data(&self, state: &CaseState, service: &Service, content: &Content) -> Json {
        let mut object = Object::new()
            .with("agency", self.author.agency.as_str())
            .with("case", state.stream().as_str())
            .with("decided_at", content.decided_at.to_string().as_str())
            .with("kind", content.kind.as_str())
            .with("leaf", crate::event::leaf(content.leaf))
            .with("log", self.author.log.as_str())
            .with("service", service.regulation.service.value.as_str())
            .with("v", 1u32);
        let values = content.values.iter();
        let values = values.fold(Object::new(), |all, (name, v)| all.with(name, v.clone()));
        object = object.with("values", values);
        let disclosures: Vec<Json> = content.evidence.iter().map(|d| d.as_str().into()).collect();
        object = object.with("disclosures", disclosures);
        if let Some((decided, _)) = state.decided() {
            let grounds = decided.grounds.iter().filter_map(|found| {
                let ground = service.regulation.ground(&found.code)?;
                let text = |text: &crate::messages::Text| {
                    Object::new().with("en", text.en.as_str()).with("ru", text.ru.as_str())
                };
                let object = Object::new().with("code", found.code.as_str());
                Some(object.with("law", text(&ground.law)).with("text", text(&ground.text)).into())
            });
            object = object.with("grounds", grounds.collect::<Vec<Json>>());
        }
        if let Some(result) = state.result() {
            object = object.with("registry_entry", result.registry_entry.as_str());
        }
        object.into()
    }

    fn paper(
        &self,
        state: &CaseState,
        (pack, service): (&Pack, &Service),
        content: &Content,
        (language, data): (Language, &[u8]),
    ) -> Paper {
        let texts = content.values.iter().map(|(name, v)| (name.clone(), plain_text(v)));
        let mut texts: BTreeMap<String, String> = texts.collect();
        if let Some((decided, _)) = state.decided() {
            let codes = decided.grounds.iter().map(|found| &found.code);
            let grounds = service.regulation.ground_list(codes, language);
            texts.insert("decision.grounds".to_owned(), grounds);
        }
        let number = state.result().map(|result| result.number.clone());
        let number = number.or_else(|| Some(state.registered()?.number.clone()));
        let title = service.regulation.title.in_language(language);
        let case = state.stream().as_str().rsplit('/').next().unwrap_or_default();
        let (log, leaf) = (self.author.log.as_str(), content.leaf.get().to_string());
        Paper {
            language,
            title: format!("{title}: {}", number.unwrap_or_default()),
            issuer: pack.issuer().in_language(language).to_owned(),
            date: pack.calendar().date(content.decided_at),
            markdown: service.document(content.kind, language, &texts),
            check_path: format!("check/{case}"),
            code_description: MessageId::PaperCode.text(language, &[]),
            check_lines: vec![
                MessageId::PaperCheck.text(language, &[]),
                MessageId::PaperLog.text(language, &[log, &leaf]),
            ],
            data_name: format!("{}.json", content.kind.as_str()),
            data_description: MessageId::PaperData.text(language, &[]),
            data: data.to_vec(),
        }
    }
}

/// Which paper a case has; none while it has not ended with a decision.
fn kind_of(state: &CaseState) -> Option<DocumentKind> {
    let cause = state.about().map(|about| &about.cause);
    match (state.status(), cause) {
        (CaseStatus::Granted, None) => Some(DocumentKind::Result),
        (CaseStatus::Granted, Some(Cause::Renewal)) => Some(DocumentKind::Renewal),
        (CaseStatus::Granted, Some(Cause::Review { .. })) => Some(DocumentKind::Revision),
        (CaseStatus::Refused, Some(Cause::Review { .. })) => Some(DocumentKind::Ending),
        (CaseStatus::Refused, _) => Some(DocumentKind::Refusal),
        _ => None,
    }
}

impl std::fmt::Debug for IssuedDocument {
    /// Shows what the log holds: the bytes are private.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedDocument").field("event", &self.event).finish_non_exhaustive()
    }
}
