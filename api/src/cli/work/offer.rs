//! `letopis work offer`: what an official does for people to whom a service is offered.
//!
//! A letter is printed with a code of its own; whoever comes to the front desk answers there. Not
//! here: the page on which a person answers without an official.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::intake::form;
use crate::cli::remote::Remote;

/// What to do with an offer.
#[derive(Debug, Subcommand)]
pub(super) enum Offer {
    /// Shows what is offered and what is filled in.
    Show {
        /// Id of the offer.
        offer: String,
    },
    /// Makes the letter that tells of the offer, with the code that opens it. Shown once: print it.
    Letter {
        /// Id of the offer.
        offer: String,
    },
    /// Notes that the letter came to the person, or did not.
    Settle {
        /// Id of the offer.
        offer: String,
        /// It did not come.
        #[arg(long)]
        failed: bool,
    },
    /// Accepts the offer for a person who came, and submits the application.
    Accept {
        /// Id of the offer.
        offer: String,
        /// File with what is missing in the form, as JSON.
        #[arg(long, value_name = "FILE")]
        form: PathBuf,
        /// How the person came; one of the service's channels.
        #[arg(long)]
        channel: Option<String>,
    },
    /// Declines the offer for a person who came.
    Decline {
        /// Id of the offer.
        offer: String,
    },
}

impl Offer {
    /// Does it, and gives the node's answer.
    pub(super) fn done(&self, remote: &Remote) -> anyhow::Result<Value> {
        let post = |offer: &str, what: &str, body: &Value| {
            let path = format!("api/v1/offers/{offer}/{what}");
            remote.post(&path, body.to_string().as_bytes())?.ok()
        };
        match self {
            Self::Show { offer } => remote.get(&format!("api/v1/offers/{offer}"))?.ok(),
            Self::Letter { offer } => post(offer, "letters", &json!({})),
            Self::Settle { offer, failed } => {
                post(offer, "notice", &json!({ "delivered": !failed }))
            }
            Self::Accept { offer, form: file, channel } => {
                let mut body = json!({ "form": form(file)? });
                if let Some(channel) = channel {
                    body["channel"] = json!(channel);
                }
                post(offer, "acceptance", &body)
            }
            Self::Decline { offer } => post(offer, "decline", &json!({})),
        }
    }
}
