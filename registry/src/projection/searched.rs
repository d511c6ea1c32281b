//! Cases found by what people know of them: number, service, status, channel, and the names that
//! another system gave them.
//!
//! What a system says of an application is private and stands here as keyed digests. Only cases of
//! the agency that the tables serve. Not here: full text, and searching forms.

use letopis_ledger::Timestamp;
use rusqlite::{Row, params};

use super::row::{list_text, optional_number, parsed, time};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::case::{CaseStatus, SOURCE};
use crate::code::{ChannelCode, ServiceCode};
use crate::event::{CaseEvent, CaseId, DomainEvent, OfficialId};
use crate::pack::plain_text;
use crate::secret::KeyedDigest;

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE case_source (
            digest BLOB NOT NULL, case_id TEXT NOT NULL, PRIMARY KEY (digest, case_id)
        ) WITHOUT ROWID;
    ",
    content: &[("case_source", "digest, case_id")],
    fold,
};

/// What is known of a case.
#[derive(Debug, Clone, Default)]
pub struct CaseSearch {
    /// Its number.
    pub number: Option<String>,
    /// The service.
    pub service: Option<ServiceCode>,
    /// How far it is.
    pub status: Option<CaseStatus>,
    /// How it came.
    pub channel: Option<ChannelCode>,
    /// What another system says of it: `receipt`, `cabinet`, `message_id`, `service_code` or
    /// `territory`, and the text.
    pub source: Vec<(&'static str, String)>,
    /// Only cases that this official works on.
    pub official: Option<OfficialId>,
    /// The case after which the page begins: the newest come first.
    pub after: Option<CaseId>,
    /// Most cases.
    pub most: u32,
}

/// A case that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCase {
    /// The case.
    pub case: CaseId,
    /// Its number; that of the refusal where it was not taken; none where neither has one.
    pub number: Option<String>,
    /// The service.
    pub service: ServiceCode,
    /// How it came.
    pub channel: ChannelCode,
    /// How far it is.
    pub status: CaseStatus,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// The end of its term, if it has one.
    pub due: Option<Timestamp>,
    /// Who works on it.
    pub official: Option<OfficialId>,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Case(CaseEvent::Submitted(submitted)) = event else { return Ok(()) };
    let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
    // Nobody but a system says more than the form has.
    if submitted.system.is_none() || place.author.as_str() != fold.model.owner() {
        return Ok(());
    }
    let opened = fold.model.private.open_digests(&place.event.private)?;
    for field in opened.iter().flatten() {
        let Some(name) = field.name().strip_prefix(SOURCE) else { continue };
        let digest = fold.model.source_digest(name, &plain_text(field.value()));
        fold.run(
            "INSERT OR IGNORE INTO case_source (digest, case_id) VALUES (?1, ?2)",
            params![digest.as_bytes(), case.to_string()],
        )?;
    }
    Ok(())
}

impl ReadModel {
    /// Cases of this agency that all of this is known of, the newest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn search(
        &self,
        search: &CaseSearch,
    ) -> Result<Reflected<Vec<FoundCase>>, ProjectionError> {
        // SQLite has no blobs in JSON.
        let digests = search
            .source
            .iter()
            .map(|(name, text)| hex::encode(self.source_digest(name, text).as_bytes()));
        let digests = list_text(digests);
        let text = |text: Option<&str>| text.map(str::to_owned);
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT f.case_id, f.number, f.service, f.channel, f.status, f.submitted_ms,
                     f.due_ms, c.official, i.number AS intake_number
                 FROM case_file AS f LEFT JOIN case_control AS c USING (case_id)
                 LEFT JOIN not_taken AS i USING (case_id)
                 WHERE f.author = ?1 AND (?2 IS NULL OR f.number = ?2 OR i.number = ?2)
                 AND (?3 IS NULL OR f.service = ?3) AND (?4 IS NULL OR f.status = ?4)
                 AND (?5 IS NULL OR f.channel = ?5) AND (?6 IS NULL OR c.official = ?6)
                 AND NOT EXISTS (SELECT 1 FROM json_each(?7) AS d WHERE NOT EXISTS (
                     SELECT 1 FROM case_source AS s
                     WHERE s.digest = unhex(d.value) AND s.case_id = f.case_id))
                 AND (?8 IS NULL OR f.case_id < ?8)
                 ORDER BY f.case_id DESC LIMIT ?9",
            )?;
            let parameters = params![
                self.owner(),
                search.number,
                text(search.service.as_ref().map(ServiceCode::as_str)),
                text(search.status.map(CaseStatus::as_str)),
                text(search.channel.as_ref().map(ChannelCode::as_str)),
                search.official.map(|official| official.to_string()),
                digests,
                search.after.map(|case| case.to_string()),
                search.most,
            ];
            let rows = select.query_map(parameters, read)?;
            rows.collect()
        })
    }

    fn source_digest(&self, name: &str, text: &str) -> KeyedDigest {
        self.secret.digest("case-source", &[name, text])
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<FoundCase> {
    let number: Option<String> = row.get("number")?;
    let official: Option<String> = row.get("official")?;
    Ok(FoundCase {
        case: parsed(row, "case_id", CaseId::parse)?,
        number: number.or(row.get("intake_number")?),
        service: parsed(row, "service", ServiceCode::parse)?,
        channel: parsed(row, "channel", ChannelCode::parse)?,
        status: CaseStatus::stored(row.get_ref("status")?.as_str()?),
        submitted_at: time(row, "submitted_ms")?,
        due: optional_number(row, "due_ms")?.map(|_| time(row, "due_ms")).transpose()?,
        official: official.map(|_| parsed(row, "official", OfficialId::parse)).transpose()?,
    })
}
