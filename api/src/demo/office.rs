//! Building permits that people decide: officials answer, propose, agree and sign over HTTP.
//!
//! Every kind of case in turn, each made for one outcome that is right. Not here: the officials'
//! keys leave this process only as signatures.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use letopis_ledger::Hash;
use letopis_ledger::key::AuthorSigner;
use letopis_registry::case::signing::{AGREEMENT_PAYLOAD_TYPE, ANSWER_PAYLOAD_TYPE};
use letopis_registry::environment::random;
use serde_json::{Value, json};

use super::report::Printer;
use super::text;
use crate::cli::remote::Remote;
use crate::service::environment::System;

/// How long one step of a case may take.
const STEP_LIMIT: Duration = Duration::from_secs(30);
/// A building above this area needs an expert's conclusion.
const LARGE_M2: usize = 2_000;

/// What a case is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Small,
    Large,
    AgainstThePlan,
    NotTheHolder,
    ExpertAgainst,
    HeritageAgainst,
    SurveyMissing,
}

/// Every kind, in the order of their turns.
pub(super) const KINDS: [Kind; 7] = [
    Kind::Small,
    Kind::Large,
    Kind::AgainstThePlan,
    Kind::NotTheHolder,
    Kind::ExpertAgainst,
    Kind::HeritageAgainst,
    Kind::SurveyMissing,
];

/// An official with the way to the node.
struct Official {
    id: String,
    remote: Remote,
    signer: AuthorSigner,
}

/// Those who decide building permits.
struct Office {
    executors: Vec<Official>,
    lawyer: Official,
    head: Official,
    planner: Official,
    heritage: Official,
}

/// What came of the cases.
#[derive(Debug)]
pub(super) struct Decided {
    /// Ids of the cases, in order.
    pub(super) cases: Vec<String>,
    /// Leaf of the last decision.
    pub(super) last_leaf: u64,
}

/// Enters what the registries must hold, appoints officials, and has as many cases decided.
pub(super) fn run(remote: &Remote, count: usize, print: &Printer) -> anyhow::Result<Decided> {
    let office = Office::appoint(remote)?;
    fill_registries(remote, count)?;
    let progress = print.progress(count);
    let mut decided = Decided { cases: Vec::new(), last_leaf: 0 };
    for number in 0..count {
        let kind = KINDS[number % KINDS.len()];
        let (case, leaf) = office
            .decide(remote, number, kind)
            .with_context(|| format!("building permit {number}, {kind:?}"))?;
        decided.cases.push(case);
        decided.last_leaf = decided.last_leaf.max(leaf);
        progress.inc(1);
    }
    progress.finish_and_clear();
    print.line("demo.office", &[("count", &count.to_string())]);
    Ok(decided)
}

impl Kind {
    const fn expected(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Small | Self::Large | Self::SurveyMissing => ("granted", &[]),
            Self::AgainstThePlan => ("refused", &["G2"]),
            Self::NotTheHolder => ("refused", &["G3"]),
            Self::ExpertAgainst => ("refused", &["G4"]),
            Self::HeritageAgainst => ("refused", &["G5"]),
        }
    }

    const fn is_large(self) -> bool {
        matches!(self, Self::Large | Self::ExpertAgainst)
    }
}

impl Office {
    fn appoint(remote: &Remote) -> anyhow::Result<Self> {
        let appoint =
            |name: &str, unit: &str, role: &str| Official::appoint(remote, name, unit, role);
        Ok(Self {
            executors: vec![
                appoint("Исполнитель Первый", "permits", "executor")?,
                appoint("Исполнитель Второй", "permits", "executor")?,
            ],
            lawyer: appoint("Юрист", "legal", "lawyer")?,
            head: appoint("Начальник отдела разрешений", "permits", "head")?,
            planner: appoint("Градостроитель", "planning", "executor")?,
            heritage: appoint("Начальник отдела наследия", "heritage", "head")?,
        })
    }

