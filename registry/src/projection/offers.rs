//! Offers: to whom which service was offered, what came of it, and who declined one lately.
//!
//! Whom an offer is for stands here as a keyed digest, so equal persons meet and the file tells
//! nothing. Only those of the agency that the tables serve. Not here: what an offer fills in.

use jiff::civil::Date;
use letopis_ledger::id::StreamName;
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use super::row::{number, optional_number, parsed, time, to_sql};
use super::{EntryRow, Fold, Place, Projection, ProjectionError, ReadModel, Reflected, entries};
use crate::code::{ChannelCode, OfferCode, RegistryCode, ServiceCode};
use crate::event::{CaseId, DomainEvent, OfferEvent, OfferId, OfferMade};
use crate::offer::RECIPIENT;
use crate::pack::plain_text;
use crate::secret::KeyedDigest;

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE offer (
            offer_id TEXT PRIMARY KEY, service TEXT NOT NULL, code TEXT NOT NULL,
            about TEXT NOT NULL, ends TEXT NOT NULL, open_until TEXT NOT NULL,
            recipient BLOB, state TEXT NOT NULL, case_id TEXT, channel TEXT, notice INTEGER,
            notice_state TEXT, made_ms INTEGER NOT NULL, ended_ms INTEGER, leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX offer_about ON offer (about, service, code, ends);
        CREATE INDEX offer_declined ON offer (recipient, ended_ms) WHERE state = 'declined';
        CREATE INDEX offer_open ON offer (open_until, offer_id) WHERE state = 'open';
    ",
    content: &[("offer", "offer_id")],
    fold,
};

/// An offer as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferRow {
    /// The offer.
    pub offer: OfferId,
    /// The service.
    pub service: ServiceCode,
    /// Which offer of its regulation.
    pub code: OfferCode,
    /// Stream of the entry that triggered it.
    pub about: StreamName,
    /// The last day of that entry, where its end is the trigger.
    pub ends: Option<Date>,
    /// The last day on which it can be accepted.
    pub open_until: Date,
    /// `open`, `accepted`, `declined` or `expired`.
    pub state: String,
    /// The case that came of it.
    pub case: Option<CaseId>,
    /// How the person is told.
    pub channel: Option<ChannelCode>,
    /// Number of its `notice.queued`.
    pub notice: Option<StreamVersion>,
    /// `queued`, `delivered` or `failed`.
    pub notice_state: Option<String>,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The leaf of the newest change.
    pub leaf: LeafIndex,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Offer(event) = event else { return Ok(()) };
    let Ok(id) = OfferId::of_stream(&place.event.stream) else { return Ok(()) };
    if place.author.as_str() != fold.model.owner() {
        return Ok(());
    }
    let id = id.to_string();
    match event {
        OfferEvent::Made(offer) => made(fold, place, &id, offer)?,
        OfferEvent::NoticeQueued(queued) => fold.run(
            "UPDATE offer SET notice_state = 'queued', channel = ?2, notice = ?3
             WHERE offer_id = ?1",
            params![id, queued.channel.as_str(), to_sql(place.event.version.get())],
        )?,
        OfferEvent::NoticeSettled(settled) => fold.run(
            "UPDATE offer SET notice_state = ?3 WHERE offer_id = ?1 AND notice = ?2",
            params![
                id,
                to_sql(settled.notice.get()),
                if settled.delivered { "delivered" } else { "failed" }
            ],
        )?,
        OfferEvent::Accepted { case } => end(fold, place, &id, ("accepted", Some(case)))?,
        OfferEvent::Declined { .. } => end(fold, place, &id, ("declined", None))?,
        OfferEvent::Expired { .. } => end(fold, place, &id, ("expired", None))?,
    }
    let leaf = to_sql(place.leaf.get());
    fold.run("UPDATE offer SET leaf = ?2 WHERE offer_id = ?1", params![id, leaf])
}

fn made(
    fold: &Fold<'_>,
    place: &Place<'_>,
    id: &str,
    made: &OfferMade,
) -> Result<(), ProjectionError> {
    let private = fold.model.private.open_digests(&place.event.private)?;
    let found = private.iter().flatten().find(|disclosure| disclosure.name() == RECIPIENT);
    let recipient = found.map(|found| {
        let recipient = plain_text(found.value());
        *fold.model.recipient(&made.service, &made.offer, &recipient).as_bytes()
    });
    fold.run(
        "INSERT OR IGNORE INTO offer (offer_id, service, code, about, ends, open_until, recipient,
         state, made_ms, leaf) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'open', ?8, ?9)",
        params![
            id,
            made.service.as_str(),
            made.offer.as_str(),
            made.about.stream.as_str(),
            made.ends.map(|date| date.to_string()).unwrap_or_default(),
            made.open_until.to_string(),
            recipient,
            place.time.unix_ms(),
            to_sql(place.leaf.get()),
        ],
    )
}

fn end(
    fold: &Fold<'_>,
    place: &Place<'_>,
    id: &str,
    (state, case): (&str, Option<&StreamName>),
) -> Result<(), ProjectionError> {
    let case = case.and_then(|case| CaseId::of_stream(case).ok()).map(|case| case.to_string());
    fold.run(
        "UPDATE offer SET state = ?2, case_id = ?3, ended_ms = ?4
         WHERE offer_id = ?1 AND state = 'open'",
        params![id, state, case, place.time.unix_ms()],
    )
}

