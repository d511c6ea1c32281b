//! U5, U6, U35: what people ask about equals its recount from the leaves by other code.

use std::collections::BTreeMap;

use letopis_ledger::Timestamp;
use serde_json::{Value, json};

use super::leaves::{Days, instant, percentile, text, thousandths};
use super::recount::CALENDARS;
use super::town::town;
use crate::statistics::*;

#[test]
fn u5_u6_u35_topics_equal_a_recount_from_the_leaves() {
    let town = town();
    let (model, book) = (town.node.engine.model(), town.node.engine.calendar_book());
    let all = (Timestamp::EPOCH, Timestamp::from_unix_ms(253_402_000_000_000).unwrap());
    let rows = model.consultations(all).unwrap().value;
    let advice: Vec<Advice> = rows.into_iter().map(Advice::from).collect();
    let percentiles = |one: Percentiles| json!([one.p50_ms, one.p90_ms, one.p99_ms]);
    let ours: Vec<Value> = topics(&advice, &book)
        .iter()
        .map(|one| {
            let Topic { agency, service, topic } = &one.topic;
            json!({
                "of": [agency.as_str(), service.as_str(), topic.as_str()],
                "count": one.consultations,
                "led_to": [one.answered, one.sent_on, one.applied],
                "applied": one.applied_per_mille,
                "elapsed": percentiles(one.elapsed), "working": percentiles(one.working),
            })
        })
        .collect();

    let days = Days::read(&CALENDARS);
    let mut asked: BTreeMap<[String; 3], Vec<(i64, i64, String)>> = BTreeMap::new();
    for leaf in town.node.ledger.leaves_now() {
        let leaf: Value = serde_json::from_slice(leaf.as_bytes()).unwrap();
        for event in leaf["record"]["events"].as_array().unwrap() {
            if event["type"] == "consultation.registered" {
                let data = &event["data"];
                let (service, topic) = (text(&data["service"]), text(&data["topic"]));
                let key = [text(&leaf["record"]["author"]), service, topic];
                let took = data["duration_ms"].as_i64().unwrap();
                let one = (instant(&leaf["time"]), took, text(&data["outcome"]));
                asked.entry(key).or_default().push(one);
            }
        }
    }
    let mut theirs: Vec<Value> = asked
        .iter()
        .map(|(key, all)| {
            let led_to = |how: &str| all.iter().filter(|one| one.2 == how).count();
            let of = |values: &[i64]| json!([50, 90, 99].map(|p| percentile(values, p)));
            let clock: Vec<i64> = all.iter().map(|one| one.1).collect();
            let work: Vec<i64> = all.iter().map(|one| days.work(one.0 - one.1, one.0)).collect();
            json!({
                "of": key, "count": all.len(),
                "led_to": [led_to("answered"), led_to("sent_on"), led_to("applied")],
                "applied": thousandths(led_to("applied"), all.len()),
                "elapsed": of(&clock), "working": of(&work),
            })
        })
        .collect();
    theirs.sort_by_key(|one| std::cmp::Reverse(one["count"].as_u64()));
    assert_eq!(json!(ours), json!(theirs));
    assert!(theirs.len() >= 4, "{theirs:#?}");
    assert!(theirs.iter().any(|one| one["elapsed"] != one["working"]), "all at work");
}
