//! Rows for figures: exact instants as the tables have them; `crate::statistics` counts.
//!
//! Windows of time have a first instant and an end that is excluded. Not here: tables of their
//! own; these are questions to those of cases, control, requests and decisions.

use std::collections::BTreeMap;

use letopis_ledger::Timestamp;
use letopis_ledger::id::AgencyId;
use rusqlite::Connection;

use super::row::{parsed, time};
use super::{ProjectionError, ReadModel, Reflected};
use crate::case::CaseStatus;
use crate::code::{ChannelCode, GroundCode, ServiceCode};
use crate::statistics::{
    DecidedCase, FinishedCase, MonthEvent, MonthFact, Supplier, SupplierRequest, TermUnit,
};

/// A first instant, and an end that is excluded.
type Window = (Timestamp, Timestamp);

impl ReadModel {
    /// Cases that ended with a result or a refusal in a time.
    ///
    /// # Errors
    /// The database failed.
    pub fn finished_cases(
        &self,
        window: Window,
    ) -> Result<Reflected<Vec<FinishedCase>>, ProjectionError> {
        self.query(|connection| {
            let mut pauses = pauses(connection, window)?;
            let mut select = connection.prepare_cached(
                "SELECT f.case_id, f.author, f.service, f.status, f.registered_ms, f.ended_ms,
                        f.due_ms, c.term_unit, c.by_people
                 FROM case_file AS f JOIN case_control AS c USING (case_id)
                 WHERE f.status IN ('granted', 'refused') AND f.registered_ms IS NOT NULL
                 AND f.ended_ms >= ?1 AND f.ended_ms < ?2 ORDER BY f.case_id",
            )?;
            let bounds = [window.0.unix_ms(), window.1.unix_ms()];
            let rows = select.query_map(bounds, |row| {
                let unit: String = row.get("term_unit")?;
                let working = unit == TermUnit::Working.as_str();
                let status: String = row.get("status")?;
                Ok(FinishedCase {
                    agency: parsed(row, "author", AgencyId::parse)?,
                    service: parsed(row, "service", ServiceCode::parse)?,
                    granted: status == CaseStatus::Granted.as_str(),
                    automatic: !row.get::<_, bool>("by_people")?,
                    registered_at: time(row, "registered_ms")?,
                    ended_at: time(row, "ended_ms")?,
                    due: time(row, "due_ms")?,
                    unit: if working { TermUnit::Working } else { TermUnit::Clock },
                    pauses: pauses.remove(&row.get::<_, String>("case_id")?).unwrap_or_default(),
                })
            })?;
            rows.collect()
        })
    }