impl ReadModel {
    /// An offer.
    ///
    /// # Errors
    /// The database failed.
    pub fn offer(&self, offer: OfferId) -> Result<Reflected<Option<OfferRow>>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached("SELECT * FROM offer WHERE offer_id = ?1")?
                .query_row([offer.to_string()], read)
                .optional()
        })
    }

    /// Offers that are open, those whose last day comes first at the beginning, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub fn open_offers(&self, most: u32) -> Result<Reflected<Vec<OfferRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM offer WHERE state = 'open' ORDER BY open_until, offer_id LIMIT ?1",
            )?;
            select.query_map([most], read)?.collect()
        })
    }

    /// Open offers for officials, at most `most`: those whose letter waits first, the one that has
    /// waited longest at the beginning.
    ///
    /// # Errors
    /// The database failed.
    pub fn offers_to_tell(&self, most: u32) -> Result<Reflected<Vec<OfferRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM offer WHERE state = 'open'
                 ORDER BY notice_state <> 'queued', made_ms, offer_id LIMIT ?1",
            )?;
            select.query_map([most], read)?.collect()
        })
    }

    /// Offers about an entry, in the order in which they were made.
    ///
    /// # Errors
    /// The database failed.
    pub fn offers_about(
        &self,
        entry: &StreamName,
    ) -> Result<Reflected<Vec<OfferRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM offer WHERE about = ?1 ORDER BY made_ms, offer_id",
            )?;
            select.query_map([entry.as_str()], read)?.collect()
        })
    }

    /// Whether an offer was made for a trigger: an entry, and its last day where that is one.
    ///
    /// # Errors
    /// The database failed.
    pub fn was_offered(
        &self,
        (service, offer): (&ServiceCode, &OfferCode),
        entry: &StreamName,
        ends: Option<Date>,
    ) -> Result<Reflected<bool>, ProjectionError> {
        let ends = ends.map(|date| date.to_string()).unwrap_or_default();
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT 1 FROM offer
                     WHERE about = ?1 AND service = ?2 AND code = ?3 AND ends = ?4",
                )?
                .exists(params![entry.as_str(), service.as_str(), offer.as_str(), ends])
        })
    }

    /// When somebody declined an offer of a service last, if ever.
    ///
    /// # Errors
    /// The database failed.
    pub fn declined_at(
        &self,
        (service, offer): (&ServiceCode, &OfferCode),
        recipient: &str,
    ) -> Result<Reflected<Option<Timestamp>>, ProjectionError> {
        let digest = self.recipient(service, offer, recipient);
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT ended_ms FROM offer WHERE recipient = ?1 AND state = 'declined'
                     ORDER BY ended_ms DESC LIMIT 1",
                )?
                .query_row([digest.as_bytes()], |row| time(row, "ended_ms"))
                .optional()
        })
    }

    /// Entries in force of a registry that came after a leaf, end from `today` to `until`
    /// (`2026-11-21`), and for whose last day the offer was not made: the first to end at the
    /// beginning, after the place given, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub fn entries_ending(
        &self,
        (service, offer): (&ServiceCode, &OfferCode),
        (registry, since): (&RegistryCode, LeafIndex),
        (today, until): (Date, Date),
        after: Option<&EntryRow>,
        most: u32,
    ) -> Result<Reflected<Vec<EntryRow>>, ProjectionError> {
        let last = after.and_then(|entry| entry.valid_until.clone()).unwrap_or_default();
        let last_stream = after.map(|entry| entry.stream.to_string()).unwrap_or_default();
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM registry_entry AS entry
                 WHERE status = 'in_force' AND valid_until BETWEEN ?1 AND ?2 AND registry = ?3
                 AND author = ?4 AND created_leaf > ?5 AND (valid_until, stream) > (?6, ?7)
                 AND NOT EXISTS (SELECT 1 FROM offer WHERE about = entry.stream
                     AND service = ?8 AND code = ?9 AND ends = entry.valid_until)
                 ORDER BY valid_until, stream LIMIT ?10",
            )?;
            let parameters = params![
                today.to_string(),
                until.to_string(),
                registry.as_str(),
                self.owner(),
                to_sql(since.get()),
                last,
                last_stream,
                service.as_str(),
                offer.as_str(),
                most
            ];
            select.query_map(parameters, entries::read)?.collect()
        })
    }

    fn recipient(&self, service: &ServiceCode, offer: &OfferCode, recipient: &str) -> KeyedDigest {
        self.secret.digest("offer", &[service.as_str(), offer.as_str(), recipient])
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<OfferRow> {
    let case: Option<String> = row.get("case_id")?;
    let channel: Option<String> = row.get("channel")?;
    let ends: String = row.get("ends")?;
    let ended: Option<i64> = row.get("ended_ms")?;
    Ok(OfferRow {
        offer: parsed(row, "offer_id", OfferId::parse)?,
        service: parsed(row, "service", ServiceCode::parse)?,
        code: parsed(row, "code", OfferCode::parse)?,
        about: parsed(row, "about", StreamName::parse)?,
        ends: ends.parse().ok(),
        open_until: parsed(row, "open_until", str::parse::<Date>)?,
        state: row.get("state")?,
        case: case.map(|_| parsed(row, "case_id", CaseId::parse)).transpose()?,
        channel: channel.map(|_| parsed(row, "channel", ChannelCode::parse)).transpose()?,
        notice: optional_number(row, "notice")?.map(StreamVersion::new),
        notice_state: row.get("notice_state")?,
        made_at: time(row, "made_ms")?,
        ended_at: ended.map(|_| time(row, "ended_ms")).transpose()?,
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}
