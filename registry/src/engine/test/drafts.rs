//! Drafts stay out of the log, go when their days are over, and make one case.

use letopis_ledger::Timestamp;

use super::*;
use crate::event::DraftId;
use crate::private::{DraftChange, PrivateBatch};

fn save(node: &TwinNode, form: &Value) -> Result<DraftId, EngineError> {
    let service = ServiceCode::parse("parking-permit").unwrap();
    let portal = ChannelCode::parse("portal").unwrap();
    let saved = block_on(node.engine.save_draft(&service, &portal, None, form));
    saved.map(|(state, _)| state.draft.id)
}

#[test]
fn a_draft_makes_one_case_however_often_it_is_submitted() {
    let node = furnished();
    let leaves = node.ledger.leaves_now().len();
    let id = save(&node, &form(ANNA, PLATES[0])).unwrap();
    assert_eq!(node.ledger.leaves_now().len(), leaves);
    let portal = ChannelCode::parse("portal").unwrap();
    node.ledger.next(Mishap::AnswerLost);
    let lost = block_on(node.engine.submit_draft(id, &portal));
    assert!(matches!(lost, Err(EngineError::Append(AppendRefused::Unavailable { .. }))));
    let first = block_on(node.engine.submit_draft(id, &portal)).unwrap().accepted;
    let again = block_on(node.engine.submit_draft(id, &portal)).unwrap().accepted;
    assert_eq!(first.case, again.case);
    assert!(first.repeated && again.repeated);
    assert_ne!(first.token.reveal(), again.token.reveal());
    assert_eq!(node.ledger.leaves_now().len(), leaves + 1);
}

#[test]
fn what_is_filled_in_must_fit_and_what_is_missing_is_named() {
    let node = furnished();
    let wrong = save(&node, &json!({"plate": "no plate"}));
    assert!(matches!(wrong, Err(EngineError::Form { errors }) if errors.len() == 1));
    let id = save(&node, &json!({"zone": "Z1"})).unwrap();
    let problems = node.engine.draft(id).unwrap().problems;
    let pointers: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(pointers, ["/applicant", "/dwelling", "/plate", "/validity_years"]);
}

#[test]
fn old_drafts_go_and_submitted_ones_after_a_day() {
    let node = furnished();
    let [old, submitted, young] = [0, 1, 2].map(|_| save(&node, &json!({"zone": "Z1"})).unwrap());
    let case = Some(run(&node, ANNA, PLATES[0]).0);
    let age = |id: DraftId, days: i64, case: Option<CaseId>| {
        let draft = node.engine.draft(id).unwrap().draft;
        let saved_ms = draft.saved_at.unix_ms() - days * 86_400_000;
        let saved_at = Timestamp::from_unix_ms(saved_ms).unwrap();
        let drafts =
            vec![DraftChange::Save(Box::new(crate::private::Draft { saved_at, case, ..draft }))];
        let batch = PrivateBatch { drafts, ..PrivateBatch::default() };
        block_on(node.engine.private().put(batch)).unwrap();
    };
    age(old, 91, None);
    age(submitted, 2, case);
    age(young, 89, None);
    assert_eq!(block_on(node.engine.forget_old_drafts()).unwrap(), 2);
    assert!(node.engine.draft(young).is_ok());
    for gone in [old, submitted] {
        assert!(matches!(node.engine.draft(gone), Err(EngineError::UnknownEntry { .. })));
    }
}
