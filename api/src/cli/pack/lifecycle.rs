//! `letopis pack propose`, `remark`, `resolve`, `sign`, `status`, `compare`: a new version on its
//! way into force.
//!
//! Who signs has the files at hand: the signature is over those in the folder, and is made only if
//! they are the ones proposed. The official's key never leaves its file.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use letopis_ledger::StreamVersion;
use letopis_registry::code::{PackCode, StageCode};
use letopis_registry::event::OfficialId;
use letopis_registry::lifecycle::{STAGE_PAYLOAD_TYPE, stage_text};
use letopis_registry::pack::{Change, Pack, compare};
use serde_json::{Value, json};

use super::{body_of, load};
use crate::cli::remote::Remote;
use crate::cli::work::Credentials;

/// What to do with a new version.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Proposes a pack as the next version of its code.
    Propose {
        /// Folder of the pack.
        pack: PathBuf,
        #[command(flatten)]
        acting: Acting,
    },
    /// Puts on record that something is wrong with what is proposed.
    Remark {
        #[command(flatten)]
        version: Version,
        #[command(flatten)]
        acting: Acting,
        /// What is wrong; everybody can read it.
        #[arg(long)]
        text: String,
        /// The file of the pack that it is about.
        #[arg(long)]
        file: Option<String>,
    },
    /// Puts on record that what a remark was about is put right.
    Resolve {
        #[command(flatten)]
        version: Version,
        /// Number of the remark.
        remark: u64,
        #[command(flatten)]
        acting: Acting,
        /// How; everybody can read it.
        #[arg(long)]
        text: String,
    },
    /// Signs the open stage over the files of a folder, which must be those proposed.
    Sign {
        /// Folder of the pack.
        pack: PathBuf,
        #[command(flatten)]
        acting: Acting,
    },
    /// Shows how far a version is: stages, remarks, and what it changes.
    Status {
        #[command(flatten)]
        version: Version,
        /// Address of the node.
        #[arg(long, default_value = "http://127.0.0.1:8460")]
        node: String,
    },
    /// Lists what a version of a pack changes of an older one.
    Compare {
        /// Folder of the older version.
        old: PathBuf,
        /// Folder of the newer version.
        new: PathBuf,
    },
}

/// Whose work.
#[derive(Debug, Args)]
pub(crate) struct Acting {
    /// File that `letopis staff appoint` wrote.
    #[arg(long = "as", value_name = "FILE")]
    credentials: PathBuf,
    /// Address of the node; the one in the file without it.
    #[arg(long, value_name = "URL")]
    node: Option<String>,
}

/// Which version.
#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Code of the pack.
    code: String,
    /// The version.
    version: u32,
}

impl Acting {
    fn admitted(&self) -> anyhow::Result<(Credentials, Remote)> {
        let credentials = Credentials::read(&self.credentials)?;
        let remote = credentials.remote(self.node.as_deref());
        Ok((credentials, remote))
    }
}

impl Version {
    fn path(&self) -> anyhow::Result<String> {
        Ok(path(&PackCode::parse(&self.code)?, self.version))
    }
}

/// Runs the command.
pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    let shown = match command {
        Command::Propose { pack, acting } => {
            let pack = load(pack)?;
            let (_, remote) = acting.admitted()?;
            let path = format!("{}/proposals", path(pack.code(), pack.version()));
            remote.post(&path, body_of(&pack).as_bytes())?.ok()?
        }
        Command::Remark { version, acting, text, file } => {
            let (_, remote) = acting.admitted()?;
            let status = remote.get(&version.path()?)?.ok()?;
            let mut body = json!({"proposal": status["proposal"], "text": text});
            if let Some(file) = file {
                body["file"] = json!(file);
            }
            let path = format!("{}/remarks", version.path()?);
            remote.post(&path, body.to_string().as_bytes())?.ok()?
        }
        Command::Resolve { version, remark, acting, text } => {
            let (_, remote) = acting.admitted()?;
            let path = format!("{}/remarks/{remark}/resolution", version.path()?);
            remote.post(&path, json!({ "text": text }).to_string().as_bytes())?.ok()?
        }
        Command::Sign { pack, acting } => sign(&load(pack)?, acting)?,
        Command::Status { version, node } => Remote::new(node).get(&version.path()?)?.ok()?,
        Command::Compare { old, new } => {
            for change in compare(&load(old)?, &load(new)?) {
                println!("{}", line(&change));
            }
            return Ok(());
        }
    };
    println!("{shown:#}");
    Ok(())
}

fn sign(pack: &Pack, acting: &Acting) -> anyhow::Result<Value> {
    let (credentials, remote) = acting.admitted()?;
    let at = path(pack.code(), pack.version());
    let status = remote.get(&at)?.ok()?;
    let number = status["proposal"].as_u64().context("the node names no proposal")?;
    let digest = pack.published().files_digest();
    if status["files_sha256"] != json!(digest.to_hex()) {
        bail!("the folder has other files than proposal {number}; sign only what you have read");
    }
    let stages = status["stages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let open = stages.iter().find(|stage| stage["state"] == "open");
    let open = open.and_then(|stage| stage["code"].as_str());
    let stage = StageCode::parse(open.context("every stage is signed")?)?;
    let official = OfficialId::parse(credentials.official())?;
    let version = (pack.code(), pack.version());
    let text = stage_text(version, StreamVersion::new(number), &stage, &digest, official);
    let signature = credentials.signer()?.sign_as(STAGE_PAYLOAD_TYPE, &text).to_base64();
    let body = json!({"proposal": number, "stage": stage.as_str(), "signature": signature});
    remote.post(&format!("{at}/signatures"), body.to_string().as_bytes())?.ok()
}

fn path(code: &PackCode, version: u32) -> String {
    format!("api/v1/packs/{code}/versions/{version}")
}

/// A change as one line: `+` was added, `-` was removed, `~` is otherwise.
fn line(change: &Change) -> String {
    let Change { place, kind, name, before, after } = change;
    let what = format!("{place} {kind} {name}");
    let what = what.trim_end();
    match (before, after) {
        (None, Some(after)) => format!("+ {what}: {after}"),
        (Some(before), None) => format!("- {what}: {before}"),
        (before, after) => {
            let text = |side: &Option<String>| side.clone().unwrap_or_default();
            format!("~ {what}: {} -> {}", text(before), text(after))
        }
    }
}
