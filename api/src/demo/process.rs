//! The programs that the demonstration runs: a node, and the verifier.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, bail};
use serde_json::Value;

use super::report::Printer;
use crate::message::Language;

/// A node as a process of its own, ended when dropped.
#[derive(Debug)]
pub(super) struct NodeProcess {
    child: Child,
    address: String,
}

impl NodeProcess {
    /// Starts a node on a free port and waits until it listens.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("the path of this program")?;
        let mut child = Command::new(program)
            .args(["node", "--listen", "127.0.0.1:0", "--folder"])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .context("the node does not start")?;
        let output = child.stdout.take().context("the node's output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let mut node = Self { child, address: String::new() };
        match line.trim().strip_prefix("listening on ") {
            Some(address) => node.address = address.to_owned(),
            None => bail!("the node ended at its start ({})", node.child.wait()?),
        }
        Ok(node)
    }

    /// `http://` and the address.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Waits until the node is ended from outside.
    pub(super) fn wait(mut self) -> anyhow::Result<()> {
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program that checks.
#[derive(Debug)]
pub(super) struct Verifier {
    program: PathBuf,
    language: Language,
}

impl Verifier {
    /// Finds the program beside this one.
    pub(super) fn find(language: Language) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("letopis-verify");
        if !program.is_file() {
            bail!("{} is not there: build it with cargo build --release --bins", program.display());
        }
        Ok(Self { program, language })
    }

    /// Runs a check that must come out well, and shows its report.
    pub(super) fn expect_in_order(
        &self,
        arguments: &[&str],
        print: &Printer,
    ) -> anyhow::Result<()> {
        let output = self.run(arguments)?;
        print.quoted(&output.stdout, usize::MAX);
        if !output.status.success() {
            bail!(
                "letopis-verify {} ended with {}: {}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    /// Runs a check that must come out well, and gives its report for programs.
    pub(super) fn report(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = self.run(&[arguments, &["--json"]].concat())?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("letopis-verify {} ended with {}: {text}", arguments.join(" "), output.status);
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Runs a check that must find something, and shows the beginning of what it found.
    pub(super) fn expect_found(&self, arguments: &[&str], print: &Printer) -> anyhow::Result<()> {
        const LINES: usize = 24;
        let output = self.run(arguments)?;
        print.quoted(&output.stdout, LINES);
        if output.status.code() != Some(1) {
            bail!("letopis-verify did not find the alteration ({})", output.status);
        }
        Ok(())
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        Command::new(&self.program)
            .args(arguments)
            .args(["--lang", self.language.code()])
            .output()
            .with_context(|| format!("{} does not start", self.program.display()))
    }
}
