//! `letopis work`: what an official does with cases, from the command line.
//!
//! The official's file holds its id, token and key; the key signs here and never leaves the file.
//! Not here: a workplace with pages.

mod answer;
mod intake;
mod look_up;
mod offer;
mod pay;
mod quarantine;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use letopis_ledger::key::AuthorSigner;
use letopis_registry::case::signing::{AGREEMENT_PAYLOAD_TYPE, ANSWER_PAYLOAD_TYPE};
use letopis_registry::environment::{Entropy, random};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::print;
use super::remote::Remote;
use crate::service::environment::System;

/// Whose work.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// File that `letopis staff appoint` wrote.
    #[arg(long = "as", value_name = "FILE")]
    credentials: PathBuf,
    /// Address of the node; the one in the file without it.
    #[arg(long, value_name = "URL")]
    node: Option<String>,
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    LookUp(look_up::LookUp),
    /// Enters an application that came on paper, or puts on record why it is not taken.
    Enter(intake::Enter),
    /// Takes down a draft for somebody who calls, and shows its id and token for the caller.
    Call(intake::Call),
    /// Does not take an application that is registered, within the regulation's intake check.
    Refuse(intake::Refuse),
    /// Answers offers for people who come, and makes the letters that tell of them.
    #[command(subcommand)]
    Offer(offer::Offer),
    /// Notes what became of a payment.
    Pay(pay::Pay),
    /// Looks after applications of other systems that no route leads to a service.
    #[command(subcommand)]
    Quarantine(quarantine::Quarantine),
    /// Notes whether a letter or a call came to the applicant.
    Notice {
        /// Id of the case.
        case: String,
        /// Number of the notice, as the inbox shows it.
        notice: u64,
        /// It did not come.
        #[arg(long)]
        failed: bool,
    },
    /// Answers a request, enters an answer that came by letter or phone, or closes a request that
    /// was escalated.
    Answer(answer::Answer),
    /// Asks somebody else on the way to an answer.
    Ask {
        /// Id of the case.
        case: String,
        /// The request, then a name of your choice, joined by a dot.
        path: String,
        /// Who is asked.
        #[arg(long)]
        addressee: String,
        /// electronic, paper or phone.
        #[arg(long, default_value = "paper")]
        way: String,
        /// The answer above need not wait for it.
        #[arg(long)]
        optional: bool,
        /// Working days that the one asked may take.
        #[arg(long, default_value_t = 5)]
        working_days: u32,
    },
    /// Proposes the decision that the rules give.
    Propose {
        /// Id of the case.
        case: String,
        /// Why, in words.
        #[arg(long, required_unless_present = "typical")]
        motive: Option<String>,
        /// Code of a typical decision whose reasons are taken over.
        #[arg(long, conflicts_with = "motive")]
        typical: Option<String>,
        /// Language of these reasons, ru or en.
        #[arg(long, default_value = "ru")]
        language: String,
    },
    /// Agrees to the proposal that waits, and signs it.
    Agree {
        /// Id of the case.
        case: String,
    },
    /// Returns the proposal that waits.
    Return {
        /// Id of the case.
        case: String,
        /// What is wrong.
        #[arg(long)]
        remarks: String,
    },
    /// Gives a case to another official.
    Give {
        /// Id of the case.
        case: String,
        /// Id of the official.
        #[arg(long)]
        to: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

/// What an official needs to work.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Credentials {
    node: String,
    official: String,
    token: String,
    /// The 32 bytes of the key in hexadecimal digits.
    key: String,
}

impl Credentials {
    /// Makes a key for somebody who has no id and token yet.
    pub(super) fn generate(node: &str) -> anyhow::Result<Self> {
        let seed: [u8; 32] = random(&System as &dyn Entropy);
        let (official, token) = (String::new(), String::new());
        Ok(Self { node: node.to_owned(), official, token, key: hex::encode(seed) })
    }

    /// The same key for the official whom the node has appointed.
    pub(super) fn admitted(self, official: String, token: String) -> Self {
        Self { official, token, ..self }
    }

    /// Id of the official.
    pub(super) fn official(&self) -> &str {
        &self.official
    }

