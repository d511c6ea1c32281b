//! The health of those who are asked: how fast they answer, how often not, what still waits.
//!
//! Not here: applicants, whose answers are their own affair, and the requests below a request.

use std::collections::BTreeMap;

use letopis_ledger::Timestamp;
use letopis_ledger::id::AgencyId;

use super::calendar::{CalendarBook, working_ms};
use super::rank::{nearest_rank, per_mille};
use crate::code::ServiceCode;

/// Who is asked, by one agency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Supplier {
    /// The agency that asks.
    pub agency: AgencyId,
    /// The kind: `registry`, `external`, `organisation`, `unit`, `head` or `executor`.
    pub kind: String,
    /// The registry's or unit's code, or the name of who is asked.
    pub name: String,
}

/// One request that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupplierRequest {
    /// Who was asked.
    pub supplier: Supplier,
    /// The service, whose calendar counts.
    pub service: ServiceCode,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Last instant at which an answer is in time.
    pub due: Timestamp,
    /// `answered`, `no_data` or `timed_out`, and when; nothing while there is none.
    pub closed: Option<(String, Timestamp)>,
    /// Whether its case has ended: nobody waits for an answer any more.
    pub case_ended: bool,
}

/// How somebody who is asked does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SupplierHealth {
    /// Requests sent.
    pub sent: u64,
    /// Answers with facts.
    pub answered: u64,
    /// Answers that there is nothing.
    pub no_data: u64,
    /// Requests whose term ended without an answer, where the case went on.
    pub timed_out: u64,
    /// Requests that wait.
    pub open: u64,
    /// Requests of cases that ended before an answer came.
    pub dropped: u64,
    /// Answers that came after the term.
    pub late: u64,
    /// `no_data` among answered, `no_data` and `timed_out`, in thousandths.
    pub no_data_per_mille: Option<u32>,
    /// `timed_out` among the same, in thousandths.
    pub timed_out_per_mille: Option<u32>,
    /// Time in which 90 of 100 answers came.
    pub reply_p90_ms: Option<i64>,
    /// The same in working time.
    pub reply_working_p90_ms: Option<i64>,
    /// When the oldest request that waits was sent.
    pub oldest_open_at: Option<Timestamp>,
}

/// The health of everybody who was asked, in the order of agency, kind and name.
#[must_use]
pub fn supplier_health(
    requests: &[SupplierRequest],
    book: &CalendarBook,
) -> BTreeMap<Supplier, SupplierHealth> {
    let mut groups: BTreeMap<&Supplier, Vec<&SupplierRequest>> = BTreeMap::new();
    for request in requests {
        groups.entry(&request.supplier).or_default().push(request);
    }
    let health = |(supplier, group): (&Supplier, Vec<&SupplierRequest>)| {
        (supplier.clone(), health_of(&group, book))
    };
    groups.into_iter().map(health).collect()
}

fn health_of(group: &[&SupplierRequest], book: &CalendarBook) -> SupplierHealth {
    let mut health = SupplierHealth { sent: group.len() as u64, ..SupplierHealth::default() };
    let (mut replies, mut working) = (Vec::new(), Vec::new());
    for request in group {
        match &request.closed {
            None if request.case_ended => health.dropped += 1,
            None => {
                health.open += 1;
                let oldest = health.oldest_open_at.unwrap_or(request.sent_at);
                health.oldest_open_at = Some(oldest.min(request.sent_at));
            }
            Some((outcome, _)) if outcome == "timed_out" => health.timed_out += 1,
            Some((outcome, at)) => {
                if outcome == "no_data" {
                    health.no_data += 1;
                } else {
                    health.answered += 1;
                }
                health.late += u64::from(*at > request.due);
                replies.push(at.unix_ms() - request.sent_at.unix_ms());
                let calendar = book.of(&request.service);
                working.push(working_ms(calendar, request.sent_at, *at));
            }
        }
    }
    let closed = health.answered + health.no_data + health.timed_out;
    health.no_data_per_mille = per_mille(health.no_data, closed);
    health.timed_out_per_mille = per_mille(health.timed_out, closed);
    replies.sort_unstable();
    working.sort_unstable();
    health.reply_p90_ms = nearest_rank(&replies, 90);
    health.reply_working_p90_ms = nearest_rank(&working, 90);
    health
}
