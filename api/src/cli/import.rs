//! `letopis import`: brings data of other systems onto a running node.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::remote::Remote;
use crate::folder::{NodeFolder, OPERATOR_TOKEN};

/// What to bring in.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// An event log (IEEE 1849 XES, plain or gzip): one stream per trace, one record per event.
    Xes(XesArguments),
}

/// Which event log, and where to.
#[derive(Debug, Args)]
pub(crate) struct XesArguments {
    /// The file.
    file: PathBuf,
    /// Folder of the node, for the operator's token.
    #[arg(long)]
    folder: PathBuf,
    /// Address of the node.
    #[arg(long, default_value = "http://127.0.0.1:8460")]
    node: String,
    /// Print the counts as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let Command::Xes(arguments) = command;
    let folder = NodeFolder::open(&arguments.folder)?;
    let token = folder.keys().token(OPERATOR_TOKEN)?;
    let remote = Remote::new(&arguments.node).with_token(&token);
    let file =
        File::open(&arguments.file).with_context(|| format!("{}", arguments.file.display()))?;
    let size = file.metadata()?.len();
    let bar = indicatif::ProgressBar::new(size).with_style(
        indicatif::ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {msg}")?,
    );
    bar.set_message("sending");
    bar.enable_steady_tick(Duration::from_millis(200));
    let imported = remote.upload("api/v1/imports/xes", bar.wrap_read(file))?.ok()?;
    bar.finish_and_clear();
    if arguments.json {
        println!("{imported:#}");
    } else {
        print(&imported)?;
    }
    Ok(())
}

fn print(imported: &Value) -> anyhow::Result<()> {
    let counts = |name: &str| -> anyhow::Result<BTreeMap<String, u64>> {
        Ok(serde_json::from_value(imported[name].clone())?)
    };
    println!("traces {}, events {}", imported["traces"], imported["events"]);
    for (title, name) in [("channel", "channels"), ("department", "departments")] {
        for (value, count) in counts(name)? {
            println!("  {title} {value}: {count}");
        }
    }
    if let Some(p90_ms) = imported["p90_ms"].as_u64() {
        let days = p90_ms / 86_400_000;
        let hours = p90_ms % 86_400_000 / 3_600_000;
        println!("90 of 100 traces took at most {days} d {hours} h ({p90_ms} ms)");
    }
    println!("reflects the log up to leaf {}", imported["position"]);
    Ok(())
}
