//! Refusal spikes: a ground that is given much more, or much less, often than in the weeks before.
//!
//! Three standard deviations without a root and without rounding of the comparison: with shares
//! s₁ … sₖ of the weeks before, S their sum and Q the sum of their squares, the share s of a week
//! is outside when (k·s − S)² > 9·(k·Q − S²).

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;
use letopis_ledger::Timestamp;
use letopis_ledger::id::AgencyId;

use super::calendar::CalendarBook;
use crate::code::{GroundCode, ServiceCode};

/// Weeks before that a week is compared with.
pub const SPIKE_WEEKS: usize = 8;
/// Fewest of them with a decision for which a comparison says anything.
const WEEKS_MIN: u64 = 4;
/// Shares are in millionths, rounded down.
const WHOLE: u64 = 1_000_000;

/// A case that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedCase {
    /// The agency.
    pub agency: AgencyId,
    /// The service.
    pub service: ServiceCode,
    /// When.
    pub decided_at: Timestamp,
    /// Grounds of a refusal; none when granted.
    pub grounds: Vec<GroundCode>,
}

/// How often a ground was given in one week, beside the weeks before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroundWeek {
    /// The agency.
    pub agency: AgencyId,
    /// The service.
    pub service: ServiceCode,
    /// The ground.
    pub ground: GroundCode,
    /// Cases of the week refused on it.
    pub given: u64,
    /// Cases of the week that were decided.
    pub decided: u64,
    /// The first of the second, in millionths.
    pub share_ppm: u64,
    /// Weeks before that had a decision.
    pub weeks: u64,
    /// Mean of their shares, in millionths, rounded down.
    pub mean_ppm: u64,
    /// Their standard deviation, in millionths, rounded down.
    pub deviation_ppm: u64,
    /// Whether the share is more than three deviations from the mean; nothing when too few weeks
    /// had a decision.
    pub spike: Option<bool>,
}

/// The Monday of a date's week.
///
/// # Panics
/// Never for dates of a ledger.
#[must_use]
pub fn week_of(date: Date) -> Date {
    let days = i64::from(date.weekday().to_monday_zero_offset());
    date.checked_sub(days.days()).expect("invariant: dates of a ledger lie within the years")
}

/// Every ground that was given in the week or in the eight before it, for services that decided
/// a case in the week. `monday` is the week's first day on the agency's clock.
#[must_use]
pub fn refusal_spikes(cases: &[DecidedCase], monday: Date, book: &CalendarBook) -> Vec<GroundWeek> {
    let mut groups: BTreeMap<(&AgencyId, &ServiceCode), Vec<(usize, &DecidedCase)>> =
        BTreeMap::new();
    for case in cases {
        let week = week_of(book.of(&case.service).date(case.decided_at));
        if let Some(ago) = weeks_between(week, monday) {
            groups.entry((&case.agency, &case.service)).or_default().push((ago, case));
        }
    }
    groups.into_iter().flat_map(|(key, group)| weeks_of(key, &group)).collect()
}

/// How many weeks before, if it is the week itself or one of the eight before it.
fn weeks_between(week: Date, monday: Date) -> Option<usize> {
    let days = monday.since(week).ok()?.get_days();
    let weeks = usize::try_from(days / 7).ok()?;
    (days >= 0 && weeks <= SPIKE_WEEKS).then_some(weeks)
}

fn weeks_of(
    (agency, service): (&AgencyId, &ServiceCode),
    group: &[(usize, &DecidedCase)],
) -> Vec<GroundWeek> {
    let mut decided = [0_u64; SPIKE_WEEKS + 1];
    for (ago, _) in group {
        decided[*ago] += 1;
    }
    if decided[0] == 0 {
        return Vec::new();
    }
    let grounds: BTreeSet<&GroundCode> =
        group.iter().flat_map(|(_, case)| case.grounds.iter()).collect();
    let week = |ground: &GroundCode| {
        let mut given = [0_u64; SPIKE_WEEKS + 1];
        for (ago, _) in group.iter().filter(|(_, case)| case.grounds.contains(ground)) {
            given[*ago] += 1;
        }
        let share = |ago: usize| (given[ago] * WHOLE).checked_div(decided[ago]);
        let before: Vec<u64> = (1..=SPIKE_WEEKS).filter_map(share).collect();
        let share_ppm = share(0).expect("invariant: the week has a decision");
        let (mean_ppm, deviation_ppm, outside) = compare(share_ppm, &before);
        GroundWeek {
            agency: agency.clone(),
            service: service.clone(),
            ground: ground.clone(),
            given: given[0],
            decided: decided[0],
            share_ppm,
            weeks: before.len() as u64,
            mean_ppm,
            deviation_ppm,
            spike: (before.len() as u64 >= WEEKS_MIN).then_some(outside),
        }
    };
    grounds.into_iter().map(week).collect()
}

/// Mean and deviation of the weeks before, and whether the share is outside.
fn compare(share: u64, before: &[u64]) -> (u64, u64, bool) {
    let count = before.len() as u64;
    let Some(mean) = before.iter().sum::<u64>().checked_div(count) else {
        return (0, 0, false);
    };
    let (count, share) = (i128::from(count), i128::from(share));
    let sum: i128 = before.iter().map(|one| i128::from(*one)).sum();
    let squares: i128 = before.iter().map(|one| i128::from(*one) * i128::from(*one)).sum();
    let spread = count * squares - sum * sum;
    let distance = count * share - sum;
    let deviation = spread.isqrt() / count;
    let deviation = u64::try_from(deviation).expect("invariant: a deviation is below the whole");
    (mean, deviation, distance * distance > 9 * spread)
}
