//! U8, U15, U24, K37, D20: who is no official sees and does nothing; `letopis staff` and `letopis
//! work` do what they say; the demonstration has the whole way of a signed decision.

use std::path::Path;
use std::process::Output;

use letopis_tests::node::{NodeFolder, RunningNode};
use letopis_tests::office::{OUTLINE, shown, work};
use serde_json::{Value, json};

struct Office {
    // Before the folder, so that the process ends before its files go.
    node: RunningNode,
    folder: NodeFolder,
}

impl Office {
    fn new() -> Self {
        let folder = NodeFolder::init();
        let node = folder.start();
        folder.publish_pack(&node);
        Self { node, folder }
    }

    /// Appoints an executor of the permits unit; gives the official's file and id.
    fn appoint(&self, place: &Path, name: &str) -> (String, String) {
        let file = place.join(format!("{name}.json")).display().to_string();
        self.folder.appoint(&self.node, "permits:executor", Path::new(&file));
        let text = std::fs::read_to_string(&file).unwrap();
        let credentials: Value = serde_json::from_str(&text).unwrap();
        (file, credentials["official"].as_str().unwrap().to_owned())
    }

    fn submit(&self) -> (String, String) {
        let file = json!({
            "sha256": "ab".repeat(32), "size_bytes": 1, "media_type": "application/pdf",
        });
        let form = json!({
            "applicant": { "kind": "person", "name": "Анна Иванова", "snils": "112-233-445 95" },
            "parcel": "91:02:0001001:7", "object": { "name": "Дом", "area_m2": 100 },
            "geometry": OUTLINE, "project": file, "survey": file,
        });
        let body = json!({ "form": form }).to_string();
        let path = "/api/v1/services/building-permit/applications";
        let answer = self.node.post(path, body.as_bytes());
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.bytes));
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        (text("id"), text("token"))
    }
}

#[test]
fn the_rule_gives_cases_to_the_least_loaded_and_each_sees_their_own() {
    let office = Office::new();
    let place = tempfile::tempdir().unwrap();
    let (one_file, one) = office.appoint(place.path(), "one");
    let (two_file, _) = office.appoint(place.path(), "two");
    let (first, _) = office.submit();
    let (second, _) = office.submit();
    let cases = |file: &str| {
        letopis_tests::wait_for("an assignment", std::time::Duration::from_secs(20), || {
            let inbox = shown(&work(file, &["inbox"]));
            let cases = inbox["cases"].as_array().unwrap().clone();
            (cases.len() == 1).then(|| cases[0]["case"].as_str().unwrap().to_owned())
        })
    };
    let mut given = [cases(&one_file), cases(&two_file)];
    given.sort();
    let mut submitted = [first.clone(), second];
    submitted.sort();
    assert_eq!(given, submitted, "one case each");
    let card = shown(&work(&one_file, &["show", &given[0]]));
    assert_eq!(card["status"], "in_progress");
    // The facts are not complete, and a plan is not the executor's to give.
    let early = work(&one_file, &["propose", card["case"].as_str().unwrap(), "--motive", "да"]);
    assert!(!early.status.success());
    let foreign = work(&one_file, &["answer", &first, "planning", "--fact", "complies=true"]);
    let complaint = String::from_utf8_lossy(&foreign.stderr).into_owned();
    assert!(complaint.contains("planning") || complaint.contains("/number"), "{complaint}");
    // Who was dismissed is admitted no more, and the file says nothing else.
    assert!(office.folder.staff(&office.node, &["dismiss", &one]).status.success());
    let refused = work(&one_file, &["inbox"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("401"));
}

#[test]
fn cases_that_come_together_are_shared_evenly() {
    let office = Office::new();
    let place = tempfile::tempdir().unwrap();
    let files = ["one", "two"].map(|name| office.appoint(place.path(), name).0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| office.submit());
        }
    });
    let limit = std::time::Duration::from_secs(20);
    let given = letopis_tests::wait_for("every assignment", limit, || {
        let count =
            |file: &String| shown(&work(file, &["inbox"]))["cases"].as_array().unwrap().len();
        let given = [count(&files[0]), count(&files[1])];
        (given.iter().sum::<usize>() == 8).then_some(given)
    });
    assert_eq!(given, [4, 4]);
}

