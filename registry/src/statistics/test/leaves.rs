//! The recount: every figure again from the bytes of leaves, by other code.
//!
//! It shares nothing with what it checks: no event, no table, no formula, no calendar of ours. A
//! leaf is read as JSON, days are counted by the civil calendar's own arithmetic.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

pub(super) const DAY: i64 = 86_400_000;

/// A case as its events tell.
#[derive(Debug, Default)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) number: String,
    pub(super) agency: String,
    pub(super) service: String,
    pub(super) channel: String,
    pub(super) registered: i64,
    pub(super) due: i64,
    pub(super) in_days_of_work: bool,
    pub(super) pauses: Vec<(i64, i64)>,
    pub(super) stopped: Option<(i64, i64)>,
    pub(super) requests: BTreeMap<String, Request>,
    pub(super) stages: Vec<(&'static str, i64)>,
    pub(super) proposal: Option<u64>,
    pub(super) owner: Option<(String, String)>,
    pub(super) warned: bool,
    pub(super) breached: Option<i64>,
    pub(super) people: bool,
    pub(super) stage_due: Option<i64>,
    pub(super) stage_breached: bool,
    pub(super) acts: Vec<Act>,
    pub(super) decided: Option<Decided>,
    pub(super) ended: Option<(String, i64)>,
    pub(super) leaf: u64,
}

#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) asked: (String, String),
    pub(super) mandatory: bool,
    pub(super) sent: i64,
    pub(super) due: i64,
    pub(super) closed: Option<(String, i64)>,
    /// What the one asked said, or that its time was over.
    pub(super) reply: Option<(String, i64)>,
    pub(super) escalated: bool,
    pub(super) breached: bool,
}

#[derive(Debug)]
pub(super) struct Act {
    pub(super) what: &'static str,
    pub(super) official: String,
    pub(super) version: u64,
    pub(super) proposal: u64,
}

#[derive(Debug)]
pub(super) struct Decided {
    pub(super) at: i64,
    pub(super) outcome: String,
    pub(super) grounds: Vec<String>,
    pub(super) version: u64,
    pub(super) leaf: u64,
}

/// Everything that the leaves tell.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) cases: BTreeMap<String, Case>,
    /// Agency, service, channel, when, how long.
    pub(super) consultations: Vec<(String, String, String, i64, u64)>,
    pub(super) events: u64,
}

pub(super) fn read<'a>(leaves: impl Iterator<Item = &'a [u8]>) -> Told {
    let mut told = Told::default();
    for bytes in leaves {
        let leaf: Value = serde_json::from_slice(bytes).unwrap();
        let (at, index) = (instant(&leaf["time"]), leaf["index"].as_u64().unwrap());
        let agency = text(&leaf["record"]["author"]);
        let mut moved = BTreeSet::new();
        for event in leaf["record"]["events"].as_array().unwrap() {
            let (stream, kind) = (text(&event["stream"]), text(&event["type"]));
            let data = &event["data"];
            if stream.starts_with("consultation/") {
                let duration = data["duration_ms"].as_u64().unwrap();
                let (service, channel) = (text(&data["service"]), text(&data["channel"]));
                told.consultations.push((agency.clone(), service, channel, at, duration));
            }
            let Some(id) = stream.strip_prefix("application/") else { continue };
            told.events += 1;
            let case = told.cases.entry(id.to_owned()).or_default();
            case.id = id.to_owned();
            case.leaf = index;
            let version = event["version"].as_u64().unwrap();
            if case.take(&kind, data, (at, index, version), &agency) {
                moved.insert(id.to_owned());
            }
        }
        for id in moved {
            told.cases.get_mut(&id).unwrap().note_stage(at);
        }
    }
    told
}

