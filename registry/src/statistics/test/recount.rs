//! Every figure of a working town equals its recount from the leaves by other code: K3, K4, K39,
//! U3, U5, U32 to U37.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, date};
use letopis_ledger::Timestamp;
use letopis_ledger::leaf::Leaf;
use serde_json::{Value, json};

use super::leaves::{
    Case, DAY, Days, Request, Told, date_of, instant, instant_text, local, percentile, read,
    thousandths,
};
use super::town::{Town, ends, town};
use crate::projection::{ControlQuery, OpenRequest, ReadModel};
use crate::statistics::*;

pub(super) const CALENDARS: [&str; 2] = [
    include_str!("../../../../deploy/packs/zarechny/calendars/ru-2025.json"),
    include_str!("../../../../deploy/packs/zarechny/calendars/ru-2026.json"),
];

type Window = (i64, i64);
/// Agency and service.
type Of<'a> = (&'a str, &'a str);
/// A case, whether it was granted, and when it ended.
type Finished<'a> = (&'a Case, bool, i64);
/// How many weeks ago a case was decided, and on which grounds.
type Weekly<'a> = (usize, &'a [String]);

/// The whole of time, and five weeks of it.
fn windows() -> [Window; 2] {
    let at = |text: &str| instant(&json!(text));
    let first = at("2026-09-20T21:00:00.000Z");
    [(0, at("9999-12-29T21:00:00.000Z")), (first, first + 35 * DAY)]
}

fn timestamps((from, until): Window) -> (Timestamp, Timestamp) {
    let at = |unix_ms| Timestamp::from_unix_ms(unix_ms).unwrap();
    (at(from), at(until))
}

fn within(at: i64, (from, until): Window) -> bool {
    (from..until).contains(&at)
}

fn recounted(town: &Town) -> (Told, Days) {
    let leaves = town.node.ledger.leaves_now();
    (read(leaves.iter().map(Leaf::as_bytes)), Days::read(&CALENDARS))
}

#[test]
fn every_figure_equals_a_recount_from_the_leaves() {
    let town = town();
    let (told, days) = recounted(&town);
    let model = town.node.engine.model();
    let book = town.node.engine.calendar_book();
    check_the_town(&told);
    for window in windows() {
        let named = format!("{window:?}");
        let span = timestamps(window);
        let times = service_times(&model.finished_cases(span).unwrap().value, &book);
        let times: Vec<Value> = times.iter().map(times_json).collect();
        assert_eq!(json!(times), recount_times(&told, window, &days), "times {named}");
        assert_eq!(months_json(model, &book, span), recount_months(&told, window), "{named}");
        assert_eq!(load_json(model, &book, span), recount_load(&told, window), "load {named}");
        let requests = model.supplier_requests(span).unwrap().value;
        let health = supplier_health(&requests, &book);
        let health: Vec<Value> = health.iter().map(|(who, how)| health_json(who, how)).collect();
        assert_eq!(json!(health), recount_suppliers(&told, window, &days), "{named}");
    }
    let mut compared = 0;
    for week in 0..12 {
        let monday = date(2026, 9, 7).checked_add(jiff::Span::new().days(week * 7)).unwrap();
        let decided = model.decided_in(timestamps(windows()[0])).unwrap().value;
        let ours = refusal_spikes(&decided, monday, &book);
        compared += ours.iter().filter(|ground| ground.spike.is_some()).count();
        let ours: Vec<Value> = ours.iter().map(ground_json).collect();
        assert_eq!(json!(ours), recount_spikes(&told, monday), "week of {monday}");
    }
    assert!(compared > 10, "only {compared} grounds had enough weeks before them");
    assert_eq!(control_json(model, &book), recount_control(&told, &days));
    assert_eq!(decisions_json(model), recount_decisions(&told));
    assert_eq!(officials_json(model), recount_officials(&told));
    check_a_rebuild(&town);
}

/// Tables that are built again, a few leaves at a time, are the same.
fn check_a_rebuild(town: &Town) {
    let model = town.node.engine.model();
    let hash = model.content_hash().unwrap();
    model.reset().unwrap();
    for leaves in town.node.ledger.leaves_now().chunks(7) {
        model.fold(leaves).unwrap();
    }
    assert_eq!(model.content_hash().unwrap(), hash);
}