    /// Reads an official's file.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read(path).with_context(|| format!("{}", path.display()))?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{} is not an official's file", path.display()))
    }

    /// Writes the file, readable by its owner alone.
    pub(super) fn write(&self, path: &Path, replace: bool) -> anyhow::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        match replace {
            true => options.truncate(true),
            false => options.create_new(true),
        };
        let mut file = options.open(path).with_context(|| format!("{}", path.display()))?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        Ok(file.sync_all()?)
    }

    /// The public key in base64.
    pub(super) fn public_key(&self) -> anyhow::Result<String> {
        Ok(self.signer()?.key().to_base64())
    }

    /// The node, to which the official is known; another address than the file's, if one is given.
    pub(super) fn remote(&self, node: Option<&str>) -> Remote {
        let remote = Remote::new(node.unwrap_or(&self.node)).with_token(&self.token);
        remote.with_official(&self.official)
    }

    /// Signs with the key.
    pub(super) fn signer(&self) -> anyhow::Result<AuthorSigner> {
        let mut seed = [0; 32];
        hex::decode_to_slice(&self.key, &mut seed).context("the key has 64 digits")?;
        Ok(AuthorSigner::from_seed(&seed))
    }
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let credentials = Credentials::read(&arguments.credentials)?;
    let remote = credentials.remote(arguments.node.as_deref());
    let post = |case: &str, what: &str, body: &Value| {
        let path = format!("api/v1/cases/{case}/{what}");
        remote.post(&path, body.to_string().as_bytes())?.ok()
    };
    let shown = match &arguments.command {
        Command::LookUp(look_up) => look_up.found(&remote)?,
        Command::Enter(application) => {
            let path = format!("api/v1/services/{}/entries", application.service);
            remote.post(&path, application.body()?.to_string().as_bytes())?.ok()?
        }
        Command::Offer(offer) => offer.done(&remote)?,
        Command::Quarantine(quarantine) => quarantine.done(&remote)?,
        Command::Notice { case, notice, failed } => {
            post(case, &format!("notices/{notice}"), &json!({"delivered": !failed}))?
        }
        Command::Pay(pay) => {
            let path = format!("api/v1/payments/{}/{}", pay.payments, pay.period);
            remote.post(&path, pay.body().to_string().as_bytes())?.ok()?
        }
        Command::Call(call) => {
            let path = format!("api/v1/services/{}/calls", call.service);
            remote.post(&path, call.body()?.to_string().as_bytes())?.ok()?
        }
        Command::Refuse(refuse) => post(&refuse.case, "intake-refusal", &refuse.body()?)?,
        Command::Answer(answer) => {
            let mut body = answer.body(&remote)?;
            if answer.is_signed(&remote) {
                let text = post(&answer.case, "answers/text", &body)?;
                let text = text["text"].as_str().unwrap_or_default();
                let signer = credentials.signer()?;
                let signature = signer.sign_as(ANSWER_PAYLOAD_TYPE, text.as_bytes());
                body["signature"] = json!(signature.to_base64());
            }
            post(&answer.case, "answers", &body)?
        }
        Command::Ask { case, path, addressee, way, optional, working_days } => {
            let body = json!({
                "path": path, "addressee": addressee, "way": way, "mandatory": !optional,
                "working_days": working_days
            });
            post(case, "subrequests", &body)?
        }
        Command::Propose { case, motive, typical, language } => {
            let body = match typical {
                Some(code) => json!({"typical": code, "language": language}),
                None => json!({"motive": motive}),
            };
            post(case, "proposals", &body)?
        }
        Command::Agree { case } => {
            let to_agree = &card(&remote, case)?["to_agree"];
            let Some(text) = to_agree["text"].as_str() else {
                bail!("no proposal of this case waits for your agreement");
            };
            let signature = credentials.signer()?.sign_as(AGREEMENT_PAYLOAD_TYPE, text.as_bytes());
            let signature = signature.to_base64();
            let body = json!({"proposal": to_agree["proposal"], "signature": signature});
            post(case, "agreements", &body)?
        }
        Command::Return { case, remarks } => {
            let proposal = card(&remote, case)?["proposal"]["proposal"].clone();
            post(case, "returns", &json!({"proposal": proposal, "remarks": remarks}))?
        }
        Command::Give { case, to, reason } => {
            post(case, "assignment", &json!({"official": to, "reason": reason}))?
        }
    };
    print(&shown)
}

fn card(remote: &Remote, case: &str) -> anyhow::Result<Value> {
    remote.get(&format!("api/v1/cases/{case}/card"))?.ok()
}
