//! Answers that may serve again: what was asked of whom by which values, found by a keyed digest.
//!
//! A request with the same question needs no new message while an answer is fresh (U23). The digest
//! tells nothing to who reads the file. Not here: how fresh an answer must be, which a regulation
//! says, and what it says, which the private store has.

use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::row::{number, parsed, time, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::code::FieldPath;
use crate::event::{
    CaseEvent, CaseId, DomainEvent, RequestOutcome, RequestSent, RequestTarget, Way,
};
use crate::pack::plain_text;
use crate::private::PrivateError;
use crate::secret::{AgencySecret, KeyedDigest};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE question (
            case_id TEXT NOT NULL, request TEXT NOT NULL, digest BLOB NOT NULL,
            answered_ms INTEGER, version INTEGER, leaf INTEGER NOT NULL,
            PRIMARY KEY (case_id, request)
        ) WITHOUT ROWID;
        CREATE INDEX question_digest ON question (digest, answered_ms)
            WHERE answered_ms IS NOT NULL;
    ",
    content: &[("question", "case_id, request")],
    fold,
};

/// An answer that may serve again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownAnswer {
    /// The case that got it.
    pub case: CaseId,
    /// Number of the answer in the case's stream.
    pub version: StreamVersion,
    /// Its leaf.
    pub leaf: LeafIndex,
    /// When the log took it.
    pub answered_at: Timestamp,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Case(event) = event else { return Ok(()) };
    let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
    if place.author.as_str() != fold.model.owner() {
        return Ok(());
    }
    let (case, leaf) = (case.to_string(), to_sql(place.leaf.get()));
    match event {
        CaseEvent::RequestSent(sent) => {
            let Some(digest) = asked(fold, place, sent)? else { return Ok(()) };
            fold.run(
                "INSERT OR IGNORE INTO question (case_id, request, digest, leaf)
                 VALUES (?1, ?2, ?3, ?4)",
                params![case, sent.request.as_str(), digest.as_bytes(), leaf],
            )
        }
        // An answer that served again does not become fresher by it.
        CaseEvent::RequestAnswered(answered)
            if answered.outcome == RequestOutcome::Answered
                && answered.came.as_ref().is_none_or(|came| came.way != Way::Reused) =>
        {
            fold.run(
                "UPDATE question SET answered_ms = ?3, version = ?4, leaf = ?5
                 WHERE case_id = ?1 AND request = ?2",
                params![
                    case,
                    answered.request.as_str(),
                    place.time.unix_ms(),
                    to_sql(place.event.version.get()),
                    leaf,
                ],
            )
        }
        _ => Ok(()),
    }
}

/// The digest of a question that was sent; nothing for a person, who answers for this case alone.
fn asked(
    fold: &Fold<'_>,
    place: &Place<'_>,
    sent: &RequestSent,
) -> Result<Option<KeyedDigest>, ProjectionError> {
    if !repeats(&sent.target) {
        return Ok(None);
    }
    let prefix = format!("request.{}.", sent.request);
    let opened = match fold.model.private.open_digests(&place.event.private) {
        // What cannot be opened cannot serve again; the case itself says what is damaged.
        Err(PrivateError::Damaged { .. }) => return Ok(None),
        opened => opened?,
    };
    if opened.iter().any(Option::is_none) {
        return Ok(None);
    }
    let by = opened.iter().flatten().filter_map(|disclosure| {
        let field = FieldPath::parse(disclosure.name().strip_prefix(&prefix)?).ok()?;
        Some((field, plain_text(disclosure.value())))
    });
    Ok(question(&fold.model.secret, &sent.target, sent.request.as_str(), by.collect()))
}

/// Whether those asked would answer the same question in the same way.
const fn repeats(target: &RequestTarget) -> bool {
    matches!(
        target,
        RequestTarget::Registry(_)
            | RequestTarget::Addressee(_)
            | RequestTarget::Organisation(_)
            | RequestTarget::Unit(_)
    )
}

/// The keyed digest of a question.
fn question(
    secret: &AgencySecret,
    target: &RequestTarget,
    request: &str,
    mut by: Vec<(FieldPath, String)>,
) -> Option<KeyedDigest> {
    if !repeats(target) || by.is_empty() {
        return None;
    }
    by.sort();
    let values = by.iter().flat_map(|(field, value)| [field.as_str(), value]);
    let parts: Vec<&str> =
        [target.kind(), target.name(), request].into_iter().chain(values).collect();
    Some(secret.digest("question", &parts))
}

impl ReadModel {
    /// The newest answer to the same question that was taken at `since` or later.
    ///
    /// # Errors
    /// The database failed.
    pub fn known_answer(
        &self,
        (target, request): (&RequestTarget, &str),
        by: Vec<(FieldPath, String)>,
        since: Timestamp,
    ) -> Result<Reflected<Option<KnownAnswer>>, ProjectionError> {
        let digest = question(&self.secret, target, request, by);
        self.query(|connection| {
            let Some(digest) = &digest else { return Ok(None) };
            let mut select = connection.prepare_cached(
                "SELECT case_id, version, leaf, answered_ms FROM question
                 WHERE digest = ?1 AND answered_ms >= ?2
                 ORDER BY answered_ms DESC, case_id LIMIT 1",
            )?;
            let row = select.query_row(params![digest.as_bytes(), since.unix_ms()], |row| {
                Ok(KnownAnswer {
                    case: parsed(row, "case_id", CaseId::parse)?,
                    version: StreamVersion::new(number(row, "version")?),
                    leaf: LeafIndex::new(number(row, "leaf")?),
                    answered_at: time(row, "answered_ms")?,
                })
            });
            row.optional()
        })
    }
}
