//! Rules of typical decisions: what they are for, whom they cite, and which values they take.

use super::services::{Check, line};
use super::{law, text};
use crate::code::FieldPath;
use crate::messages::Language;
use crate::pack::Template;
use crate::pack::error::PackRule;
use crate::pack::regulation::{TypicalDecision, TypicalOutcome};

/// Values of the case that reasons may take, beside `form.<field>`.
pub(in crate::pack) const REASON_VALUES: &[&str] =
    &["case.number", "case.registered_on", "decision.grounds"];

impl Check<'_, '_> {
    pub(super) fn typical_decisions(&mut self) {
        let regulation = &self.service.regulation;
        for typical in &regulation.typical_decisions {
            let (at, code) = (line(&typical.code), &typical.code.value);
            let what = format!("typical decision {code}");
            text(self.problems, self.file, at, &what, &typical.title);
            text(self.problems, self.file, at, &format!("the reasons of {what}"), &typical.reasons);
            law(self.problems, self.file, at, &what, &typical.law);
            for ground in &typical.grounds {
                if regulation.ground(&ground.value).is_none() {
                    self.unknown(line(ground), "ground", &ground.value);
                }
            }
            let granted = typical.outcome == TypicalOutcome::Granted;
            if granted != typical.grounds.is_empty() {
                let reason = format!("{what}: a refusal names its grounds, a grant has none");
                self.add(at, PackRule::Typical { reason });
            }
            if regulation.approval.is_none() {
                let reason = format!("{what} needs \"approval\": nobody proposes without it");
                self.add(at, PackRule::Typical { reason });
            }
            self.reasons(typical);
        }
    }

    fn reasons(&mut self, typical: &TypicalDecision) {
        let at = line(&typical.code);
        for language in Language::ALL {
            let Some(template) = Template::parse(typical.reasons.in_language(language)) else {
                let code = &typical.code.value;
                let reason = format!("typical decision {code}: a {{{{ has no }}}}");
                self.add(at, PackRule::Typical { reason });
                continue;
            };
            for name in template.names() {
                let field = name.strip_prefix("form.").and_then(|f| FieldPath::parse(f).ok());
                match field {
                    Some(field) if self.service.form.fields().contains_key(&field) => {
                        self.sources.read.insert(field);
                    }
                    _ if REASON_VALUES.contains(&name) => {}
                    _ => {
                        let known = format!("{}, form.<field>", REASON_VALUES.join(", "));
                        let name = name.to_owned();
                        self.add(at, PackRule::TemplatePlaceholder { name, known });
                    }
                }
            }
        }
    }
}
