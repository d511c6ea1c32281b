//! Samples of the events of payments.

use super::*;
use crate::payment::Period;

pub(super) fn samples() -> Vec<(StreamName, DomainEvent)> {
    let period = |text: &str| Period::parse(text).unwrap();
    let official = OfficialId::from_parts(0x0192_3456_789a, &[4; 10]);
    let (case, entry_stream) = (case().stream(), entry().stream());
    let settled = |month: &str, paid| {
        PaymentEvent::Settled(PaymentSettled { period: period(month), paid, official })
    };
    let events = [
        PaymentEvent::Due(PaymentDue { case, entry: entry_stream, period: period("2026-12") }),
        settled("2026-12", true),
        settled("2027-01", false),
    ];
    let stream = PaymentsId::of_entry(&entry()).stream();
    events.map(|event| (stream.clone(), DomainEvent::Payment(event))).into()
}
