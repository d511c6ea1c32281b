//! Submit an application: it is registered with a number and a term, and requests go out.
//!
//! One record holds the submission, the registration and every request that nothing holds back;
//! or the submission and the grounds for which the application is not taken.

use letopis_ledger::json::{Json, Object};
use letopis_ledger::record::{Claim, ClaimOperation};
use letopis_ledger::{Hash, Timestamp};

use super::CaseEvents;
use super::follow_up::FollowUp;
use super::intake::IntakeFinding;
use super::request::{Executors, Progress, send_enabled};
use super::source::Source;
use crate::case::{CaseClock, CaseRefusal, CaseRules, CaseState, case_number_claim};
use crate::code::{ChannelCode, ServiceCode};
use crate::event::{
    CaseEvent, Entered, IntakeGround, IntakeRefused, Joined, Registered, Scan, Submitted,
};
use crate::pack::{Approval, CaseValues, Channel, CheckedForm, Role};
use crate::record_draft::{Decision, PrivateField};
use crate::staff::Official;

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
    /// The number that the case gets if nobody took it, or that of the refused intake: the caller
    /// asks [`SubmitApplication::intake_grounds`] which.
    pub number: Option<String>,
    /// When it is entered.
    pub at: Timestamp,
    /// When it came, if an official enters it later: its term runs from then.
    pub registered_at: Option<Timestamp>,
    /// Whom the rule of assignment names where a request asks a person.
    pub executors: Executors,
    /// Who of the agency enters it; nobody when it came electronically.
    pub entry: Option<Entry>,
    /// The complex request that the case is a part of.
    pub joined: Option<Joined>,
    /// The entry that it is about, if it follows up one that exists.
    pub follow_up: Option<FollowUp>,
    /// The information system that sent it, with what it says beside the form.
    pub source: Option<Source>,
}

/// An official enters an application.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who.
    pub official: Official,
    /// The scan of the paper.
    pub scan: Option<Scan>,
    /// Why it is not taken, if the official finds that.
    pub finding: Option<IntakeFinding>,
}

/// The digest of what is applied for: SHA-256 of the canonical JSON `{"form":{path: value,…},
/// "service":code}` with every value, in normal form. It does not depend on the way it came.
#[must_use]
pub fn payload_digest(service: &ServiceCode, form: &CheckedForm) -> Hash {
    let values = form.values().iter().map(|(path, value)| (path.to_string(), value.clone()));
    let form: Object = values.collect();
    let payload = Object::new().with("service", service.as_str()).with("form", form);
    Hash::of(Json::from(payload).to_string().as_bytes())
}

