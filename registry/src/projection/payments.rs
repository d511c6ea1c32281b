//! Payments: which months of which entries are due, and which are paid.
//!
//! Only those of the agency that the tables serve. An amount stands here as the digest of its
//! disclosure. Not here: which entries are in force, which `entries` says.

use letopis_ledger::disclosure::DisclosureDigest;
use letopis_ledger::id::StreamName;
use letopis_ledger::{Hash, LeafIndex, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use super::row::{number, parsed, time, to_sql};
use super::{EntryRow, Fold, Place, Projection, ProjectionError, ReadModel, Reflected, entries};
use crate::code::RegistryCode;
use crate::event::{CaseId, DomainEvent, PaymentDue, PaymentEvent, PaymentsId};
use crate::payment::{AMOUNT, Period};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE payment (
            payments_id TEXT NOT NULL, period TEXT NOT NULL, case_id TEXT NOT NULL,
            entry TEXT NOT NULL, amount BLOB, state TEXT NOT NULL, due_ms INTEGER NOT NULL,
            settled_ms INTEGER, leaf INTEGER NOT NULL,
            PRIMARY KEY (payments_id, period)
        ) WITHOUT ROWID;
        CREATE INDEX payment_entry ON payment (entry, period);
        CREATE INDEX payment_open ON payment (period, payments_id) WHERE state <> 'paid';
    ",
    content: &[("payment", "payments_id, period")],
    fold,
};

/// A payment as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRow {
    /// The payments of the entry.
    pub payments: PaymentsId,
    /// The month.
    pub period: Period,
    /// The case that granted it.
    pub case: CaseId,
    /// Stream of the entry that pays.
    pub entry: StreamName,
    /// Digest of the amount's disclosure.
    pub amount: Option<DisclosureDigest>,
    /// `due`, `paid` or `failed`.
    pub state: String,
    /// When it became due.
    pub due_at: Timestamp,
    /// When it was settled last.
    pub settled_at: Option<Timestamp>,
    /// The leaf of the newest change.
    pub leaf: LeafIndex,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Payment(event) = event else { return Ok(()) };
    let Ok(id) = PaymentsId::of_stream(&place.event.stream) else { return Ok(()) };
    if place.author.as_str() != fold.model.owner() {
        return Ok(());
    }
    let (id, leaf) = (id.to_string(), to_sql(place.leaf.get()));
    match event {
        PaymentEvent::Due(due) => insert(fold, place, &id, due),
        PaymentEvent::Settled(settled) => fold.run(
            "UPDATE payment SET state = ?3, settled_ms = ?4, leaf = ?5
             WHERE payments_id = ?1 AND period = ?2 AND state <> 'paid'",
            params![
                id,
                settled.period.to_string(),
                if settled.paid { "paid" } else { "failed" },
                place.time.unix_ms(),
                leaf
            ],
        ),
    }
}

fn insert(
    fold: &Fold<'_>,
    place: &Place<'_>,
    id: &str,
    due: &PaymentDue,
) -> Result<(), ProjectionError> {
    let Ok(case) = CaseId::of_stream(&due.case) else { return Ok(()) };
    let opened = fold.model.private.open_digests(&place.event.private)?;
    let amount = opened.iter().flatten().find(|opened| opened.name() == AMOUNT);
    fold.run(
        "INSERT OR IGNORE INTO payment
         (payments_id, period, case_id, entry, amount, state, due_ms, leaf)
         VALUES (?1, ?2, ?3, ?4, ?5, 'due', ?6, ?7)",
        params![
            id,
            due.period.to_string(),
            case.to_string(),
            due.entry.as_str(),
            amount.map(|opened| *opened.digest().hash().as_bytes()),
            place.time.unix_ms(),
            to_sql(place.leaf.get()),
        ],
    )
}

impl ReadModel {
    /// A payment.
    ///
    /// # Errors
    /// The database failed.
    pub fn payment(
        &self,
        payments: PaymentsId,
        period: Period,
    ) -> Result<Reflected<Option<PaymentRow>>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached("SELECT * FROM payment WHERE payments_id = ?1 AND period = ?2")?
                .query_row([payments.to_string(), period.to_string()], read)
                .optional()
        })
    }

    /// The payments of an entry, in the order of months.
    ///
    /// # Errors
    /// The database failed.
    pub fn payments_of_entry(
        &self,
        entry: &StreamName,
    ) -> Result<Reflected<Vec<PaymentRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection
                .prepare_cached("SELECT * FROM payment WHERE entry = ?1 ORDER BY period")?;
            select.query_map([entry.as_str()], read)?.collect()
        })
    }

    /// Payments that are not paid, in the order of months, after one of them, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub fn open_payments(
        &self,
        after: Option<(Period, PaymentsId)>,
        most: u32,
    ) -> Result<Reflected<Vec<PaymentRow>>, ProjectionError> {
        let (period, id) = match after {
            Some((period, id)) => (period.to_string(), id.to_string()),
            None => (String::new(), String::new()),
        };
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM payment WHERE state <> 'paid' AND (period, payments_id) > (?1, ?2)
                 ORDER BY period, payments_id LIMIT ?3",
            )?;
            select.query_map(params![period, id, most], read)?.collect()
        })
    }

    /// Entries of a registry that came before an instant and for which no month from `period` on
    /// was made due: those in force, and those that went out since `removed_since`, in the order
    /// of streams after one of them, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub fn entries_to_pay(
        &self,
        registry: &RegistryCode,
        period: Period,
        (created_before, removed_since): (Timestamp, Timestamp),
        after: Option<&StreamName>,
        most: u32,
    ) -> Result<Reflected<Vec<EntryRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM registry_entry AS entry
                 WHERE registry = ?1 AND author = ?2 AND created_ms < ?3 AND stream > ?5
                 AND (status = 'in_force' OR EXISTS (
                     SELECT 1 FROM registry_history AS last WHERE last.stream = entry.stream
                     AND last.version = entry.version AND last.changed_ms >= ?4))
                 AND NOT EXISTS (SELECT 1 FROM payment
                     WHERE payment.entry = entry.stream AND payment.period >= ?6)
                 ORDER BY stream LIMIT ?7",
            )?;
            let parameters = params![
                registry.as_str(),
                self.owner(),
                created_before.unix_ms(),
                removed_since.unix_ms(),
                after.map_or("", StreamName::as_str),
                period.to_string(),
                most
            ];
            select.query_map(parameters, entries::read)?.collect()
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<PaymentRow> {
    let amount: Option<[u8; 32]> = row.get("amount")?;
    let settled: Option<i64> = row.get("settled_ms")?;
    Ok(PaymentRow {
        payments: parsed(row, "payments_id", PaymentsId::parse)?,
        period: parsed(row, "period", |text| Period::parse(text).map_err(std::io::Error::other))?,
        case: parsed(row, "case_id", CaseId::parse)?,
        entry: parsed(row, "entry", StreamName::parse)?,
        amount: amount.map(|bytes| DisclosureDigest::from_hash(Hash::from_bytes(bytes))),
        state: row.get("state")?,
        due_at: time(row, "due_ms")?,
        settled_at: settled.map(|_| time(row, "settled_ms")).transpose()?,
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}
