//! Putting a route file in place, and believing it only when Traefik says so.
//!
//! One wrong field makes Traefik reject the whole folder with no more than a log line, so a change that is not confirmed
//! is taken back at once.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::api::{Api, text};
use super::compile::priority;
use super::file::{PROOF_PREFIX, Proof, RouteFile, config_of, led_to, proof_names, render, text_of};
use crate::agent::store::{CompiledRoute, RouteService};
use crate::domain::one_line;

/// How long Traefik may take to show a change: its throttle is 2 s where set-up did not shorten it.
const CONFIRM: Duration = Duration::from_secs(10);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// What the file should say.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The route.
    pub route: &'a CompiledRoute,
    /// Containers, by what a route calls them.
    pub servers: &'a [String],
    /// Proof routers, while something is to be proven.
    pub proof: Option<&'a Proof>,
}

/// Writes the file and waits until Traefik serves it; `None` removes it. Where Traefik does not take it over, the file
/// of before is put back.
///
/// # Errors
/// A sentence: what Traefik says instead.
pub async fn apply(
    api: &Api,
    file: &RouteFile,
    wanted: Option<Wanted<'_>>,
    gone: &CompiledRoute,
) -> Result<(), String> {
    let path = file.path().display();
    let before = file.read().map_err(|error| format!("{path} cannot be read: {error}"))?;
    let after = wanted.map(|wanted| text_of(&render(file.transport(), wanted.route, wanted.servers, wanted.proof)));
    if before != after {
        file.write(after.as_deref()).map_err(|error| format!("{path} cannot be written: {error}"))?;
    }
    let confirmed = match wanted {
        Some(wanted) => confirm(api, file, wanted).await,
        None => confirm_gone(api, gone).await,
    };
    if let Err(why) = confirmed {
        file.write(before.as_deref()).map_err(|error| format!("{why}; and {path} cannot be put back: {error}"))?;
        return Err(why);
    }
    Ok(())
}

/// Writes the file and keeps it, confirmed or not: for going back, where no earlier file is better than this one. Traefik
/// reads it when it can.
///
/// # Errors
/// A sentence where it is not confirmed.
pub async fn insist(api: &Api, file: &RouteFile, wanted: Wanted<'_>) -> Result<(), String> {
    let text = text_of(&render(file.transport(), wanted.route, wanted.servers, wanted.proof));
    // A full disk must not keep a file from staying as it is.
    if file.read().ok().flatten().as_ref() != Some(&text) {
        file.write(Some(&text)).map_err(|error| format!("{} cannot be written: {error}", file.path().display()))?;
    }
    confirm(api, file, wanted).await
}

/// Removes the file, confirmed or not.
///
/// # Errors
/// A sentence where it is not confirmed.
pub async fn withdraw(api: &Api, file: &RouteFile, gone: &CompiledRoute) -> Result<(), String> {
    file.write(None).map_err(|error| format!("{} cannot be removed: {error}", file.path().display()))?;
    confirm_gone(api, gone).await
}

/// Leads a route of which only the file is known to these containers, and gives what the file says then. Traefik reads it
/// when it can.
///
/// # Errors
/// A sentence where the file is not as we write it.
pub fn turn(file: &RouteFile, servers: &[String]) -> Result<String, String> {
    let path = file.path().display();
    let text = file.read().map_err(|error| format!("{path} cannot be read: {error}"))?.unwrap_or_default();
    let led = led_to(&text, servers).ok_or_else(|| format!("{path} is not as the agent writes it"))?;
    if led != text {
        file.write(Some(&led)).map_err(|error| format!("{path} cannot be written: {error}"))?;
    }
    Ok(led)
}

