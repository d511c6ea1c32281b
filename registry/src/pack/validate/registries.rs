//! Rules of registry definitions.

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::record::CLAIMS_MAX;
use serde_saphyr::Spanned;

use super::{law, text};
use crate::code::{FieldPath, RegistryCode};
use crate::pack::error::{PackRule, Problems};
use crate::pack::registry::{QUOTA_MAX, Registry, RegistryKind};
use crate::projection::SystemRegistry;
use crate::value_format::ValueFormat;

pub(in crate::pack) fn registry(registry: &Registry, file: &str, problems: &mut Problems) {
    let line = Some(registry.code.referenced.line());
    text(problems, file, line, "the registry's title", &registry.title);
    law(problems, file, line, "the registry", &registry.law);
    let code = &registry.code.value;
    if registry.kind == RegistryKind::System || SystemRegistry::of(code).is_some() {
        problems.add(file, line, PackRule::SystemRegistry { registry: code.to_string() });
    }
    fields(registry, file, problems);
    let limits = registry
        .keys
        .iter()
        .chain(&registry.unique)
        .chain(registry.quotas.iter().map(|quota| &quota.field));
    for field in limits {
        known(registry, file, field, problems);
    }
    for quota in &registry.quotas {
        let field = &quota.field;
        if quota.most == 0 || quota.most > QUOTA_MAX {
            let reason = format!("\"most\" of {} must be 1 to {QUOTA_MAX}", field.value);
            let rule = PackRule::RegistryLimit { reason };
            problems.add(file, Some(field.referenced.line()), rule);
        }
    }
    // A record takes one claim for the number, one for each unique field and one for each quota,
    // and the number of the case besides.
    let claims = 2 + registry.unique.len() + registry.quotas.len();
    if claims > CLAIMS_MAX {
        let reason = format!("an entry would need {claims} claims, a record has {CLAIMS_MAX}");
        problems.add(file, line, PackRule::RegistryLimit { reason });
    }
    if registry.kind == RegistryKind::Automatic && registry.number.is_none() {
        let reason = "an automatic registry numbers its entries; add \"number\"".to_owned();
        problems.add(file, line, PackRule::RegistryLimit { reason });
    }
}

/// Facts that entries rest on: known, found by values that every entry has, and an act says so.
pub(in crate::pack) fn rests_on(
    registry: &Registry,
    registries: &BTreeMap<RegistryCode, Registry>,
    file: &str,
    problems: &mut Problems,
) {
    let mut seen = BTreeSet::new();
    for rule in &registry.rests_on {
        let line = Some(rule.code.referenced.line());
        let name = rule.code.value.to_string();
        text(problems, file, line, &format!("the title of rule {name}"), &rule.title);
        law(problems, file, line, &format!("rule {name}"), &rule.law);
        if registry.kind != RegistryKind::Automatic {
            let kind = registry.kind.as_str();
            let reason = format!("only entries of an automatic registry rest on facts, not {kind}");
            problems.add(file, line, PackRule::RegistryLimit { reason });
        }
        if !seen.insert(&rule.code.value) {
            problems.add(file, line, PackRule::Duplicate { what: "rule", name });
        }
        if rule.by.is_empty() || rule.holds.among.is_empty() {
            let reason = "\"by\" finds the fact and \"among\" says what holds; fill in both";
            problems.add(file, line, PackRule::RegistryLimit { reason: reason.to_owned() });
        }
        for field in rule.by.values().chain(std::iter::once(&rule.holds.field)) {
            known(registry, file, field, problems);
        }
        let line = Some(rule.registry.referenced.line());
        let other = registries.get(&rule.registry.value);
        let Some(other) = other.filter(|other| other.code.value != registry.code.value) else {
            let (what, name) = ("other registry", rule.registry.value.to_string());
            problems.add(file, line, PackRule::Unknown { what, name });
            continue;
        };
        let among = rule.holds.among.iter().map(|field| (&field.value, field));
        let by = rule.by.iter();
        for (field, at) in by.chain(among).filter(|(field, _)| other.field(field).is_none()) {
            let (what, name) = ("field of the fact", field.to_string());
            let line = Some(at.referenced.line());
            problems.add(file, line, PackRule::Unknown { what, name });
        }
    }
}

fn fields(registry: &Registry, file: &str, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for field in &registry.fields {
        let line = Some(field.name.referenced.line());
        let name = field.name.value.to_string();
        if !seen.insert(&field.name.value) {
            let name = name.clone();
            problems.add(file, line, PackRule::Duplicate { what: "field", name });
        }
        text(problems, file, line, &format!("the title of {name}"), &field.title);
        if let Some(format) = &field.format
            && ValueFormat::by_name(&format.value).is_none()
        {
            let name = format.value.clone();
            let line = Some(format.referenced.line());
            problems.add(file, line, PackRule::Unknown { what: "format", name });
        }
    }
}

fn known(registry: &Registry, file: &str, field: &Spanned<FieldPath>, problems: &mut Problems) {
    let line = Some(field.referenced.line());
    match registry.field(&field.value) {
        None => {
            let name = field.value.to_string();
            problems.add(file, line, PackRule::Unknown { what: "field", name });
        }
        Some(found) if found.optional => {
            let reason =
                format!("{} is optional; a field that is compared must be there", field.value);
            problems.add(file, line, PackRule::RegistryLimit { reason });
        }
        Some(_) => {}
    }
}
