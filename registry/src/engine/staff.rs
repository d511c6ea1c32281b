//! Officials of the agency: appointed with a name, posts and a key; absent; dismissed; and whom
//! the rule of assignment names.
//!
//! A token admits an official to the interface, as the token of a case admits its applicant. Not
//! here: what an official may do; commands on cases check posts.

use jiff::civil::Date;
use letopis_ledger::StreamVersion;
use letopis_ledger::json::Json;
use letopis_ledger::key::AuthorKey;

use super::advance::Pinned;
use super::{CaseEngine, EngineError, LedgerPort, TRIES_MAX};
use crate::case::{
    AssignCase, Candidates, CaseRefusal, CaseRules, CaseState, CaseStatus, Executors,
};
use crate::environment::random;
use crate::event::{Appointed, Candidate, CaseId, DomainEvent, OfficialId, StaffEvent};
use crate::pack::{Asked, Pack, Post, Role, Service};
use crate::private::AccessToken;
use crate::record_draft::{Decision, NewEvent, PrivateField};
use crate::staff::{Official, choose};

/// Most characters of an official's name.
const NAME_MAX_CHARS: usize = 200;

/// What somebody is appointed to.
#[derive(Debug, Clone)]
pub struct Appointment {
    /// Posts, skills and key.
    pub appointed: Appointed,
    /// The name, which stays with the agency.
    pub name: String,
}

