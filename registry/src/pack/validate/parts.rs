//! Rules of what the services of a pack share: units, kinds of requests, classifiers.

use std::collections::BTreeSet;

use serde_saphyr::Spanned;

use super::{law, text};
use crate::code::FieldPath;
use crate::pack::act::Act;
use crate::pack::classifier::{Classifier, Row};
use crate::pack::error::{PackRule, Problems};
use crate::pack::request_kind::{KindField, RequestKind, ValueType};
use crate::pack::unit::{self, Unit};
use crate::value_format::ValueFormat;

pub(in crate::pack) fn units(units: &[Unit], file: &str, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for one in units {
        let line = Some(one.code.referenced.line());
        let name = one.code.value.to_string();
        text(problems, file, line, &format!("the title of unit {name}"), &one.title);
        if !seen.insert(&one.code.value) {
            problems.add(file, line, PackRule::Duplicate { what: "unit", name });
        }
        if let Some(parent) = &one.parent
            && unit::unit(units, &parent.value).is_none()
        {
            let (what, name) = ("unit", parent.value.to_string());
            let line = Some(parent.referenced.line());
            problems.add(file, line, PackRule::Unknown { what, name });
        }
    }
    if let Some(circle) = unit::circle(units) {
        let line = unit::unit(units, &circle[0]).map(|first| first.code.referenced.line());
        let path = circle.iter().map(ToString::to_string).collect();
        problems.add(file, line, PackRule::UnitCircle { path });
    }
}

pub(in crate::pack) fn act(act: &Act, (file, line): (&str, Option<u64>), problems: &mut Problems) {
    text(problems, file, line, "how an act is cited", &act.cite.value);
    if let Some(title) = &act.title {
        text(problems, file, line, "the title of an act", title);
    }
}

pub(in crate::pack) fn request_kind(kind: &RequestKind, file: &str, problems: &mut Problems) {
    let line = Some(kind.code.referenced.line());
    text(problems, file, line, "the request's title", &kind.title);
    law(problems, file, line, "the request", &kind.law);
    fields(&kind.request, file, problems);
    fields(&kind.response, file, problems);
    let mut shown = BTreeSet::new();
    for field in &kind.display {
        let line = Some(field.referenced.line());
        let name = field.value.to_string();
        if kind.response_field(&field.value).is_none() {
            let what = "field of the answer";
            problems.add(file, line, PackRule::Unknown { what, name });
        } else if !shown.insert(&field.value) {
            problems.add(file, line, PackRule::Duplicate { what: "displayed field", name });
        }
    }
    for field in kind.response.iter().filter(|field| !shown.contains(&field.name.value)) {
        let field_line = Some(field.name.referenced.line());
        let field = field.name.value.to_string();
        problems.add(file, field_line, PackRule::NotDisplayed { field });
    }
}

fn fields(fields: &[KindField], file: &str, problems: &mut Problems) {
    let mut seen: BTreeSet<&FieldPath> = BTreeSet::new();
    for field in fields {
        let line = Some(field.name.referenced.line());
        let name = field.name.value.to_string();
        text(problems, file, line, &format!("the title of {name}"), &field.title);
        if !seen.insert(&field.name.value) {
            problems.add(file, line, PackRule::Duplicate { what: "field", name });
        }
        let Some(format) = &field.format else { continue };
        let line = Some(format.referenced.line());
        if ValueFormat::by_name(&format.value).is_none() {
            let name = format.value.clone();
            problems.add(file, line, PackRule::Unknown { what: "format", name });
        } else if field.value_type != ValueType::String {
            let reason = "only a string has a format".to_owned();
            problems.add(file, line, PackRule::Malformed { reason });
        }
    }
}

pub(in crate::pack) fn classifier(classifier: &Classifier, file: &str, problems: &mut Problems) {
    let line = Some(classifier.code.referenced.line());
    text(problems, file, line, "the classifier's title", &classifier.title);
    law(problems, file, line, "the classifier", &classifier.law);
    for column in &classifier.columns {
        let what = format!("the title of column {}", column.name.value);
        text(problems, file, Some(column.name.referenced.line()), &what, &column.title);
    }
    names(classifier.columns.iter().map(|column| &column.name), "column", file, problems);
    names(classifier.rows.iter().map(|row| &row.code), "row", file, problems);
    for row in &classifier.rows {
        rows(classifier, row, file, problems);
    }
}

fn names<'n>(
    names: impl Iterator<Item = &'n Spanned<String>>,
    what: &'static str,
    file: &str,
    problems: &mut Problems,
) {
    let mut seen = BTreeSet::new();
    for name in names {
        let line = Some(name.referenced.line());
        if name.value.is_empty() || name.value.contains('.') {
            let reason = format!("{what} {:?}: write a name without dots", name.value);
            problems.add(file, line, PackRule::Malformed { reason });
        }
        if !seen.insert(&name.value) {
            let name = name.value.clone();
            problems.add(file, line, PackRule::Duplicate { what, name });
        }
    }
}

fn rows(classifier: &Classifier, row: &Row, file: &str, problems: &mut Problems) {
    let line = Some(row.code.referenced.line());
    text(problems, file, line, &format!("the title of row {}", row.code.value), &row.title);
    if row.values.is_empty() {
        let reason = format!("row {:?} has no values; add \"from\" and \"set\"", row.code.value);
        problems.add(file, line, PackRule::Malformed { reason });
    }
    let mut days = BTreeSet::new();
    for values in &row.values {
        let line = Some(values.from.referenced.line());
        if !days.insert(values.from.value) {
            let name = values.from.value.0.to_string();
            problems.add(file, line, PackRule::Duplicate { what: "day", name });
        }
        for column in &classifier.columns {
            let column = &column.name.value;
            if values.set.get(column).and_then(super::super::Scalar::to_json).is_none() {
                let (row, column) = (row.code.value.clone(), column.clone());
                problems.add(file, line, PackRule::ClassifierGap { row, column });
            }
        }
        for column in values.set.keys().filter(|name| classifier.column(name).is_none()) {
            let (what, name) = ("column", column.clone());
            problems.add(file, line, PackRule::Unknown { what, name });
        }
    }
}