/// The generated log has what the figures are about.
fn check_the_town(told: &Told) {
    let cases = || told.cases.values();
    assert!(cases().count() >= 300, "{} cases", cases().count());
    let finished = cases().filter_map(Case::finished).collect::<Vec<_>>();
    assert!(finished.iter().filter(|(granted, _)| *granted).count() > 20);
    assert!(finished.iter().filter(|(granted, _)| !granted).count() > 100);
    assert!(cases().any(|case| case.ended.as_ref().is_some_and(|(how, _)| how == "cancelled")));
    assert!(cases().filter(|case| !case.pauses.is_empty()).count() > 50);
    assert!(cases().any(|case| case.breached.is_some() && case.ended.is_none()));
    assert!(cases().any(|case| case.acts.iter().any(|act| act.what == "returned")));
    let requests = || cases().flat_map(|case| case.requests.values());
    assert!(cases().any(|case| case.stage_breached));
    assert!(
        cases().any(|case| case.ended.is_none() && case.requests.values().any(|one| one.breached))
    );
    for outcome in ["answered", "no_data", "timed_out"] {
        let came = |one: &Request| one.reply.as_ref().is_some_and(|(how, _)| how == outcome);
        assert!(requests().any(came), "no request is {outcome}");
    }
    let open = cases().filter(|case| case.ended.is_none());
    let stages: BTreeSet<&str> = open.filter_map(|case| Some(case.stages.last()?.0)).collect();
    assert!(stages.contains("official") && stages.len() >= 4, "open cases are in {stages:?}");
    assert!(told.consultations.len() >= 50);
}

fn times_json(times: &ServiceTimes) -> Value {
    let of = |one: Percentiles| json!([one.p50_ms, one.p90_ms, one.p99_ms]);
    json!({
        "of": [times.agency.as_str(), times.service.as_str()],
        "granted": times.granted, "refused": times.refused, "late": times.late,
        "automatic": [json!(times.automatic), json!(times.automatic_per_mille)],
        "elapsed": of(times.elapsed), "running": of(times.running),
        "working": of(times.working), "suspended": of(times.suspended),
        "pace": times.pace, "shares": times.pace_per_mille,
    })
}

fn recount_times(told: &Told, window: Window, days: &Days) -> Value {
    let mut groups: BTreeMap<Of<'_>, Vec<Finished<'_>>> = BTreeMap::new();
    for case in told.cases.values() {
        if let Some((granted, ended)) = case.finished().filter(|(_, at)| within(*at, window)) {
            let key = (case.agency.as_str(), case.service.as_str());
            groups.entry(key).or_default().push((case, granted, ended));
        }
    }
    let group = |(key, cases): (Of<'_>, Vec<Finished<'_>>)| {
        let stood = |case: &Case| case.pauses.iter().map(|(a, b)| b - a).sum::<i64>();
        let stood_at_work =
            |case: &Case| case.pauses.iter().map(|(a, b)| days.work(*a, *b)).sum::<i64>();
        let elapsed = |(case, _, end): &Finished<'_>| end - case.registered;
        let working =
            |(case, _, end): &Finished<'_>| days.work(case.registered, *end) - stood_at_work(case);
        let percentiles = |of: &dyn Fn(&Finished<'_>) -> i64| {
            let values: Vec<i64> = cases.iter().map(of).collect();
            json!([percentile(&values, 50), percentile(&values, 90), percentile(&values, 99)])
        };
        let mut pace = [0_usize; 3];
        for one in &cases {
            let (spent, term) = if one.0.in_days_of_work {
                (working(one), days.work(one.0.registered, one.0.due) - stood_at_work(one.0))
            } else {
                (elapsed(one) - stood(one.0), one.0.due - one.0.registered - stood(one.0))
            };
            let of_hundred = |percent: i64| 100 * spent <= percent * term;
            pace[if of_hundred(25) {
                0
            } else if of_hundred(75) {
                1
            } else {
                2
            }] += 1;
        }
        let granted = cases.iter().filter(|(_, granted, _)| *granted).count();
        let alone = cases.iter().filter(|(case, ..)| !case.people).count();
        json!({
            "of": [key.0, key.1], "granted": granted, "refused": cases.len() - granted,
            "late": cases.iter().filter(|(case, _, end)| *end > case.due).count(),
            "automatic": [json!(alone), thousandths(alone, cases.len())],
            "elapsed": percentiles(&elapsed),
            "running": percentiles(&|one| elapsed(one) - stood(one.0)),
            "working": percentiles(&working),
            "suspended": percentiles(&|one| stood(one.0)),
            "pace": pace, "shares": shares_of(pace),
        })
    };
    groups.into_iter().map(group).collect()
}

