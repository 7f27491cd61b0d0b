//! Traefik's API: what it made of its configuration. Reads only.

use std::time::Duration;

use serde_json::Value;

use super::http::{HttpError, get_json};

/// Longest wait for one answer.
const CALL: Duration = Duration::from_secs(5);
/// Most pages of a list, with 100 items each.
const PAGES: u64 = 50;

/// A connection to one Traefik.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
    client: reqwest::Client,
}

/// Everything Traefik knows of HTTP routing, as it resolved it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Routers of all providers.
    pub routers: Vec<Value>,
    /// Services of all providers.
    pub services: Vec<Value>,
    /// Middlewares of all providers.
    pub middlewares: Vec<Value>,
    /// Entry points.
    pub entry_points: Vec<Value>,
}

/// A named item's text member.
#[must_use]
pub fn text<'a>(item: &'a Value, key: &str) -> &'a str {
    item.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A named item's list of texts.
#[must_use]
pub fn texts(item: &Value, key: &str) -> Vec<String> {
    let list = item.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Api {
    /// Prepares a client for the API at `base`, for example `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(base: &str, client: reqwest::Client) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), client }
    }

    /// The API's base URL.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    async fn get(&self, path: &str) -> Result<Option<(Value, Option<u64>)>, HttpError> {
        get_json(&self.client, &format!("{}{path}", self.base), CALL).await
    }

    /// Traefik's version.
    ///
    /// # Errors
    /// [`HttpError`] where the API does not answer as documented.
    pub async fn version(&self) -> Result<String, HttpError> {
        let (answer, _) = self.get("/api/version").await?.unwrap_or_default();
        Ok(text(&answer, "Version").to_owned())
    }

    /// One router, `name@provider`.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn router(&self, name: &str) -> Result<Option<Value>, HttpError> {
        Ok(self.get(&format!("/api/http/routers/{}", escape(name))).await?.map(|(answer, _)| answer))
    }

    /// One service, `name@provider`.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn service(&self, name: &str) -> Result<Option<Value>, HttpError> {
        Ok(self.get(&format!("/api/http/services/{}", escape(name))).await?.map(|(answer, _)| answer))
    }

    /// All services.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn services(&self) -> Result<Vec<Value>, HttpError> {
        self.list("/api/http/services").await
    }

    /// Everything.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn view(&self) -> Result<View, HttpError> {
        Ok(View {
            routers: self.list("/api/http/routers").await?,
            services: self.services().await?,
            middlewares: self.list("/api/http/middlewares").await?,
            entry_points: self.list("/api/entrypoints").await?,
        })
    }

    async fn list(&self, path: &str) -> Result<Vec<Value>, HttpError> {
        let mut items = Vec::new();
        let mut page = 1;
        // The last page names page 1 as its next (header `X-Next-Page`).
        while let Some((Value::Array(found), next)) = self.get(&format!("{path}?per_page=100&page={page}")).await? {
            items.extend(found);
            match next {
                Some(next) if next > page && next > PAGES => {
                    let why = format!("it lists more than {PAGES} pages");
                    return Err(HttpError { url: format!("{}{path}", self.base), why });
                }
                Some(next) if next > page => page = next,
                _ => break,
            }
        }
        Ok(items)
    }
}

/// Percent-encodes what may not stand in a path segment.
fn escape(segment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@' | b':');
    segment
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
