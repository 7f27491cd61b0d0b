//! Small HTTP calls with bounded time and size.

use std::time::Duration;

use serde_json::Value;

use crate::failure::innermost;

/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// A call that did not give what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {why}")]
pub struct HttpError {
    /// What was called.
    pub url: String,
    /// What happened.
    pub why: String,
}

/// A client for local calls: no proxy, no redirects, HTTP/1.1.
///
/// # Errors
/// A sentence where TLS cannot be set up.
pub fn local_client() -> Result<reqwest::Client, HttpError> {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let builder = builder.connect_timeout(Duration::from_secs(2));
    builder.build().map_err(|error| HttpError { url: "local".to_owned(), why: innermost(&error) })
}

/// GET of a JSON document and its `X-Next-Page`; `None` for 404.
///
/// # Errors
/// [`HttpError`] for everything else.
pub async fn get_json(
    client: &reqwest::Client,
    url: &str,
    limit: Duration,
) -> Result<Option<(Value, Option<u64>)>, HttpError> {
    let Some(answer) = get(client, url, limit).await? else { return Ok(None) };
    let failed = |why: &str| HttpError { url: url.to_owned(), why: why.to_owned() };
    let json = serde_json::from_slice(&answer.body).map_err(|_| failed("the answer is not JSON"))?;
    Ok(Some((json, answer.next)))
}

/// GET of a text.
///
/// # Errors
/// [`HttpError`], also for 404.
pub async fn get_text(client: &reqwest::Client, url: &str, limit: Duration) -> Result<String, HttpError> {
    let failed = |why: &str| HttpError { url: url.to_owned(), why: why.to_owned() };
    let answer = get(client, url, limit).await?.ok_or_else(|| failed("status 404 Not Found"))?;
    String::from_utf8(answer.body).map_err(|_| failed("the answer is not UTF-8"))
}

struct Answer {
    body: Vec<u8>,
    next: Option<u64>,
}

async fn get(client: &reqwest::Client, url: &str, limit: Duration) -> Result<Option<Answer>, HttpError> {
    let failed = |why: String| HttpError { url: url.to_owned(), why };
    let call = async {
        let mut answer = client.get(url).send().await.map_err(|error| failed(innermost(&error)))?;
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !answer.status().is_success() {
            return Err(failed(format!("status {}", answer.status())));
        }
        let next = answer.headers().get("x-next-page").and_then(|page| page.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| failed(innermost(&error)))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                return Err(failed("the answer is larger than 8 MiB".to_owned()));
            }
        }
        Ok(Some(Answer { body, next }))
    };
    tokio::time::timeout(limit, call)
        .await
        .unwrap_or_else(|_| Err(failed(format!("no answer within {} s", limit.as_secs()))))
}
