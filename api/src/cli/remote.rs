//! Commands that speak to a running node: one HTTP client, one way to read its errors.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;
use ureq::{Agent, Body, RequestBuilder, SendBody, http};

use crate::http::OFFICIAL;

/// A running node, as seen from outside.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    base: String,
    agent: Agent,
    token: Option<String>,
    official: Option<String>,
}

/// An answer that was read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The body as JSON, or null when it is none.
    pub(crate) body: Value,
}

impl Remote {
    /// Takes the address of a node.
    pub(crate) fn new(address: &str) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(90)))
            .build()
            .new_agent();
        Self { base: address.trim_end_matches('/').to_owned(), agent, token: None, official: None }
    }

    /// The same node, spoken to with a token.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// The same node, spoken to by an official.
    pub(crate) fn with_official(mut self, official: &str) -> Self {
        self.official = Some(official.to_owned());
        self
    }

    /// Sends a GET request.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.read(self.introduced(self.agent.get(self.url(path))).call())
    }

    /// Sends a GET request with query parameters.
    pub(crate) fn get_with(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let request = self.agent.get(self.url(path)).query_pairs(query.iter().copied());
        self.read(self.introduced(request).call())
    }

    /// Sends a DELETE request.
    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.read(self.introduced(self.agent.delete(self.url(path))).call())
    }

    /// A request that says who asks.
    fn introduced<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        let request = match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        match &self.official {
            Some(official) => request.header(OFFICIAL, official),
            None => request,
        }
    }

    /// The bytes at a path, which must be there.
    pub(crate) fn bytes(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let mut answer = self.agent.get(self.url(path)).call().context(self.url(path))?;
        if !answer.status().is_success() {
            bail!("{} answered {}", self.url(path), answer.status());
        }
        Ok(answer.body_mut().read_to_vec()?)
    }

    /// Sends a POST request with a JSON body.
    pub(crate) fn post(&self, path: &str, body: &[u8]) -> anyhow::Result<Answer> {
        let request = self.agent.post(self.url(path)).header("content-type", "application/json");
        self.read(self.introduced(request).send(body))
    }

    /// Sends a file of any length, with no limit on the time of the answer.
    pub(crate) fn upload(&self, path: &str, mut file: impl Read) -> anyhow::Result<Answer> {
        let request = self.agent.post(self.url(path)).config().timeout_global(None).build();
        self.read(self.introduced(request).send(SendBody::from_reader(&mut file)))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    fn read(&self, answer: Result<http::Response<Body>, ureq::Error>) -> anyhow::Result<Answer> {
        let mut answer = answer.with_context(|| format!("no answer from {}", self.base))?;
        let bytes = answer.body_mut().read_to_vec().context("an answer broke off")?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer { status: answer.status().as_u16(), body })
    }
}

impl Answer {
    /// The body of a successful answer.
    ///
    /// # Errors
    /// The answer is a problem; its title and detail are the message.
    pub(crate) fn ok(self) -> anyhow::Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        bail!("the node refused ({}): {}", self.status, problem_text(&self.body));
    }
}

/// A problem in a line, and each wrong field in one of its own.
fn problem_text(problem: &Value) -> String {
    let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
    let errors = problem.get("errors").and_then(Value::as_array);
    let field = |error: &Value| {
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        format!("\n  {}: {}", text("pointer"), text("en"))
    };
    let errors: String = errors.into_iter().flatten().map(field).collect();
    format!("{} [{}] {}{errors}", text("title"), text("code"), text("detail"))
}
