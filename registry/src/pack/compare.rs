//! What a version of a pack changes: the checklist that goes with a proposal.
//!
//! Both versions are laid out as facts, each with its place, kind and name; what only one has, or
//! both have otherwise, is a change. The files come last, so nothing that changed is missing from
//! the list. Pure. Not here: whether a change is right, which people judge.

use std::collections::BTreeMap;

use letopis_rules::deadline::Term;

use super::regulation::{Action, Asked, Post, RequestRule, Step};
use super::{FormField, FormSchema, Pack, Registry, Regulation, Service, Visibility};
use crate::messages::Text;

/// Something that one version has and the other has not, or has otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The part of the pack, as in `services/parking-permit`.
    pub place: String,
    /// What it is, as in `ground`; one of [`KINDS`].
    pub kind: &'static str,
    /// Its name; empty where there is one of its kind.
    pub name: String,
    /// What the older version says; nothing where it was added.
    pub before: Option<String>,
    /// What the newer version says; nothing where it was removed.
    pub after: Option<String>,
}

/// The kinds of what is compared.
pub const KINDS: &[&str] = &[
    "applicant",
    "approval-stage",
    "channel",
    "classifier",
    "complex",
    "decision-input",
    "effect-field",
    "file",
    "form-field",
    "ground",
    "intake-ground",
    "lifecycle-stage",
    "quota",
    "registry",
    "registry-field",
    "request",
    "service",
    "step",
    "term",
    "unique",
    "unit",
];

