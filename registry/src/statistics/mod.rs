//! Figures about services: how long, how many, when, by whom, and where something is wrong.
//!
//! Pure and exact: whole numbers only, rows and calendars in, figures out; docs/STATISTICS.md
//! states every formula. Not here: where rows come from (`projection`), and the clock on the wall.

mod calendar;
mod duration;
mod load;
mod month;
mod rank;
mod risk;
mod spike;
mod supplier;
mod topic;

pub use calendar::{CalendarBook, working_ms};
pub use duration::{
    FinishedCase, Measured, Pace, Percentiles, ServiceTimes, TermUnit, measure, service_times,
};
pub use load::{Load, LoadCell, load};
pub use month::{MonthCounts, MonthEvent, MonthFact, MonthKey, months};
pub use rank::{nearest_rank, per_mille, shares};
pub use risk::{
    Officials, PathHistory, PathToEnd, Remaining, Risk, Throughput, history_from, remaining, risk,
};
pub use spike::{DecidedCase, GroundWeek, SPIKE_WEEKS, refusal_spikes, week_of};
pub use supplier::{Supplier, SupplierHealth, SupplierRequest, supplier_health};
pub use topic::{Advice, Topic, TopicFigures, topics};

#[cfg(test)]
pub(crate) mod test;
