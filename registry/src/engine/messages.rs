//! Applications that other systems send: each goes to the service that a route of the packs names,
//! or waits in quarantine for an official who finds one or rejects it. Nothing that came is lost.
//!
//! A sender's message is taken once, whatever it is sent again as. Not here: who the sender is,
//! which the node cannot know before there are agreements with other systems.

use letopis_ledger::id::{ClaimName, StreamName};
use letopis_ledger::json::Json;
use letopis_ledger::record::{Claim, ClaimOperation, SignedRecord};
use letopis_ledger::{Hash, StreamVersion};
use serde_json::Value;

use super::submit::{Answers, keyed};
use super::{Accepted, Appended, Application, CaseEngine, EngineError, LedgerPort, Race};
use crate::case::{CaseRefusal, Source, check_may_enter};
use crate::code::{ChannelCode, ServiceCode};
use crate::environment::random;
use crate::event::{
    CaseEvent, CaseId, DomainEvent, InboundMessageId, MessageEvent, MessageQuarantined, OfficialId,
    Unrouted,
};
use crate::pack::{Role, Route};
use crate::private::{AccessToken, PrivateBatch, TokenDigest};
use crate::projection::MessageRow;
use crate::record_draft::{Decision, NewEvent, PrivateField};
use crate::staff::Official;

/// Most bytes of a form that is kept in quarantine.
pub const MESSAGE_MAX_BYTES: usize = 256 << 10;
/// Most messages that wait; a sender keeps what is refused then.
const WAITING_MAX: u32 = 10_000;
/// Most characters of the reason of a rejection.
const REASON_MAX_CHARS: usize = 4_000;

/// A message of another system: an application under its own names.
#[derive(Clone)]
pub struct InboundMessage {
    /// Who sends it, and what it says beside the form.
    pub source: Source,
    /// The form, as the service's JSON Schema describes it.
    pub form: Value,
}

/// What became of a message.
#[derive(Debug)]
pub enum Delivered {
    /// It is an application on record.
    Submitted(Box<Accepted>),
    /// It waits, was released or rejected; the token shows which.
    Quarantined(MessageRow, AccessToken),
}

/// A message that waits, as an official sees it.
#[derive(Debug)]
pub struct WaitingMessage {
    /// How far it is.
    pub row: MessageRow,
    /// What the sender says, by name.
    pub source: Vec<(String, Json)>,
    /// The form.
    pub form: Value,
}

/// A message under way to its release.
pub(super) struct Releasing {
    stream: StreamName,
    version: StreamVersion,
    official: OfficialId,
    pub(super) shown_to: Vec<TokenDigest>,
}

impl Releasing {
    /// What ends the message, beside the case.
    pub(super) fn ended_by(&self, case: CaseId) -> Decision {
        let event = MessageEvent::Released { case: case.stream(), official: self.official };
        decision(&self.stream, self.version, event, vec![])
    }
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Takes a message: submits the application where a route leads, otherwise keeps it for an
    /// official. The same message again gives the same case, or how far it is.
    ///
    /// # Errors
    /// See [`CaseEngine::submit`]; a text of the sender is wrong, or too many messages wait.
    pub async fn deliver(&self, message: &InboundMessage) -> Result<Delivered, EngineError> {
        message.source.check().map_err(|reason| EngineError::Message { reason })?;
        self.catch_up().await?;
        let (system, sender_id) = (&message.source.system, &message.source.message_id);
        if let Some(row) = self.model.message_of_sender(system, sender_id)?.value {
            return self.delivered_before(row, message).await;
        }
        // No key of a client has a space.
        let key = format!("message {system} {sender_id}");
        // What a route took once is answered as before, whatever the routes say now.
        let taken = self.submitted_as(&key)?;
        match taken.map_or_else(|| self.route(&message.source), Ok) {
            Ok((service, channel)) => {
                let application = Application {
                    service,
                    channel,
                    form: message.form.clone(),
                    registered_at: None,
                    idempotency_key: Some(key),
                    entry: None,
                    renews: None,
                    source: Some(message.source.clone()),
                };
                let accepted = self.submit(&application).await?;
                Ok(Delivered::Submitted(Box::new(accepted)))
            }
            Err(reason) => self.quarantine(message, reason).await,
        }
    }

    /// A message, for whoever holds its token.
    ///
    /// # Errors
    /// There is no such message, or the tables failed.
    pub async fn message(&self, id: InboundMessageId) -> Result<MessageRow, EngineError> {
        self.catch_up().await?;
        self.message_row(id)
    }

    /// Messages that wait, the oldest first, for an official who enters what comes in.
    ///
    /// # Errors
    /// The official does not.
    pub async fn waiting_messages(
        &self,
        official: &Official,
        most: u32,
    ) -> Result<Vec<WaitingMessage>, EngineError> {
        entitle(official)?;
        self.catch_up().await?;
        let mut waiting = Vec::new();
        for row in self.model.quarantined(most)?.value {
            let (source, form) = self.kept(&row).await?;
            let source = source.texts().map(|(name, text)| (name.to_owned(), text)).collect();
            waiting.push(WaitingMessage { row, source, form });
        }
        Ok(waiting)
    }

