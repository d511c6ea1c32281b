//! `letopis key`: replacing keys. What the old ones signed stays valid for ever, because the log
//! says when each was in force.
//!
//! A new key is stored durably before the log is told of it; the old file is kept as `.retired`.

use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::key::AuthorKeyId;
use letopis_ledger::note::KeyName;

use super::operator::Operator;
use super::quorum;
use crate::folder::COSIGNER_KEY;

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a new key, puts it into the log, and uses it from the next start of the node on.
    Rotate {
        /// Which key.
        kind: Kind,
        /// The node.
        #[command(flatten)]
        operator: Operator,
    },
    /// Revokes a key with which this agency signed records; what it signed before stays.
    Revoke {
        /// Id of the key, as `rotate` says it.
        key: String,
        /// The node.
        #[command(flatten)]
        operator: Operator,
    },
}

/// Kinds of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The key with which the agency signs records.
    Author,
    /// The key with which the node cosigns tree heads; the founder's policy names it.
    Cosigner,
    /// The log's own key; the founder's policy names it.
    Log,
}

/// Runs the command.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Rotate { kind: Kind::Author, operator } => rotate_author(operator),
        Command::Rotate { kind: Kind::Cosigner, operator } => rotate_cosigner(operator),
        Command::Rotate { kind: Kind::Log, operator } => rotate_log(operator),
        Command::Revoke { key, operator } => {
            let key = AuthorKeyId::parse(key)?;
            let folder = operator.folder()?;
            let agency = folder.config().agency.clone();
            if folder.keys().author(&agency)?.key().id() == key {
                bail!("{key} is in use on this node: rotate it and restart the node first");
            }
            let revoked = GovernanceEvent::KeyRevoked { agency, key };
            let leaf = operator.connect()?.govern(&[revoked])?;
            println!("key {key} is revoked from leaf {leaf} on");
            Ok(())
        }
    }
}

fn rotate_author(operator: &Operator) -> anyhow::Result<()> {
    let folder = operator.folder()?;
    let (keys, agency) = (folder.keys(), folder.config().agency.clone());
    let node = operator.connect()?;
    node.status()?;
    let old = keys.author(&agency)?.key().id();
    let new = keys.generate_next_author(&agency)?.key();
    let introduced = GovernanceEvent::KeyIntroduced { agency: agency.clone(), key: new };
    let leaf = node.govern(&[introduced])?;
    keys.use_next_author(&agency)?;
    println!(
        "key {} is introduced in leaf {leaf}; the node signs with it once restarted",
        new.id()
    );
    println!("After the restart: letopis key revoke {old} --folder {}", operator.folder.display());
    Ok(())
}

fn rotate_cosigner(operator: &Operator) -> anyhow::Result<()> {
    let folder = operator.folder()?;
    let keys = folder.keys();
    let node = operator.connect()?;
    let old = keys.note_key(COSIGNER_KEY)?.verifier_key().clone();
    let policy = node.policy()?;
    let new = keys.next_cosigner(KeyName::new(old.name().as_str())?)?;
    if policy.contains(&new.verifier_key().to_string()) {
        keys.use_next_cosigner()?;
        println!("the policy names the new key already: restart the node now");
        return Ok(());
    }
    let policy = quorum::replacing(&policy, &old, new.verifier_key())?;
    match node.govern(&[GovernanceEvent::PolicySet { policy: policy.clone() }]) {
        Ok(leaf) => {
            keys.use_next_cosigner()?;
            println!("the policy names the new key from leaf {leaf} on: restart the node now");
            Ok(())
        }
        Err(error) => bail!(
            "{error}\nThe new key is kept as {COSIGNER_KEY}.next. Only the founder sets the policy: \
             ask it to run `letopis agency policy` with\n\n{policy}\nthen run this command again: \
             it puts the new key in place, and the node takes it at its next start."
        ),
    }
}

fn rotate_log(operator: &Operator) -> anyhow::Result<()> {
    let folder = operator.folder()?;
    let node = operator.connect()?;
    let policy = node.policy()?;
    let name = KeyName::new(folder.config().origin.as_str())?;
    let new = folder.keys().generate_next_log_key(name)?;
    let policy = quorum::with_log_key(&policy, new.verifier_key())?;
    let leaf = node.govern(&[GovernanceEvent::PolicySet { policy }])?;
    println!("the log signs with {} from leaf {leaf} on; every voter", new.verifier_key().id());
    println!("fetches the key by itself. What was signed before stays valid under the old policy;");
    println!("heads from now on need the new one: publish it (the node serves it at /policy).");
    Ok(())
}