    /// One case from its submission to the signed decision; gives its id and the decision's leaf.
    fn decide(&self, remote: &Remote, number: usize, kind: Kind) -> anyhow::Result<(String, u64)> {
        let path = "api/v1/services/building-permit/applications";
        let accepted = remote.post(path, form(number, kind).to_string().as_bytes())?.ok()?;
        let case = text(&accepted, "id")?.to_owned();
        if kind == Kind::SurveyMissing {
            let applicant = remote.clone().with_token(text(&accepted, "token")?);
            let answer = json!({ "request": "missing-file", "facts": file("survey") });
            let path = format!("api/v1/applications/{case}/answers");
            applicant.post(&path, answer.to_string().as_bytes())?.ok()?;
        }
        let plan = json!({
            "number": format!("ГП-{number}"), "issued_on": "2026-11-20",
            "complies": kind != Kind::AgainstThePlan,
        });
        self.planner.answer(&case, &json!({ "request": "planning", "facts": plan }))?;
        if kind == Kind::HeritageAgainst {
            self.ask_heritage(&case)?;
        }
        let executor = self.executor_of(&case)?;
        let motive = json!({ "motive": "Проверено по ответам на запросы" });
        until("a proposal", || executor.try_post(&case, "proposals", &motive))?;
        self.lawyer.agree(&case)?;
        self.head.agree(&case)?;
        let decision = until("the decision", || {
            let answer = remote.get(&format!("api/v1/decisions/{case}"))?;
            Ok((answer.status == 200).then_some(answer.body))
        })?;
        let grounds = decision["grounds"].as_array().into_iter().flatten();
        let grounds: Vec<&str> = grounds.filter_map(|ground| ground["code"].as_str()).collect();
        let (outcome, expected) = kind.expected();
        if decision["outcome"] != outcome || grounds != expected {
            bail!("it came out as {decision}, right is {outcome} {expected:?}");
        }
        Ok((case, decision["leaf"].as_u64().context("a decision has a leaf")?))
    }

    /// The heritage unit finds an object; the regional body is asked by letter, and it asks its
    /// archive first.
    fn ask_heritage(&self, case: &str) -> anyhow::Result<()> {
        let hit = json!({ "hit": true, "object_id": self.heritage.shown(case)? });
        self.heritage.answer(case, &json!({ "request": "heritage-check", "facts": hit }))?;
        let archive = "heritage-opinion.archive";
        let ask = json!({
            "path": archive, "addressee": "Областной архив", "way": "paper", "mandatory": true,
            "working_days": 5,
        });
        let executor = self.executor_of(case)?;
        until("a subrequest", || executor.try_post(case, "subrequests", &ask))?;
        executor.answer(
            case,
            &json!({
                "request": archive, "text": "План здания 1911 года", "way": "paper",
                "letter": "АР-44",
            }),
        )?;
        let opinion = json!({ "number": "ОН-9", "issued_on": "2026-11-21", "positive": false });
        executor.answer(
            case,
            &json!({
                "request": "heritage-opinion", "facts": opinion, "way": "paper", "letter": "ОН-9",
            }),
        )
    }

    /// The executor to whom the rule gave the case.
    fn executor_of(&self, case: &str) -> anyhow::Result<&Official> {
        until("an executor", || {
            let card = self.head.card(case)?;
            Ok(self.executors.iter().find(|one| card["official"] == one.id.as_str()))
        })
    }
}

impl Official {
    fn appoint(remote: &Remote, name: &str, unit: &str, role: &str) -> anyhow::Result<Self> {
        let signer = AuthorSigner::from_seed(&random(&System));
        let body = json!({
            "name": name, "posts": [{ "unit": unit, "role": role }],
            "key": signer.key().to_base64(),
        });
        let answer = remote.post("api/v1/officials", body.to_string().as_bytes())?.ok()?;
        let id = text(&answer, "id")?.to_owned();
        let remote = remote.clone().with_token(text(&answer, "token")?).with_official(&id);
        Ok(Self { id, remote, signer })
    }