    /// Submits the application of a message to a service that an official found.
    ///
    /// # Errors
    /// The message does not wait any more, the form does not fit the service, or the official may
    /// not enter its applications.
    pub async fn release_message(
        &self,
        id: InboundMessageId,
        official: &Official,
        (service, channel): (&ServiceCode, Option<&ChannelCode>),
    ) -> Result<Accepted, EngineError> {
        self.catch_up().await?;
        let row = self.waiting(id)?;
        let unknown = || EngineError::UnknownService { service: service.clone() };
        let installed = self.packs.in_force(service)?;
        let found = installed.service(service).ok_or_else(unknown)?;
        check_may_enter(official, &installed.rules_of(found, &self.secret))?;
        let own = found.regulation.applicants_channel();
        let channel = channel.or(own).ok_or_else(|| EngineError::Message {
            reason: format!("service {service}: no channel is open to applicants; name one"),
        })?;
        let (source, form) = self.kept(&row).await?;
        let application = Application {
            service: service.clone(),
            channel: channel.clone(),
            form,
            registered_at: None,
            idempotency_key: Some(format!("released {id} {service} {channel}")),
            entry: None,
            renews: None,
            source: Some(source),
        };
        let releasing = Releasing {
            stream: id.stream(),
            version: row.version.next(),
            official: official.id,
            shown_to: self.private.tokens_of(&id.stream())?,
        };
        let released = self.submit_for(&application, Some(Answers::Message(&releasing))).await;
        self.catch_up().await?;
        match released {
            // Somebody else was faster.
            Err(error) if Race::of(&error).is_some() => {
                Err(self.waiting(id).err().unwrap_or(error))
            }
            other => other,
        }
    }

    /// Rejects a message: it is for no service of the agency.
    ///
    /// # Errors
    /// The message does not wait any more, or the official does not enter what comes in.
    pub async fn reject_message(
        &self,
        id: InboundMessageId,
        official: &Official,
        reason: &str,
    ) -> Result<Appended, EngineError> {
        entitle(official)?;
        let (what, limit) = ("the reason", REASON_MAX_CHARS);
        let fits = !reason.trim().is_empty() && reason.chars().count() <= limit;
        let reason = Json::string(reason).ok().filter(|_| fits);
        let reason = reason.ok_or(CaseRefusal::TextLength { what, limit })?;
        self.catch_up().await?;
        let row = self.waiting(id)?;
        let event = MessageEvent::Rejected { official: official.id };
        let private = vec![PrivateField::new("reason", reason)];
        let decision = decision(&id.stream(), row.version.next(), event, private);
        let appended = self.append_unless_overtaken(self.seal(decision)?).await?;
        match appended {
            Some(appended) => Ok(appended),
            None => Err(self.waiting(id).err().unwrap_or_else(|| unknown_message(id))),
        }
    }

    /// The service and channel of what was submitted under a key before.
    fn submitted_as(&self, key: &str) -> Result<Option<(ServiceCode, ChannelCode)>, EngineError> {
        let (key, _) = keyed(&self.secret, key, &Json::from(""));
        let Some(submission) = self.private.submission(&key)? else { return Ok(None) };
        let record = SignedRecord::parse(&submission.signed_record)
            .map_err(|e| EngineError::StoredRecord { reason: e.to_string() })?;
        let submitted =
            record.record().events().iter().find_map(|event| match DomainEvent::read(event) {
                Ok(Some(DomainEvent::Case(CaseEvent::Submitted(submitted)))) => Some(submitted),
                _ => None,
            });
        Ok(submitted.map(|submitted| (submitted.service, submitted.channel)))
    }

    /// The service and channel that the newest packs name for a message.
    fn route(&self, source: &Source) -> Result<(ServiceCode, ChannelCode), Unrouted> {
        let territory = source.territory.as_deref().unwrap_or_default();
        let mut has_code = false;
        for installed in self.packs.newest_of_each() {
            let routes = installed.pack.routes();
            has_code |= routes.iter().any(|route| route.code.value == source.service_code);
            if let Some(found) = Route::find(routes, &source.service_code, territory) {
                return Ok((found.service.value.clone(), found.channel.value.clone()));
            }
        }
        Err(if has_code { Unrouted::UnknownTerritory } else { Unrouted::UnknownCode })
    }

