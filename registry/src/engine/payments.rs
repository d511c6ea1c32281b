//! Payments become due on their day, are read by whoever pays, and are settled.
//!
//! Each entry follows the regulation of the case that granted it. The stream of its payments takes
//! each month once, whichever node is first. Not here: which days are due (`payment`), and moving
//! money.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use letopis_ledger::Timestamp;
use letopis_ledger::json::Json;

use super::{CaseEngine, EngineError, InstalledPack, LedgerPort, TRIES_MAX};
use crate::case::CaseRefusal;
use crate::code::{FieldPath, ServiceCode};
use crate::event::{CaseId, EntryId, PaymentsId};
use crate::pack::Payments;
use crate::payment::{
    AMOUNT, MakePayments, PaidTime, PaymentRefusal, Period, SettlePayment, due_days, last_due_day,
};
use crate::projection::{EntryRow, EntryStatus, PaymentRow};
use crate::staff::Official;

/// Most entries that are looked at before the ledger is read again.
const AT_ONCE_MAX: u32 = 256;
/// Most months of one record.
const RECORD_MONTHS_MAX: usize = 24;
/// Entries that went out longer ago owe nothing more, whatever a node missed meanwhile.
const REMOVED_DAYS_MAX: i64 = 100;
const DAY_MS: i64 = 86_400_000;

/// Payments of one version of a pack.
struct PaymentRule {
    installed: Arc<InstalledPack>,
    service: ServiceCode,
    payments: Payments,
}

/// A payment with what whoever pays needs.
#[derive(Clone)]
pub struct PaymentOrder {
    /// The payment.
    pub row: PaymentRow,
    /// Its amount in hundredths of the currency.
    pub amount: Option<i64>,
    /// The fields of the entry that the regulation names for whoever pays.
    pub payee: BTreeMap<FieldPath, Json>,
}

/// What became of a payment.
#[derive(Clone)]
pub struct Settlement {
    /// Whether the money came to the person.
    pub paid: bool,
    /// The number that the paying system gave it.
    pub reference: Option<String>,
}

/// What an event said of an entry's amount.
struct AmountChange {
    recorded_on: Date,
    /// The first day on which it holds, where that is not the day of the record.
    holds_from: Option<Date>,
    /// Whether nothing that the entry said before holds then.
    replaces: bool,
    /// The amount, if it said one; `None` inside it is no integer.
    stated: Option<Option<i64>>,
}

