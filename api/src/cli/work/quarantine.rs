//! `letopis work quarantine`: applications of other systems that no route leads to a service.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::remote::Remote;

/// What to do with messages that wait.
#[derive(Debug, Subcommand)]
pub(super) enum Quarantine {
    /// Shows the messages that wait, with what was sent.
    List,
    /// Submits the application of a message to a service.
    Release {
        /// Id of the message.
        message: String,
        /// Code of the service.
        #[arg(long)]
        service: String,
        /// Channel that it comes by; the first one open to applicants without it.
        #[arg(long)]
        channel: Option<String>,
    },
    /// Rejects a message: it is for no service of the agency.
    Reject {
        /// Id of the message.
        message: String,
        /// Why, in words.
        #[arg(long)]
        reason: String,
    },
}

impl Quarantine {
    /// What the node answers.
    pub(super) fn done(&self, remote: &Remote) -> anyhow::Result<Value> {
        let post = |message: &str, what: &str, body: &Value| {
            let path = format!("api/v1/quarantine/{message}/{what}");
            remote.post(&path, body.to_string().as_bytes())?.ok()
        };
        match self {
            Self::List => remote.get("api/v1/quarantine")?.ok(),
            Self::Release { message, service, channel } => {
                let mut body = json!({"service": service});
                if let Some(channel) = channel {
                    body["channel"] = json!(channel);
                }
                post(message, "release", &body)
            }
            Self::Reject { message, reason } => {
                post(message, "rejection", &json!({"reason": reason}))
            }
        }
    }
}