    /// Applications that came and cases that ended in a time; consultations have rows of their
    /// own.
    ///
    /// # Errors
    /// The database failed.
    pub fn month_facts(
        &self,
        window: Window,
    ) -> Result<Reflected<Vec<MonthFact>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT author, service, channel, 'came' AS fact,
                        ifnull(registered_ms, submitted_ms) AS at_ms, case_id
                 FROM case_file WHERE ifnull(registered_ms, submitted_ms) >= ?1
                 AND ifnull(registered_ms, submitted_ms) < ?2
                 UNION ALL
                 SELECT author, service, channel, status AS fact, ended_ms AS at_ms, case_id
                 FROM case_file WHERE ended_ms >= ?1 AND ended_ms < ?2
                 ORDER BY at_ms, case_id, fact",
            )?;
            let bounds = [window.0.unix_ms(), window.1.unix_ms()];
            let rows = select.query_map(bounds, |row| {
                let fact: String = row.get("fact")?;
                Ok(MonthFact {
                    at: time(row, "at_ms")?,
                    agency: parsed(row, "author", AgencyId::parse)?,
                    service: parsed(row, "service", ServiceCode::parse)?,
                    channel: parsed(row, "channel", ChannelCode::parse)?,
                    event: ended(&fact).map_or(MonthEvent::Came, MonthEvent::Ended),
                })
            })?;
            rows.collect()
        })
    }

    /// Requests sent in a time to anybody but applicants.
    ///
    /// # Errors
    /// The database failed.
    pub fn supplier_requests(
        &self,
        window: Window,
    ) -> Result<Reflected<Vec<SupplierRequest>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT f.author, f.service, f.status, r.kind, r.target, r.sent_ms, r.due_ms,
                        CASE WHEN r.escalated IS NULL THEN r.outcome
                             WHEN r.escalated = 'no_data' THEN 'no_data'
                             ELSE 'timed_out' END AS outcome,
                        coalesce(r.escalated_ms, r.answered_ms, r.sent_ms) AS closed_ms
                 FROM request AS r JOIN case_file AS f USING (case_id)
                 WHERE r.kind NOT IN ('applicant', 'none') AND r.sent_ms >= ?1 AND r.sent_ms < ?2
                 ORDER BY r.case_id, r.request",
            )?;
            let bounds = [window.0.unix_ms(), window.1.unix_ms()];
            let rows = select.query_map(bounds, |row| {
                let outcome: Option<String> = row.get("outcome")?;
                let closed_at = time(row, "closed_ms")?;
                let status: String = row.get("status")?;
                Ok(SupplierRequest {
                    supplier: Supplier {
                        agency: parsed(row, "author", AgencyId::parse)?,
                        kind: row.get("kind")?,
                        name: row.get("target")?,
                    },
                    service: parsed(row, "service", ServiceCode::parse)?,
                    sent_at: time(row, "sent_ms")?,
                    due: time(row, "due_ms")?,
                    closed: outcome.map(|outcome| (outcome, closed_at)),
                    case_ended: status != CaseStatus::InProgress.as_str(),
                })
            })?;
            rows.collect()
        })
    }

    /// Cases that were decided in a time, with their grounds.
    ///
    /// # Errors
    /// The database failed.
    pub fn decided_in(
        &self,
        window: Window,
    ) -> Result<Reflected<Vec<DecidedCase>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT f.author, f.service, d.decided_ms,
                    (SELECT json_group_array(ground) FROM decision_ground AS g
                     WHERE g.case_id = d.case_id) AS grounds
                 FROM decision AS d JOIN case_file AS f USING (case_id)
                 WHERE d.decided_ms >= ?1 AND d.decided_ms < ?2 ORDER BY d.case_id",
            )?;
            let bounds = [window.0.unix_ms(), window.1.unix_ms()];
            let rows = select.query_map(bounds, |row| {
                let grounds: Vec<String> =
                    parsed(row, "grounds", |text| serde_json::from_str(text))?;
                let grounds = grounds.iter().filter_map(|code| GroundCode::parse(code).ok());
                Ok(DecidedCase {
                    agency: parsed(row, "author", AgencyId::parse)?,
                    service: parsed(row, "service", ServiceCode::parse)?,
                    decided_at: time(row, "decided_ms")?,
                    grounds: grounds.collect(),
                })
            })?;
            rows.collect()
        })
    }
}

/// When the clocks of cases stood still that ended in a time, by case and in order.
fn pauses(
    connection: &Connection,
    window: Window,
) -> rusqlite::Result<BTreeMap<String, Vec<Window>>> {
    let mut select = connection.prepare_cached(
        "SELECT p.case_id, p.from_ms, p.until_ms FROM case_pause AS p
         JOIN case_file AS f USING (case_id) WHERE f.ended_ms >= ?1 AND f.ended_ms < ?2
         ORDER BY p.case_id, p.from_ms",
    )?;
    let rows = select.query_map([window.0.unix_ms(), window.1.unix_ms()], |row| {
        Ok((row.get::<_, String>("case_id")?, (time(row, "from_ms")?, time(row, "until_ms")?)))
    })?;
    let mut pauses: BTreeMap<String, Vec<Window>> = BTreeMap::new();
    for row in rows {
        let (case, pause) = row?;
        pauses.entry(case).or_default().push(pause);
    }
    Ok(pauses)
}

fn ended(status: &str) -> Option<CaseStatus> {
    let ends =
        [CaseStatus::Granted, CaseStatus::Refused, CaseStatus::NotTaken, CaseStatus::Cancelled];
    ends.into_iter().find(|end| end.as_str() == status)
}
