//! `letopis work`: what an official does with cases, from the command line.
//!
//! The official's file holds its id, token and key; the key signs here and never leaves the file.
//! Not here: a workplace with pages.

mod intake;
mod look_up;
mod offer;
mod pay;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use letopis_ledger::key::AuthorSigner;
use letopis_registry::case::signing::AGREEMENT_PAYLOAD_TYPE;
use letopis_registry::environment::{Entropy, random};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

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
    /// Answers a request, or enters an answer that came by letter or phone.
    Answer {
        /// Id of the case.
        case: String,
        /// The request; a dotted path answers a subrequest.
        request: String,
        /// A fact, as field=value; true, false and whole numbers are read as such. None: no data.
        #[arg(long = "fact", value_name = "FIELD=VALUE")]
        facts: Vec<String>,
        /// The answer of a subrequest in words.
        #[arg(long)]
        text: Option<String>,
        /// workplace, paper or phone.
        #[arg(long, default_value = "workplace")]
        way: String,
        /// Number of the letter.
        #[arg(long)]
        letter: Option<String>,
        /// Id of a second official who heard the call.
        #[arg(long)]
        second: Option<String>,
    },
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
        Command::Pay(pay) => {
            let path = format!("api/v1/payments/{}/{}", pay.payments, pay.period);
            remote.post(&path, pay.body().to_string().as_bytes())?.ok()?
        }
        Command::Call(call) => {
            let path = format!("api/v1/services/{}/calls", call.service);
            remote.post(&path, call.body()?.to_string().as_bytes())?.ok()?
        }
        Command::Refuse(refuse) => post(&refuse.case, "intake-refusal", &refuse.body()?)?,
        Command::Answer { case, request, facts, text, way, letter, second } => {
            let mut body = json!({"request": request, "way": way});
            if !facts.is_empty() {
                body["facts"] = Value::Object(read_facts(facts)?);
            }
            for (name, value) in [("text", text), ("letter", letter), ("second", second)] {
                if let Some(value) = value {
                    body[name] = json!(value);
                }
            }
            post(case, "answers", &body)?
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
    println!("{shown:#}");
    Ok(())
}

fn card(remote: &Remote, case: &str) -> anyhow::Result<Value> {
    remote.get(&format!("api/v1/cases/{case}/card"))?.ok()
}

fn read_facts(facts: &[String]) -> anyhow::Result<Map<String, Value>> {
    let fact = |text: &String| {
        let (field, value) = text
            .split_once('=')
            .with_context(|| format!("{text:?} is not of the form field=value"))?;
        let plain = || Value::String(value.to_owned());
        let value = match value.parse::<i64>() {
            // A number with leading zeros is an identifier.
            Ok(number) if number.to_string() == value => json!(number),
            _ => value.parse::<bool>().map_or_else(|_| plain(), Value::Bool),
        };
        Ok((field.to_owned(), value))
    };
    facts.iter().map(fact).collect()
}
