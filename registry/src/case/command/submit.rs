//! Submit an application: it is registered with a number and a term, and requests go out.
//!
//! One record holds the submission, the registration and every request that nothing holds back;
//! or the submission and the grounds for which the application is not taken.

use letopis_ledger::Timestamp;
use letopis_ledger::record::{Claim, ClaimOperation};

use super::CaseEvents;
use super::request::{Executors, Progress, send_enabled};
use crate::case::{CaseClock, CaseRefusal, CaseRules, CaseState, case_number_claim};
use crate::code::ChannelCode;
use crate::event::{CaseEvent, IntakeRefused, Joined, Registered, Submitted};
use crate::pack::{CaseValues, CheckedForm};
use crate::record_draft::Decision;

/// Most days between the day on which an application came and its entry by an official.
pub const ENTERED_AFTER_DAYS_MAX: i64 = 60;
const DAY_MS: i64 = 86_400_000;

/// An application that somebody submits.
#[derive(Debug, Clone)]
pub struct SubmitApplication {
    /// How it came.
    pub channel: ChannelCode,
    /// The form, checked by [`crate::pack::Service::check_form`].
    pub form: CheckedForm,
    /// The number that the case gets if nobody took it.
    pub number: String,
    /// When it is entered.
    pub at: Timestamp,
    /// When it came, if an official enters it later: its term runs from then.
    pub registered_at: Option<Timestamp>,
    /// Whom the rule of assignment names where a request asks a person.
    pub executors: Executors,
    /// The complex request that the case is a part of.
    pub joined: Option<Joined>,
}

impl SubmitApplication {
    /// Decides.
    ///
    /// # Errors
    /// See [`CaseRefusal`].
    ///
    /// # Panics
    /// Never for a loaded pack and an instant of a ledger.
    pub fn decide(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
    ) -> Result<Decision, CaseRefusal> {
        let regulation = &rules.service.regulation;
        if state.submitted().is_some() {
            return Err(CaseRefusal::AlreadySubmitted);
        }
        let registered_at = self.registration_time(rules)?;
        let registered_on = rules.calendar.date(registered_at);
        let mut events = CaseEvents::after(state);
        let submitted = Submitted {
            service: regulation.service.value.clone(),
            pack: rules.pack_ref.clone(),
            channel: self.channel.clone(),
            form: self.form.public().clone(),
        };
        events.push(CaseEvent::Submitted(submitted), self.form.private().to_vec());
        let grounds = rules.service.intake_grounds(&self.form, registered_on);
        if !grounds.is_empty() {
            let refused = IntakeRefused { grounds, official: None };
            events.push(CaseEvent::IntakeRefused(refused), vec![]);
            return Ok(Decision { events: events.events, claims: vec![] });
        }
        let registered = self.register(rules, registered_at);
        let clock = CaseClock::start(&registered);
        events.push(CaseEvent::Registered(registered), vec![]);
        let form = self.form.values().clone();
        let mut values = CaseValues { form, ..CaseValues::default() };
        rules.service.set_registration_day(&mut values, registered_on);
        if let Some(joined) = self.joined.clone() {
            events.push(CaseEvent::Joined(joined), vec![]);
        }
        let progress = Progress::of_new(rules, clock, self.joined.as_ref());
        send_enabled(rules, progress, &values, (self.at, &self.executors), &mut events);
        let claims = vec![Claim {
            name: case_number_claim(&regulation.service.value, &self.number),
            operation: ClaimOperation::Take,
            holder: state.stream().clone(),
        }];
        Ok(Decision { events: events.events, claims })
    }

    /// When the term begins, if the channel is open for such an application.
    fn registration_time(&self, rules: &CaseRules<'_>) -> Result<Timestamp, CaseRefusal> {
        let channel = self.channel.clone();
        let Some(open) = rules.service.regulation.channel(&channel) else {
            return Err(CaseRefusal::ChannelClosed { channel });
        };
        if open.draft_only {
            return Err(CaseRefusal::DraftOnly { channel });
        }
        let Some(registered_at) = self.registered_at else { return Ok(self.at) };
        if !open.entered_by_official {
            return Err(CaseRefusal::NotEnteredByOfficial { channel });
        }
        let late_ms = self.at.unix_ms() - registered_at.unix_ms();
        if !(0..=ENTERED_AFTER_DAYS_MAX * DAY_MS).contains(&late_ms) {
            return Err(CaseRefusal::RegistrationTime { registered_at, entered_at: self.at });
        }
        Ok(registered_at)
    }

    fn register(&self, rules: &CaseRules<'_>, registered_at: Timestamp) -> Registered {
        let term = rules.service.regulation.term.length;
        let deadline = rules.calendar.deadline(registered_at, term);
        Registered {
            number: self.number.clone(),
            registered_at,
            term,
            due: Timestamp::from_unix_ms(deadline.due.get())
                .expect("invariant: terms end within the years of the ledger"),
            last_day: deadline.last_day,
            provisional: deadline.provisional,
        }
    }
}
