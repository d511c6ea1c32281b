//! `letopis demo`: the whole path in a temporary folder, from applications to found tampering.
//!
//! Everything goes through the doors that users have: the node is a process of its own, the load
//! comes over HTTP, and `letopis-verify` is a separate program. Not here: any shortcut.

mod agencies;
mod families;
mod load;
mod moved_in;
mod office;
mod population;
mod process;
mod report;
mod tamper;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::pack;
use crate::cli::remote::Remote;
use crate::message::Language;

use agencies::Agencies;
use load::{Case, Load};
use population::Population;
use process::Verifier;
use report::Printer;
use tamper::{StoredLeaves, copy_folder};

/// Rows of one request to a registry.
const ROWS_AT_ONCE: usize = 500;
/// How long the last decisions may take to be published.
const PUBLICATION_LIMIT: Duration = Duration::from_secs(30);

/// How the demonstration is run.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Applications to submit.
    #[arg(long, default_value_t = 1000)]
    applications: usize,
    /// Building permits that officials decide; one for every fifty applications without it.
    #[arg(long)]
    buildings: Option<usize>,
    /// Applicants at the same time.
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// Nodes of different agencies that hold the log together: 1, 3, 5 or 7.
    #[arg(long, default_value_t = 1, value_parser = nodes)]
    nodes: usize,
    /// Folder of the regulation pack.
    #[arg(long, default_value = "deploy/packs/zarechny")]
    pack: PathBuf,
    /// Leave the node running at the end and print its address.
    #[arg(long)]
    stay: bool,
    /// Language: en or ru.
    #[arg(long, default_value = "en", value_parser = language)]
    lang: Language,
}

impl Arguments {
    fn buildings(&self) -> usize {
        let usual = (self.applications / 50).clamp(office::KINDS.len(), 140);
        self.buildings.unwrap_or(usual)
    }

    /// Families that ask for two services at once: one for every hundred applications.
    const fn moved_in(&self) -> usize {
        match self.applications / 100 {
            0 => 1,
            count if count > 50 => 50,
            count => count,
        }
    }
}

fn language(code: &str) -> Result<Language, String> {
    Language::parse(code).ok_or_else(|| format!("language {code:?} is not known: use en or ru"))
}

fn nodes(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| [1, 3, 5, 7].contains(count));
    count.ok_or_else(|| "so many nodes keep no majority: use 1, 3, 5 or 7".to_owned())
}

/// Runs the demonstration. An error of it means that something did not come out as it must.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let print = Printer::new(arguments.lang);
    let started = Instant::now();
    let place = tempfile::tempdir().context("a temporary folder")?;
    let verifier = Verifier::find(arguments.lang)?;
    let mut agencies = Agencies::start(place.path(), arguments.nodes, &print)?;
    let remote = agencies.remote().clone();
    let address = agencies.address().to_owned();
    let published = pack::publish(&remote, &arguments.pack)?;
    print.line("demo.pack", &[("version", &published["version"].to_string())]);

    let population = Population::generate(arguments.applications);
    fill_registries(&remote, &population)?;
    let rows = population.rows().iter().map(|(_, rows)| rows.len()).sum::<usize>();
    print.line("demo.registries", &[("rows", &rows.to_string())]);
    let load = run_load(&mut agencies, &population, arguments.clients, &print)?;
    report::print_load(&print, &load)?;
    load.compare_with(&population)?;
    let signed = office::run(&remote, arguments.buildings(), &print)?;
    let moved_in = moved_in::run(&remote, arguments.moved_in(), &print)?;
    let last = load.last_leaf().max(signed.last_leaf).max(moved_in.last_leaf);
    wait_until_published(&remote, last)?;

    verify(&verifier, &address, &load, place.path(), &print)?;
    for case in signed.cases.iter().take(office::KINDS.len()) {
        print.line("demo.verify.signed", &[("case", case), ("address", &address)]);
        verifier.expect_in_order(&["decision", case, "--log", &address], &print)?;
    }
    print.line("demo.verify.joint", &[("case", &moved_in.case), ("address", &address)]);
    verifier.expect_in_order(&["decision", &moved_in.case, "--log", &address], &print)?;
    if let Some(another) = agencies.another() {
        print.line("demo.verify.another", &[("address", another)]);
        verifier.expect_in_order(&["log", another], &print)?;
    }
    show_tampering(&verifier, &address, &load, place.path(), &print)?;
    print.line("demo.done", &[("seconds", &started.elapsed().as_secs().to_string())]);
    if arguments.stay {
        print.line("demo.stay", &[("address", &address)]);
        agencies.wait_for_end()?;
    }
    Ok(())
}

/// Submits the applications. With several agencies, the node of the last one is killed on the
/// way, and brought back when the load is over.
fn run_load(
    agencies: &mut Agencies,
    population: &Population,
    clients: usize,
    print: &Printer,
) -> anyhow::Result<Load> {
    let address = agencies.address().to_owned();
    if agencies.another().is_none() {
        return Load::run(&address, population, clients, print);
    }
    let remote = agencies.remote().clone();
    let before = remote.get("healthz")?.ok()?["applied"].as_u64().unwrap_or_default();
    let done = AtomicBool::new(false);
    let load = std::thread::scope(|scope| {
        scope.spawn(|| {
            let under_way = || {
                let health = remote.get("healthz").and_then(|answer| answer.ok());
                health.is_ok_and(|health| health["applied"].as_u64() > Some(before + 200))
            };
            while !under_way() && !done.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            agencies.kill_last();
            print.line("demo.killed", &[]);
        });
        let load = Load::run(&address, population, clients, print);
        done.store(true, Ordering::Relaxed);
        load
    })?;
    let took = agencies.restart_last()?;
    print.line("demo.restarted", &[("milliseconds", &took.as_millis().to_string())]);
    Ok(load)
}

