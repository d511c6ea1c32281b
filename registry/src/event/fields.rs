//! Reading and writing the values that several families share: dates, terms, codes, numbers.

use jiff::civil::Date;
use letopis_ledger::json::{FieldError, Fields, Json, Object};
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp, TreeSize};
use letopis_rules::deadline::Term;

/// A calendar date as events spell it: `2026-11-21`.
#[must_use]
pub fn date_text(date: Date) -> String {
    date.to_string()
}

/// A term as events spell it: one member, `working_days`, `calendar_days` or `hours`.
#[must_use]
pub fn term_object(term: Term) -> Object {
    let (unit, count) = match term {
        Term::WorkingDays(count) => ("working_days", count),
        Term::CalendarDays(count) => ("calendar_days", count),
        Term::Hours(count) => ("hours", count),
    };
    Object::new().with(unit, count)
}

pub(super) fn parse_term(value: &Object) -> Result<Term, FieldError> {
    let mut fields = Fields::of_object("term", value);
    type Unit = (&'static str, fn(u32) -> Term);
    let units: [Unit; 3] = [
        ("working_days", Term::WorkingDays),
        ("calendar_days", Term::CalendarDays),
        ("hours", Term::Hours),
    ];
    let mut found = None;
    for (unit, make) in units {
        if fields.optional(unit).is_some() {
            let count = u32::try_from(fields.unsigned(unit)?)
                .map_err(|_| fields.invalid(unit, &"larger than any term"))?;
            if found.replace(make(count)).is_some() {
                return Err(fields.invalid(unit, &"a term has one unit"));
            }
        }
    }
    let missing = fields.invalid("working_days", &"a term has one unit, none was found");
    fields.finish()?;
    found.ok_or(missing)
}

pub(super) fn parse_date(text: &str) -> Result<Date, String> {
    match text.parse::<Date>() {
        Ok(date) if date.to_string() == text => Ok(date),
        _ => Err(format!("{text:?} is not a date of the form 2026-11-21")),
    }
}

pub(super) fn number(value: u64) -> Json {
    i64::try_from(value)
        .ok()
        .and_then(|value| Json::integer(value).ok())
        .expect("invariant: positions and sizes are below 2^53")
}

/// The index of a leaf as events spell it.
pub fn leaf(value: LeafIndex) -> Json {
    number(value.get())
}

/// The size of a log as events spell it.
pub fn size(value: TreeSize) -> Json {
    number(value.get())
}

pub(super) fn version(value: StreamVersion) -> Json {
    number(value.get())
}

pub(super) fn time(value: Timestamp) -> Json {
    text(value)
}

/// Text of a type whose spelling is plain ASCII or was checked to be in form C.
pub(super) fn text(value: impl ToString) -> Json {
    value.to_string().as_str().into()
}

pub(super) fn texts<T: ToString>(values: &[T]) -> Json {
    values.iter().map(text_ref).collect::<Vec<_>>().into()
}

fn text_ref<T: ToString>(value: &T) -> Json {
    text(value.to_string())
}

/// Items of the array `name`, each read by `parse`.
pub(super) fn parse_array<T>(
    fields: &mut Fields<'_>,
    name: &'static str,
    parse: impl Fn(&Json) -> Result<T, FieldError>,
) -> Result<Vec<T>, FieldError> {
    fields.array(name)?.iter().map(parse).collect()
}

/// Items of the array of strings `name`, each read by `parse`.
pub(super) fn parse_texts<T, E: ToString>(
    fields: &mut Fields<'_>,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, FieldError> {
    let items = fields.array(name)?;
    let read = |item: &Json| {
        let text = item.as_str().ok_or_else(|| fields.invalid(name, &"an item is no string"))?;
        parse(text).map_err(|e| fields.invalid(name, &e))
    };
    items.iter().map(read).collect()
}

/// An optional string read by `parse`.
pub(super) fn parse_optional<T, E: ToString>(
    fields: &mut Fields<'_>,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, FieldError> {
    match fields.optional(name) {
        None => Ok(None),
        Some(_) => fields.parsed(name, parse).map(Some),
    }
}

pub(super) fn parse_bool(fields: &mut Fields<'_>, name: &'static str) -> Result<bool, FieldError> {
    let value = fields.required(name)?;
    value.as_bool().ok_or_else(|| fields.invalid(name, &"not true or false"))
}
