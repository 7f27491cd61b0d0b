//! The proof: requests through the real entry point that only the new configuration can answer.
//!
//! Traefik's service API proves nothing (a dead server is "UP", a disabled router keeps its service "enabled"), so a
//! request must come back through the router with the release's mark on it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use reqwest::header::{HOST, HeaderMap, HeaderValue};
use serde_json::Value;

use super::api::{View, text, texts};
use super::file::{PROOF_HEADER, Proof, RELEASE_HEADER};
use super::rule::Rule;
use crate::agent::store::CompiledRoute;
use crate::agent_api::Blocker;
use crate::failure::innermost;

/// Requests per replica and kind.
pub const REQUESTS: usize = 3;
/// Longest wait for one answer.
const CALL: Duration = Duration::from_secs(10);
/// How long a router that the API lists may take to answer at its entry point.
const SETTLE: Duration = Duration::from_secs(2);

/// One request that proves one router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its router's position in the route.
    pub index: usize,
    /// Its router's name.
    pub router: String,
    /// Where the entry point is reached.
    pub entry: reqwest::Url,
    /// Host for the `Host` header and SNI.
    pub host: String,
    /// Path and query.
    pub path: String,
}

/// Finds the request for every router that has one; TLS entry points first.
///
/// # Errors
/// What to add to `agent.yml` where no router can be proven.
pub fn targets(
    route: &CompiledRoute,
    proof: Option<&str>,
    probe_path: &str,
    entry_points: &BTreeMap<String, String>,
) -> Result<Vec<Target>, Blocker> {
    let proof = proof.and_then(|url| reqwest::Url::parse(url).ok());
    let mut found = Vec::new();
    let mut missing = BTreeSet::new();
    for (index, (name, router)) in route.routers.iter().enumerate() {
        let rule = Rule::read(text(router, "rule"));
        let points = texts(router, "entryPoints");
        let known = points.iter().filter_map(|point| reqwest::Url::parse(entry_points.get(point)?).ok());
        let Some(entry) = known.max_by_key(|url| url.scheme() == "https") else {
            missing.extend(points);
            continue;
        };
        let wanted = proof.as_ref().and_then(|url| {
            let host = url.host_str()?;
            let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
            rule.may_match(host, url.path()).then(|| (host.to_owned(), path))
        });
        let guess = || Some((rule.host()?.to_owned(), rule.path_for(probe_path)?));
        if let Some((host, path)) = wanted.or_else(guess) {
            found.push(Target { index, router: name.clone(), entry, host, path });
        }
    }
    if !found.is_empty() {
        found.sort_by_key(|target| (target.entry.scheme() != "https", target.index));
        return Ok(found);
    }
    Err(if missing.is_empty() {
        Blocker {
            code: "proof_required".to_owned(),
            message: "no rule of the service names a host literally, so no request can prove it".to_owned(),
            hint: "set `proof: https://<host>/<path>` for the service in agent.yml".to_owned(),
        }
    } else {
        let names = missing.into_iter().collect::<Vec<_>>().join(", ");
        Blocker {
            code: "entrypoint_unknown".to_owned(),
            message: format!("agent.yml does not say how to reach the entry point {names}"),
            hint: format!(
                "add `{names}: http://127.0.0.1:80` (its address on this host) to `traefik.entrypoints` in agent.yml"
            ),
        }
    })
}

/// Entry points that expect the PROXY protocol answer no plain request.
#[must_use]
pub fn entry_blockers(view: &View, route: &CompiledRoute) -> Vec<Blocker> {
    let used: BTreeSet<String> = route.routers.values().flat_map(|router| texts(router, "entryPoints")).collect();
    let blocked = view
        .entry_points
        .iter()
        .filter(|point| used.contains(text(point, "name")) && point.get("proxyProtocol").is_some());
    blocked
        .map(|point| Blocker {
            code: "proxy_protocol".to_owned(),
            message: format!(
                "entry point `{}` expects the PROXY protocol, so the agent cannot send it a request",
                text(point, "name")
            ),
            hint: "let the service's router use an entry point without `proxyProtocol` as well".to_owned(),
        })
        .collect()
}

/// An answer, as far as a proof looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The release's mark.
    pub release: Option<String>,
}