/// Place, kind and name of a fact.
type Key = (String, &'static str, String);

/// Facts of one version.
#[derive(Default)]
struct Facts(BTreeMap<Key, String>);

/// What a newer version of a pack changes, by place, kind and name.
#[must_use]
pub fn compare(older: &Pack, newer: &Pack) -> Vec<Change> {
    let (mut before, mut after) = (Facts::of(older).0, Facts::of(newer).0);
    let keys: Vec<Key> = before.keys().chain(after.keys()).cloned().collect();
    let mut changes: Vec<Change> = Vec::new();
    for key in keys {
        // A key of both is met twice, the second time with nothing left.
        let (before, after) = (before.remove(&key), after.remove(&key));
        if before != after {
            let (place, kind, name) = key;
            changes.push(Change { place, kind, name, before, after });
        }
    }
    let order = |change: &Change| {
        (change.kind == "file", change.place.clone(), change.kind, change.name.clone())
    };
    changes.sort_by_key(order);
    changes
}

impl Facts {
    fn of(pack: &Pack) -> Self {
        let mut facts = Self::default();
        let manifest = "pack.yaml";
        for unit in pack.units() {
            facts.add(manifest, "unit", &unit.code.value, both(&unit.title));
        }
        for (number, stage) in pack.lifecycle().iter().flat_map(|l| l.stages.iter().enumerate()) {
            let Post { unit, role } = &stage.by;
            let (term, number) = (term(stage.term), number + 1);
            let says = format!("{number}: {} of {}, {term}", role.as_str(), unit.value);
            facts.add(manifest, "lifecycle-stage", &stage.code.value, says);
        }
        for code in pack.complex_services().keys() {
            facts.add(&format!("complex/{code}"), "complex", "", code);
        }
        for (code, kind) in pack.request_kinds() {
            facts.add(&format!("requests/{code}"), "request", "", both(&kind.title));
        }
        for (code, classifier) in pack.classifiers() {
            facts.add(&format!("classifiers/{code}"), "classifier", "", both(&classifier.title));
        }
        for (code, registry) in pack.registries() {
            facts.registry(&format!("registries/{code}"), registry);
        }
        for (code, service) in pack.services() {
            facts.service(&format!("services/{code}"), service);
        }
        for file in pack.files().manifest() {
            facts.add(&file.path, "file", "", file.sha256.to_hex());
        }
        facts
    }

    fn add(&mut self, place: &str, kind: &'static str, name: impl ToString, says: impl ToString) {
        debug_assert!(KINDS.contains(&kind), "a kind that is not listed");
        self.0.insert((place.to_owned(), kind, name.to_string()), says.to_string());
    }

    fn registry(&mut self, place: &str, registry: &Registry) {
        self.add(place, "registry", "", format!("{}, {:?}", both(&registry.title), registry.kind));
        for field in &registry.fields {
            let format = field.format.as_ref().map(|format| format.value.as_str());
            let says = [
                Some(seen_by(field.visibility)),
                Some(if field.optional { "optional" } else { "required" }),
                format,
            ];
            self.add(place, "registry-field", &field.name.value, joined(says));
        }
        for field in &registry.unique {
            self.add(place, "unique", &field.value, "one entry in force");
        }
        for quota in &registry.quotas {
            self.add(place, "quota", &quota.field.value, quota.most);
        }
    }

    fn service(&mut self, place: &str, service: &Service) {
        let regulation = &service.regulation;
        self.add(place, "service", "", both(&regulation.title));
        self.add(place, "term", "", term(regulation.term.length));
        self.form(place, &service.form);
        self.people(place, regulation);
        for (kind, grounds) in
            [("ground", &regulation.grounds), ("intake-ground", &regulation.intake_grounds)]
        {
            for ground in grounds {
                let says = format!("{} [{}]", both(&ground.text), both(&ground.law));
                self.add(place, kind, &ground.code.value, says);
            }
        }
        for step in &regulation.steps {
            self.add(place, "step", &step.code.value, says_step(step));
        }
        for input in &regulation.decision.inputs {
            let says = format!("{}, {:?}", seen_by(input.visibility), input.from);
            self.add(place, "decision-input", &input.name.value, says);
        }
        let registry = &regulation.effect.registry.value;
        for (field, value) in &regulation.effect.fields {
            self.add(place, "effect-field", format!("{registry}.{field}"), value);
        }
    }

    fn form(&mut self, place: &str, form: &FormSchema) {
        for (path, field) in form.fields() {
            let FormField { kind, visibility, required, format, choices, .. } = field;
            let says = [
                Some(format!("{kind:?}").to_lowercase()),
                Some(seen_by(*visibility).to_owned()),
                Some(if *required { "required" } else { "optional" }.to_owned()),
                format.map(|format| format.name().to_owned()),
                (!choices.is_empty()).then(|| format!("one of {}", choices.join(" | "))),
            ];
            self.add(place, "form-field", path, joined(says));
        }
    }

    fn people(&mut self, place: &str, regulation: &Regulation) {
        for rule in &regulation.applicants {
            let list = |fields: &[serde_saphyr::Spanned<crate::code::FieldPath>]| {
                fields.iter().map(|field| field.value.to_string()).collect::<Vec<_>>().join(" ")
            };
            let says = format!("gives {}; not {}", list(&rule.required), list(&rule.absent));
            self.add(place, "applicant", rule.kind.as_str(), says);
        }
        for channel in &regulation.channels {
            let says = [
                Some(both(&channel.title)),
                channel.draft_only.then(|| "draft only".to_owned()),
                channel.entered_by_official.then(|| "entered by an official".to_owned()),
                channel.by_rule.then(|| "by rule".to_owned()),
            ];
            self.add(place, "channel", &channel.code.value, joined(says));
        }
        let Some(approval) = &regulation.approval else { return };
        self.add(place, "approval-stage", "0", post(&approval.proposes));
        for (number, stage) in approval.stages.iter().enumerate() {
            let posts: Vec<String> = stage.posts.iter().map(post).collect();
            self.add(place, "approval-stage", number + 1, posts.join(" and "));
        }
    }
}

fn says_step(step: &Step) -> String {
    let after: Vec<String> = step.waits_for().map(ToString::to_string).collect();
    let after = (!after.is_empty()).then(|| format!("after {}", after.join(" ")));
    match &step.action {
        Action::Request(rule) => joined([Some(says_request(rule)), after]),
        other => joined([Some(other.as_str().to_owned()), after]),
    }
}

fn says_request(rule: &RequestRule) -> String {
    let asked = match &rule.from {
        Asked::Registry(code) => format!("asks registry {}", code.value),
        Asked::Addressee(name) => format!("asks {name}"),
        Asked::Organisation(name) => format!("asks office {name}"),
        Asked::Unit(code) => format!("asks unit {}", code.value),
        Asked::Head(code) => format!("asks the head of {}", code.value),
        Asked::Executor(code) => format!("asks an executor of {}", code.value),
        Asked::Applicant(what) => format!("asks the applicant: {}", both(what)),
    };
    let take: Vec<String> = rule.take.iter().map(|field| field.value.to_string()).collect();
    joined([
        Some(asked),
        Some(format!("takes {}", take.join(" "))),
        Some(if rule.mandatory { "mandatory" } else { "optional" }.to_owned()),
        Some(format!("within {}", term(rule.term.length))),
        rule.when.as_ref().map(|when| format!("when {when:?}")),
    ])
}

fn post(post: &Post) -> String {
    format!("{} of {}", post.role.as_str(), post.unit.value)
}

const fn seen_by(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public",
        Visibility::Official => "official",
        Visibility::Private => "private",
    }
}