#[test]
fn nobody_else_gets_a_word_of_a_case() {
    let office = Office::new();
    let (case, token) = office.submit();
    let card = format!("/api/v1/cases/{case}/card");
    assert_eq!(office.node.get(&card).status, 401);
    assert_eq!(office.node.get("/api/v1/inbox").status, 401);
    // The applicant's token is not an official's.
    let answer = office.node.client().get_with_token(&card, &token);
    assert_eq!(answer.unwrap().status, 401);
    let operator = office.folder.operator_token();
    assert_eq!(office.node.client().get_with_token(&card, &operator).unwrap().status, 401);
    let body = json!({ "name": "x", "posts": [], "key": "AA==" }).to_string();
    let answer = office.node.try_post("/api/v1/officials", Some(&operator), body.as_bytes());
    assert_eq!(answer.unwrap().status, 400);
}

#[test]
fn an_applicant_reads_notices_and_calls_the_application_off() {
    let office = Office::new();
    let (case, token) = office.submit();
    let notices = format!("/api/v1/applications/{case}/notices");
    assert_eq!(office.node.get(&notices).status, 401);
    let delivered = || {
        let found = office.node.client().get_with_token(&notices, &token).ok()?.json();
        let found = found["notices"].as_array()?.clone();
        let first = found.first()?;
        (first["state"] == "delivered").then(|| first["kind"].clone())
    };
    let limit = std::time::Duration::from_secs(20);
    assert_eq!(letopis_tests::wait_for("a notice", limit, delivered), "registered");
    let path = format!("/api/v1/applications/{case}/cancellation");
    let answer = office.node.try_post(&path, Some(&token), b"").unwrap();
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    let status = office.node.get(&format!("/api/v1/applications/{case}")).json();
    let ended = letopis_tests::wait_for("the end", limit, || {
        let status = office.node.get(&format!("/api/v1/applications/{case}")).json();
        (status["status"] != "in_progress").then(|| status["status"].clone())
    });
    assert_eq!(ended, "cancelled", "{status}");
    let again = office.node.try_post(&path, Some(&token), b"").unwrap();
    assert_eq!(again.status, 422);
}

