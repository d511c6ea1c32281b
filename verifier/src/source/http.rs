//! A log behind a web address, read with plain GET requests.

use std::time::Duration;

use ureq::Agent;

use super::{LogSource, SourceError};

/// A web address below which the files of a public log are served.
#[derive(Debug)]
pub struct HttpSource {
    base: String,
    agent: Agent,
}

impl HttpSource {
    /// Takes the address of a log, with or without a final slash.
    #[must_use]
    pub fn new(address: &str) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .user_agent(concat!("letopis-verify/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self { base: address.trim_end_matches('/').to_owned(), agent }
    }
}

impl LogSource for HttpSource {
    fn get(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, SourceError> {
        let failed = |error: ureq::Error| match error {
            ureq::Error::StatusCode(404 | 410) => SourceError::NotFound { path: path.to_owned() },
            ureq::Error::BodyExceedsLimit(_) => {
                SourceError::TooLarge { path: path.to_owned(), max_bytes }
            }
            other => SourceError::Failed { path: path.to_owned(), reason: other.to_string() },
        };
        let mut response =
            self.agent.get(format!("{}/{path}", self.base)).call().map_err(failed)?;
        let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX);
        response.body_mut().with_config().limit(limit).read_to_vec().map_err(failed)
    }

    fn location(&self) -> String {
        self.base.clone()
    }
}