fn term(term: Term) -> String {
    match term {
        Term::WorkingDays(count) => format!("{count} working days"),
        Term::CalendarDays(count) => format!("{count} calendar days"),
        Term::Hours(count) => format!("{count} hours"),
    }
}

fn both(text: &Text) -> String {
    format!("{} / {}", text.ru, text.en)
}

fn joined<S: AsRef<str>>(parts: impl IntoIterator<Item = Option<S>>) -> String {
    let parts: Vec<S> = parts.into_iter().flatten().collect();
    parts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::fixture::{building_permits_alone, changed, zarechny};

    const PARKING: &str = "services/parking-permit";

    fn short(changes: &[Change]) -> Vec<String> {
        let sign = |change: &Change| match (&change.before, &change.after) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        };
        changes.iter().map(|c| format!("{}{} {} {}", sign(c), c.place, c.kind, c.name)).collect()
    }

    #[test]
    fn a_pack_differs_from_itself_in_nothing() {
        assert_eq!(compare(&zarechny(), &zarechny()), []);
    }

    #[test]
    fn every_kind_of_change_is_listed_once_with_what_both_versions_say() {
        let old = zarechny();
        let term = "length: {working_days: 6}";
        let regulation = format!("{PARKING}/regulation.yaml");
        let new = changed(&regulation, term, "length: {working_days: 9}").unwrap();
        let found = compare(&old, &new);
        let expected = [format!("~{PARKING} term "), format!("~{regulation} file ")];
        assert_eq!(short(&found), expected);
        let said = (found[0].before.as_deref(), found[0].after.as_deref());
        assert_eq!(said, (Some("6 working days"), Some("9 working days")));
        // The other way round what was added is removed.
        let back = compare(&new, &old);
        assert_eq!((&back[0].before, &back[0].after), (&found[0].after, &found[0].before));
    }

    #[test]
    fn what_a_version_leaves_out_is_removed_with_everything_in_it() {
        let found = short(&compare(&zarechny(), &building_permits_alone()));
        for gone in [
            format!("-{PARKING} service "),
            format!("-{PARKING} form-field plate"),
            format!("-{PARKING} ground G1"),
            format!("-{PARKING} step registration"),
            "-registries/vehicle registry ".to_owned(),
            "-registries/vehicle registry-field plate".to_owned(),
            "-registries/vehicle unique plate".to_owned(),
            "-complex/moved-in-with-newborn complex ".to_owned(),
            format!("-{PARKING}/form.schema.json file "),
        ] {
            assert!(found.contains(&gone), "{gone} is not in {found:#?}");
        }
        assert!(found.iter().all(|change| !change.contains("building")), "{found:#?}");
        let files = found.iter().position(|change| change.contains(" file ")).unwrap();
        assert!(found[files..].iter().all(|change| change.contains(" file ")));
    }

    #[test]
    fn forms_and_registries_are_compared_field_by_field() {
        let old = zarechny();
        let form = format!("{PARKING}/form.schema.json");
        let new = changed(&form, "\"Z5\"]", "\"Z5\", \"Z6\"]").unwrap();
        let found = compare(&old, &new);
        assert_eq!(
            short(&found),
            [format!("~{PARKING} form-field zone"), format!("~{form} file ")]
        );
        let registry = "registries/vehicle.yaml";
        let new = changed(registry, "unique: [plate]", "unique: []").unwrap();
        let found = short(&compare(&old, &new));
        assert_eq!(
            found,
            ["-registries/vehicle unique plate".to_owned(), format!("~{registry} file ")]
        );
    }
}
