//! A log behind a web address, read with plain GET requests.

use std::thread;
use std::time::Duration;

use ureq::Agent;

use super::{LogSource, SourceError};

/// Longest time that one request may take in all.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a request is made before the network is called failed.
const ATTEMPTS: u32 = 3;
/// Pause before the second attempt; before the third it is twice as long.
const PAUSE: Duration = Duration::from_millis(200);

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
            .timeout_global(Some(REQUEST_TIMEOUT))
            .user_agent(concat!("letopis-verify/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self { base: address.trim_end_matches('/').to_owned(), agent }
    }

    fn get_once(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, ureq::Error> {
        let mut response = self.agent.get(format!("{}/{path}", self.base)).call()?;
        // One more than allowed, so that content of exactly the limit is not refused.
        let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
        response.body_mut().with_config().limit(limit).read_to_vec()
    }
}

impl LogSource for HttpSource {
    fn get(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, SourceError> {
        let too_large = || SourceError::TooLarge { path: path.to_owned(), max_bytes };
        let mut attempt = 1;
        loop {
            let error = match self.get_once(path, max_bytes) {
                Ok(bytes) if bytes.len() > max_bytes => return Err(too_large()),
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            match error {
                ureq::Error::StatusCode(404 | 410) => {
                    return Err(SourceError::NotFound { path: path.to_owned() });
                }
                ureq::Error::BodyExceedsLimit(_) => return Err(too_large()),
                other if attempt == ATTEMPTS || !is_passing(&other) => {
                    let (path, reason) = (path.to_owned(), other.to_string());
                    return Err(SourceError::Failed { path, reason });
                }
                _ => thread::sleep(PAUSE * attempt),
            }
            attempt += 1;
        }
    }

    fn location(&self) -> String {
        self.base.clone()
    }
}

/// Whether the same request may succeed a moment later.
fn is_passing(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::StatusCode(status) => *status == 429 || *status >= 500,
        ureq::Error::Io(_) | ureq::Error::ConnectionFailed => true,
        _ => false,
    }
}
