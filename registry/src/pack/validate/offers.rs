//! Rules of offers: what triggers them, whom they are for, what they fill in, and a case for each.

use letopis_rules::deadline::DAYS_MAX;
use serde_saphyr::Spanned;

use super::services::{Check, line};
use super::{law, text};
use crate::code::FieldPath;
use crate::pack::error::PackRule;
use crate::pack::registry::Registry;
use crate::pack::regulation::{Days, Offer, PORTAL, RenewalRule, Trigger};
use crate::value_format::ValueFormat;

impl Check<'_, '_> {
    pub(super) fn offers(&mut self) {
        let regulation = &self.service.regulation;
        for offer in &regulation.offers {
            let (at, what) = (line(&offer.code), format!("offer {}", offer.code.value));
            text(self.problems, self.file, at, &format!("the title of {what}"), &offer.title);
            law(self.problems, self.file, at, &what, &offer.law);
            self.days(offer, "open_for", offer.open_for);
            self.days(offer, "not_again_for", offer.not_again_for);
            match &offer.trigger {
                Trigger::EntryCreated { .. } => self.entry_created(offer),
                Trigger::EntryEnds { within } => {
                    self.days(offer, "within", *within);
                    if offer.to.is_some() || offer.notice.is_some() {
                        let reason = "is for the holder of the entry, who is told as of everything \
                                      else; remove \"to\" and \"notice\"";
                        self.refuse_offer(at, offer, reason);
                    }
                    let most = regulation.renewal.as_ref().map(RenewalRule::days);
                    if most.is_some_and(|most| within.calendar_days > most) {
                        let reason = "comes before the entry may be renewed; \"within\" is at most \
                                      that of \"renewal\"";
                        self.refuse_offer(at, offer, reason);
                    }
                }
            }
            if regulation.applicants_channel().is_none() {
                let reason = "needs a channel that is open to applicants themselves";
                self.refuse_offer(at, offer, reason);
            }
            let tested = self.service.cases.iter().filter_map(|case| case.offered.as_ref());
            if !tested.into_iter().any(|by| by.offer.value == offer.code.value) {
                let service = regulation.service.value.to_string();
                self.add(at, PackRule::NotTested { service, what });
            }
            let code = regulation.offer_registry(offer);
            match self.sources.parts.registries.get(code) {
                Some(registry) => self.offered_values(offer, registry),
                None => self.unknown(at, "registry", code),
            }
        }
        self.offers_of_cases();
    }

    fn refuse_offer(&mut self, at: Option<u64>, offer: &Offer, reason: &str) {
        let reason = format!("offer {} {reason}", offer.code.value);
        self.add(at, PackRule::Offer { reason });
    }

    fn days(&mut self, offer: &Offer, what: &str, days: Days) {
        let found = days.calendar_days;
        if found == 0 || found > DAYS_MAX {
            let what = format!("\"{what}\" of offer {}", offer.code.value);
            let reason = format!("{found} days; give 1 to {DAYS_MAX}");
            self.add(line(&offer.code), PackRule::Term { what, reason });
        }
    }

    fn entry_created(&mut self, offer: &Offer) {
        if offer.to.is_none() {
            let reason = "must say in \"to\" which field of the entry names whom it is for";
            self.refuse_offer(line(&offer.code), offer, reason);
        }
        match &offer.notice {
            // Whom an entry that came in is about has no page yet.
            Some(channel) if channel.value.as_str() == PORTAL => {
                let reason = "is for somebody who has no page yet; \"notice\" is another channel";
                self.refuse_offer(line(channel), offer, reason);
            }
            Some(channel) if self.service.regulation.channel(&channel.value).is_none() => {
                self.unknown(line(channel), "channel", &channel.value);
            }
            Some(_) => {}
            None => {
                let reason = "must say in \"notice\" by which channel the person is told";
                self.refuse_offer(line(&offer.code), offer, reason);
            }
        }
    }

    /// The fields that whom it is for, when it is made and what it fills in are taken from.
    fn offered_values(&mut self, offer: &Offer, registry: &Registry) {
        if let Some(to) = &offer.to {
            self.entry_field(registry, to);
            if registry.field(&to.value).is_some_and(|field| field.optional) {
                let reason = "is for nobody where the field in \"to\" is empty; take another";
                self.refuse_offer(line(to), offer, reason);
            }
        }
        for (field, stated) in &offer.when {
            if registry.field(field).is_none() {
                self.unknown(line(stated), "field of the registry", field);
            }
            if stated.value.to_json().is_none() {
                let reason = format!("\"{field}\" is out of range or not in form C");
                self.add(line(stated), PackRule::Malformed { reason });
            }
        }
        for (field, from) in &offer.prefill {
            self.entry_field(registry, from);
            let Some(asked) = self.service.form.fields().get(field) else {
                self.unknown(line(from), "field of the form", field);
                continue;
            };
            let Some(known) = registry.field(&from.value) else { continue };
            if asked.visibility.is_public() && !known.visibility.is_public() {
                let (what, source_field) = (format!("form.{field}"), from.value.to_string());
                self.add(line(from), PackRule::Leak { what, source_field });
            }
            let format = known.format.as_ref().map(|format| format.value.as_str());
            let wanted = asked.format.map(ValueFormat::name);
            if let Some((format, wanted)) = format.zip(wanted).filter(|(one, two)| one != two) {
                let (field, from) = (field.to_string(), from);
                let reason = format!("fills {field}, a {wanted}, with a {format}");
                self.refuse_offer(line(from), offer, &reason);
            }
        }
    }

    fn entry_field(&mut self, registry: &Registry, field: &Spanned<FieldPath>) {
        if registry.field(&field.value).is_none() {
            self.unknown(line(field), "field of the registry", &field.value);
        }
    }

    /// Cases that begin with an offer name one, and fields of its entry.
    fn offers_of_cases(&mut self) {
        let regulation = &self.service.regulation;
        for case in &self.service.cases {
            let Some(by) = &case.offered else { continue };
            let at = line(&by.offer);
            let Some(offer) = regulation.offer(&by.offer.value) else {
                let (what, name) = ("offer", by.offer.value.to_string());
                self.problems.add(&case.file, at, PackRule::Unknown { what, name });
                continue;
            };
            let code = regulation.offer_registry(offer);
            let Some(registry) = self.sources.parts.registries.get(code) else { continue };
            for field in by.entry.keys().filter(|field| registry.field(field).is_none()) {
                let (what, name) = ("field of the registry", field.to_string());
                self.problems.add(&case.file, at, PackRule::Unknown { what, name });
            }
        }
    }
}
