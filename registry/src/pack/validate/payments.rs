//! Rules of payments: an amount that the entry holds, a day of every month, who pays whom.

use super::law;
use super::services::{Check, line};
use crate::pack::error::PackRule;
use crate::pack::value::ValueRef;
use crate::payment::DAY_MAX;

impl Check<'_, '_> {
    pub(super) fn payments(&mut self) {
        let regulation = &self.service.regulation;
        let Some(payments) = &regulation.payments else { return };
        let at = line(&payments.amount);
        law(self.problems, self.file, at, "the payments", &payments.law);
        if !matches!(payments.amount.value, ValueRef::Decision(_)) {
            let value = &payments.amount.value;
            let reason = format!("payments: {value} is no member of the decision; name one");
            self.add(at, PackRule::Payments { reason });
        } else if regulation.payment_field(payments).is_none() {
            let value = &payments.amount.value;
            let reason = format!("payments: the effect enters {value} in no field; add it");
            self.add(at, PackRule::Payments { reason });
        }
        let day = payments.day.value;
        if !(1..=DAY_MAX).contains(&day) {
            let reason = format!("payments: day {day}; give 1 to {DAY_MAX}, which every month has");
            self.add(line(&payments.day), PackRule::Payments { reason });
        }
        self.unit(&payments.pays.unit);
        let Some(registry) = self.sources.parts.registries.get(&regulation.effect.registry.value)
        else {
            return;
        };
        for field in &payments.payee {
            if registry.field(&field.value).is_none() {
                self.unknown(line(field), "field of the registry", &field.value);
            }
        }
        if payments.payee.is_empty() {
            let reason = "payments: \"payee\" names no field; who pays must know whom".to_owned();
            self.add(at, PackRule::Payments { reason });
        }
    }
}
