//! Extracts: an entry of a registry as it stands now, on paper, with its source and a code.
//!
//! Anybody gets an extract with the public fields; an official gets the official ones too, and
//! stands on it as the one who gave it. An extract is not put on record: what it says stands in
//! the log, at the leaf that it names. Not here: how it looks, and who is an official.

use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::{Json, Object};
use letopis_ledger::{Timestamp, TreeSize};

use super::{CaseEngine, EngineError, LedgerPort, Paper};
use crate::event::OfficialId;
use crate::messages::{Language, MessageId};
use crate::pack::{Pack, Registry, Visibility, escaped, plain_text};
use crate::projection::{EntryRow, EntryStatus};

/// Version of the machine-readable form.
const DATA_VERSION: u32 = 1;

/// Who gets an extract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtractReader {
    /// Anybody.
    Public,
    /// An official of the agency.
    Official(OfficialId),
}

/// What an extract says.
struct Content<'a> {
    row: &'a EntryRow,
    /// Fields in the order of the registry, with their values.
    fields: Vec<(&'a str, Json)>,
    /// What proves the ones that are not public.
    evidence: Vec<Disclosure>,
    size: TreeSize,
    at: Timestamp,
    reader: ExtractReader,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// An extract of an entry as a PDF file, as of all that the log has now.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn extract(
        &self,
        entry: &StreamName,
        language: Language,
        reader: ExtractReader,
    ) -> Result<Vec<u8>, EngineError> {
        let size = self.catch_up().await?;
        let unknown = || super::unknown_entry(entry);
        let row = self.model.entry(entry)?.value.ok_or_else(unknown)?;
        let installed = self.packs.of_registry(&row.registry).ok_or_else(unknown)?;
        let pack = &installed.pack;
        let registry = pack.registry(&row.registry).ok_or_else(unknown)?;
        let shown: Vec<_> =
            registry.fields.iter().filter(|field| may_see(reader, field.visibility)).collect();
        let digests = self.model.entry_disclosures(&row.stream)?.value;
        let mut evidence: Vec<Disclosure> =
            self.private.open_digests(&digests)?.into_iter().flatten().collect();
        let values = super::facts::values_of(&row, &evidence);
        evidence.retain(|disclosure| {
            let name = disclosure.name().strip_prefix("field.");
            shown.iter().any(|field| Some(field.name.value.as_str()) == name)
        });
        let fields = shown.iter().filter_map(|field| {
            Some((field.name.value.as_str(), values.get(&field.name.value)?.clone()))
        });
        let (fields, at) = (fields.collect(), self.clock.now());
        let content = Content { row: &row, fields, evidence, size, at, reader };
        Ok(self.typesetter.pdf(&self.extract_paper(pack, registry, &content, language))?)
    }

    fn extract_paper(
        &self,
        pack: &Pack,
        registry: &Registry,
        content: &Content<'_>,
        language: Language,
    ) -> Paper {
        let row = content.row;
        let id = row.stream.as_str().rsplit('/').next().unwrap_or_default();
        let number = row.number.as_deref().unwrap_or(id);
        let title =
            MessageId::ExtractTitle.text(language, &[registry.title.in_language(language), number]);
        let (log, leaf) = (self.author.log.as_str(), row.leaf.get().to_string());
        Paper {
            language,
            issuer: pack.issuer().in_language(language).to_owned(),
            date: pack.calendar().date(content.at),
            markdown: markdown(pack, registry, content, (&title, language)),
            title,
            check_path: format!("check/entry/{}/{id}", row.registry),
            code_description: MessageId::PaperCode.text(language, &[]),
            check_lines: vec![
                MessageId::PaperCheck.text(language, &[]),
                MessageId::PaperLog.text(language, &[log, &leaf]),
            ],
            data_name: "extract.json".to_owned(),
            data_description: MessageId::PaperData.text(language, &[]),
            data: self.extract_data(content).to_string().into_bytes(),
        }
    }

    /// The machine-readable form; `docs/EVENTS.md` states its shape.
    fn extract_data(&self, content: &Content<'_>) -> Json {
        let row = content.row;
        let values = content.fields.iter();
        let values = values.fold(Object::new(), |all, (name, v)| all.with(*name, v.clone()));
        let disclosures: Vec<Json> = content.evidence.iter().map(|d| d.as_str().into()).collect();
        let mut object = Object::new()
            .with("agency", self.author.agency.as_str())
            .with("as_of", crate::event::size(content.size))
            .with("at", content.at.to_string().as_str())
            .with("disclosures", disclosures)
            .with("entry", row.stream.as_str())
            .with("fields", values)
            .with("kind", "extract")
            .with("leaf", crate::event::leaf(row.leaf))
            .with("log", self.author.log.as_str())
            .with("status", row.status.as_str())
            .with("v", DATA_VERSION);
        let optional = [
            ("number", &row.number),
            ("valid_from", &row.valid_from),
            ("valid_until", &row.valid_until),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                object = object.with(name, value.as_str());
            }
        }
        if let ExtractReader::Official(official) = content.reader {
            object = object.with("official", official.to_string().as_str());
        }
        object.into()
    }
}

const fn may_see(reader: ExtractReader, visibility: Visibility) -> bool {
    match visibility {
        Visibility::Public => true,
        Visibility::Official => matches!(reader, ExtractReader::Official(_)),
        Visibility::Private => false,
    }
}

const fn status(status: EntryStatus) -> MessageId {
    match status {
        EntryStatus::InForce => MessageId::EntryInForce,
        EntryStatus::Excluded => MessageId::EntryExcluded,
        EntryStatus::Expired => MessageId::EntryExpired,
    }
}

/// The text of an extract: a table of fields, then where it comes from and what it is of.
fn markdown(
    pack: &Pack,
    registry: &Registry,
    content: &Content<'_>,
    (title, language): (&str, Language),
) -> String {
    let text = |id: MessageId| id.text(language, &[]);
    let row = content.row;
    let mut lines = Vec::new();
    let mut line = |name: String, value: &str| {
        lines.push(format!("| {} | {} |", escaped(&name), escaped(value)));
    };
    for (name, value) in &content.fields {
        let field = registry.fields.iter().find(|field| field.name.value.as_str() == *name);
        let title = field.map_or(*name, |field| field.title.in_language(language));
        line(title.to_owned(), &plain_text(value));
    }
    line(text(MessageId::ExtractStatus), &text(status(row.status)));
    let dates =
        [(MessageId::ExtractFrom, &row.valid_from), (MessageId::ExtractUntil, &row.valid_until)];
    for (name, value) in dates {
        if let Some(value) = value {
            line(text(name), value);
        }
    }
    let created = pack.calendar().date(row.created_at).to_string();
    line(text(MessageId::ExtractCreated), &created);
    line(text(MessageId::ExtractAt), &content.at.to_string());
    line(text(MessageId::ExtractLeaves), &content.size.to_string());
    if let ExtractReader::Official(official) = content.reader {
        line(text(MessageId::ExtractOfficial), &official.to_string());
    }
    let (name, value) = (text(MessageId::ExtractField), text(MessageId::ExtractValue));
    format!("# {}\n\n| {name} | {value} |\n|---|---|\n{}\n", escaped(title), lines.join("\n"))
}