/// An official who was appointed.
#[derive(Debug)]
pub struct AppointedOfficial {
    /// The id.
    pub id: OfficialId,
    /// Admits the official to the interface; shown once.
    pub token: AccessToken,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Appoints somebody; `again` names an official who gets other posts or another key, and a
    /// new token beside the older ones.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn appoint(
        &self,
        appointment: &Appointment,
        again: Option<OfficialId>,
    ) -> Result<AppointedOfficial, EngineError> {
        let fits = (1..=NAME_MAX_CHARS).contains(&appointment.name.trim().chars().count());
        let name = Json::string(appointment.name.trim()).ok().filter(|_| fits);
        let (what, limit) = ("the name", NAME_MAX_CHARS);
        let name = name.ok_or(CaseRefusal::TextLength { what, limit })?;
        let unix_ms = self.clock.now().unix_ms().unsigned_abs();
        let id = again.unwrap_or_else(|| OfficialId::from_parts(unix_ms, &random(&*self.entropy)));
        let token = AccessToken::new(&*self.entropy);
        let event = StaffEvent::Appointed(Box::new(appointment.appointed.clone()));
        let private = vec![PrivateField::new("name", name)];
        self.append_staff(id, &event, &private, Some(&token)).await?;
        Ok(AppointedOfficial { id, token })
    }

    /// Notes days on which an official is away.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn note_absence(
        &self,
        id: OfficialId,
        (from, until): (Date, Date),
    ) -> Result<(), EngineError> {
        self.known_official(id).await?;
        if until < from {
            let reason = format!("the last day {until} is before the first day {from}");
            return Err(EngineError::Staff { reason });
        }
        self.append_staff(id, &StaffEvent::Absent { from, until }, &[], None).await
    }

    /// Ends an official's posts; the tokens admit nobody any more.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn dismiss(&self, id: OfficialId) -> Result<(), EngineError> {
        self.known_official(id).await?;
        self.append_staff(id, &StaffEvent::Dismissed, &[], None).await
    }

    /// The official whom a token admits, as the log tells of now. Somebody who was dismissed is
    /// admitted no more.
    ///
    /// # Errors
    /// The tables or the private store failed.
    pub fn admitted_official(
        &self,
        id: OfficialId,
        token: &AccessToken,
    ) -> Result<Option<Official>, EngineError> {
        if !self.private.admits(token, &id.stream())? {
            return Ok(None);
        }
        Ok(self.model.official(id)?.value.filter(|official| !official.posts.is_empty()))
    }

    /// Whether a key is already some official's: two people never share one.
    ///
    /// # Errors
    /// The tables failed.
    pub fn is_key_taken(
        &self,
        key: AuthorKey,
        by: Option<OfficialId>,
    ) -> Result<bool, EngineError> {
        let officials = self.model.officials()?.value;
        Ok(officials.iter().any(|found| found.key == Some(key) && Some(found.id) != by))
    }

    async fn known_official(&self, id: OfficialId) -> Result<Official, EngineError> {
        self.catch_up().await?;
        let found = self.model.official(id)?.value;
        found.ok_or_else(|| EngineError::UnknownEntry { what: "official", name: id.to_string() })
    }

    async fn append_staff(
        &self,
        id: OfficialId,
        event: &StaffEvent,
        private: &[PrivateField],
        token: Option<&AccessToken>,
    ) -> Result<(), EngineError> {
        for _ in 0..TRIES_MAX {
            self.catch_up().await?;
            let stream = id.stream();
            let version: StreamVersion = self.model.stream_length(&stream)?.value;
            let (event, private) = (DomainEvent::Staff(event.clone()), private.to_vec());
            let events = vec![NewEvent { stream: stream.clone(), version, event, private }];
            let mut prepared = self.seal(Decision { events, claims: vec![] })?;
            prepared.batch.tokens.extend(token.map(|token| (token.digest(), stream)));
            if self.append_unless_overtaken(prepared).await?.is_some() {
                return Ok(());
            }
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    /// Gives a case that nobody has to an official by the rule, if somebody can take it.
    ///
    /// One case at a time, each on tables that know of the one before: cases that come together
    /// would else find the same official the least loaded and go to that one alone.
    pub(super) async fn assign(
        &self,
        case: CaseId,
        state: &mut CaseState,
        installed: &Pinned,
    ) -> Result<(), EngineError> {
        let rules = self.rules(state, installed)?;
        let by_officials = rules.service.regulation.approval.is_some();
        let assigned = state.assigned().is_some();
        if assigned || !by_officials || state.status() != CaseStatus::InProgress {
            return Ok(());
        }
        let _one_at_a_time = self.assigning.lock().await;
        self.catch_up().await?;
        let candidates = self.candidates(&rules)?;
        let decision = AssignCase { candidates }.decide(state, &rules)?;
        if !decision.events.is_empty() {
            self.append_to(case, state, decision).await?;
        }
        Ok(())
    }

    /// Everybody who could get a case of the service, with the open cases of each.
    fn candidates(&self, rules: &CaseRules<'_>) -> Result<Candidates, EngineError> {
        let Some(approval) = &rules.service.regulation.approval else {
            return Ok(Candidates::default());
        };
        self.candidates_for(&approval.proposes, rules.service, rules.pack)
    }

    fn candidates_for(
        &self,
        post: &Post,
        service: &Service,
        pack: &Pack,
    ) -> Result<Candidates, EngineError> {
        let today = pack.calendar().date(self.clock.now());
        let code = &service.regulation.service.value;
        let officials = self.model.officials()?;
        let able = officials.value.iter().filter(|found| found.can_take(post, code, today));
        let candidate = |found: &Official| {
            let open_cases = self.model.open_cases_of(found.id)?.value;
            Ok::<_, EngineError>(Candidate { open_cases, official: found.id })
        };
        let candidates = able.map(candidate).collect::<Result<_, _>>()?;
        Ok(Candidates { candidates, read_size: officials.size })
    }

    /// Whom the rule names for each request of a service that asks a person of a unit.
    pub(super) fn executors(&self, rules: &CaseRules<'_>) -> Result<Executors, EngineError> {
        self.executors_of(rules.service, rules.pack)
    }

    /// Whom the rule names where an official takes a request over: whoever has the fewest cases
    /// and escalated requests open.
    pub(super) fn escalates_to(
        &self,
        rules: &CaseRules<'_>,
    ) -> Result<Option<OfficialId>, EngineError> {
        let regulation = &rules.service.regulation;
        let may = regulation.requests().any(|(_, rule)| rule.may_escalate());
        let Some(post) = regulation.escalates_to().filter(|_| may) else { return Ok(None) };
        let mut candidates = self.candidates_for(post, rules.service, rules.pack)?.candidates;
        for candidate in &mut candidates {
            candidate.open_cases += self.model.open_escalations_of(candidate.official)?.value;
        }
        Ok(choose(&candidates))
    }

    pub(super) fn executors_of(
        &self,
        service: &Service,
        pack: &Pack,
    ) -> Result<Executors, EngineError> {
        let mut executors = Executors::new();
        for (step, rule) in service.regulation.requests() {
            let Asked::Executor(unit) = &rule.from else { continue };
            let post = Post { unit: unit.clone(), role: Role::Executor };
            let candidates = self.candidates_for(&post, service, pack)?;
            if let Some(official) = choose(&candidates.candidates) {
                executors.insert(step.code.value.clone(), official);
            }
        }
        Ok(executors)
    }
}