    fn card(&self, case: &str) -> anyhow::Result<Value> {
        self.remote.get(&format!("api/v1/cases/{case}/card"))?.ok()
    }

    /// Posts; nothing while a rule says that it is too early.
    fn try_post(&self, case: &str, what: &str, body: &Value) -> anyhow::Result<Option<Value>> {
        let path = format!("api/v1/cases/{case}/{what}");
        let answer = self.remote.post(&path, body.to_string().as_bytes())?;
        match answer.status {
            422 => Ok(None),
            _ => answer.ok().map(Some),
        }
    }

    /// Answers as soon as the request is there.
    fn answer(&self, case: &str, body: &Value) -> anyhow::Result<()> {
        let request = text(body, "request")?.to_owned();
        let is_open = |card: &Value| {
            let open = |rows: &str, name: &str, closed: &str| {
                let rows = card[rows].as_array().into_iter().flatten();
                rows.filter(|row| row[name] == request.as_str())
                    .any(|row| row[closed].is_null() || row[closed] == false)
            };
            open("requests", "request", "outcome") || open("subrequests", "path", "closed")
        };
        until(&request, || {
            // Until the request is there, the case need not concern the official at all.
            let path = format!("api/v1/cases/{case}/card");
            let card = self.remote.get(&path)?;
            Ok((card.status == 200 && is_open(&card.body)).then_some(()))
        })?;
        let mut body = body.clone();
        let card = self.card(case)?;
        let mut requests = card["requests"].as_array().into_iter().flatten();
        if requests.any(|one| one["request"] == request && one["signature"] == "official") {
            let signed = until(&request, || self.try_post(case, "answers/text", &body))?;
            let text = text(&signed, "text")?;
            let signature = self.signer.sign_as(ANSWER_PAYLOAD_TYPE, text.as_bytes());
            body["signature"] = json!(signature.to_base64());
        }
        until(&request, || self.try_post(case, "answers", &body)).map(|_| ())
    }

    /// The number of the historic building that the card of a case shows, once it shows one.
    fn shown(&self, case: &str) -> anyhow::Result<Value> {
        until("a historic building", || {
            let card = self.remote.get(&format!("api/v1/cases/{case}/card"))?;
            let number = card.body["shown"][0]["entries"][0]["fields"]["object_id"].clone();
            Ok((card.status == 200 && !number.is_null()).then_some(number))
        })
    }

    fn agree(&self, case: &str) -> anyhow::Result<()> {
        let to_agree = until("a proposal to agree to", || {
            let found = self.card(case)?["to_agree"].clone();
            Ok((!found.is_null()).then_some(found))
        })?;
        let signature =
            self.signer.sign_as(AGREEMENT_PAYLOAD_TYPE, text(&to_agree, "text")?.as_bytes());
        let body = json!({ "proposal": to_agree["proposal"], "signature": signature.to_base64() });
        let path = format!("api/v1/cases/{case}/agreements");
        self.remote.post(&path, body.to_string().as_bytes())?.ok().map(|_| ())
    }
}

