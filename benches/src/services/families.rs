//! Made-up families, each with what the registries say of it and with its application.
//!
//! Every application is to be granted, so that a case takes the longest way: five requests, the
//! decision, the result and the entry. Identifiers are counted, not drawn.

use std::ops::Range;

use letopis_ledger::Hash;
use serde_json::{Value, json};

use super::agencies::Agencies;

/// Rows of one request to a registry.
const ROWS_AT_ONCE: usize = 500;
/// Registries that have a row of each family.
const REGISTRIES: [&str; 4] = ["birth_record", "residence", "income", "property"];

/// Families of which nobody has applied yet.
pub(super) struct Families<'a> {
    agencies: &'a Agencies,
    next: usize,
}

impl<'a> Families<'a> {
    /// None so far.
    pub(super) const fn new(agencies: &'a Agencies) -> Self {
        Self { agencies, next: 0 }
    }

    /// So many more: their rows are entered, their applications returned.
    pub(super) fn more(&mut self, count: usize) -> anyhow::Result<Vec<Value>> {
        let all = self.next..self.next + count;
        self.next = all.end;
        for (place, registry) in REGISTRIES.into_iter().enumerate() {
            self.enter(registry, all.clone(), |number| rows(number)[place].clone())?;
        }
        Ok(all.map(application).collect())
    }

    fn enter(
        &self,
        registry: &str,
        numbers: Range<usize>,
        row: impl Fn(usize) -> Value,
    ) -> anyhow::Result<()> {
        let rows: Vec<Value> = numbers.map(row).collect();
        for rows in rows.chunks(ROWS_AT_ONCE) {
            let body = json!({
                "document_number": "1", "document_date": "2026-01-12", "rows": rows,
            });
            let path = format!("/api/v1/registries/{registry}/entries");
            self.agencies.node().post(&path, &body)?;
        }
        Ok(())
    }
}

/// What the registries say, in their order.
fn rows(number: usize) -> [Value; 4] {
    let snils = snils(number);
    let hex = Hash::of(format!("dwelling {number}").as_bytes()).to_hex();
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]);
    let dwelling = format!("{a}-{b}-{c}-{d}-{e}");
    [
        json!({
            "record_number": record(number), "parent_snils": snils,
            "child_birth_date": "2020-05-01",
        }),
        json!({ "snils": snils, "dwelling": dwelling, "zone": "Z1", "oktmo": "67323000" }),
        json!({ "snils": snils, "kopecks": 12_000_000 }),
        json!({ "snils": snils, "vehicles": 1, "dwellings": 1 }),
    ]
}

fn application(number: usize) -> Value {
    json!({
        "channel": "portal",
        "form": {
            "applicant": { "surname": "Иванова", "given_name": "Анна", "snils": snils(number) },
            "birth_record": record(number), "children": 1,
        },
    })
}

fn record(number: usize) -> String {
    format!("1102591230001{number:08}")
}

/// The SNILS of a number: nine digits and their control sum.
fn snils(number: usize) -> String {
    let digits = format!("{:09}", 100_000_000 + number);
    let values = digits.bytes().map(|digit| usize::from(digit - b'0'));
    let sum: usize = values.zip((1..=9).rev()).map(|(digit, weight)| digit * weight).sum();
    let control = sum % 101 % 100;
    format!("{}-{}-{} {control:02}", &digits[..3], &digits[3..6], &digits[6..])
}