fn fill_registries(remote: &Remote, population: &Population) -> anyhow::Result<()> {
    population.rows().iter().try_for_each(|(registry, rows)| enter(remote, registry, rows))
}

/// Enters rows into a registry, as its keeper.
fn enter<T: serde::Serialize>(remote: &Remote, registry: &str, rows: &[T]) -> anyhow::Result<()> {
    for rows in rows.chunks(ROWS_AT_ONCE) {
        let body = json!({
            "document_number": "Z-1", "document_date": "2026-01-12", "rows": rows,
        });
        let path = format!("api/v1/registries/{registry}/entries");
        remote.post(&path, body.to_string().as_bytes())?.ok()?;
    }
    Ok(())
}

fn wait_until_published(remote: &Remote, last: u64) -> anyhow::Result<()> {
    let end = Instant::now() + PUBLICATION_LIMIT;
    loop {
        let health = remote.get("healthz")?.ok()?;
        if health["published"].as_u64() > Some(last) {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("leaf {last} was not published within {PUBLICATION_LIMIT:?}");
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// The separate program checks the log, two decisions and one proof file.
fn verify(
    verifier: &Verifier,
    address: &str,
    load: &Load,
    place: &Path,
    print: &Printer,
) -> anyhow::Result<()> {
    let remote = Remote::new(address);
    let policy = place.join("policy");
    std::fs::write(&policy, remote.bytes("policy")?)?;
    print.line("demo.verify.log", &[("address", address)]);
    verifier.expect_in_order(&["log", address], print)?;
    for case in [load.one_granted()?, load.one_refused()?] {
        print.line("demo.verify.decision", &[("case", &case.id), ("address", address)]);
        verifier.expect_in_order(&["decision", &case.id, "--log", address], print)?;
    }
    let case = load.one_granted()?;
    let proof = place.join("decision.tlog-proof");
    std::fs::write(&proof, remote.bytes(&format!("api/v1/decisions/{}/proof", case.id))?)?;
    let (proof, policy) = (proof.display().to_string(), policy.display().to_string());
    print.line("demo.verify.proof", &[("file", &proof)]);
    verifier.expect_in_order(&["proof", &proof, "--policy", &policy], print)
}

/// Runs every decision again on what the applicants disclose; each of theirs must come out as it
/// was.
fn run_again(
    verifier: &Verifier,
    (address, mirror): (&str, &str),
    load: &Load,
    place: &Path,
    print: &Printer,
) -> anyhow::Result<()> {
    let folder = place.join("disclosures");
    load.write_disclosures(&Remote::new(address), &folder)?;
    let folder = folder.display().to_string();
    print.line("demo.verify.decisions", &[("mirror", mirror), ("folder", &folder)]);
    let report = verifier.report(&["decisions", mirror, "--disclosures", &folder])?;
    let count = |name: &str| report["decisions"][name].as_u64().unwrap_or_default();
    let [decided, again, undisclosed, late] =
        ["decided", "re_executed", "undisclosed", "breach_count"].map(count);
    let values = [decided, again, undisclosed, late].map(|count| count.to_string());
    let names = ["decided", "again", "undisclosed", "late"];
    let values: Vec<_> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
    print.line("demo.verify.decisions.done", &values);
    let own = load.decided().count() as u64;
    if again < own || decided != again + undisclosed {
        bail!("of {decided} decisions {again} were run again, {own} applicants disclosed theirs");
    }
    Ok(())
}

/// On copies of the log: alters a refusal, deletes one, swaps two entries; each must be found.
fn show_tampering(
    verifier: &Verifier,
    address: &str,
    load: &Load,
    place: &Path,
    print: &Printer,
) -> anyhow::Result<()> {
    let mirror = place.join("mirror");
    let mirror_text = mirror.display().to_string();
    print.line("demo.mirror", &[("folder", &mirror_text)]);
    verifier.expect_in_order(&["mirror", address, &mirror_text], print)?;
    run_again(verifier, (address, &mirror_text), load, place, print)?;
    let refusal = load.one_refused()?;
    let leaf = usize::try_from(refusal.leaf)?;
    type Change = fn(&mut StoredLeaves, usize) -> anyhow::Result<()>;
    let changes: [(&str, Change); 3] = [
        ("demo.tamper.alter", |leaves, leaf| leaves.alter_outcome(leaf)),
        ("demo.tamper.delete", |leaves, leaf| leaves.delete(leaf)),
        ("demo.tamper.swap", |leaves, leaf| leaves.swap(leaf, leaf - 1)),
    ];
    for (number, (title, change)) in changes.into_iter().enumerate() {
        let copy = place.join(format!("altered-{number}"));
        copy_folder(&mirror, &copy)?;
        change(&mut StoredLeaves::read(&copy)?, leaf)?;
        print.line(title, &[("leaf", &leaf.to_string())]);
        verifier.expect_found(&["log", &copy.display().to_string()], print)?;
    }
    Ok(())
}

/// Reads a field of an answer that must be there.
fn text<'a>(answer: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    answer[name].as_str().with_context(|| format!("the answer has no {name}: {answer}"))
}

impl Case {
    /// Reads a case out of the answer that its decision is served with.
    fn decided(&mut self, decision: &Value) -> anyhow::Result<()> {
        self.outcome = text(decision, "outcome")?.to_owned();
        let grounds = decision["grounds"].as_array().into_iter().flatten();
        self.grounds =
            grounds.filter_map(|ground| Some(ground["code"].as_str()?.to_owned())).collect();
        self.leaf = decision["leaf"].as_u64().context("a decision has a leaf")?;
        Ok(())
    }
}