/// Asks again until there is an answer.
fn until<T>(
    what: &str,
    mut question: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let end = Instant::now() + STEP_LIMIT;
    loop {
        if let Some(answer) = question()? {
            return Ok(answer);
        }
        if Instant::now() > end {
            bail!("not within {STEP_LIMIT:?}: {what}");
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn fill_registries(remote: &Remote, count: usize) -> anyhow::Result<()> {
    let kind = |number: usize| KINDS[number % KINDS.len()];
    let land = (0..count).map(|number| {
        let holder = match kind(number) {
            Kind::NotTheHolder => inn(900_000 + number),
            _ => inn(number),
        };
        json!({
            "parcel": parcel(number), "holder": holder,
            "heritage_zone": kind(number) == Kind::HeritageAgainst,
        })
    });
    let companies = (0..count).map(|number| {
        json!({ "inn": inn(number), "name": format!("ООО «Застройка {number}»"), "active": true })
    });
    let experts = (0..count).filter(|number| kind(*number).is_large()).map(|number| {
        json!({ "number": expert(number), "positive": kind(number) != Kind::ExpertAgainst })
    });
    let protected = (0..count).filter(|number| kind(*number) == Kind::HeritageAgainst);
    let buildings = protected.map(|number| {
        json!({
            "object_id": format!("ИЗ-{number}"), "name": format!("Усадьба {number}"),
            "act": "Постановление № 3", "category": "местного значения",
            "protected_features": "фасад", "polygon": outline(number),
        })
    });
    let rows = [
        ("historic_building", buildings.collect()),
        ("land_right", land.collect::<Vec<_>>()),
        ("legal_entity", companies.collect()),
        ("expert_review", experts.collect()),
    ];
    rows.iter().try_for_each(|(registry, rows)| super::enter(remote, registry, rows))
}

fn form(number: usize, kind: Kind) -> Value {
    let area = if kind.is_large() { LARGE_M2 } else { 120 };
    let mut form = json!({
        "applicant": {
            "kind": "organisation", "name": format!("ООО «Застройка {number}»"),
            "inn": inn(number), "ogrn": ogrn(number),
        },
        "parcel": parcel(number),
        "object": { "name": format!("Дом {number}"), "area_m2": area },
        "geometry": outline(number),
        "project": file("project"),
    });
    if kind.is_large() {
        form["expert_number"] = json!(expert(number));
    }
    if kind != Kind::SurveyMissing {
        form["survey"] = file("survey");
    }
    json!({ "channel": "portal", "form": form })
}

fn file(name: &str) -> Value {
    json!({
        "sha256": Hash::of(name.as_bytes()).to_hex(), "size_bytes": 48_000,
        "media_type": "application/pdf",
    })
}

/// The border of a plot: squares of a grid, none of which meets another.
fn outline(number: usize) -> String {
    let degrees = |tenths_of_thousandth: usize| tenths_of_thousandth as f64 / 10_000.0;
    let west = degrees(335_000 + number % 100 * 10);
    let south = degrees(446_000 + number / 100 * 10);
    let (east, north) = (west + 0.000_5, south + 0.000_5);
    let ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
    json!({ "type": "Polygon", "coordinates": [ring] }).to_string()
}

fn parcel(number: usize) -> String {
    format!("91:02:0001001:{}", number + 1)
}

fn expert(number: usize) -> String {
    format!("ЭЗ-{number:05}")
}

/// An INN of an organisation: nine digits and their control digit.
fn inn(number: usize) -> String {
    let digits = format!("91{:07}", number + 1);
    let weights = [2, 4, 10, 3, 5, 9, 4, 6, 8];
    let sum: u32 = digits.chars().zip(weights).map(|(c, w)| c.to_digit(10).unwrap_or(0) * w).sum();
    format!("{digits}{}", sum % 11 % 10)
}

/// An OGRN: twelve digits and their control digit.
fn ogrn(number: usize) -> String {
    let digits = 102_910_000_000 + number as u64;
    format!("{digits}{}", digits % 11 % 10)
}

#[cfg(test)]
mod tests {
    use letopis_rules::identifier::ru::{Inn, Ogrn};

    use super::*;

    #[test]
    fn identifiers_of_organisations_are_valid() {
        for number in (0..200).chain(900_000..900_050) {
            assert!(Inn::parse(&inn(number)).is_ok(), "{}", inn(number));
            assert!(Ogrn::parse(&ogrn(number)).is_ok(), "{}", ogrn(number));
        }
    }

    #[test]
    fn every_ground_of_the_regulation_but_missing_documents_occurs() {
        let grounds: Vec<&str> = KINDS.iter().flat_map(|kind| kind.expected().1).copied().collect();
        assert_eq!(grounds, ["G2", "G3", "G4", "G5"]);
    }
}
