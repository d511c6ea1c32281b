//! `letopis work pay`: notes what became of a payment, for whoever pays without a program.
//!
//! Not here: moving money; `letopis work payments` shows the orders (`look_up`).

use clap::Args;
use serde_json::{Value, json};

/// What became of a payment.
#[derive(Debug, Args)]
pub(super) struct Pay {
    /// Id of the entry's payments.
    pub(super) payments: String,
    /// The month, as in 2026-12.
    pub(super) period: String,
    /// The money did not come to the person.
    #[arg(long)]
    failed: bool,
    /// The number that the paying system gave it.
    #[arg(long)]
    reference: Option<String>,
}

impl Pay {
    /// The body of the request.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({"outcome": if self.failed { "failed" } else { "paid" }});
        if let Some(reference) = &self.reference {
            body["reference"] = json!(reference);
        }
        body
    }
}