/// Thousandths that sum to a thousand: those cut off most are raised, one after another.
fn shares_of(parts: [usize; 3]) -> [usize; 3] {
    let whole: usize = parts.iter().sum();
    let mut shares = parts.map(|part| part * 1_000 / whole);
    let mut cut = parts.map(|part| part * 1_000 % whole);
    while shares.iter().sum::<usize>() < 1_000 {
        let most = *cut.iter().max().unwrap();
        let first = cut.iter().position(|one| *one == most).unwrap();
        shares[first] += 1;
        cut[first] = 0;
    }
    shares
}

fn months_json(model: &ReadModel, book: &CalendarBook, span: (Timestamp, Timestamp)) -> Value {
    let facts = model.month_facts(span).unwrap().value;
    let advised = model.consultations(span).unwrap().value.into_iter().map(|row| MonthFact {
        at: row.registered_at,
        agency: row.agency,
        service: row.service,
        channel: row.channel,
        event: MonthEvent::Advised(row.duration_ms),
    });
    let row = |(key, counts): (&MonthKey, &MonthCounts)| {
        json!([
            [key.month, key.agency.as_str(), key.service.as_str(), key.channel.as_str()],
            [
                counts.applications,
                counts.granted,
                counts.refused,
                counts.not_taken,
                counts.cancelled,
                counts.consultations,
                counts.consultation_ms
            ]
        ])
    };
    months(facts.into_iter().chain(advised), book).iter().map(row).collect()
}

fn recount_months(told: &Told, window: Window) -> Value {
    let mut counts: BTreeMap<[String; 4], [u64; 7]> = BTreeMap::new();
    let mut count = |at: i64, of: [&String; 3], column: usize, by: u64| {
        if within(at, window) {
            let (year, month, _) = date_of(local(at).div_euclid(DAY));
            let [agency, service, channel] = of.map(Clone::clone);
            let key = [format!("{year:04}-{month:02}"), agency, service, channel];
            counts.entry(key).or_default()[column] += by;
        }
    };
    for case in told.cases.values() {
        let of = [&case.agency, &case.service, &case.channel];
        count(case.registered, of, 0, 1);
        if let Some((how, at)) = &case.ended {
            let ends = ["granted", "refused", "not_taken", "cancelled"];
            count(*at, of, 1 + ends.iter().position(|end| end == how).unwrap(), 1);
        }
    }
    for (agency, service, channel, at, duration) in &told.consultations {
        count(*at, [agency, service, channel], 5, 1);
        count(*at, [agency, service, channel], 6, *duration);
    }
    counts.iter().map(|(key, counts)| json!([key, counts])).collect()
}

fn load_json(model: &ReadModel, book: &CalendarBook, span: (Timestamp, Timestamp)) -> Value {
    let facts = model.month_facts(span).unwrap().value.into_iter();
    let came = facts.filter(|fact| fact.event == MonthEvent::Came);
    let advised = model.consultations(span).unwrap().value.into_iter();
    let load = load(
        came.map(|fact| (fact.service, fact.at)),
        advised.map(|row| (row.service, row.registered_at, row.duration_ms)),
        book,
    );
    let cell = |cell: &LoadCell| [cell.applications, cell.consultations, cell.consultation_ms];
    load.iter().flatten().map(|hour| json!(cell(hour))).collect()
}

fn recount_load(told: &Told, window: Window) -> Value {
    let mut week = vec![[0_u64; 3]; 7 * 24];
    let hour = |at: i64| {
        // The Monday before 1970 began four days earlier than it.
        let hours = local(at).div_euclid(3_600_000) + 3 * 24;
        usize::try_from(hours.rem_euclid(7 * 24)).unwrap()
    };
    for case in told.cases.values().filter(|case| within(case.registered, window)) {
        week[hour(case.registered)][0] += 1;
    }
    for (_, _, _, at, duration) in told.consultations.iter().filter(|one| within(one.3, window)) {
        week[hour(*at)][1] += 1;
        week[hour(*at)][2] += duration;
    }
    json!(week)
}

