//! A case about an entry that exists, written by hand from `docs/EVENTS.md`: sound ones hold, and
//! every statement that is made otherwise is found.

use letopis_ledger::json::Object;
use letopis_ledger::record::{Claim, ClaimOperation, Event};
use letopis_verifier::finding::Rule;

use super::decision_case::{CASE, CaseSpec, EntrySpec, REGULATION};
use super::written::{FOUNDER, Found, Written, ZARECHNY, claim, list};

const ENTRY: &str = "registry/permits/019ba000-0000-7000-8000-000000000002";
const OTHER_ENTRY: &str = "registry/permits/019ba000-0000-7000-8000-000000000003";
const FACT: &str = "registry/residents/019ba000-0000-7000-8000-000000000005";
const BEFORE: &str = "application/019ba000-0000-7000-8000-000000000006";

/// The leaf of the fact as the decision behind the entry used it.
const FACT_LEAF: u32 = 3;
/// The leaf that made the entry.
const ENTRY_LEAF: u32 = 4;
/// The leaf that changed the fact.
const CHANGED_LEAF: u32 = 5;
/// The leaf that submits the follow-up case, and the one that decides it.
pub(crate) const SUBMITTED_LEAF: u64 = 6;
const DECIDED_LEAF: u64 = 8;

const RULES: &str = "
steps:
  - code: residence
    action: {request: {from: {registry: residents}}}
  - code: opinion
    action: {request: {from: {addressee: Harbour board}}}
renewal: {within: {calendar_days: 30}}
review: {on: [residence]}
";

/// When the entry goes out, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    Before,
    Meanwhile,
}

/// What the log says of the entry, the reason, and what the decision does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Follow {
    cause: &'static str,
    /// Who made the entry, and by which model.
    author: &'static str,
    model: &'static str,
    basis: &'static str,
    valid_until: &'static str,
    gone: Option<Gone>,
    /// What the case names.
    entry: &'static str,
    entry_version: u32,
    has_fact: bool,
    fact: &'static str,
    fact_version: u32,
    takes_claim: bool,
    /// Versions of the fact that the case before and this one used.
    used: u32,
    uses: u32,
    /// What the decision does to which entry.
    does: &'static str,
    does_to: &'static str,
    by: &'static str,
    moves: Option<&'static str>,
}

impl Follow {
    const fn renewal() -> Self {
        Self {
            cause: "renewal",
            author: ZARECHNY,
            model: "services/parking/decision.dmn",
            basis: "decision",
            valid_until: "2026-01-20",
            gone: None,
            entry: ENTRY,
            entry_version: 0,
            has_fact: false,
            fact: FACT,
            fact_version: 1,
            takes_claim: true,
            used: 0,
            uses: 1,
            does: "registry.entry_revised",
            does_to: ENTRY,
            by: "decision",
            moves: None,
        }
    }

    const fn review() -> Self {
        Self { cause: "review", has_fact: true, ..Self::renewal() }
    }

    /// What stands in the log before the case.
    pub(crate) fn past(self, written: &mut Written) {
        let paper = Object::new().with("basis", Object::new().with("kind", "document"));
        let fact = written.event(FACT, "registry.entry_created", paper.clone());
        let submitted = written.event(BEFORE, "application.submitted", Object::new());
        written.push(ZARECHNY, vec![fact, submitted]);
        let answered = answer(written, BEFORE, self.used);
        let model = Object::new().with("path", self.model);
        let decided = Object::new().with("model", model).with("outcome", "granted");
        let decided = written.event(BEFORE, "application.decided", decided);
        let issued = written.event(BEFORE, "application.result_issued", Object::new());
        let basis = Object::new().with("kind", self.basis).with("stream", BEFORE);
        let created = Object::new()
            .with("registry", "permits")
            .with("number", "РП-1")
            .with("valid_until", self.valid_until)
            .with("basis", basis.with("version", 2_u32));
        let created = written.event(ENTRY, "registry.entry_created", created);
        written.push(self.author, vec![answered, decided, issued, created]);
        let mut changed = vec![written.event(FACT, "registry.entry_amended", paper.clone())];
        if self.gone == Some(Gone::Before) {
            changed.push(written.event(ENTRY, "registry.entry_expired", Object::new()));
        }
        written.push(ZARECHNY, changed);
    }

    /// What the submission says of it.
    pub(crate) fn about(self) -> Object {
        let leaf = if self.entry_version == 0 { ENTRY_LEAF } else { CHANGED_LEAF };
        let about = Object::new()
            .with("registry_entry", self.entry)
            .with("version", self.entry_version)
            .with("leaf", leaf)
            .with("cause", self.cause);
        if self.has_fact { about.with("fact", source(self.fact, self.fact_version)) } else { about }
    }