/// The amount as a day begins.
fn amount_on(changes: &[AmountChange], day: Date) -> Option<i64> {
    let counts = |change: &&AmountChange| {
        change.recorded_on < day && change.holds_from.is_none_or(|from| from <= day)
    };
    changes.iter().filter(counts).fold(None, |so_far, change| {
        let unsaid = if change.replaces { None } else { so_far };
        change.stated.unwrap_or(unsaid)
    })
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Makes every month due whose day has come; gives how many.
    ///
    /// # Errors
    /// See [`EngineError`]; what was made before the error stays.
    pub async fn make_payments(&self) -> Result<usize, EngineError> {
        self.catch_up().await?;
        let mut count = 0;
        for rule in self.payment_rules() {
            let calendar = rule.installed.pack.calendar();
            let today = calendar.date(self.clock.now());
            let last = last_due_day(rule.payments.day.value, today);
            let begins = calendar.begin(last);
            let removed_since = begins.unix_ms() - REMOVED_DAYS_MAX * DAY_MS;
            let removed_since = Timestamp::from_unix_ms(removed_since.max(0));
            let removed_since = removed_since.unwrap_or(Timestamp::EPOCH);
            let service = rule.installed.service(&rule.service);
            let Some(registry) = service.map(|service| service.effect_registry()) else { continue };
            let mut after = None;
            loop {
                let entries = self.model.entries_to_pay(
                    registry,
                    Period::of(last),
                    (begins, removed_since),
                    after.as_ref(),
                    AT_ONCE_MAX,
                )?;
                for entry in &entries.value {
                    match self.pay(&rule, entry, today).await {
                        Ok(made) => count += made,
                        // One entry without an amount does not hold up the others.
                        Err(EngineError::Payment(refusal)) => {
                            tracing::error!(%refusal, "a month was not made due");
                        }
                        Err(error) => return Err(error),
                    }
                }
                after = entries.value.last().map(|entry| entry.stream.clone());
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(count)
    }

    /// Payments that are not paid, for whoever pays: at most `most` are looked at, after one of
    /// them; those of regulations that the official does not pay for are left out.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn payment_orders(
        &self,
        official: &Official,
        after: Option<(Period, PaymentsId)>,
        most: u32,
    ) -> Result<(Vec<PaymentOrder>, Option<(Period, PaymentsId)>), EngineError> {
        self.catch_up().await?;
        let rows = self.model.open_payments(after, most)?.value;
        let full = rows.len() == most as usize;
        let last = rows.last().filter(|_| full).map(|row| (row.period, row.payments));
        let mut orders = Vec::new();
        for row in rows {
            let rule = self.payment_rule(&row)?;
            if rule.pays(official).is_ok() {
                orders.push(self.order(row, Some(&rule))?);
            }
        }
        Ok((orders, last))
    }

    /// The payments of the entry that a case made or revised.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn payments_of_case(&self, case: CaseId) -> Result<Vec<PaymentOrder>, EngineError> {
        self.catch_up().await?;
        let Some(entry) = self.model.entry_of_case(case)?.value else { return Ok(vec![]) };
        let rows = self.model.payments_of_entry(&entry.stream)?.value;
        rows.into_iter().map(|row| self.order(row, None)).collect()
    }

    /// Notes what became of a payment. Said again, it changes nothing.
    ///
    /// # Errors
    /// There is no such payment, the official does not pay, or it was paid and is said to have
    /// failed.
    pub async fn settle_payment(
        &self,
        (id, period): (PaymentsId, Period),
        official: &Official,
        settlement: &Settlement,
    ) -> Result<PaymentRow, EngineError> {
        for _ in 0..TRIES_MAX {
            self.catch_up().await?;
            let unknown = || EngineError::UnknownEntry {
                what: "payment",
                name: format!("{id} for {period}"),
            };
            let row = self.model.payment(id, period)?.value.ok_or_else(unknown)?;
            self.payment_rule(&row)?.pays(official)?;
            let command = SettlePayment {
                stream: (id.stream(), self.model.stream_length(&id.stream())?.value),
                period,
                paid: settlement.paid,
                reference: settlement.reference.clone(),
                official: official.id,
            };
            let so_far = match row.state.as_str() {
                "due" => None,
                state => Some(state == "paid"),
            };
            let Some(decision) = command.decide(so_far)? else { return Ok(row) };
            if self.append_unless_overtaken(self.seal(decision)?).await?.is_some() {
                return self.model.payment(id, period)?.value.ok_or_else(unknown);
            }
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    /// Makes the months of an entry due that are not; gives how many.
    async fn pay(
        &self,
        rule: &PaymentRule,
        entry: &EntryRow,
        today: Date,
    ) -> Result<usize, EngineError> {
        let Some(case) = self.case_of_entry(entry).await? else { return Ok(0) };
        let Ok(case_id) = CaseId::of_stream(&case) else { return Ok(0) };
        let row = self.model.case(case_id)?.value;
        let is_own = row
            .is_some_and(|row| row.pack == rule.installed.pack_ref && row.service == rule.service);
        let Ok(id) = EntryId::of_stream(&entry.stream) else { return Ok(0) };
        if !is_own {
            return Ok(0);
        }
        let stream = PaymentsId::of_entry(&id).stream();
        for _ in 0..TRIES_MAX {
            let made = self.model.payments_of_entry(&entry.stream)?.value;
            let made: BTreeSet<Period> = made.into_iter().map(|row| row.period).collect();
            let time = self.paid_time(rule, entry)?;
            let mut days = due_days(&time, rule.payments.day.value, today);
            days.retain(|day| !made.contains(&Period::of(*day)));
            days.truncate(RECORD_MONTHS_MAX);
            if days.is_empty() {
                return Ok(0);
            }
            let changes = self.amount_changes(rule, entry).await?;
            let mut months = Vec::new();
            for day in days {
                let amount = amount_on(&changes, day).filter(|amount| *amount > 0);
                let (stream, field) = (&entry.stream, rule.amount_field()?);
                let refused =
                    || PaymentRefusal::Amount { entry: stream.clone(), field: field.to_string() };
                months.push((Period::of(day), amount.ok_or_else(refused)?));
            }
            let count = months.len();
            let length = self.model.stream_length(&stream)?.value;
            let (case, entry) = (case.clone(), entry.stream.clone());
            let command = MakePayments { stream: (stream.clone(), length), case, entry, months };
            if self.append_unless_overtaken(self.seal(command.decide())?).await?.is_some() {
                return Ok(count);
            }
            // Another node was faster.
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    /// For how long an entry pays, by what the log says of it now.
    fn paid_time(&self, rule: &PaymentRule, entry: &EntryRow) -> Result<PaidTime, EngineError> {
        let calendar = rule.installed.pack.calendar();
        let entry = self.model.entry(&entry.stream)?.value.unwrap_or_else(|| entry.clone());
        let history = self.model.entry_history(&entry.stream)?.value;
        let last = history.last().map(|change| calendar.date(change.changed_at));
        Ok(PaidTime {
            created_on: calendar.date(entry.created_at),
            valid_until: entry.valid_until.as_deref().and_then(|day| day.parse().ok()),
            removed_on: last.filter(|_| entry.status != EntryStatus::InForce),
        })
    }

    /// What happened to the amount of an entry, in order.
    async fn amount_changes(
        &self,
        rule: &PaymentRule,
        entry: &EntryRow,
    ) -> Result<Vec<AmountChange>, EngineError> {
        let calendar = rule.installed.pack.calendar();
        let field = rule.amount_field()?;
        let name = format!("field.{field}");
        let recorded = self.model.entry_history(&entry.stream)?.value;
        let recorded_on: BTreeMap<_, _> = recorded
            .into_iter()
            .map(|change| (change.version, calendar.date(change.changed_at)))
            .collect();
        let mut changes = Vec::new();
        for (_, event) in self.events_of(&entry.stream).await? {
            let Some(&recorded_on) = recorded_on.get(&event.version) else { continue };
            let replaces = event.event_type.as_str() == "registry.entry_revised";
            let from = event.data.get("valid_from").and_then(Json::as_str).filter(|_| replaces);
            let public = event.data.get("fields").and_then(Json::as_object);
            let public = public.and_then(|fields| fields.get(field.as_str()));
            let private = self.private.open_digests(&event.private)?;
            let private = private.iter().flatten().find(|found| found.name() == name);
            let stated = private.map(|found| found.value()).or(public);
            changes.push(AmountChange {
                recorded_on,
                holds_from: from.and_then(|day| day.parse().ok()),
                replaces,
                stated: stated.map(Json::as_integer),
            });
        }
        Ok(changes)
    }

    fn order(
        &self,
        row: PaymentRow,
        rule: Option<&PaymentRule>,
    ) -> Result<PaymentOrder, EngineError> {
        let digests: Vec<_> = row.amount.into_iter().collect();
        let opened = self.private.open_digests(&digests)?;
        let amount = opened.iter().flatten().find(|opened| opened.name() == AMOUNT);
        let amount = amount.and_then(|opened| opened.value().as_integer());
        let mut payee = BTreeMap::new();
        if let Some(rule) = rule
            && let Some(entry) = self.model.entry(&row.entry)?.value
        {
            payee = self.entry_values(&entry)?;
            payee.retain(|field, _| rule.payments.payee.iter().any(|named| &named.value == field));
        }
        Ok(PaymentOrder { row, amount, payee })
    }

    /// The regulation that a payment follows: that of its case.
    fn payment_rule(&self, row: &PaymentRow) -> Result<PaymentRule, EngineError> {
        let case = row.case;
        let found = self.model.case(case)?.value.ok_or(EngineError::UnknownCase { case })?;
        let installed = self.packs.pinned(&found.pack)?;
        let unknown = || EngineError::UnknownService { service: found.service.clone() };
        let service = installed.service(&found.service).ok_or_else(unknown)?;
        let payments = service.regulation.payments.clone().ok_or_else(unknown)?;
        Ok(PaymentRule { service: found.service, payments, installed: Arc::clone(&installed) })
    }

    /// Every installed version of a regulation that pays.
    fn payment_rules(&self) -> Vec<PaymentRule> {
        let mut rules = Vec::new();
        for installed in self.packs.all() {
            for (code, service) in installed.pack.services() {
                if let Some(payments) = service.regulation.payments.clone() {
                    let (service, installed) = (code.clone(), Arc::clone(&installed));
                    rules.push(PaymentRule { installed, service, payments });
                }
            }
        }
        rules
    }
}

impl PaymentRule {
    /// That an official holds the post that pays.
    fn pays(&self, official: &Official) -> Result<(), CaseRefusal> {
        let post = &self.payments.pays;
        if official.holds(post) {
            return Ok(());
        }
        let expected = format!("{} of {}", post.role.as_str(), post.unit.value);
        Err(CaseRefusal::NotEntitled { official: official.id, expected })
    }

    /// The field of the entry that holds the amount.
    fn amount_field(&self) -> Result<&FieldPath, EngineError> {
        let unknown = || EngineError::UnknownService { service: self.service.clone() };
        let service = self.installed.service(&self.service).ok_or_else(unknown)?;
        service.regulation.payment_field(&self.payments).ok_or_else(unknown)
    }
}
