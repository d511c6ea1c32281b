//! The command line of the verifier. Exit code 0 only when everything held; 1 when something did
//! not; 2 when the check could not be carried out.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use letopis_ledger::LeafIndex;
use letopis_ledger::equivocation::keys_of;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::note::VerifierKey;
use letopis_ledger::policy::Policy;
use letopis_verifier::audit::{AuditOptions, Observer, audit};
use letopis_verifier::compare::{self, Outcome};
use letopis_verifier::decision::{self, check_decision, check_decisions};
use letopis_verifier::message::{Language, Messages};
use letopis_verifier::mirror::mirror;
use letopis_verifier::proof::{check_document, check_proof};
use letopis_verifier::report::Report;
use letopis_verifier::source;

/// Checks a Letopis log, one decision or one proof from public data alone.
#[derive(Debug, Parser)]
#[command(name = "letopis-verify", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Language of the report: en or ru.
    #[arg(long, global = true, default_value = "en")]
    lang: Language,
    /// Print a report for programs instead.
    #[arg(long, global = true)]
    json: bool,
    /// File with the C2SP tlog-policy that the log must satisfy, from a source that you trust.
    /// Without it the policy that the log itself carries is used.
    #[arg(long, global = true)]
    policy: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks a whole log: every entry, link and signature, the tree and the signed head.
    Log {
        /// Web address or folder of the log.
        place: String,
    },
    /// Checks one decision: the whole log, then the case, the rule, the term, the registry effect.
    Decision {
        /// Id or number of the case.
        id: String,
        /// Web address or folder of the log.
        #[arg(long)]
        log: String,
        /// File with disclosures that the applicant gave you (JSON), beside the public ones.
        #[arg(long)]
        disclosures: Option<PathBuf>,
    },
    /// Checks every decision of a log: runs the published rules again wherever the facts are
    /// disclosed, and lists the terms that were broken.
    Decisions {
        /// Web address or folder of the log.
        place: String,
        /// Folder with files of disclosures that applicants gave you, each named after its case:
        /// `<id>.json`.
        #[arg(long, value_name = "FOLDER")]
        disclosures: Option<PathBuf>,
    },
    /// Checks one proof file (C2SP tlog-proof) without any network.
    Proof {
        /// The proof file.
        file: PathBuf,
        /// File with the bytes of the entry; not needed when the proof carries them.
        #[arg(long)]
        leaf: Option<PathBuf>,
        /// A paper: shows whether the entry records the issue of this very file.
        #[arg(long)]
        document: Option<PathBuf>,
    },
    /// Compares two heads of a log: can both be true, and if not, who signed both?
    Compare(CompareArguments),
    /// Copies a log into a folder, to check it there or to serve it to others.
    Mirror {
        /// Web address of the log.
        place: String,
        /// The folder.
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
struct CompareArguments {
    /// A checkpoint file, the web address or folder of a log, or an equivocation file.
    first: String,
    /// Another checkpoint file or log.
    second: Option<String>,
    /// File with the hashes of a consistency proof between the heads, one on each line.
    #[arg(long)]
    proof: Option<String>,
    /// Key of a log or cosigner, as in a policy; may be given several times.
    #[arg(long, value_parser = VerifierKey::parse)]
    vkey: Vec<VerifierKey>,
    /// Where to write the equivocation file, if there is one.
    #[arg(long)]
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(report) if report.holds() => ExitCode::SUCCESS,
        Ok(report) if report.is_decided() => ExitCode::from(1),
        Ok(_) => ExitCode::from(2),
        Err(error) => {
            eprintln!("letopis-verify: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    let messages = Messages::of(arguments.lang);
    let mut progress = Progress::new(&messages, arguments.json);
    let policy = read_policy(arguments)?;
    let report = match &arguments.command {
        Command::Log { place } => {
            let source = source::open(place);
            let audit = audit(source.as_ref(), &AuditOptions { policy }, &mut progress)?;
            Report::of_log(source.location(), &audit)
        }
        Command::Decision { id, log, disclosures } => {
            let source = source::open(log);
            let given = disclosures.as_ref().map(read_disclosures).transpose()?;
            let options = decision::Options {
                audit: AuditOptions { policy },
                disclosures: given.unwrap_or_default(),
            };
            let checked = check_decision(source.as_ref(), id, &options, &mut progress)?;
            Report::of_decision(source.location(), &checked)
        }
        Command::Decisions { place, disclosures } => {
            let source = source::open(place);
            let options =
                decision::Options { audit: AuditOptions { policy }, ..Default::default() };
            let given = disclosures_in(disclosures.as_deref())?;
            let of = |id: &str| given.get(id).cloned().unwrap_or_default();
            let checked = check_decisions(source.as_ref(), &options, &of, &mut progress)?;
            Report::of_decisions(source.location(), &checked)
        }
        Command::Proof { file, leaf, document } => {
            let Some(policy) = policy else {
                bail!(
                    "a proof is checked against a policy: give one with --policy FILE \
                     (a log states its own at <address>/policy)"
                );
            };
            let bytes = fs::read(file).with_context(|| format!("{}", file.display()))?;
            let leaf = leaf.as_ref().map(fs::read).transpose().context("the entry's file")?;
            let mut checked = check_proof(&bytes, leaf.as_deref(), &policy);
            if let Some(path) = document {
                let file = fs::read(path).with_context(|| format!("{}", path.display()))?;
                check_document(&mut checked, &file);
            }
            Report::of_proof(file.display().to_string(), &checked)
        }
        Command::Compare(heads) => compare_heads(heads, policy.as_ref())?,
        Command::Mirror { place, folder } => {
            let size = mirror(source::open(place).as_ref(), folder)?;
            Report::of_mirror(folder.display().to_string(), size)
        }
    };
    progress.clear();
    let text = if arguments.json { report.to_json() } else { report.to_text(&messages) };
    // A reader that closes the pipe early has seen what it wanted.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(report)
}

fn compare_heads(given: &CompareArguments, policy: Option<&Policy>) -> anyhow::Result<Report> {
    let mut keys = given.vkey.clone();
    keys.extend(policy.into_iter().flat_map(keys_of).cloned());
    let proof = given.proof.as_deref().map(compare::read_proof).transpose()?;
    let heads = compare::read(&given.first, given.second.as_deref())?;
    let compared = compare::compare(heads, &keys, proof)?;
    if let (Some(file), Outcome::Equivocation(found, _)) = (&given.write, &compared.outcome) {
        fs::write(file, found.to_string()).with_context(|| format!("{}", file.display()))?;
    }
    Ok(Report::of_comparison(&compared))
}

fn read_policy(arguments: &Arguments) -> anyhow::Result<Option<Policy>> {
    let Some(file) = &arguments.policy else { return Ok(None) };
    let text = fs::read_to_string(file).with_context(|| format!("policy {}", file.display()))?;
    Ok(Some(Policy::parse(&text).with_context(|| format!("policy {}", file.display()))?))
}

fn read_disclosures(file: &PathBuf) -> anyhow::Result<Vec<String>> {
    let bytes = fs::read(file).with_context(|| format!("disclosures {}", file.display()))?;
    decision::parse_disclosures(&bytes).with_context(|| format!("{}", file.display()))
}

/// The disclosures of each case of a folder, by the name of its file.
fn disclosures_in(folder: Option<&Path>) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let mut given = BTreeMap::new();
    let Some(folder) = folder else { return Ok(given) };
    let files = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    for file in files {
        let file = file.with_context(|| format!("{}", folder.display()))?.path();
        if file.extension().is_some_and(|extension| extension == "json")
            && let Some(case) = file.file_stem().and_then(|name| name.to_str())
        {
            given.insert(case.to_owned(), read_disclosures(&file)?);
        }
    }
    Ok(given)
}

/// Tells on a terminal how far a long check is.
struct Progress<'a> {
    messages: &'a Messages,
    shown: bool,
    last: u64,
}

impl<'a> Progress<'a> {
    fn new(messages: &'a Messages, quiet: bool) -> Self {
        Self { messages, shown: !quiet && io::stderr().is_terminal(), last: 0 }
    }

    fn clear(&self) {
        if self.shown && self.last > 0 {
            eprint!("\r\x1b[K");
        }
    }
}

impl Observer for Progress<'_> {
    fn leaf(&mut self, _: LeafIndex, _: &Leaf) {}

    fn progress(&mut self, done: u64, of: u64) {
        // A line for every hundredth part, so that the terminal is not what takes the time.
        if self.shown && (done - self.last) * 100 >= of {
            self.last = done;
            let values = [("done", done.to_string()), ("of", of.to_string())];
            let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
            eprint!("\r{}\x1b[K", self.messages.text("progress", &values));
        }
    }
}