fn health_json(who: &Supplier, how: &SupplierHealth) -> Value {
    json!([
        [who.agency.as_str(), who.kind, who.name],
        [how.sent, how.answered, how.no_data, how.timed_out, how.open, how.dropped, how.late],
        [how.no_data_per_mille, how.timed_out_per_mille],
        [how.reply_p90_ms, how.reply_working_p90_ms],
        how.oldest_open_at.map(|at| at.to_string()),
    ])
}

fn recount_suppliers(told: &Told, window: Window, days: &Days) -> Value {
    let mut groups: BTreeMap<[&str; 3], Vec<(&Case, &Request)>> = BTreeMap::new();
    for case in told.cases.values() {
        for request in case.requests.values() {
            let (kind, name) = &request.asked;
            if kind != "applicant" && within(request.sent, window) {
                let key = [case.agency.as_str(), kind, name];
                groups.entry(key).or_default().push((case, request));
            }
        }
    }
    let row = |(key, group): (&[&str; 3], &Vec<(&Case, &Request)>)| {
        let closed = |outcome: &str| {
            let is = |one: &&(&Case, &Request)| {
                one.1.reply.as_ref().is_some_and(|(how, _)| how == outcome)
            };
            group.iter().filter(is).count()
        };
        let replies: Vec<(&Request, i64)> = group
            .iter()
            .filter_map(|(_, request)| match &request.reply {
                Some((how, at)) if how != "timed_out" => Some((*request, *at)),
                _ => None,
            })
            .collect();
        let silent = || group.iter().filter(|(_, request)| request.reply.is_none());
        let waits = || silent().filter(|(case, _)| case.ended.is_none());
        let (answered, no_data, late) = (
            closed("answered"),
            closed("no_data"),
            replies.iter().filter(|(request, at)| *at > request.due).count(),
        );
        let (timed_out, open) = (closed("timed_out"), waits().count());
        let all = answered + no_data + timed_out;
        let clock: Vec<i64> = replies.iter().map(|(request, at)| at - request.sent).collect();
        let work: Vec<i64> =
            replies.iter().map(|(request, at)| days.work(request.sent, *at)).collect();
        json!([
            key,
            [group.len(), answered, no_data, timed_out, open, silent().count() - open, late],
            [thousandths(no_data, all), thousandths(timed_out, all)],
            [percentile(&clock, 90), percentile(&work, 90)],
            waits().map(|(_, request)| request.sent).min().map(instant_text),
        ])
    };
    groups.iter().map(row).collect()
}

fn ground_json(ground: &GroundWeek) -> Value {
    json!([
        [ground.agency.as_str(), ground.service.as_str(), ground.ground.as_str()],
        [ground.given, ground.decided, ground.share_ppm, ground.weeks, ground.mean_ppm],
        ground.spike,
    ])
}

/// With fractions of a machine's own kind where ours are whole: they agree unless a share lies
/// within a millionth of the border, which in this log none does.
fn recount_spikes(told: &Told, monday: Date) -> Value {
    let monday = super::leaves::days_of(
        i64::from(monday.year()),
        i64::from(monday.month()),
        i64::from(monday.day()),
    );
    let mut groups: BTreeMap<Of<'_>, Vec<Weekly<'_>>> = BTreeMap::new();
    for case in told.cases.values() {
        let Some(decided) = &case.decided else { continue };
        let ago = (monday + 6 - local(decided.at).div_euclid(DAY)).div_euclid(7);
        if (0..=8).contains(&ago) {
            let key = (case.agency.as_str(), case.service.as_str());
            let ago = usize::try_from(ago).unwrap();
            groups.entry(key).or_default().push((ago, &decided.grounds));
        }
    }
    let mut rows = Vec::new();
    for ((agency, service), cases) in groups {
        let decided = |ago| cases.iter().filter(|(week, _)| *week == ago).count();
        if decided(0) == 0 {
            continue;
        }
        let grounds: BTreeSet<&String> = cases.iter().flat_map(|(_, all)| all.iter()).collect();
        for ground in grounds {
            let given = |ago| {
                cases.iter().filter(|(week, all)| *week == ago && all.contains(ground)).count()
            };
            let share = |ago| (given(ago) * 1_000_000 / decided(ago)) as f64;
            let before: Vec<f64> = (1..=8).filter(|ago| decided(*ago) > 0).map(share).collect();
            let count = before.len() as f64;
            let mean = before.iter().sum::<f64>() / count;
            let variance =
                before.iter().map(|one| (one - mean) * (one - mean)).sum::<f64>() / count;
            let outside = (share(0) - mean).abs() > 3.0 * variance.sqrt();
            let mean = if before.is_empty() { 0 } else { mean.floor() as u64 };
            rows.push(json!([
                [agency, service, ground],
                [given(0), decided(0), share(0) as u64, before.len(), mean],
                (before.len() >= 4).then_some(outside),
            ]));
        }
    }
    json!(rows)
}

