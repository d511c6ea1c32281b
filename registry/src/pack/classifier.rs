//! Classifiers: tables of values that acts change from day to day, such as a subsistence minimum.
//!
//! A case goes by the values in force on the day of its registration, whatever changes later.
//! Not here: what a decision makes of them.

use std::collections::BTreeMap;

use jiff::civil::Date;
use letopis_ledger::json::Json;
use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;

use super::value::Scalar;
use crate::code::ClassifierCode;
use crate::messages::Text;

/// A classifier.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// Its code.
    pub code: Spanned<ClassifierCode>,
    /// What people call it.
    #[serde(default)]
    pub title: Text,
    /// The act that sets its values.
    #[serde(default)]
    pub law: Text,
    /// What each row has a value of.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A column of a classifier.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub name: Spanned<String>,
    /// What people call it.
    #[serde(default)]
    pub title: Text,
}

/// A row of a classifier.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its code.
    pub code: Spanned<String>,
    /// What people call it.
    #[serde(default)]
    pub title: Text,
    /// Its values, each set from a day on.
    pub values: Vec<RowValues>,
}

/// The values of a row from a day on, until the next such day.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowValues {
    /// The first day.
    pub from: Spanned<Day>,
    /// Values by column.
    pub set: BTreeMap<String, Scalar>,
}

/// A date as packs write it: `2026-01-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        text.parse().map(Self).map_err(|_| {
            de::Error::custom(format!(
                "{text:?} is no date; write the year, month and day: 2026-01-31"
            ))
        })
    }
}

impl Classifier {
    /// The row of a code.
    #[must_use]
    pub fn row(&self, code: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.code.value == code)
    }

    /// The column of a name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.value == name)
    }

    /// The value that is in force on a day.
    #[must_use]
    pub fn value(&self, row: &str, column: &str, on: Date) -> Option<Json> {
        self.row(row)?.in_force(on)?.set.get(column)?.to_json()
    }
}

impl Row {
    /// The values in force on a day: those of the latest day that is not after it.
    fn in_force(&self, on: Date) -> Option<&RowValues> {
        let begun = self.values.iter().filter(|values| values.from.value.0 <= on);
        begun.max_by_key(|values| values.from.value)
    }
}
