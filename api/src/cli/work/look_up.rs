//! `letopis work inbox`, `offers`, `payments`, `show`, `history`, `find`, `precedents` and
//! `typical`: what an official looks up.
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
    /// Shows every event of a case with its time and leaf.
    History {
        /// Id of the case.
        case: String,
    },
    /// Finds cases by what is known of them.
    Find {
        /// Its number.
        #[arg(long)]
        number: Option<String>,
        /// Code of the service.
        #[arg(long)]
        service: Option<String>,
        /// in_progress, granted, refused, not_taken or cancelled.
        #[arg(long)]
        status: Option<String>,
        /// Number of the receipt from another system.
        #[arg(long)]
        receipt: Option<String>,
        /// Number in the applicant's cabinet of another system.
        #[arg(long)]
        cabinet: Option<String>,
        /// Where the page before ended.
        #[arg(long)]
        after: Option<String>,
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
            Self::History { case } => Ok(card(remote, case)?["history"].take()),
            Self::Find { number, service, status, receipt, cabinet, after } => {
                let named = [
                    ("number", number),
                    ("service", service),
                    ("status", status),
                    ("receipt", receipt),
                    ("cabinet", cabinet),
                    ("after", after),
                ];
                let query = named.iter().filter_map(|(name, text)| Some((*name, text.as_deref()?)));
                remote.get_with("api/v1/cases", &query.collect::<Vec<_>>())?.ok()
            }
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