    /// The claims of the record that begins the case, beside its number.
    pub(crate) fn claims(self, case: &str) -> Vec<Claim> {
        let name = format!("{}/{}", self.cause, &self.entry["registry/".len()..]);
        let own = claim(&name, case, ClaimOperation::Take);
        self.takes_claim.then_some(own).into_iter().collect()
    }

    /// The answer of the case, and what happens beside it.
    pub(crate) fn answers(self, written: &mut Written) {
        let mut events = vec![answer(written, &format!("application/{CASE}"), self.uses)];
        if self.gone == Some(Gone::Meanwhile) {
            let basis = Object::new().with("basis", Object::new().with("kind", "document"));
            events.push(written.event(ENTRY, "registry.entry_excluded", basis));
        }
        written.push(ZARECHNY, events);
    }

    /// What the decision does to the entry; `version` is that of the decision in its stream.
    pub(crate) fn effect(
        self,
        written: &mut Written,
        (valid_from, valid_until): (&str, &str),
        version: u32,
    ) -> Vec<Event> {
        if self.does.is_empty() {
            return vec![];
        }
        let case = format!("application/{CASE}");
        let basis = Object::new().with("kind", self.by).with("stream", case.as_str());
        let data = Object::new()
            .with("registry", "permits")
            .with("number", "РП-1")
            .with("fields", Object::new())
            .with("valid_from", valid_from)
            .with("valid_until", valid_until)
            .with("basis", basis.with("version", version));
        vec![written.event(self.does_to, self.does, data)]
    }

    /// Claims that the decision moves though the entry keeps its names.
    pub(crate) fn moved(self) -> Vec<Claim> {
        let moved = |name| claim(name, ENTRY, ClaimOperation::Take);
        self.moves.map(moved).into_iter().collect()
    }
}

fn source(fact: &str, version: u32) -> Object {
    let leaf = if version == 0 { FACT_LEAF } else { CHANGED_LEAF };
    Object::new().with("stream", fact).with("version", version).with("leaf", leaf)
}

fn answer(written: &mut Written, case: &str, version: u32) -> Event {
    let data = Object::new().with("request", "residence").with("outcome", "answered");
    written.event(case, "request.answered", data.with("source", source(FACT, version)))
}

/// A granted case: a renewal from the day after the old end, a review from today to the old end.
fn granted(follow: Follow) -> CaseSpec {
    CaseSpec::granted().with(|case| {
        case.regulation = format!("{REGULATION}{RULES}");
        case.follow = Some(follow);
        let (from, until) = match follow.cause {
            "renewal" => ("2026-01-21", "2028-01-20"),
            _ => ("2026-01-13", "2026-01-20"),
        };
        (case.valid_from, case.valid_until) = (from, until);
        case.read_size = 8;
    })
}

fn refused(follow: Follow) -> CaseSpec {
    CaseSpec::refused().with(|case| {
        case.regulation = format!("{REGULATION}{RULES}");
        case.follow = Some(follow);
        case.entry = EntrySpec::WithDecision;
        case.read_size = 8;
    })
}

const fn ending() -> Follow {
    Follow { does: "registry.entry_excluded", ..Follow::review() }
}

const fn not_renewed() -> Follow {
    Follow { does: "", ..Follow::renewal() }
}

fn found(spec: &CaseSpec) -> Vec<Found> {
    list(&spec.check().audit.findings)
}

/// A case that is about no entry of its service.
pub(crate) fn broken() -> Vec<Found> {
    found(&granted(Follow { model: "services/benefit/decision.dmn", ..Follow::renewal() }))
}

#[test]
fn renewals_and_reviews_are_sound_however_they_end() {
    for (spec, key) in [
        (granted(Follow::renewal()), "decision.renewal"),
        (refused(not_renewed()), "decision.renewal"),
        (granted(Follow::review()), "decision.review"),
        (refused(ending()), "decision.ending"),
    ] {
        let checked = spec.check();
        assert_eq!(checked.audit.findings.kept(), [], "{key} {}", spec.outcome);
        assert_eq!(checked.facts["about"]["registry_entry"], ENTRY);
        assert_eq!(checked.facts["leaf"], DECIDED_LEAF);
        assert_eq!(checked.facts["re_executed"], true);
        assert!(checked.statements.iter().any(|said| said.key == key), "{key}");
    }
    // On the first and the last day that a renewal may be asked for.
    for (valid_until, from, until) in
        [("2026-02-11", "2026-02-12", "2028-02-11"), ("2026-01-12", "2026-01-13", "2028-01-12")]
    {
        let spec = granted(Follow { valid_until, ..Follow::renewal() });
        let spec = spec.with(|case| (case.valid_from, case.valid_until) = (from, until));
        assert_eq!(found(&spec), [], "{valid_until}");
    }
}