/// The same, and waits until Traefik does so.
///
/// # Errors
/// A sentence where the file is not as we write it, or the change is not confirmed.
pub async fn lead(api: &Api, file: &RouteFile, servers: &[String]) -> Result<(), String> {
    let (path, led) = (file.path().display(), turn(file, servers)?);
    let until = Instant::now() + CONFIRM;
    for name in services_in(&led).keys() {
        loop {
            match api.service(&format!("{name}@file")).await {
                Ok(Some(seen)) if hosts(&seen) == servers.iter().map(|server| file.calls(server)).collect() => break,
                _ if Instant::now() >= until => return Err(format!("Traefik did not take {path} over")),
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }
    Ok(())
}

/// Waits until no service that Traefik has sends to one of these addresses of containers that are gone.
///
/// # Errors
/// A sentence where one still does.
pub async fn forgotten(api: &Api, gone: &[IpAddr]) -> Result<(), String> {
    let host = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let gone: BTreeSet<String> = gone.iter().map(host).collect();
    let until = Instant::now() + CONFIRM;
    while !gone.is_empty() {
        let why = match api.services().await {
            Ok(services) if services.iter().all(|service| hosts(service).is_disjoint(&gone)) => break,
            Ok(_) => "Traefik still sends requests to containers that are gone".to_owned(),
            Err(error) => format!("Traefik's API does not answer: {error}"),
        };
        if Instant::now() >= until {
            return Err(why);
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Where to look when Traefik does not take a file over: at every file of the folder, for one wrong field in any of them
/// makes it reject all.
#[must_use]
pub fn where_to_look(file: &RouteFile) -> String {
    let folder = file.path().parent().unwrap_or_else(|| Path::new("/"));
    let theirs = others(folder);
    let theirs = if theirs.is_empty() { String::new() } else { format!(", also in {}", theirs.join(", ")) };
    format!(
        "look at Traefik's log: it has to read {}, and rejects all files there for one wrong field{theirs}",
        folder.display()
    )
}

/// The files of a folder that Traefik reads and the agent did not write; the first few.
fn others(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let read = |name: &str| [".yml", ".yaml", ".toml"].iter().any(|ending| name.ends_with(ending));
    let mut names: Vec<String> =
        names.filter(|name| read(name) && !is_ours(name)).map(|name| one_line(&name, 60)).collect();
    names.sort();
    names.truncate(5);
    names
}

fn is_ours(name: &str) -> bool {
    name.starts_with("deploy-agent-")
}

/// Waits until Traefik shows exactly this route.
async fn confirm(api: &Api, file: &RouteFile, wanted: Wanted<'_>) -> Result<(), String> {
    let until = Instant::now() + CONFIRM;
    loop {
        let why = match differs(api, file, wanted).await {
            Ok(None) => return Ok(()),
            Ok(Some(why)) => why,
            Err(error) => format!("Traefik's API does not answer: {error}"),
        };
        if Instant::now() >= until {
            return Err(format!("Traefik did not take the route file over within {} s: {why}", CONFIRM.as_secs()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn differs(api: &Api, file: &RouteFile, wanted: Wanted<'_>) -> Result<Option<String>, super::http::HttpError> {
    let mut routers: Vec<(String, u64)> =
        wanted.route.routers.iter().map(|(name, router)| (name.clone(), priority(router) + 1)).collect();
    if let Some(proof) = wanted.proof {
        for (index, router) in proof.rehearsed(wanted.route).routers.values().enumerate() {
            let (chain, direct) = proof_names(proof, index);
            routers.extend([chain, direct].map(|name| (name, priority(router) + 2)));
        }
    }
    for (name, priority) in routers {
        let Some(seen) = api.router(&format!("{name}@file")).await? else {
            let what = if name.starts_with(PROOF_PREFIX) { "the proof's router" } else { &format!("router `{name}`") };
            return Ok(Some(format!("it does not show {what}")));
        };
        if text(&seen, "status") != "enabled" {
            let errors = seen.get("error").map(Value::to_string).unwrap_or_default();
            return Ok(Some(format!("router `{name}@file` is disabled: {errors}")));
        }
        if super::compile::priority(&seen) != priority {
            return Ok(Some(format!(
                "router `{name}@file` has priority {}, not {priority}",
                super::compile::priority(&seen)
            )));
        }
    }
    let mut services: Vec<(String, &RouteService, &[String])> =
        wanted.route.services.iter().map(|(name, service)| (name.clone(), service, wanted.servers)).collect();
    if let Some(proof) = wanted.proof.filter(|proof| !proof.next.is_empty()) {
        let rehearsed = proof.rehearsed(wanted.route).services.iter();
        services.extend(rehearsed.map(|(name, service)| (proof.service(name), service, proof.next.as_slice())));
    }
    for (name, service, servers) in services {
        let url = |server: &String| format!("{}://{}:{}", service.scheme, file.calls(server), service.port);
        let expected: BTreeSet<String> = servers.iter().map(url).collect();
        let Some(seen) = api.service(&format!("{name}@file")).await? else {
            return Ok(Some(format!("service `{name}@file` is not there")));
        };
        let listed = seen.pointer("/loadBalancer/servers").and_then(Value::as_array).cloned().unwrap_or_default();
        let listed: BTreeSet<String> = listed.iter().map(|server| text(server, "url").to_owned()).collect();
        if listed != expected {
            return Ok(Some(format!("service `{name}@file` sends to {listed:?}, not to {expected:?}")));
        }
    }
    Ok(None)
}

async fn confirm_gone(api: &Api, route: &CompiledRoute) -> Result<(), String> {
    let until = Instant::now() + CONFIRM;
    for name in route.routers.keys() {
        loop {
            match api.router(&format!("{name}@file")).await {
                Ok(None) => break,
                Ok(Some(_)) if Instant::now() >= until => {
                    return Err(format!("Traefik still has router `{name}@file`"));
                }
                Err(error) if Instant::now() >= until => return Err(format!("Traefik's API does not answer: {error}")),
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }
    Ok(())
}

/// The addresses that route files of a folder send to, whichever application's.
#[must_use]
pub fn addresses_in(folder: &Path) -> Vec<Ipv4Addr> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| is_ours(&entry.file_name().to_string_lossy())).map(|entry| entry.path());
    let servers = ours.filter_map(|path| std::fs::read_to_string(path).ok()).flat_map(|text| servers_in(&text));
    servers.filter_map(|server| server.parse().ok()).collect()
}

/// The containers that a route file sends to, by what it calls them; empty where there is none.
#[must_use]
pub fn servers_in(text: &str) -> BTreeSet<String> {
    services_in(text).values().flat_map(hosts).collect()
}

fn services_in(text: &str) -> Map<String, Value> {
    let config = config_of(text).unwrap_or_default();
    config.pointer("/http/services").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The containers that a service sends to.
fn hosts(service: &Value) -> BTreeSet<String> {
    let servers = service.pointer("/loadBalancer/servers").and_then(Value::as_array);
    let host = |url: &str| url.split_once("://")?.1.rsplit_once(':').map(|(host, _)| host.to_owned());
    servers.into_iter().flatten().filter_map(|server| host(text(server, "url"))).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn a_container_that_is_gone_is_waited_for_until_no_service_sends_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let traefik = thread::spawn(move || {
            for servers in
                [r#"{"url":"http://10.0.0.8:80"},{"url":"http://10.0.0.9:80"}"#, r#"{"url":"http://10.0.0.8:80"}"#]
            {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]).unwrap();
                let body = format!(
                    r#"[{{"name":"web@docker","loadBalancer":{{"servers":[{servers}]}}}},{{"name":"api@internal"}}]"#
                );
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            }
        });
        let api = Api::new(&base, super::super::http::local_client().unwrap());
        forgotten(&api, &["10.0.0.9".parse().unwrap()]).await.unwrap();
        traefik.join().expect("both answers were asked for");
        forgotten(&api, &[]).await.expect("nobody is asked where nothing is gone");
    }
}
