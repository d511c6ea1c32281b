//! `letopis work inbox`, `offers`, `payments`, `show`, `precedents` and `typical`: what an official
//! looks up.
//!
//! Not here: what changes anything.

use clap::Subcommand;
use serde_json::Value;

use super::answer::read_facts;
use super::card;
use crate::cli::remote::Remote;

/// What to look up.
#[derive(Debug, Subcommand)]
pub(super) enum LookUp {
    /// Shows what waits: cases, requests, proposals.
    Inbox,
    /// Shows the open offers of services whose applications the official may enter.
    Offers,
    /// Shows the payments that are due or failed, for whoever pays.
    Payments {
        /// Where the page before ended.
        #[arg(long)]
        after: Option<String>,
    },
    /// Shows a case.
    Show {
        /// Id of the case.
        case: String,
    },
    /// Finds past decisions of a service by outcome, ground and public facts.
    Precedents {
        /// Code of the service.
        service: String,
        /// granted or refused.
        #[arg(long)]
        outcome: Option<String>,
        /// Code of a ground.
        #[arg(long)]
        ground: Option<String>,
        /// A public fact, as in form.zone=Z1 or input.resident=true.
        #[arg(long = "fact", value_name = "NAME=VALUE")]
        facts: Vec<String>,
        /// Where the page before ended.
        #[arg(long)]
        after: Option<String>,
    },
    /// Shows the typical decisions of a service.
    Typical {
        /// Code of the service.
        service: String,
    },
}

impl LookUp {
    /// What the node knows.
    pub(super) fn found(&self, remote: &Remote) -> anyhow::Result<Value> {
        match self {
            Self::Inbox => remote.get("api/v1/inbox")?.ok(),
            Self::Offers => remote.get("api/v1/offers")?.ok(),
            Self::Payments { after } => {
                let query = after.as_deref().map(|after| ("after", after));
                remote.get_with("api/v1/payments", query.as_slice())?.ok()
            }
            Self::Show { case } => card(remote, case),
            Self::Precedents { service, outcome, ground, facts, after } => {
                let facts = Value::Object(read_facts(facts, |_| None)?).to_string();
                let mut query = vec![("facts", facts.as_str())];
                for (name, value) in [("outcome", outcome), ("ground", ground), ("after", after)] {
                    query.extend(value.as_deref().map(|value| (name, value)));
                }
                remote.get_with(&format!("api/v1/services/{service}/precedents"), &query)?.ok()
            }
            Self::Typical { service } => {
                remote.get(&format!("api/v1/services/{service}/typical-decisions"))?.ok()
            }
        }
    }
}
