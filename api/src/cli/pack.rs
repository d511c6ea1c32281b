//! `letopis pack`: writes a starting regulation pack, checks a pack where it is written, publishes
//! it on a node, and leads a new version through its lifecycle.

mod lifecycle;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use letopis_ledger::encoding::encode_base64;
use letopis_ledger::id::AgencyId;
use letopis_registry::code::PackCode;
use letopis_registry::pack::{Pack, PackError, starting_pack};
use serde_json::{Map, Value, json};

use super::remote::Remote;
use crate::folder::{NodeFolder, OPERATOR_TOKEN};

/// What to do with a pack.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes a commented starting pack into a new folder.
    New(NewArguments),
    /// Checks every file of a pack and runs its test cases.
    Check {
        /// Folder of the pack.
        pack: PathBuf,
    },
    /// Publishes a pack on a running node.
    Publish(PublishArguments),
    #[command(flatten)]
    Lifecycle(lifecycle::Command),
}

/// What to write, and where.
#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// Folder of the pack; it must not exist yet.
    folder: PathBuf,
    /// Code of the pack.
    #[arg(long)]
    code: String,
    /// The agency whose regulations it will hold.
    #[arg(long)]
    agency: String,
}

/// Where to publish.
#[derive(Debug, Args)]
pub(crate) struct PublishArguments {
    /// Folder of the pack.
    pack: PathBuf,
    /// Folder of the node, for the operator's token.
    #[arg(long)]
    folder: PathBuf,
    /// Address of the node.
    #[arg(long, default_value = "http://127.0.0.1:8460")]
    node: String,
}

/// Runs the command.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::New(arguments) => {
            write_new(arguments)?;
            let folder = arguments.folder.display();
            println!("written: {folder}; docs/PACKS.md explains every key");
            println!("now change it and run: letopis pack check {folder}");
            Ok(())
        }
        Command::Check { pack } => {
            let pack = load(pack)?;
            let tests: usize = pack.services().values().map(|service| service.cases.len()).sum();
            println!(
                "pack {} version {}: {} services, {} registries, {tests} test cases: all in order",
                pack.code(),
                pack.version(),
                pack.services().len(),
                pack.registries().len(),
            );
            Ok(())
        }
        Command::Publish(arguments) => {
            let folder = NodeFolder::open(&arguments.folder)?;
            let token = folder.keys().token(OPERATOR_TOKEN)?;
            let remote = Remote::new(&arguments.node).with_token(&token);
            let published = publish(&remote, &arguments.pack)?;
            println!("published: {published}");
            Ok(())
        }
        Command::Lifecycle(command) => lifecycle::run(command),
    }
}

fn write_new(arguments: &NewArguments) -> anyhow::Result<()> {
    let code = PackCode::parse(&arguments.code)?;
    let agency = AgencyId::parse(&arguments.agency)?;
    let folder = &arguments.folder;
    if folder.exists() {
        bail!("{} exists already; name a folder that does not", folder.display());
    }
    for (path, text) in starting_pack(&code, &agency) {
        let path = folder.join(path);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let written = written.and_then(|()| std::fs::write(&path, text));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Checks a pack and publishes it; gives the node's answer.
pub(crate) fn publish(remote: &Remote, folder: &Path) -> anyhow::Result<Value> {
    remote.post("api/v1/packs", body_of(&load(folder)?).as_bytes())?.ok()
}

/// The files of a pack as the node takes them.
fn body_of(pack: &Pack) -> String {
    let file = |(path, bytes): (&str, &[u8])| (path.to_owned(), encode_base64(bytes).into());
    let files: Map<String, Value> = pack.files().iter().map(file).collect();
    json!({ "files": files }).to_string()
}

/// Loads a pack and runs its test cases.
fn load(folder: &Path) -> anyhow::Result<Pack> {
    let loaded = Pack::load(folder).and_then(|pack| pack.check().map(|()| pack));
    match loaded {
        Ok(pack) => Ok(pack),
        Err(errors) => bail!("{}", problems(folder, &errors)),
    }
}

fn problems(folder: &Path, errors: &[PackError]) -> String {
    let mut text = format!("the pack in {} has {} problems:", folder.display(), errors.len());
    for error in errors {
        text += &format!("\n  {error}");
    }
    text
}
