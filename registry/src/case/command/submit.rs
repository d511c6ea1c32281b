//! Submit an application: it is registered with a number and a term, and requests go out.
//!
//! One record holds the submission, the registration and every request that nothing holds back.

use letopis_ledger::Timestamp;
use letopis_ledger::record::{Claim, ClaimOperation};

use super::CaseEvents;
use super::request::{Executors, Progress, send_enabled};
use crate::case::{CaseClock, CaseRefusal, CaseRules, CaseState, case_number_claim};
use crate::code::ChannelCode;
use crate::event::{CaseEvent, Registered, Submitted};
use crate::pack::{CaseValues, CheckedForm};
use crate::record_draft::Decision;

/// An application that somebody submits.
#[derive(Debug, Clone)]
pub struct SubmitApplication {
    /// How it came.
    pub channel: ChannelCode,
    /// The form, checked by the service's schema.
    pub form: CheckedForm,
    /// The number that the case gets if nobody took it.
    pub number: String,
    /// When it is registered.
    pub at: Timestamp,
    /// Whom the rule of assignment names where a request asks a person.
    pub executors: Executors,
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
        if !regulation.is_open_to(&self.channel) {
            return Err(CaseRefusal::ChannelClosed { channel: self.channel.clone() });
        }
        let mut events = CaseEvents::after(state);
        let submitted = Submitted {
            service: regulation.service.value.clone(),
            pack: rules.pack_ref.clone(),
            channel: self.channel.clone(),
            form: self.form.public().clone(),
        };
        events.push(CaseEvent::Submitted(submitted), self.form.private().to_vec());
        let registered = self.register(rules);
        let clock = CaseClock::start(&registered);
        events.push(CaseEvent::Registered(registered), vec![]);
        let values = CaseValues { form: self.form.values().clone(), ..CaseValues::default() };
        let progress = Progress::of_new(rules, clock);
        send_enabled(rules, progress, &values, (self.at, &self.executors), &mut events);
        let claims = vec![Claim {
            name: case_number_claim(&regulation.service.value, &self.number),
            operation: ClaimOperation::Take,
            holder: state.stream().clone(),
        }];
        Ok(Decision { events: events.events, claims })
    }

    fn register(&self, rules: &CaseRules<'_>) -> Registered {
        let term = rules.service.regulation.term.length;
        let deadline = rules.calendar.deadline(self.at, term);
        Registered {
            number: self.number.clone(),
            registered_at: self.at,
            term,
            due: Timestamp::from_unix_ms(deadline.due.get())
                .expect("invariant: terms end within the years of the ledger"),
            last_day: deadline.last_day,
            provisional: deadline.provisional,
        }
    }
}