fn client(target: &Target, verify_certificate: bool) -> Result<reqwest::Client, String> {
    let port = target.entry.port_or_known_default().unwrap_or(80);
    let host = target.entry.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address: SocketAddr = (host, port)
        .to_socket_addrs()
        .map_err(|error| format!("the entry point's address {host} does not resolve: {error}"))?
        .next()
        .ok_or_else(|| format!("the entry point's address {host} does not resolve"))?;
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .connect_timeout(Duration::from_secs(2))
        .timeout(CALL)
        .resolve(&target.host, address)
        // The certificate is reported, never a reason to fail: what matters is who answers.
        .danger_accept_invalid_certs(!verify_certificate)
        .build()
        .map_err(|error| innermost(&error))
}

async fn ask(client: &reqwest::Client, target: &Target, nonce: Option<&str>) -> Result<Answer, String> {
    let scheme = target.entry.scheme();
    let port = target.entry.port_or_known_default().unwrap_or(80);
    let mut request =
        client.get(format!("{scheme}://{}:{port}{}", target.host, target.path)).header(HOST, &target.host);
    if let Some(nonce) = nonce {
        request = request.header(PROOF_HEADER, nonce);
    }
    let answer = request.send().await.map_err(|error| innermost(&error))?;
    let release = answer.headers().get(RELEASE_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Answer { status: answer.status().as_u16(), release })
}

/// A request for `path` through a router, where its rule names a host and its entry point is known.
#[must_use]
pub fn request_through(router: &Value, path: &str, entry_points: &BTreeMap<String, String>) -> Option<Target> {
    let points = texts(router, "entryPoints");
    let known = points.iter().filter_map(|point| reqwest::Url::parse(entry_points.get(point)?).ok());
    let entry = known.max_by_key(|url| url.scheme() == "https")?;
    let host = Rule::read(text(router, "rule")).host()?.to_owned();
    Some(Target { index: 0, router: text(router, "name").to_owned(), entry, host, path: path.to_owned() })
}

/// The status that the running version gives through the entry point; `None` where it gives none.
pub async fn baseline(target: &Target) -> Option<u16> {
    let client = client(target, false).ok()?;
    ask(&client, target, None).await.ok().map(|answer| answer.status)
}

/// A sentence about the certificate of a TLS entry point, where it would not satisfy a browser.
pub async fn certificate_note(target: &Target) -> Option<String> {
    if target.entry.scheme() != "https" {
        return None;
    }
    let client = client(target, true).ok()?;
    let error = ask(&client, target, None).await.err()?;
    Some(format!("the certificate for {} is not one that browsers trust: {error}", target.host))
}

/// What a container itself answers to the target's request, sent as the proxy would send it.
///
/// # Errors
/// A sentence where it does not answer.
pub async fn container_status(client: &reqwest::Client, target: &Target, base: &str) -> Result<u16, String> {
    let mut headers = HeaderMap::new();
    let host = HeaderValue::from_str(&target.host).map_err(|error| error.to_string())?;
    headers.insert("x-forwarded-host", host.clone());
    headers.insert(HOST, host);
    headers.insert("x-forwarded-for", HeaderValue::from_static("127.0.0.1"));
    let proto = if target.entry.scheme() == "https" { "https" } else { "http" };
    headers.insert("x-forwarded-proto", HeaderValue::from_static(proto));
    let request = client.get(format!("{base}{}", target.path)).headers(headers).timeout(CALL);
    request.send().await.map(|answer| answer.status().as_u16()).map_err(|error| innermost(&error))
}

/// What counts as proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// The adopted route does what the labels did: this status, whatever it is.
    AsBefore(Option<u16>),
    /// The new version serves.
    Serving {
        /// Statuses that its containers give by themselves; empty where they cannot be asked.
        itself: BTreeSet<u16>,
        /// What the running version gave.
        before: Option<u16>,
    },
}

impl Acceptance {
    /// Judges the statuses through all middlewares and through none.
    fn judge(&self, chain: u16, direct: u16, router: &str) -> Result<(), String> {
        match self {
            Self::AsBefore(Some(before)) if *before < 500 && chain >= 500 => Err(format!(
                "it is answered with status {chain} through router `{router}@file`, with {before} through the labels"
            )),
            Self::AsBefore(_) => Ok(()),
            Self::Serving { .. } if chain >= 500 => {
                Err(format!("it is answered with status {chain} through router `{router}`"))
            }
            Self::Serving { before, .. } if chain == 404 && *before != Some(404) => Err(format!(
                "it is answered with status 404 through router `{router}`; the running version gives {}",
                shown(*before)
            )),
            Self::Serving { .. } if direct >= 500 => {
                Err(format!("it is answered with status {direct} by the new container behind Traefik"))
            }
            Self::Serving { itself, .. } if !itself.is_empty() && !itself.contains(&direct) => {
                let itself: Vec<String> = itself.iter().map(ToString::to_string).collect();
                Err(format!(
                    "it is answered with status {direct} behind Traefik, but the new container itself gives {}",
                    itself.join(" or ")
                ))
            }
            Self::Serving { .. } => Ok(()),
        }
    }
}

