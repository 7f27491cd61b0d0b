//! One signed call: sent, bounded in time and size, repeated where its method allows that.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, Request, Url};

use super::AgentClient;
use super::answer::{Answer, unreachable};
use crate::domain::Reason;
use crate::failure::Failure;
use crate::signing::fresh_nonce;

/// Tries of a repeated call, the first included.
const TRIES: u32 = 3;
/// Wait before the second try; doubles.
const BACKOFF: Duration = Duration::from_millis(200);
/// Largest answer in bytes: a page of events with full diagnoses is far below.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// A call as its method describes it; each try is signed anew, so that no try looks like a replay.
pub(super) struct Call {
    pub(super) method: Method,
    /// Path below the agent's base path, with query.
    pub(super) path: String,
    pub(super) body: Vec<u8>,
    /// For one try.
    pub(super) timeout: Duration,
}

impl Call {
    pub(super) fn get(path: String, timeout: Duration) -> Self {
        Self { method: Method::GET, path, body: Vec::new(), timeout }
    }
}

impl AgentClient {
    /// Tries up to [`TRIES`] times while the agent is not reached or something before it answers 502, 503 or 504.
    pub(super) async fn repeat(&self, call: &Call) -> Result<Answer, Failure> {
        let mut tried = 1;
        loop {
            let result = self.once(call).await;
            let again = match &result {
                Ok(answer) => matches!(answer.status.as_u16(), 502..=504),
                Err(failure) => failure.reason == Reason::AgentUnreachable,
            };
            if !again || tried == TRIES {
                return result;
            }
            let jitter = fresh_nonce().map_or(0, |bytes| u64::from(bytes[0]));
            tokio::time::sleep(BACKOFF * 2_u32.pow(tried - 1) + Duration::from_millis(jitter)).await;
            tried += 1;
        }
    }

    /// Tries once.
    pub(super) async fn once(&self, call: &Call) -> Result<Answer, Failure> {
        let request = self.sign(call)?;
        let failed = |error| unreachable(&self.url, error);
        let mut response = self.http.execute(request).await.map_err(failed)?;
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(Failure::new(
                    Reason::AgentUnexpected,
                    format!("`{}` answers with more than {} MiB", self.url, MAX_ANSWER / (1024 * 1024)),
                )
                .hint("check that the address in `deploy.yml` is the agent's"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { url: self.url.clone(), status: response.status(), location, body })
    }

    fn sign(&self, call: &Call) -> Result<Request, Failure> {
        let bug = |what: &str| Failure::new(Reason::Bug, format!("the request cannot be built: {what}"));
        let url = Url::parse(&format!("{}{}", self.url, call.path)).map_err(|error| bug("its URL").because(error))?;
        // Signed is what is sent: the URL after it was parsed.
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let nonce = fresh_nonce().map_err(|error| bug("its nonce").because(error))?;
        let unix = Timestamp::now().as_second();
        let header = self.key.authorization(call.method.as_str(), &path, unix, &nonce, &call.body);
        let mut header = HeaderValue::from_str(&header).map_err(|error| bug("its header").because(error))?;
        header.set_sensitive(true);
        self.http
            .request(call.method.clone(), url)
            .timeout(call.timeout)
            .header(AUTHORIZATION, header)
            .header(CONTENT_TYPE, "application/json")
            .body(call.body.clone())
            .build()
            .map_err(|error| bug("its parts").because(error))
    }
}
