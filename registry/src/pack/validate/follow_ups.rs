//! Rules of renewals and reviews: in time, of things that stay the same, and tried by a case.

use std::collections::BTreeSet;

use letopis_rules::deadline::Term;

use super::law;
use super::services::{Check, line};
use crate::pack::cases::ExpectedOutcome;
use crate::pack::error::PackRule;
use crate::pack::regulation::{Asked, RenewalRule, ReviewRule};
use crate::pack::value::ValueRef;

impl Check<'_, '_> {
    pub(super) fn follow_ups(&mut self) {
        let regulation = &self.service.regulation;
        if let Some(rule) = &regulation.renewal {
            self.renewal(rule);
        }
        if let Some(rule) = &regulation.review {
            self.review(rule);
        }
        self.own_channels();
        if regulation.renewal.is_some() || regulation.review.is_some() {
            self.same_thing();
        }
    }

    fn add_follow_up(&mut self, at: Option<u64>, reason: impl Into<String>) {
        self.add(at, PackRule::FollowUp { reason: reason.into() });
    }

    fn renewal(&mut self, rule: &RenewalRule) {
        let at = line(&rule.within);
        law(self.problems, self.file, at, "the renewal", &rule.law);
        self.term(at, "the renewal", rule.within.value);
        if !matches!(rule.within.value, Term::CalendarDays(_)) {
            self.add_follow_up(at, "\"within\" of \"renewal\" counts calendar_days; write those");
        }
        let granted =
            self.service.cases.iter().any(|case| {
                case.renews.is_some() && case.expect.outcome == ExpectedOutcome::Granted
            });
        if !granted {
            let service = self.service.regulation.service.value.to_string();
            let what = "a renewal that is granted".to_owned();
            self.add(at, PackRule::NotTested { service, what });
        }
    }

    fn review(&mut self, rule: &ReviewRule) {
        let at = line(&self.service.regulation.service);
        law(self.problems, self.file, at, "the review", &rule.law);
        if rule.on.is_empty() {
            self.add_follow_up(at, "\"on\" of \"review\" is empty; name the requests that count");
        }
        let mut seen = BTreeSet::new();
        for on in &rule.on {
            let (at, name) = (line(on), on.value.to_string());
            if !seen.insert(&on.value) {
                self.add(at, PackRule::Duplicate { what: "request of the review", name });
                continue;
            }
            match self.service.regulation.request(&on.value) {
                None => self.unknown(at, "request", &on.value),
                Some(request) if matches!(request.from, Asked::Registry(_)) => {}
                Some(_) => {
                    let reason = format!(
                        "a review follows facts of registries of the log, and {name} asks somebody \
                         else; leave it out of \"on\""
                    );
                    self.add_follow_up(at, reason);
                }
            }
        }
    }

    /// A case that begins by itself comes by one channel, which nobody else uses.
    fn own_channels(&mut self) {
        let regulation = &self.service.regulation;
        let own: Vec<_> = regulation.channels.iter().filter(|channel| channel.by_rule).collect();
        for channel in &own {
            if channel.draft_only || channel.entered_by_official {
                let reason = "nobody applies by a channel that is \"by_rule\": leave \
                              \"draft_only\" and \"entered_by_official\" out of it";
                self.add_follow_up(line(&channel.code), reason);
            }
        }
        let at = own.first().map_or_else(|| line(&regulation.service), |own| line(&own.code));
        match (own.len(), regulation.review.is_some()) {
            (0, false) | (1, true) => {}
            (_, true) => {
                let reason = "reviews begin by themselves: have exactly one channel with \
                              \"by_rule: true\"";
                self.add_follow_up(at, reason);
            }
            (_, false) => {
                let reason = "nothing begins by itself without \"review\"; remove \"by_rule\"";
                self.add_follow_up(at, reason);
            }
        }
    }

    /// What an entry is about must stay the same, so the form alone may say it.
    fn same_thing(&mut self) {
        let effect = &self.service.regulation.effect;
        let Some(registry) = self.sources.parts.registries.get(&effect.registry.value) else {
            return;
        };
        let at = line(&effect.registry);
        let fields: Vec<_> = registry.identifying().cloned().collect();
        for field in fields {
            if !matches!(effect.fields.get(&field), None | Some(ValueRef::Form(_))) {
                let reason = format!(
                    "an entry is found or limited by {field}, so what is renewed or reviewed keeps \
                     it: fill it from the form"
                );
                self.add_follow_up(at, reason);
            }
        }
    }
}
