//! Families that moved in with a newborn: one request each for the benefit and the permit.
//!
//! Everybody has a right to both, and the permit waits for the check of the residence that the
//! benefit asks for. Not here: people who apply for one service (`population`, `families`).

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::population::Person;
use super::report::Printer;
use super::{enter, text};
use crate::cli::remote::Remote;

/// Code of the complex service.
const SERVICE: &str = "moved-in-with-newborn";
/// People of this population begin here, so that nobody is in two of them.
const FIRST_PERSON: usize = 1_000_000;
/// How long both cases of a family may take.
const LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// What came of it.
pub(super) struct MovedIn {
    /// A permit that waited for the answer of the other case.
    pub(super) case: String,
    /// Leaf of the last decision.
    pub(super) last_leaf: u64,
}

/// Lets so many families ask, one after another; each must get both.
pub(super) fn run(remote: &Remote, count: usize, print: &Printer) -> anyhow::Result<MovedIn> {
    let families: Vec<Person> =
        (0..count).map(|number| Person::of(FIRST_PERSON + number, FIRST_PERSON + number)).collect();
    fill_registries(remote, &families)?;
    let mut moved_in = MovedIn { case: String::new(), last_leaf: 0 };
    for (number, family) in families.iter().enumerate() {
        let (case, leaf) =
            ask(remote, number, family).with_context(|| format!("family {number}"))?;
        moved_in = MovedIn { case, last_leaf: moved_in.last_leaf.max(leaf) };
    }
    print.line("demo.moved_in", &[("count", &count.to_string())]);
    Ok(moved_in)
}

fn fill_registries(remote: &Remote, families: &[Person]) -> anyhow::Result<()> {
    type Row = fn((usize, &Person)) -> Value;
    let registries: [(&str, Row); 4] = [
        ("vehicle", |(_, one)| json!({ "plate": one.plate, "owner_snils": one.snils })),
        ("residence", |(_, one)| {
            json!({
                "snils": one.snils, "dwelling": one.dwelling, "zone": one.zone,
                "oktmo": "67323000",
            })
        }),
        ("birth_record", |(number, one)| {
            json!({
                "record_number": birth_record(number), "parent_snils": one.snils,
                "child_birth_date": "2026-10-01",
            })
        }),
        ("income", |(_, one)| json!({ "snils": one.snils, "kopecks": 12_000_000 })),
    ];
    registries.into_iter().try_for_each(|(registry, row)| {
        let rows: Vec<Value> = families.iter().enumerate().map(row).collect();
        enter(remote, registry, &rows)
    })
}

fn birth_record(number: usize) -> String {
    format!("1102697700010{number:08}")
}

/// Submits the request of one family; gives the case of the permit, and the last leaf.
fn ask(remote: &Remote, number: usize, family: &Person) -> anyhow::Result<(String, u64)> {
    let body = json!({
        "channel": "portal",
        "shared": { "applicant": {
            "surname": family.surname, "given_name": family.name, "snils": family.snils,
        } },
        "forms": {
            "child-benefit": { "birth_record": birth_record(number), "children": 1 },
            "parking-permit": {
                "plate": family.plate, "dwelling": family.dwelling, "zone": family.zone,
                "validity_years": 1,
            },
        },
    });
    let path = format!("api/v1/complex-services/{SERVICE}/requests");
    let accepted = remote.post(&path, body.to_string().as_bytes())?.ok()?;
    let path = format!("api/v1/complex-requests/{}", text(&accepted, "id")?);
    let end = Instant::now() + LIMIT;
    let status = loop {
        let status = remote.get(&path)?.ok()?;
        if status["closed_at"].is_string() {
            break status;
        }
        if Instant::now() > end {
            bail!("not closed within {LIMIT:?}: {status}");
        }
        std::thread::park_timeout(POLL);
    };
    let cases = status["cases"].as_array().context("a complex request has cases")?;
    if cases.iter().any(|case| case["status"] != "granted") {
        bail!("both must be granted: {status}");
    }
    if status["waits"][0]["state"] != "satisfied" {
        bail!("one check of the residence must serve both: {status}");
    }
    let last = cases.iter().filter_map(|case| case["ended_leaf"].as_u64()).max();
    Ok((text(&status["waits"][0], "case")?.to_owned(), last.context("cases have leaves")?))
}
