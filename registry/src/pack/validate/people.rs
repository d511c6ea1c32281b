//! Rules of people in a regulation: who applies and what they bring, and who decides.

use std::collections::BTreeSet;

use serde_saphyr::Spanned;

use super::services::{Check, line};
use super::{law, text};
use crate::code::{FieldPath, GroundCode, UnitCode};
use crate::pack::error::PackRule;
use crate::pack::form::KIND_FIELD;
use crate::pack::regulation::{DocumentAsked, RepresentativeRule};
use crate::pack::{NumberTemplate, unit};

impl Check<'_, '_> {
    pub(super) fn people(&mut self) {
        let regulation = &self.service.regulation;
        self.applicants();
        if let Some(rule) = &regulation.representative {
            self.representative(rule);
        }
        for document in &regulation.documents {
            self.document(document);
        }
        self.approval();
        self.escalation();
        self.intake();
    }

    fn applicants(&mut self) {
        let regulation = &self.service.regulation;
        let at = line(&regulation.service);
        let kinds: BTreeSet<&str> = regulation.applicants.iter().map(|a| a.kind.as_str()).collect();
        if kinds.is_empty() || kinds.len() < regulation.applicants.len() {
            let reason = "name each kind of applicant once, at least one".to_owned();
            self.add(at, PackRule::Applicants { reason });
        }
        let field = FieldPath::parse(KIND_FIELD).expect("invariant: a plain field path");
        match self.service.form.fields().get(&field) {
            Some(found) => {
                let choices: BTreeSet<&str> = found.choices.iter().map(String::as_str).collect();
                self.sources.read.insert(field);
                if choices != kinds || !found.visibility.is_public() {
                    let kinds: Vec<&str> = kinds.into_iter().collect();
                    let reason = format!(
                        "the form's field {KIND_FIELD} must be public and offer exactly: {}",
                        kinds.join(", ")
                    );
                    self.add(at, PackRule::Applicants { reason });
                }
            }
            None if kinds.len() > 1 => {
                let reason = format!("several kinds apply; add the field {KIND_FIELD} to the form");
                self.add(at, PackRule::Applicants { reason });
            }
            None => {}
        }
        for rule in &regulation.applicants {
            self.form_fields(rule.required.iter().chain(&rule.absent));
        }
    }

    fn representative(&mut self, rule: &RepresentativeRule) {
        let at = line(&rule.by);
        law(self.problems, self.file, at, "the representative", &rule.law);
        self.form_fields(rule.required.iter().chain([&rule.by, &rule.power_until]));
        let until = self.service.form.fields().get(&rule.power_until.value);
        if until.is_some_and(|field| !field.is_date) {
            let reason = format!("{} must have \"format\": \"date\"", rule.power_until.value);
            self.add(line(&rule.power_until), PackRule::Applicants { reason });
        }
        self.intake_ground(&rule.ground);
    }

    fn document(&mut self, document: &DocumentAsked) {
        let at =
            document.form.as_ref().map_or_else(|| line(&self.service.regulation.service), line);
        text(self.problems, self.file, at, "a document", &document.title);
        law(self.problems, self.file, at, "a document", &document.law);
        for field in document.fields() {
            self.sources.form_field(self.problems, at, &field);
        }
        if let Some(ground) = &document.ground {
            self.intake_ground(ground);
        }
        if document.accept.is_empty() != document.ground.is_none() {
            let reason = "give \"accept\" and \"ground\" together or neither".to_owned();
            self.add(at, PackRule::Applicants { reason });
        }
        if document.form.is_none() && !document.accept.is_empty() {
            let reason =
                "\"accept\" needs \"form\", the group that holds the media type".to_owned();
            self.add(at, PackRule::Applicants { reason });
        }
    }

    fn approval(&mut self) {
        let Some(approval) = &self.service.regulation.approval else { return };
        let at = line(&approval.proposes.unit);
        law(self.problems, self.file, at, "the approval", &approval.law);
        let agree = approval.stages.iter().flat_map(|stage| &stage.posts);
        let posts = agree.chain([&approval.proposes]);
        for post in posts {
            self.unit(&post.unit);
        }
        let signs = approval.stages.last().is_some_and(|stage| stage.posts.len() == 1);
        if !signs || approval.stages.iter().any(|stage| stage.posts.is_empty()) {
            self.add(at, PackRule::ApprovalShape);
        }
        if let Some(term) = &approval.term {
            self.term_rule(at, "the proposal", term);
        }
        for term in approval.stages.iter().filter_map(|stage| stage.term.as_ref()) {
            self.term_rule(at, "a stage of the approval", term);
        }
    }

    /// Somebody takes over what brings nothing, and nobody is named where nothing can.
    fn escalation(&mut self) {
        let regulation = &self.service.regulation;
        let may = regulation.requests().find(|(_, rule)| rule.may_escalate());
        match (&regulation.escalation, may) {
            (Some(escalation), None) => {
                let reason = "no request is left to an official; remove \"escalation\"".to_owned();
                self.add(line(&escalation.to.unit), PackRule::Escalation { reason });
            }
            (Some(escalation), Some(_)) => {
                let at = line(&escalation.to.unit);
                law(self.problems, self.file, at, "the escalation", &escalation.law);
                self.unit(&escalation.to.unit);
            }
            (None, Some((step, _))) if regulation.approval.is_none() => {
                let reason = format!(
                    "request {} may be left to an official, and nobody is named; add \
                     \"escalation\" with the post that takes it over",
                    step.code.value
                );
                self.add(line(&step.code), PackRule::Escalation { reason });
            }
            (None, _) => {}
        }
    }

    fn intake(&mut self) {
        let regulation = &self.service.regulation;
        let sample = |template: &NumberTemplate| template.number(jiff::civil::Date::ZERO, 1);
        if let Some(number) = &regulation.intake_number
            && regulation.number.read(&sample(number)).is_some()
        {
            let reason = "\"intake_number\" makes the same numbers as \"number\"; refusals of \
                          intake have numbers of their own"
                .to_owned();
            self.add(line(&regulation.service), PackRule::Intake { reason });
        }
        let Some(check) = &regulation.intake_check else { return };
        let at = line(&check.by.unit);
        law(self.problems, self.file, at, "the intake check", &check.law);
        self.term(at, "the intake check", check.within);
        self.unit(&check.by.unit);
        if regulation.approval.is_none() {
            let reason = "\"intake_check\" needs \"approval\": a service without it is decided as \
                          soon as the facts are there"
                .to_owned();
            self.add(at, PackRule::Intake { reason });
        }
        if regulation.intake_grounds.is_empty() {
            let reason = "\"intake_check\" needs \"intake_grounds\"".to_owned();
            self.add(at, PackRule::Intake { reason });
        }
    }

    pub(super) fn unit(&mut self, code: &Spanned<UnitCode>) {
        if unit::unit(&self.sources.parts.units, &code.value).is_none() {
            self.unknown(line(code), "unit", &code.value);
        }
    }

    fn intake_ground(&mut self, code: &Spanned<GroundCode>) {
        let known = &self.service.regulation.intake_grounds;
        if !known.iter().any(|ground| ground.code.value == code.value) {
            self.unknown(line(code), "intake ground", &code.value);
        }
    }

    fn form_fields<'f>(&mut self, fields: impl Iterator<Item = &'f Spanned<FieldPath>>) {
        for field in fields {
            self.sources.form_field(self.problems, line(field), &field.value);
        }
    }
}
