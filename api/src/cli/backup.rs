//! `letopis backup`: has the agency's running node take a backup, once or again and again.
//!
//! Not here: taking it (`crate::service::backup`), and the schedule in a node's configuration,
//! which needs no other program.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::init::write_durably;
use super::operator::{OperatedNode, Operator};
use crate::folder::BACKUP_TARGET;

/// How often the node is asked how far it is.
const POLL: Duration = Duration::from_millis(300);

/// What to back up, and where to.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The node, running.
    #[command(flatten)]
    operator: Operator,
    /// Folder on the node's machine, or s3://bucket/prefix with AWS_… variables in the node's
    /// environment; the one of letopis.toml without it.
    #[arg(long, value_name = "TARGET")]
    to: Option<String>,
    /// Delete all but the newest N backups afterwards.
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Go on, and take one every so often: 30m, 6h, 1d.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    schedule: Option<Duration>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = arguments.operator.folder()?;
    let configured = folder.config().backup.as_ref().map(|backup| backup.to.clone());
    let to = match arguments.to.as_deref().map(absolute).transpose()? {
        // The node takes a target from its own folder only: who can write there may choose it.
        Some(to) => {
            let path = arguments.operator.folder.as_path();
            write_durably(path, BACKUP_TARGET, format!("{to}\n").as_bytes())?;
            to
        }
        None => configured.context("say with --to where the backup goes, or set [backup] to")?,
    };
    let node = arguments.operator.connect()?;
    let Some(every) = arguments.schedule else {
        return back_up(&node, &to, arguments.keep);
    };
    loop {
        if let Err(error) = back_up(&node, &to, arguments.keep) {
            eprintln!("{error:#}; the next one is tried in {} s", every.as_secs());
        }
        std::thread::sleep(every);
    }
}

fn back_up(node: &OperatedNode, to: &str, keep: Option<usize>) -> anyhow::Result<()> {
    node.post("api/v1/backups", &json!({ "to": to, "keep": keep }))?;
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{wide_bar} {pos}/{len} leaves, {msg} bytes sent, {elapsed}",
    )?);
    let state = loop {
        let state = node.get("api/v1/backups")?;
        if state["running"] != true {
            break state;
        }
        bar.set_length(state["total"].as_u64().unwrap_or(0));
        bar.set_position(state["leaves"].as_u64().unwrap_or(0));
        bar.set_message(state["bytes"].to_string());
        std::thread::sleep(POLL);
    };
    bar.finish_and_clear();
    if let Some(failure) = state["failure"].as_str() {
        bail!("{failure}");
    }
    let last = &state["last"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    println!(
        "{}: {} leaves, root {}, {} bytes sent, {} there already; every leaf was verified",
        text(&last["name"]),
        last["size"],
        text(&last["root"]),
        last["sent_bytes"],
        last["kept_bytes"],
    );
    Ok(())
}

/// The node may run in another directory than this command.
pub(super) fn absolute(target: &str) -> anyhow::Result<String> {
    if target.contains("://") {
        return Ok(target.to_owned());
    }
    Ok(std::path::absolute(Path::new(target))?.to_string_lossy().into_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is no duration: write 30m, 6h or 1d");
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let seconds = count.checked_mul(seconds).filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("30m"), Ok(Duration::from_secs(1_800)));
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86_400)));
        for text in ["", "5", "0h", "h", "-1h", "1w"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
