//! `letopis work enter`, `call` and `refuse`: what came on paper is entered with its scan, what is
//! said on the phone is taken down as a draft, what is not taken gets its grounds.
//!
//! Files are hashed here and stay here. Not here: what the node does with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use letopis_ledger::Hash;
use serde_json::{Value, json};

/// An application that came to the agency.
#[derive(Debug, Args)]
pub(super) struct Enter {
    /// Code of the service.
    pub(super) service: String,
    /// How it came; one of the service's channels.
    #[arg(long, default_value = "paper")]
    channel: String,
    /// File with the form as JSON.
    #[arg(long, value_name = "FILE")]
    form: PathBuf,
    /// When it came, as in 2026-11-21T07:30:00.000Z; now without it.
    #[arg(long, value_name = "INSTANT")]
    came_at: Option<String>,
    /// The scan of the paper; its digest goes on record, the file does not leave this computer.
    #[arg(long, value_name = "FILE")]
    scan: Option<PathBuf>,
    /// Number of the entry that it asks to go on after its last day.
    #[arg(long, value_name = "NUMBER")]
    renews: Option<String>,
    #[command(flatten)]
    finding: MaybeFinding,
}

/// What somebody says on the phone.
#[derive(Debug, Args)]
pub(super) struct Call {
    /// Code of the service.
    pub(super) service: String,
    /// The channel of calls.
    #[arg(long, default_value = "phone")]
    channel: String,
    /// File with the form as JSON, as far as it is filled in.
    #[arg(long, value_name = "FILE")]
    form: PathBuf,
}

/// Grounds, where there are some.
#[derive(Debug, Args)]
struct MaybeFinding {
    /// A ground for not taking it and what it rests on: a field of the form, as in
    /// I2=form:project.sha256, or a file, as in I2=file:protocol.pdf.
    #[arg(long = "ground", value_name = "CODE=EVIDENCE", requires = "motive")]
    grounds: Vec<String>,
    /// Why it is not taken, in words, for the applicant.
    #[arg(long, requires = "grounds")]
    motive: Option<String>,
}

/// Why a registered application is not taken.
#[derive(Debug, Args)]
pub(super) struct Refuse {
    /// Id of the case.
    pub(super) case: String,
    /// A ground and what it rests on: a field of the form, as in I2=form:project.sha256, or a
    /// file, as in I2=file:protocol.pdf.
    #[arg(long = "ground", value_name = "CODE=EVIDENCE", required = true)]
    grounds: Vec<String>,
    /// Why, in words, for the applicant.
    #[arg(long)]
    motive: String,
}

impl Enter {
    /// The body of the request.
    pub(super) fn body(&self) -> anyhow::Result<Value> {
        let mut body = json!({"channel": self.channel, "form": form(&self.form)?});
        if let Some(came_at) = &self.came_at {
            body["came_at"] = json!(came_at);
        }
        if let Some(renews) = &self.renews {
            body["renews"] = json!(renews);
        }
        if let Some(scan) = &self.scan {
            body["scan"] = scan_of(scan)?;
        }
        if let Some(motive) = &self.finding.motive {
            body["refusal"] = finding(&self.finding.grounds, motive)?;
        }
        Ok(body)
    }
}

impl Call {
    /// The body of the request.
    pub(super) fn body(&self) -> anyhow::Result<Value> {
        Ok(json!({"channel": self.channel, "form": form(&self.form)?}))
    }
}

impl Refuse {
    /// The body of the request.
    pub(super) fn body(&self) -> anyhow::Result<Value> {
        finding(&self.grounds, &self.motive)
    }
}

/// The digest of a scan, which goes on record.
pub(super) fn scan_of(path: &Path) -> anyhow::Result<Value> {
    let bytes = read(path)?;
    Ok(json!({
        "sha256": Hash::of(&bytes).to_hex(), "size_bytes": bytes.len(),
        "media_type": media_type(path)?,
    }))
}

/// A form from a file.
pub(super) fn form(path: &Path) -> anyhow::Result<Value> {
    serde_json::from_slice(&read(path)?).with_context(|| format!("{} is no JSON", path.display()))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{}", path.display()))
}

/// Evidence of the same ground is put together.
fn finding(grounds: &[String], motive: &str) -> anyhow::Result<Value> {
    let mut found: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for ground in grounds {
        let (code, evidence) = ground
            .split_once('=')
            .with_context(|| format!("{ground:?} is not of the form CODE=EVIDENCE"))?;
        let evidence = match evidence.split_once(':') {
            Some(("form", field)) => json!({"form": field}),
            Some(("file", path)) => json!({"file": Hash::of(&read(Path::new(path))?).to_hex()}),
            _ => bail!("{evidence:?} is neither form:FIELD nor file:PATH"),
        };
        found.entry(code).or_default().push(evidence);
    }
    let grounds =
        found.into_iter().map(|(code, evidence)| json!({"code": code, "evidence": evidence}));
    Ok(json!({"grounds": grounds.collect::<Vec<_>>(), "motive": motive}))
}

/// The media type of a scan, by the ending of its name.
fn media_type(path: &Path) -> anyhow::Result<&'static str> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    Ok(match ending.to_ascii_lowercase().as_str() {
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "tif" | "tiff" => "image/tiff",
        _ => bail!("{}: a scan is a pdf, png, jpg or tif", path.display()),
    })
}