/// Sends the proof's requests for one target.
///
/// # Errors
/// A sentence that says which request was answered by whom.
pub async fn prove(target: &Target, proof: &Proof, replicas: usize, acceptance: &Acceptance) -> Result<(), String> {
    let client = client(target, false)?;
    let url = format!("GET {}://{}{} at {}", target.entry.scheme(), target.host, target.path, target.entry);
    for _ in 0..REQUESTS * replicas.max(1) {
        let chain = marked(&client, target, &proof.chain, proof).await.map_err(|why| format!("{url}: {why}"))?;
        let direct = marked(&client, target, &proof.direct, proof).await.map_err(|why| format!("{url}: {why}"))?;
        acceptance.judge(chain, direct, &target.router).map_err(|why| format!("{url}: {why}"))?;
    }
    Ok(())
}

fn shown(status: Option<u16>) -> String {
    status.map_or_else(|| "no answer".to_owned(), |status| status.to_string())
}

/// One request that must carry the mark. Only an answer without it is asked for again, for the moment between Traefik's
/// API and its entry points; the answer that counts is never repeated.
async fn marked(client: &reqwest::Client, target: &Target, nonce: &str, proof: &Proof) -> Result<u16, String> {
    let until = tokio::time::Instant::now() + SETTLE;
    loop {
        let answer = ask(client, target, Some(nonce)).await?;
        if answer.release.as_deref() == Some(proof.release.as_str()) {
            return Ok(answer.status);
        }
        if tokio::time::Instant::now() >= until {
            return Err(format!("another router answers (status {}, without the mark of this release)", answer.status));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn route(rules: &[(&str, &str, &str)]) -> CompiledRoute {
        let router =
            |rule: &str, point: &str| json!({ "rule": rule, "entryPoints": [point], "priority": 1, "service": "s" });
        CompiledRoute {
            routers: rules.iter().map(|(name, rule, point)| ((*name).to_owned(), router(rule, point))).collect(),
            services: BTreeMap::new(),
            middlewares: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }

    fn found(rules: &[(&str, &str, &str)], proof: Option<&str>) -> Result<Vec<String>, String> {
        let entry_points = BTreeMap::from([
            ("web".to_owned(), "http://127.0.0.1:80".to_owned()),
            ("websecure".to_owned(), "https://127.0.0.1:443".to_owned()),
        ]);
        let found = targets(&route(rules), proof, "/healthz", &entry_points);
        let shown =
            |target: Target| format!("{} {}://{}{}", target.router, target.entry.scheme(), target.host, target.path);
        found.map(|targets| targets.into_iter().map(shown).collect()).map_err(|blocker| blocker.code)
    }

    #[test]
    fn targets_come_from_literals_or_from_the_proof() {
        let one = |rule| found(&[("r", rule, "web")], None);
        assert_eq!(one("Host(`a`)"), Ok(vec!["r http://a/healthz".to_owned()]));
        assert_eq!(one("Host(`a`) && PathPrefix(`/u`)"), Ok(vec!["r http://a/u/healthz".to_owned()]));
        assert_eq!(one("PathPrefix(`/u`)"), Err("proof_required".to_owned()));
        assert_eq!(found(&[("r", "Host(`a`)", "other")], None), Err("entrypoint_unknown".to_owned()));
        assert_eq!(
            found(&[("a", "Host(`a`)", "web"), ("b", "Host(`a`)", "websecure")], Some("https://a/x?y=1")),
            Ok(vec!["b https://a/x?y=1".to_owned(), "a http://a/x?y=1".to_owned()])
        );
        assert_eq!(
            found(&[("r", "PathPrefix(`/u`)", "web")], Some("http://h/u/x")),
            Ok(vec!["r http://h/u/x".to_owned()])
        );
    }
}