    async fn quarantine(
        &self,
        message: &InboundMessage,
        reason: Unrouted,
    ) -> Result<Delivered, EngineError> {
        let bytes = message.form.to_string().into_bytes();
        if bytes.len() > MESSAGE_MAX_BYTES {
            let reason = format!("a form of {} bytes; at most {MESSAGE_MAX_BYTES}", bytes.len());
            return Err(EngineError::Message { reason });
        }
        if self.model.quarantined_count()?.value >= u64::from(WAITING_MAX) {
            return Err(EngineError::TooManyMessages { most: WAITING_MAX });
        }
        let unix_ms = self.clock.now().unix_ms().unsigned_abs();
        let id = InboundMessageId::from_parts(unix_ms, &random(&*self.entropy));
        let sha256 = Hash::of(&bytes).to_hex();
        let mut private: Vec<PrivateField> =
            message.source.texts().map(|(name, text)| PrivateField::new(name, text)).collect();
        private.push(PrivateField::new("sha256", Json::from(sha256.as_str())));
        let system = message.source.system.clone();
        let event = MessageEvent::Quarantined(MessageQuarantined { system, reason });
        let mut decision = decision(&id.stream(), StreamVersion::ZERO, event, private);
        decision.claims.push(self.message_claim(message, &id.stream()));
        let mut prepared = self.seal(decision)?;
        let token = AccessToken::new(&*self.entropy);
        prepared.batch.tokens.push((token.digest(), id.stream()));
        prepared.batch.files.push((id.stream(), bytes));
        match self.append_unless_overtaken(prepared).await? {
            Some(_) => Ok(Delivered::Quarantined(self.message_row(id)?, token)),
            None => {
                let source = &message.source;
                let row = self.model.message_of_sender(&source.system, &source.message_id)?.value;
                let row = row.ok_or_else(|| unknown_message(id))?;
                self.delivered_before(row, message).await
            }
        }
    }

    /// What became of a message that came before, if it is the same one.
    async fn delivered_before(
        &self,
        row: MessageRow,
        message: &InboundMessage,
    ) -> Result<Delivered, EngineError> {
        let (source, form) = self.kept(&row).await?;
        if (&source, &form) != (&message.source, &message.form) {
            return Err(EngineError::IdempotencyKeyReused);
        }
        let token = AccessToken::new(&*self.entropy);
        let mut tokens = vec![(token.digest(), row.message.stream())];
        tokens.extend(row.case.map(|case| (token.digest(), case.stream())));
        self.private.put(PrivateBatch { tokens, ..PrivateBatch::default() }).await?;
        Ok(Delivered::Quarantined(row, token))
    }

    /// What was sent, as the agency keeps it.
    async fn kept(&self, row: &MessageRow) -> Result<(Source, Value), EngineError> {
        let events = self.events_of(&row.message.stream()).await?;
        let digests = events.first().map(|(_, event)| event.private.clone()).unwrap_or_default();
        let opened = self.private.open_digests(&digests)?;
        let text = |name: &str| {
            let found = opened.iter().flatten().find(|field| field.name() == name)?;
            found.value().as_str().map(str::to_owned)
        };
        let lost = || unknown_message(row.message);
        let sha256 = text("sha256").and_then(|text| Hash::from_hex(&text)).ok_or_else(lost)?;
        let bytes = self.private.file(&sha256)?.ok_or_else(lost)?;
        let source = Source {
            system: row.system.clone(),
            message_id: text("message_id").ok_or_else(lost)?,
            service_code: text("service_code").ok_or_else(lost)?,
            territory: text("territory"),
            receipt: text("receipt"),
            cabinet: text("cabinet"),
        };
        Ok((source, serde_json::from_slice(&bytes).map_err(|_| lost())?))
    }

    fn message_row(&self, id: InboundMessageId) -> Result<MessageRow, EngineError> {
        self.model.message(id)?.value.ok_or_else(|| unknown_message(id))
    }

    /// A message that waits.
    fn waiting(&self, id: InboundMessageId) -> Result<MessageRow, EngineError> {
        let row = self.message_row(id)?;
        match row.state.as_str() {
            "quarantined" => Ok(row),
            _ => Err(EngineError::MessageSettled { how: row.state }),
        }
    }

    /// The name that a sender's message takes, so that it waits once.
    fn message_claim(&self, message: &InboundMessage, holder: &StreamName) -> Claim {
        let parts = [message.source.system.as_str(), message.source.message_id.as_str()];
        let digest = self.secret.digest("message", &parts);
        let name = ClaimName::parse(&format!("message/{digest}"));
        Claim {
            name: name.expect("invariant: a digest fits into a claim"),
            operation: ClaimOperation::Take,
            holder: holder.clone(),
        }
    }
}

/// That an official enters what comes in.
fn entitle(official: &Official) -> Result<(), EngineError> {
    if official.posts.iter().any(|held| held.role == Role::Operator) {
        return Ok(());
    }
    let expected = "an operator".to_owned();
    Err(CaseRefusal::NotEntitled { official: official.id, expected }.into())
}

fn decision(
    stream: &StreamName,
    version: StreamVersion,
    event: MessageEvent,
    private: Vec<PrivateField>,
) -> Decision {
    let event = DomainEvent::Message(event);
    let event = NewEvent { stream: stream.clone(), version, event, private };
    Decision { events: vec![event], claims: vec![] }
}

fn unknown_message(id: InboundMessageId) -> EngineError {
    EngineError::UnknownEntry { what: "message", name: id.to_string() }
}