/// U24: the reasons of a typical decision go into a proposal, where the rules decide so.
#[test]
fn u24_an_executor_takes_over_the_reasons_of_a_typical_decision() {
    let office = Office::new();
    let place = tempfile::tempdir().unwrap();
    let (executor, _) = office.appoint(place.path(), "executor");
    let planner = place.path().join("planner.json").display().to_string();
    office.folder.appoint(&office.node, "planning:executor", Path::new(&planner));
    let (case, token) = office.submit();
    let facts =
        ["--fact", "number=ГП-1", "--fact", "issued_on=2026-11-20", "--fact", "complies=true"];
    shown(&work(&planner, &[&["answer", &case, "planning"][..], &facts].concat()));
    let listed = shown(&work(&executor, &["typical", "building-permit"]));
    let codes = listed["typical_decisions"].as_array().unwrap().iter();
    let codes: Vec<&str> = codes.map(|typical| typical["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["all-in-order", "not-the-holder"]);
    let propose =
        |code: &str| work(&executor, &["propose", &case, "--typical", code, "--language", "en"]);
    let complaint = |code: &str| {
        let limit = std::time::Duration::from_secs(20);
        letopis_tests::wait_for("the answers", limit, || {
            let output = propose(code);
            assert!(!output.status.success());
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            // The register of rights is asked, and the case given to somebody, meanwhile.
            let early = text.contains("waits for") || text.contains("nobody works");
            (!early).then_some(text)
        })
    };
    // Nobody holds the parcel by the register: what is in order elsewhere is not so here.
    assert!(complaint("all-in-order").contains("refused G3"), "{}", complaint("all-in-order"));
    assert!(complaint("no-such").contains("no typical decision"));
    shown(&propose("not-the-holder"));
    // The reasons are the applicant's, with the values of the case and the act.
    let own = format!("/api/v1/applications/{case}/private");
    let own = office.node.client().get_with_token(&own, &token).unwrap().json();
    let motive = own["fields"].as_array().unwrap().iter().find(|f| f["name"] == "motive").unwrap();
    let motive = motive["value"].as_str().unwrap();
    for part in ["91:02:0001001:7", "G3", "Resolution No 11, clause 2.10 (3)"] {
        assert!(motive.contains(part), "{motive}");
    }
}

/// U8: the head of the heritage unit sees the historic building that the plot meets, with number
/// and leaf, and no other; anybody finds it by an area.
#[test]
fn u8_the_head_sees_the_building_that_is_met_and_not_the_other() {
    let office = Office::new();
    let place = tempfile::tempdir().unwrap();
    let official = |post: &str| {
        let file = place.path().join(format!("{}.json", post.replace(':', "-")));
        let file = file.display().to_string();
        office.folder.appoint(&office.node, post, Path::new(&file));
        file
    };
    let (planner, head) = (official("planning:executor"), official("heritage:head"));
    let far = OUTLINE.replace("33.", "35.");
    let building = |id: &str, polygon: &str| {
        json!({
            "object_id": id, "name": "Дом", "act": "1", "category": "местного значения",
            "protected_features": "фасад", "polygon": polygon,
        })
    };
    let buildings = json!([building("ИЗ-1", OUTLINE), building("ИЗ-2", &far)]);
    office.folder.enter(&office.node, "historic_building", &buildings);
    let land =
        json!([{ "parcel": "91:02:0001001:7", "holder": "112-233-445 95", "heritage_zone": true }]);
    office.folder.enter(&office.node, "land_right", &land);
    let (case, _) = office.submit();
    let facts =
        ["--fact", "number=ГП-1", "--fact", "issued_on=2026-11-20", "--fact", "complies=true"];
    shown(&work(&planner, &[&["answer", &case, "planning"][..], &facts].concat()));
    let limit = std::time::Duration::from_secs(20);
    let seen = letopis_tests::wait_for("the heritage check", limit, || {
        let output = work(&head, &["show", &case]);
        let card = output.status.success().then(|| shown(&output))?;
        let seen = card["shown"].as_array()?.first()?.clone();
        Some(seen)
    });
    assert_eq!(
        (&seen["request"], &seen["registry"]),
        (&json!("heritage-check"), &json!("historic_building"))
    );
    assert_eq!(seen["more"], false);
    let entries = seen["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{seen}");
    assert_eq!(entries[0]["fields"]["object_id"], "ИЗ-1");
    assert!(entries[0]["leaf"].is_u64());
    // Once it is answered nothing waits to be looked at.
    shown(&work(&head, &["answer", &case, "heritage-check", "--fact", "hit=false"]));
    assert_eq!(shown(&work(&head, &["show", &case]))["shown"], json!([]));

    let path = |meets: &str| {
        let meets: String = meets.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("/api/v1/registries/historic_building/entries?meets={meets}")
    };
    let found = office.node.get(&path(&format!("{{\"polygon\":{far}}}"))).json();
    let ids: Vec<&Value> =
        found["entries"].as_array().unwrap().iter().map(|e| &e["fields"]["object_id"]).collect();
    assert_eq!(ids, [&json!("ИЗ-2")]);
    for wrong in
        ["{}", "7", r#"{"name":{}}"#, r#"{"polygon":{"type":"Point","coordinates":[1,2]}}"#]
    {
        assert_eq!(office.node.get(&path(wrong)).status, 400, "{wrong}");
    }
}

/// U15: the applicant sees what is asked, in words and as a form, and answers it.
#[test]
fn u15_an_applicant_sees_what_is_asked_and_answers_it() {
    let office = Office::new();
    let file = json!({
        "sha256": "ab".repeat(32), "size_bytes": 1, "media_type": "application/pdf",
    });
    let form = json!({
        "applicant": { "kind": "person", "name": "Анна Иванова", "snils": "112-233-445 95" },
        "parcel": "91:02:0001001:7", "object": { "name": "Дом", "area_m2": 100 },
        "geometry": OUTLINE, "project": file,
    });
    let path = "/api/v1/services/building-permit/applications";
    let answer = office.node.post(path, json!({ "form": form }).to_string().as_bytes()).json();
    let (case, token) = (answer["id"].as_str().unwrap(), answer["token"].as_str().unwrap());
    let requests = format!("/api/v1/applications/{case}/requests");
    assert_eq!(office.node.get(&requests).status, 401);
    let asked = || office.node.client().get_with_token(&requests, token).unwrap().json();
    let all = asked();
    assert_eq!(all["requests"].as_array().unwrap().len(), 1, "{all}");
    let one = &all["requests"][0];
    assert_eq!(one["request"], "missing-file");
    assert_eq!(one["text"]["en"], "Attach the results of the survey.");
    assert!(one["suspended_until"].is_string(), "{one}");
    let required = one["form"]["required"].as_array().unwrap();
    assert!(required.contains(&json!("sha256")) && required.contains(&json!("media_type")));
    let answers = format!("/api/v1/applications/{case}/answers");
    let send = |facts: Value| {
        let body = json!({ "request": "missing-file", "facts": facts }).to_string();
        office.node.try_post(&answers, Some(token), body.as_bytes()).unwrap()
    };
    let wrong = send(json!({ "sha256": "ab".repeat(32) }));
    assert_eq!((wrong.status, wrong.code()), (422, "invalid-form".to_owned()));
    assert_eq!(send(file).status, 200);
    assert_eq!(asked()["requests"], json!([]));
}

/// D20, U19: who was neither asked nor works on the case opens and answers nothing below a request,
/// and a second person who heard a call is an official.
#[test]
fn only_who_was_asked_asks_on_and_answers() {
    let office = Office::new();
    let place = tempfile::tempdir().unwrap();
    let (executor, _) = office.appoint(place.path(), "executor");
    let appoint = |post: &str| {
        let file = place.path().join(format!("{}.json", post.replace(':', "-")));
        office.folder.appoint(&office.node, post, &file);
        file.display().to_string()
    };
    let (planner, outsider) = (appoint("planning:executor"), appoint("treasury:keeper"));
    let (case, _) = office.submit();
    let refused = |output: &Output| {
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let ask = ["ask", &case, "planning.archive", "--addressee", "Архив", "--way", "phone"];
    letopis_tests::wait_for("the case", std::time::Duration::from_secs(20), || {
        work(&executor, &["show", &case]).status.success().then_some(())
    });
    assert!(refused(&work(&outsider, &ask)).contains("does not hold a post"));
    assert!(work(&planner, &ask).status.success());
    let answer = |second: &str| {
        let told = ["--text", "Есть", "--way", "phone", "--second", second];
        [&["answer", case.as_str(), "planning.archive"], &told[..]]
            .concat()
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    let run = |file: &str, arguments: &[String]| {
        work(file, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let nobody = answer("01a20006-66a1-7e3f-b5d0-585925c3de63");
    assert!(refused(&run(&planner, &nobody)).contains("404"));
    let text = std::fs::read_to_string(&executor).unwrap();
    let credentials: Value = serde_json::from_str(&text).unwrap();
    let heard = answer(credentials["official"].as_str().unwrap());
    assert!(refused(&run(&outsider, &heard)).contains("does not hold a post"));
    let taken = run(&planner, &heard);
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    // What the regulation never asks is refused, and nobody sets another agency's notices aside.
    let unknown = work(&executor, &["answer", &case, "smoke"]);
    assert!(refused(&unknown).contains("smoke"));
}

/// Who was only asked sees what they were asked and what they answered, and nothing else that is
/// private; who works on the case sees all of it.
#[test]
fn who_was_asked_sees_their_own_request_and_nothing_private_beside_it() {
    let office = Office::new();
    let place = tempfile::tempdir().unwrap();
    let (executor, _) = office.appoint(place.path(), "executor");
    let planner = place.path().join("planner.json").display().to_string();
    office.folder.appoint(&office.node, "planning:executor", Path::new(&planner));
    let (case, _) = office.submit();
    let facts =
        ["--fact", "number=ГП-1", "--fact", "issued_on=2026-11-20", "--fact", "complies=true"];
    shown(&work(&planner, &[&["answer", &case, "planning"][..], &facts].concat()));
    let seen = |who: &str| {
        let card = shown(&work(who, &["show", &case]));
        let history = shown(&work(who, &["history", &case]));
        let text = format!("{card}{history}");
        ["form.applicant.snils", "112-233-445 95", "request.planning.parcel", "ГП-1"]
            .map(|name| text.contains(name))
    };
    assert_eq!(seen(&planner), [false, false, true, true]);
    letopis_tests::wait_for("the case to be given", std::time::Duration::from_secs(20), || {
        work(&executor, &["show", &case]).status.success().then_some(())
    });
    assert_eq!(seen(&executor), [true; 4]);
}