impl SubmitApplication {
    /// The grounds for which it is not taken; none when it is registered.
    ///
    /// # Errors
    /// The channel is not open to it, or the official may not do this.
    pub fn intake_grounds(&self, rules: &CaseRules<'_>) -> Result<Vec<IntakeGround>, CaseRefusal> {
        let registered_on = rules.calendar.date(self.registration_time(rules)?);
        if self.is_review() {
            // Nobody applies: the form is that of an application which was taken.
            return Ok(vec![]);
        }
        match self.entry.as_ref().and_then(|entry| entry.finding.as_ref()) {
            Some(finding) => finding.checked(rules),
            None => Ok(rules.service.intake_grounds(&self.form, registered_on)),
        }
    }

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
        if let Some(follow_up) = &self.follow_up {
            follow_up.check(rules, &self.form, registered_on)?;
        }
        let mut events = CaseEvents::after(state);
        let submitted = Submitted {
            service: regulation.service.value.clone(),
            pack: rules.pack_ref.clone(),
            channel: self.channel.clone(),
            form: self.form.public().clone(),
            entered: self
                .entry
                .as_ref()
                .map(|entry| Entered { official: entry.official.id, scan: entry.scan.clone() }),
            about: self.follow_up.as_ref().map(|follow_up| follow_up.about.clone()),
            system: self.source.as_ref().map(|source| source.system.clone()),
        };
        let private = self.form.private().iter().cloned();
        let private = private.chain(self.source.iter().flat_map(Source::fields)).collect();
        events.push(CaseEvent::Submitted(submitted), private);
        let number = self.number.as_deref();
        let claim = |number: &str| Claim {
            name: case_number_claim(&regulation.service.value, number),
            operation: ClaimOperation::Take,
            holder: state.stream().clone(),
        };
        let grounds = self.intake_grounds(rules)?;
        if !grounds.is_empty() {
            let number = number.filter(|_| regulation.intake_number.is_some());
            let (refused, motive) = self.refuse(grounds, number);
            events.push(CaseEvent::IntakeRefused(refused), motive);
            let claims = number.map(claim).into_iter().collect();
            return Ok(Decision { events: events.events, claims });
        }
        let number = number.ok_or(CaseRefusal::NoNumber)?;
        let registered = self.register(rules, registered_at, number);
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
        let mut claims = vec![claim(number)];
        claims.extend(self.follow_up.as_ref().map(|follow_up| follow_up.claim(state.stream())));
        Ok(Decision { events: events.events, claims })
    }

    fn is_review(&self) -> bool {
        self.follow_up.as_ref().is_some_and(|follow_up| !follow_up.about.is_renewal())
    }

    fn refuse(
        &self,
        grounds: Vec<IntakeGround>,
        number: Option<&str>,
    ) -> (IntakeRefused, Vec<PrivateField>) {
        let entry = self.entry.as_ref().filter(|entry| entry.finding.is_some());
        let motive = entry.and_then(|entry| entry.finding.as_ref()).map(IntakeFinding::motive);
        let refused = IntakeRefused {
            grounds,
            number: number.map(str::to_owned),
            official: entry.map(|entry| entry.official.id),
        };
        (refused, motive.into_iter().collect())
    }

    /// When the term begins, if the channel is open for such an application.
    fn registration_time(&self, rules: &CaseRules<'_>) -> Result<Timestamp, CaseRefusal> {
        let channel = self.channel.clone();
        let Some(open) = rules.service.regulation.channel(&channel) else {
            return Err(CaseRefusal::ChannelClosed { channel });
        };
        if open.by_rule != self.is_review() {
            return Err(CaseRefusal::ChannelClosed { channel });
        }
        if open.draft_only {
            return Err(CaseRefusal::DraftOnly { channel });
        }
        self.check_entry(open, rules)?;
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

    /// That an official who may do so enters what officials enter, with the scan of a paper.
    fn check_entry(&self, open: &Channel, rules: &CaseRules<'_>) -> Result<(), CaseRefusal> {
        let channel = self.channel.clone();
        let Some(entry) = &self.entry else {
            return match open.entered_by_official {
                true => Err(CaseRefusal::OfficialsEnter { channel }),
                false => Ok(()),
            };
        };
        check_may_enter(&entry.official, rules)?;
        match (&entry.scan, open.entered_by_official) {
            (None, true) => Err(CaseRefusal::Scan { channel, problem: "is missing; add it" }),
            (Some(scan), _) if !is_media_type(&scan.media_type) => {
                let problem = "has no media type such as application/pdf; give it";
                Err(CaseRefusal::Scan { channel, problem })
            }
            _ => Ok(()),
        }
    }

    fn register(
        &self,
        rules: &CaseRules<'_>,
        registered_at: Timestamp,
        number: &str,
    ) -> Registered {
        let term = rules.service.regulation.term.length;
        let deadline = rules.calendar.deadline(registered_at, term);
        Registered {
            number: number.to_owned(),
            registered_at,
            term,
            due: Timestamp::from_unix_ms(deadline.due.get())
                .expect("invariant: terms end within the years of the ledger"),
            last_day: deadline.last_day,
            provisional: deadline.provisional,
        }
    }
}

/// Operators enter what comes to the agency, and those who work on the service's cases.
///
/// # Errors
/// The official does neither.
pub(crate) fn check_may_enter(
    official: &Official,
    rules: &CaseRules<'_>,
) -> Result<(), CaseRefusal> {
    let approval = rules.service.regulation.approval.as_ref();
    let operates = official.posts.iter().any(|held| held.role == Role::Operator);
    if operates || approval.is_some_and(|approval| official.holds(&approval.proposes)) {
        return Ok(());
    }
    let expected = match approval {
        Some(Approval { proposes, .. }) => {
            format!("an operator, or {} of {},", proposes.role.as_str(), proposes.unit.value)
        }
        None => "an operator".to_owned(),
    };
    Err(CaseRefusal::NotEntitled { official: official.id, expected })
}

/// Whether a text is a media type, `type/subtype` (RFC 6838, section 4.2).
fn is_media_type(text: &str) -> bool {
    let name = |name: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        (1..=127).contains(&name.len()) && name.bytes().all(plain)
    };
    text.split_once('/').is_some_and(|(kind, subtype)| name(kind) && name(subtype))
}