impl Case {
    /// Takes an event; tells whether the case may wait for something else after it.
    fn take(
        &mut self,
        kind: &str,
        data: &Value,
        (at, leaf, version): (i64, u64, u64),
        agency: &str,
    ) -> bool {
        match kind {
            "application.submitted" => {
                self.agency = agency.to_owned();
                self.service = text(&data["service"]);
                self.channel = text(&data["channel"]);
            }
            "application.registered" => {
                self.number = text(&data["number"]);
                self.registered = instant(&data["registered_at"]);
                self.due = instant(&data["due"]);
                self.in_days_of_work = data["term"]["working_days"].is_u64();
                return true;
            }
            "application.assigned" => {
                self.owner = Some((text(&data["unit"]), text(&data["official"])));
            }
            "application.deadline_warned" => self.warned = true,
            "application.deadline_breached" => self.breached = Some(instant(&data["due"])),
            "application.clock_suspended" => {
                self.stopped = Some((instant(&data["at"]), instant(&data["until"])));
                return true;
            }
            "application.clock_resumed" => {
                let (stopped, _) = self.stopped.take().unwrap();
                self.pauses.push((stopped, instant(&data["at"])));
                let due = instant(&data["due"]);
                self.warned = self.warned && due <= self.due;
                self.due = due;
                return true;
            }
            "application.decided" => {
                let grounds = data["grounds"].as_array().unwrap().iter();
                let mut grounds: Vec<String> =
                    grounds.map(|ground| text(&ground["code"])).collect();
                grounds.sort();
                let outcome = text(&data["outcome"]);
                self.decided = Some(Decided { at, outcome, grounds, version, leaf });
            }
            "application.result_issued" => self.ended = Some(("granted".into(), at)),
            "application.refusal_issued" => self.ended = Some(("refused".into(), at)),
            "application.cancelled" => self.ended = Some(("cancelled".into(), at)),
            "application.intake_refused" => self.ended = Some(("not_taken".into(), at)),
            _ => return self.take_work(kind, data, (at, version)),
        }
        false
    }

    fn take_work(&mut self, kind: &str, data: &Value, (at, version): (i64, u64)) -> bool {
        let mut act = |what, proposal| {
            let official = text(&data["official"]);
            self.acts.push(Act { what, official, version, proposal });
        };
        match kind {
            "application.decision_proposed" => {
                act("proposed", version);
                self.people = true;
                self.proposal = Some(version);
                (self.stage_due, self.stage_breached) = (None, false);
                return true;
            }
            "application.decision_agreed" => act("agreed", data["proposal"].as_u64().unwrap()),
            "application.decision_returned" => {
                act("returned", data["proposal"].as_u64().unwrap());
                self.proposal = None;
                (self.stage_due, self.stage_breached) = (None, false);
                return true;
            }
            "request.sent" => {
                let kind = text(&data["kind"]);
                let of = ["registry", "addressee", "organisation", "unit"];
                let name = of.iter().find_map(|of| data[of].as_str()).unwrap_or_default();
                let request = Request {
                    asked: (kind, name.to_owned()),
                    mandatory: data["mandatory"].as_bool().unwrap(),
                    sent: at,
                    due: instant(&data["due"]),
                    closed: None,
                    reply: None,
                    escalated: false,
                    breached: false,
                };
                self.requests.insert(text(&data["request"]), request);
                return true;
            }
            "request.answered" | "request.timed_out" => {
                let outcome = data["outcome"].as_str().unwrap_or("timed_out").to_owned();
                let request = self.requests.get_mut(data["request"].as_str().unwrap()).unwrap();
                request.closed = Some((outcome, at));
                if !request.escalated {
                    request.reply = request.closed.clone();
                }
                self.people |= data["came"]["official"].is_string();
                return true;
            }
            "request.deadline_breached" => {
                self.requests.get_mut(data["request"].as_str().unwrap()).unwrap().breached = true;
            }
            "application.stage_begun" => {
                (self.stage_due, self.stage_breached) = (Some(instant(&data["due"])), false);
            }
            "application.stage_breached" => self.stage_breached = true,
            "request.escalated" => {
                let request = self.requests.get_mut(data["request"].as_str().unwrap()).unwrap();
                request.reply = request.closed.take().or(Some(("timed_out".into(), at)));
                (request.escalated, self.people) = (true, true);
                if self.owner.is_none() {
                    let official = data["official"].as_str().unwrap_or_default().to_owned();
                    self.owner = Some((text(&data["unit"]), official));
                }
                return true;
            }
            _ => {}
        }
        false
    }

