//! Payments of a granted case, written by hand from `docs/EVENTS.md`: sound ones hold, and every
//! month that is due otherwise is found.

use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::json::{Json, Object};
use letopis_verifier::finding::Rule;

use super::decision_case::{CASE, CaseSpec, EntrySpec, REGULATION};
use super::rules::Broken;
use super::written::{START_MS, Written, ZARECHNY, list};

const ENTRY: &str = "registry/permits/019ba000-0000-7000-8000-000000000002";
const PAYMENTS: &str = "payments/019ba000-0000-7000-8000-000000000002";
const OTHER: &str = "payments/019ba000-0000-7000-8000-000000000003";
const DAY_MS: i64 = 86_400_000;

/// What the regulation pays: as many hundredths as years are granted, on the 15th.
const RULE: &str = "
payments: {amount: decision.years, every: month, day: 15}
";

/// How months become due: the case is decided on 13 January, the log ends on 20 March.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paid {
    Rightly,
    /// The entry went out on 10 March.
    ToItsEnd,
    MonthMissing,
    MonthTwice,
    BeforeTheEntry,
    AfterTheEnd,
    ByAnotherEntry,
    OtherAmount,
}

impl Paid {
    pub(crate) fn pay(self, written: &mut Written) {
        for (period, days) in [("2026-01", 3), ("2026-02", 34), ("2026-03", 62)] {
            let missing = self == Self::MonthMissing && period == "2026-02";
            let ended = self == Self::ToItsEnd && period == "2026-03";
            written.now_ms = START_MS + days * DAY_MS;
            if period == "2026-03" && matches!(self, Self::ToItsEnd | Self::AfterTheEnd) {
                written.now_ms = START_MS + 57 * DAY_MS;
                let basis = Object::new().with("kind", "document");
                let gone = Object::new().with("basis", basis);
                let gone = written.event(ENTRY, "registry.entry_excluded", gone);
                written.push(ZARECHNY, vec![gone]);
                written.now_ms = START_MS + days * DAY_MS;
            }
            if !missing && !ended {
                self.due(written, period);
            }
            if self == Self::MonthTwice && period == "2026-02" {
                self.due(written, period);
            }
        }
        if self == Self::BeforeTheEntry {
            self.due(written, "2025-12");
        }
        written.now_ms = START_MS + 67 * DAY_MS;
    }

    fn due(self, written: &mut Written, period: &str) {
        let data = Object::new()
            .with("case", format!("application/{CASE}").as_str())
            .with("entry", ENTRY)
            .with("period", period);
        let stream = if self == Self::ByAnotherEntry { OTHER } else { PAYMENTS };
        let mut due = written.event(stream, "payment.due", data);
        due.private = vec![self.amount().digest()];
        written.push(ZARECHNY, vec![due]);
    }

    fn amount(self) -> Disclosure {
        let amount: u32 = if self == Self::OtherAmount { 3 } else { 2 };
        Disclosure::new(&[9; 16], "amount_hundredths", Json::from(amount)).unwrap()
    }

    fn spec(self) -> CaseSpec {
        CaseSpec::granted().with(|case| {
            case.regulation = format!("{REGULATION}{RULE}");
            case.paid = Some(self);
        })
    }

    fn broke(self) -> bool {
        let given = vec![self.amount().as_str().to_owned()];
        self.spec().check_with(CASE, given).audit.findings.broke(Rule::Payments)
    }
}

pub(crate) fn break_rule() -> Broken {
    Broken::alone(list(&Paid::MonthMissing.spec().check().audit.findings), None)
}

#[test]
fn months_that_are_due_once_each_are_sound() {
    for (how, count) in [(Paid::Rightly, 3), (Paid::ToItsEnd, 2)] {
        let given = vec![how.amount().as_str().to_owned()];
        let checked = how.spec().check_with(CASE, given);
        assert!(list(&checked.audit.findings).is_empty(), "{how:?} {:?}", checked.audit.findings);
        assert_eq!(checked.facts["payments_due"], count);
        assert!(checked.statements.iter().any(|said| said.key == "decision.payments"));
    }
}

#[test]
fn every_month_that_is_due_otherwise_is_found() {
    for how in [
        Paid::MonthMissing,
        Paid::MonthTwice,
        Paid::BeforeTheEntry,
        Paid::AfterTheEnd,
        Paid::ByAnotherEntry,
        Paid::OtherAmount,
    ] {
        assert!(how.broke(), "{how:?}");
    }
    // A service that pays nothing, and a case that was refused.
    let unpaid = Paid::Rightly.spec().with(|case| case.regulation = REGULATION.to_owned());
    assert!(unpaid.check().audit.findings.broke(Rule::Payments));
    let refused = CaseSpec::refused().with(|case| {
        case.regulation = format!("{REGULATION}{RULE}");
        (case.paid, case.entry) = (Some(Paid::Rightly), EntrySpec::None);
    });
    assert!(refused.check().audit.findings.broke(Rule::Payments));
}