fn control_json(model: &ReadModel, book: &CalendarBook) -> Value {
    let now = ends();
    let since = history_from(now);
    let history = PathHistory::new(&model.paths_to_end(since).unwrap().value, now, book);
    let officials = model.throughput(since).unwrap().value;
    let mut query = ControlQuery { most: 7, ..ControlQuery::default() };
    let mut rows = Vec::new();
    loop {
        let page = model.control(&query).unwrap().value;
        let Some(last) = page.last() else { return json!(rows) };
        query.after = Some((last.due, last.case));
        for row in &page {
            let calendar = book.of(&row.service);
            let left = remaining((row.due, row.suspended_at), now, calendar);
            let work = row.official.and_then(|official| officials.get(&official)).copied();
            let p75_ms = history.p75_ms(&row.service, row.stage.as_str());
            let working_days = working_ms(calendar, since, now) / DAY;
            let risk = risk(left, p75_ms, work, working_days.unsigned_abs());
            let owner = row.unit.as_ref().zip(row.official);
            rows.push(json!([
                [row.case.to_string(), row.number, row.agency.as_str(), row.service.as_str()],
                [row.channel.as_str(), row.stage.as_str(), row.stage_since.to_string()],
                [row.registered_at.to_string(), row.due.to_string()],
                row.suspended_at.map(|at| at.to_string()),
                row.suspended_until.map(|at| at.to_string()),
                owner.map(|(unit, official)| [unit.to_string(), official.to_string()]),
                row.open_requests.iter().map(open_json).collect::<Vec<_>>(),
                [json!(row.stage_due.map(|due| due.to_string())), json!(row.stage_breached)],
                row.proposal.map(|version| version.get()),
                [left.clock_ms, left.working_ms],
                [json!(row.warned), json!(row.breached.map(|due| due.to_string()))],
                risk.as_str(),
                row.leaf.get(),
            ]));
        }
    }
}

fn open_json(open: &OpenRequest) -> Value {
    json!([open.request.as_str(), open.due.to_string(), open.breached])
}

fn recount_control(told: &Told, days: &Days) -> Value {
    let now = instant(&json!(ends().to_string()));
    let since = now - 90 * DAY;
    let open = || told.cases.values().filter(|case| case.ended.is_none());
    let recent = || {
        let finished = told.cases.values().filter_map(|case| Some((case, case.finished()?.1)));
        finished.filter(|(_, end)| (since..=now).contains(end))
    };
    let owned = |case: &Case, official: &str| case.owner.as_ref().is_some_and(|o| o.1 == official);
    let mut cases: Vec<&Case> = open().collect();
    cases.sort_by(|one, other| (one.due, &one.id).cmp(&(other.due, &other.id)));
    let row = |case: &&Case| {
        let from = case.stopped.map_or(now, |(at, _)| at);
        let (stage, stage_since) = *case.stages.last().unwrap();
        let left = case.due - from;
        let left_at_work = days.work(from, case.due) - days.work(case.due, from);
        let paths: Vec<i64> = recent()
            .filter(|(other, _)| other.service == case.service)
            .filter_map(|(other, end)| {
                let entered = other.stages.iter().rev().find(|(name, _)| *name == stage)?.1;
                Some(days.work(entered, end))
            })
            .collect();
        let overloaded = case.owner.as_ref().is_some_and(|(_, official)| {
            let mine = open().filter(|one| owned(one, official)).count() as f64;
            let done = recent().filter(|(one, _)| owned(one, official)).count() as f64;
            let a_day = done / (days.work(since, now) / DAY) as f64;
            mine / a_day > left_at_work as f64 / DAY as f64
        });
        let risk = match percentile(&paths, 75) {
            _ if left < 0 => "red",
            None => "unknown",
            Some(p75) if left_at_work >= p75 => "low",
            Some(_) if overloaded => "red",
            Some(_) => "high",
        };
        let mut requests: Vec<(bool, &String)> = case
            .requests
            .iter()
            .filter(|(_, request)| request.closed.is_none())
            .map(|(code, request)| (!request.mandatory, code))
            .collect();
        requests.sort();
        let request = |code: &str| {
            let one = &case.requests[code];
            json!([code, instant_text(one.due), one.breached])
        };
        json!([
            [case.id, case.number, case.agency, case.service],
            [case.channel, stage, instant_text(stage_since)],
            [instant_text(case.registered), instant_text(case.due)],
            case.stopped.map(|(at, _)| instant_text(at)),
            case.stopped.map(|(_, until)| instant_text(until)),
            case.owner,
            requests.iter().map(|(_, code)| request(code)).collect::<Vec<_>>(),
            [json!(case.stage_due.map(instant_text)), json!(case.stage_breached)],
            case.proposal,
            [left, left_at_work],
            [json!(case.warned), json!(case.breached.map(instant_text))],
            risk,
            case.leaf,
        ])
    };
    cases.iter().map(row).collect()
}