    fn note_stage(&mut self, at: i64) {
        if self.ended.is_some() {
            return;
        }
        let waits = self.requests.values().any(|one| one.mandatory && one.closed.is_none());
        let official = self.requests.values().any(|one| one.escalated && one.closed.is_none());
        let stage = match (self.stopped, self.proposal, waits) {
            (Some(_), _, _) => "suspended",
            (None, Some(_), _) => "agreement",
            (None, None, _) if official => "official",
            (None, None, true) => "requests",
            (None, None, false) => "decision",
        };
        if self.stages.last().is_none_or(|(last, _)| *last != stage) {
            self.stages.push((stage, at));
        }
    }

    /// The case's end with a result or a refusal, which alone is counted among times.
    pub(super) fn finished(&self) -> Option<(bool, i64)> {
        let (how, at) = self.ended.as_ref()?;
        match how.as_str() {
            "granted" => Some((true, *at)),
            "refused" => Some((false, *at)),
            _ => None,
        }
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Milliseconds since 1970 of `2026-11-21T19:34:52.123Z`.
pub(super) fn instant(value: &Value) -> i64 {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no instant"));
    let part = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let days = days_of(part(0, 4), part(5, 7), part(8, 10));
    let seconds = part(11, 13) * 3_600 + part(14, 16) * 60 + part(17, 19);
    days * DAY + seconds * 1_000 + part(20, 23)
}

pub(super) fn instant_text(at: i64) -> String {
    let (year, month, day) = date_of(at.div_euclid(DAY));
    let rest = at.rem_euclid(DAY);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60);
    let ms = rest % 1_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Days since 1970 of a date of the Gregorian calendar, by counting years from March on.
pub(super) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970.
pub(super) fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Days of the published calendars that are otherwise than weeks say: whether each is worked on.
pub(super) struct Days(BTreeMap<i64, bool>);

impl Days {
    pub(super) fn read(calendars: &[&str]) -> Self {
        let mut days = BTreeMap::new();
        for calendar in calendars {
            let calendar: Value = serde_json::from_str(calendar).unwrap();
            for day in calendar["days"].as_array().unwrap() {
                let at = instant(&json!(format!("{}T00:00:00.000Z", text(&day["date"]))));
                days.insert(at / DAY, text(&day["kind"]) != "off");
            }
        }
        Self(days)
    }

    fn worked(&self, day: i64) -> bool {
        // Day 0 was a Thursday; days 5 and 6 of a week from Monday on are its end.
        self.0.get(&day).copied().unwrap_or((day + 3).rem_euclid(7) < 5)
    }

    /// Minute by minute would be the definition; milliseconds of each day are the same sum.
    pub(super) fn work(&self, from: i64, until: i64) -> i64 {
        let mut at = local(from);
        let mut sum = 0;
        while at < local(until) {
            let midnight = (at.div_euclid(DAY) + 1) * DAY;
            let next = midnight.min(local(until));
            if self.worked(at.div_euclid(DAY)) {
                sum += next - at;
            }
            at = next;
        }
        sum
    }
}

/// The clock in Zarechny is three hours ahead.
pub(super) fn local(at: i64) -> i64 {
    at + 3 * 3_600_000
}

/// The smallest value that at least so many of a hundred do not exceed, found by counting.
pub(super) fn percentile(values: &[i64], percent: usize) -> Option<i64> {
    let enough = |limit: &&i64| {
        100 * values.iter().filter(|value| value <= limit).count() >= percent * values.len()
    };
    values.iter().filter(enough).min().copied()
}

/// Thousandths, half up.
pub(super) fn thousandths(part: usize, whole: usize) -> Value {
    match whole {
        0 => Value::Null,
        _ => json!((part * 10_000 / whole + 5) / 10),
    }
}