#[test]
fn a_case_is_about_an_entry_in_force_that_its_own_service_gave() {
    let (renewal, review) = (Follow::renewal, Follow::review);
    for follow in [
        Follow { author: FOUNDER, ..renewal() },
        Follow { model: "services/benefit/decision.dmn", ..renewal() },
        Follow { basis: "document", ..renewal() },
        Follow { entry: FACT, ..renewal() },
        Follow { entry: OTHER_ENTRY, ..renewal() },
        Follow { entry_version: 1, ..renewal() },
        Follow { entry_version: 1, gone: Some(Gone::Before), ..renewal() },
        Follow { gone: Some(Gone::Before), ..review() },
        Follow { gone: Some(Gone::Meanwhile), ..renewal() },
        Follow { takes_claim: false, ..renewal() },
        Follow { cause: "whim", ..renewal() },
    ] {
        let found = found(&granted(follow));
        assert!(found.contains(&(Rule::FollowUp, Some(SUBMITTED_LEAF))), "{follow:?}: {found:?}");
    }
}

#[test]
fn a_renewal_has_its_time_and_a_review_its_fact() {
    let (renewal, review) = (Follow::renewal, Follow::review);
    for follow in [
        // A day too early, a day too late, with a fact.
        Follow { valid_until: "2026-02-12", ..renewal() },
        Follow { valid_until: "2026-01-11", ..renewal() },
        Follow { has_fact: true, ..renewal() },
        // Without a fact, by an event that is not there, of a registry that is not followed.
        Follow { has_fact: false, ..review() },
        Follow { fact_version: 2, ..review() },
        Follow { fact: "registry/vehicles/x", ..review() },
        // By what the decision before knew, and answered by what was before.
        Follow { used: 1, ..review() },
        Follow { fact_version: 0, ..review() },
        Follow { uses: 0, ..review() },
    ] {
        let found = found(&granted(follow));
        assert_eq!(found, [(Rule::FollowUp, Some(SUBMITTED_LEAF))], "{follow:?}");
    }
    for (follow, rule) in [(renewal(), "renewal: {"), (review(), "review: {")] {
        let spec = granted(follow);
        let regulation = spec.regulation.replace(rule, "other: {");
        let spec = spec.with(|case| case.regulation = regulation);
        assert_eq!(found(&spec), [(Rule::FollowUp, Some(SUBMITTED_LEAF))], "{rule}");
    }
}

#[test]
fn the_entry_changes_as_the_decision_says_and_keeps_its_names() {
    let (renewal, review) = (Follow::renewal, Follow::review);
    let effect = [(Rule::RegistryEffect, Some(DECIDED_LEAF))];
    for follow in [
        Follow { does: "", ..renewal() },
        Follow { does: "registry.entry_created", does_to: OTHER_ENTRY, ..renewal() },
        Follow { does: "registry.entry_amended", ..renewal() },
        Follow { does: "registry.entry_excluded", ..review() },
        Follow { does_to: OTHER_ENTRY, ..renewal() },
        Follow { by: "document", ..review() },
        Follow { moves: Some("unique/permits/plate/x"), ..renewal() },
    ] {
        // An exclusion by a decision that grants is also found by the check of the whole log.
        let alone =
            found(&granted(follow)).into_iter().filter(|(rule, _)| *rule != Rule::EntryBasis);
        assert_eq!(alone.collect::<Vec<_>>(), effect, "{follow:?}");
    }
    for (follow, from, until) in [
        // From today, a day late, for longer than decided.
        (renewal(), "2026-01-13", "2028-01-12"),
        (renewal(), "2026-01-22", "2028-01-21"),
        (renewal(), "2026-01-21", "2029-01-20"),
        // To another end, as if it were new, from another day.
        (review(), "2026-01-13", "2026-01-21"),
        (review(), "2026-01-13", "2028-01-12"),
        (review(), "2026-01-10", "2026-01-20"),
    ] {
        let spec = granted(follow);
        let spec = spec.with(|case| (case.valid_from, case.valid_until) = (from, until));
        assert_eq!(found(&spec), effect, "{follow:?} {from} {until}");
    }
    for follow in [
        Follow { does: "registry.entry_excluded", ..renewal() },
        Follow { does: "", ..ending() },
        Follow { does: "registry.entry_revised", ..ending() },
        Follow { does_to: OTHER_ENTRY, ..ending() },
        Follow { by: "document", ..ending() },
    ] {
        let alone =
            found(&refused(follow)).into_iter().filter(|(rule, _)| *rule != Rule::EntryBasis);
        assert_eq!(alone.collect::<Vec<_>>(), effect, "{follow:?}");
    }
    // A case that is about no entry revises none.
    let spec = CaseSpec::granted().with(|case| case.entry = EntrySpec::Revised);
    assert_eq!(found(&spec), [(Rule::RegistryEffect, Some(5))]);
}