fn decisions_json(model: &ReadModel) -> Value {
    let (mut after, mut rows) = (None, Vec::new());
    loop {
        let page = model.decided_by(None, after, 11).unwrap().value;
        let Some(last) = page.last() else { return json!(rows) };
        after = Some((last.leaf, last.case));
        for row in &page {
            let grounds: Vec<&str> = row.grounds.iter().map(|ground| ground.as_str()).collect();
            rows.push(json!([
                [row.case.to_string(), row.agency.as_str(), row.service.as_str()],
                [row.decided_at.to_string(), row.outcome],
                grounds,
                row.proposed_by.map(|official| official.to_string()),
                row.signed_by.map(|official| official.to_string()),
                row.returns,
                row.leaf.get(),
            ]));
        }
    }
}

fn recount_decisions(told: &Told) -> Value {
    let mut cases: Vec<_> =
        told.cases.values().filter_map(|case| Some((case, case.decided.as_ref()?))).collect();
    cases.sort_by_key(|(case, decided)| (decided.leaf, &case.id));
    let row = |(case, decided): &(&Case, &super::leaves::Decided)| {
        let last = |what: &str| {
            case.acts.iter().rev().find(|act| act.what == what).map(|act| &act.official)
        };
        json!([
            [case.id, case.agency, case.service],
            [instant_text(decided.at), decided.outcome],
            decided.grounds,
            last("proposed"),
            last("agreed"),
            case.acts.iter().filter(|act| act.what == "returned").count(),
            decided.leaf,
        ])
    };
    cases.iter().map(row).collect()
}

fn officials_json(model: &ReadModel) -> Value {
    let row = |one: &crate::projection::OfficialFigures| {
        json!([
            one.official.to_string(),
            [one.proposed, one.reversed, one.decided, one.agreed, one.signed, one.returned],
            per_mille(one.reversed, one.proposed),
        ])
    };
    model.official_figures().unwrap().value.iter().map(row).collect()
}

fn recount_officials(told: &Told) -> Value {
    let mut counts: BTreeMap<&str, [usize; 6]> = BTreeMap::new();
    for case in told.cases.values() {
        for (place, act) in case.acts.iter().enumerate() {
            let later = &case.acts[place + 1..];
            let mut count = |column: usize| {
                counts.entry(act.official.as_str()).or_default()[column] += 1;
            };
            let is_last = !later.iter().any(|other| other.what == act.what);
            match act.what {
                "proposed" => {
                    count(0);
                    let back = |other: &super::leaves::Act| {
                        other.what == "returned" && other.proposal == act.version
                    };
                    if later.iter().any(back) {
                        count(1);
                    }
                    if is_last && case.decided.is_some() {
                        count(2);
                    }
                }
                "agreed" => {
                    count(3);
                    if case.decided.as_ref().is_some_and(|one| one.version == act.version + 1) {
                        count(4);
                    }
                }
                _ => count(5),
            }
        }
    }
    let row = |(official, counts): (&&str, &[usize; 6])| {
        json!([official, counts, thousandths(counts[1], counts[0])])
    };
    counts.iter().map(row).collect()
}
