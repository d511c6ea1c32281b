//! Decision tables alone: how often the rules crate decides, with the rules that matched.
//!
//! Inputs are those that the pack check tries a table on. Not here: how they are gathered.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use letopis_rules::decision::AdmittedModel;

use crate::limits::{Limits, rate};

/// Services whose tables are measured.
const SERVICES: [&str; 3] = ["child-benefit", "parking-permit", "building-permit"];
/// The decision that each of their models has.
const DECISION: &str = "resolution";
/// Most combinations of inputs.
const SAMPLES: u32 = 200;

/// Measures each for about `time` on one core, and prints the figures.
pub(super) fn measure(pack: &Path, time: Duration, limits: &Limits) -> anyhow::Result<()> {
    println!("## Decisions, one core\n");
    println!("| table | combinations of inputs | per second | per Ed25519 check of the machine |");
    println!("|---|---:|---:|---:|");
    for service in SERVICES {
        let file = pack.join("services").join(service).join("decision.dmn");
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let Ok(model) = AdmittedModel::admit(&text) else {
            bail!("{}: not admitted: `letopis pack check` says why", file.display())
        };
        let mut samples = model.samples(DECISION, SAMPLES);
        // A combination that goes to an official costs less than a decision.
        samples.retain(|inputs| model.evaluate(DECISION, inputs).is_ok());
        ensure!(!samples.is_empty(), "{}: nothing to decide", file.display());
        let mut turn = samples.iter().cycle();
        let per_second = rate(time, || {
            let inputs = turn.next().context("a cycle does not end")?;
            black_box(model.evaluate(DECISION, black_box(inputs))?);
            Ok(())
        })?;
        let ratio = per_second / limits.ed25519_checks_per_second;
        println!("| {service} | {} | {per_second:.0} | {ratio:.2} |", samples.len());
    }
    println!();
    Ok(())
}
