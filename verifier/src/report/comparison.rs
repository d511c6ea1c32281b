//! The report of a comparison of two heads.

use serde_json::{Value, json};

use super::Report;
use crate::compare::{Compared, Outcome};
use crate::finding::{Finding, Findings, Rule};
use crate::message::Message;

impl Report {
    /// The report of a comparison of two heads.
    #[must_use]
    pub fn of_comparison(compared: &Compared) -> Self {
        let mut findings = Findings::default();
        let mut undecided = None;
        let mut both: Vec<&str> = Vec::new();
        let (name, key) = match &compared.outcome {
            Outcome::Same => ("same", Some("compare.same")),
            Outcome::Consistent => ("consistent", Some("compare.consistent")),
            Outcome::Equivocation(_, signers) => {
                both = signers.iter().map(|signer| signer.name.as_str()).collect();
                let detail = format!("signed both heads: {}", both.join(", "));
                findings.push(Finding::whole(Rule::Equivocation, detail));
                ("equivocation", None)
            }
            Outcome::Undecided(reason) => {
                undecided = Some(reason.to_string());
                ("undecided", None)
            }
        };
        let mut report = Self::with_findings(&findings);
        report.undecided.clone_from(&undecided);
        let heads = report.head_lines(compared);
        report.lines.extend(key.map(|key| Message::new(key, [])));
        let origin = compared.heads[0].1.origin().to_string();
        report.facts = json!({ "compare": {
            "outcome": name, "origin": origin, "heads": heads,
            "signed_both": both, "undecided": undecided,
        }});
        report
    }

    fn head_lines(&mut self, compared: &Compared) -> Vec<Value> {
        let origin = compared.heads[0].1.origin().to_string();
        self.line("compare.heading", [("origin", origin)]);
        let mut heads = Vec::new();
        for ((place, head), signers) in compared.heads.iter().zip(&compared.signers) {
            let (size, root) = (head.size(), head.root().to_base64());
            heads.push(json!({
                "place": place, "size": size.get(), "root": root, "signers": signers,
            }));
            let values = [("place", place.clone()), ("size", size.to_string()), ("root", root)];
            self.line("compare.head", values);
            if !signers.is_empty() {
                self.line("compare.signers", [("signers", signers.join(", "))]);
            }
        }
        if compared.signers.iter().any(Vec::is_empty) {
            self.line("compare.unsigned", []);
        }
        heads
    }
}
