//! The few members of a compose service that a swap depends on.

use std::collections::BTreeMap;

use serde_json::Value;

/// A mount that could be written by two versions at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Volume name or host path.
    pub source: String,
    /// Path in the container.
    pub target: String,
}

/// A service as `docker compose config` resolves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComposeService {
    /// A fixed container name.
    pub container_name: Option<String>,
    /// Fixed ports on the host.
    pub published: Vec<String>,
    /// Named volumes and host paths mounted for writing.
    pub writable: Vec<Volume>,
    /// `host`, `none`, `service:…`, `container:…`; absent for ordinary networks.
    pub network_mode: Option<String>,
    /// Containers wanted, where the file says so.
    pub replicas: Option<u64>,
    /// `Some(true)`: the file configures a health check; `Some(false)`: it switches the image's off.
    pub healthcheck: Option<bool>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Services it depends on.
    pub depends_on: Vec<String>,
}

impl ComposeService {
    /// Reads one service of `docker compose config --format json` (compose specification; unknown members do not matter).
    #[must_use]
    pub fn read(service: &Value) -> Self {
        let text = |key: &str| service.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(undollar);
        let list = |key: &str| service.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let published = |port: &Value| match port.get("published") {
            Some(Value::String(port)) if !port.is_empty() && port != "0" => Some(port.clone()),
            Some(Value::Number(port)) if port.as_u64() != Some(0) => Some(port.to_string()),
            _ => None,
        };
        let writable = |volume: &Value| {
            let member = |key: &str| volume.get(key).and_then(Value::as_str).unwrap_or_default();
            let read_only = volume.get("read_only").and_then(Value::as_bool).unwrap_or_default();
            let shared = matches!(member("type"), "volume" | "bind") && !member("source").is_empty();
            (shared && !read_only)
                .then(|| Volume { source: undollar(member("source")), target: undollar(member("target")) })
        };
        let check = service.get("healthcheck");
        let off = check.and_then(|check| check.get("disable")).and_then(Value::as_bool).unwrap_or_default()
            || check.and_then(|check| check.pointer("/test/0")).and_then(Value::as_str) == Some("NONE");
        let replicas = service.pointer("/deploy/replicas").or_else(|| service.get("scale")).and_then(Value::as_u64);
        let names = |value: Option<&Value>| match value {
            Some(Value::Object(members)) => members.keys().cloned().collect(),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Self {
            container_name: text("container_name"),
            published: list("ports").iter().filter_map(published).collect(),
            writable: list("volumes").iter().filter_map(writable).collect(),
            network_mode: text("network_mode").filter(|mode| mode != "bridge"),
            replicas,
            healthcheck: check.filter(|check| !check.is_null()).map(|_| !off),
            labels: labels(service.get("labels")),
            depends_on: names(service.get("depends_on")),
        }
    }
}

fn labels(value: Option<&Value>) -> BTreeMap<String, String> {
    let plain = |value: &Value| match value {
        Value::String(text) => undollar(text),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    match value {
        Some(Value::Object(members)) => members.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        Some(Value::Array(pairs)) => pairs
            .iter()
            .filter_map(Value::as_str)
            .map(|pair| {
                pair.split_once('=').map_or((pair.to_owned(), String::new()), |(n, v)| (n.to_owned(), undollar(v)))
            })
            .collect(),
        _ => BTreeMap::new(),
    }
}

/// `config` prints `$` as `$$`, so that its output is a compose file again.
fn undollar(text: &str) -> String {
    text.replace("$$", "$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_compose_resolves() {
        let service = serde_json::json!({
            "container_name": "web", "scale": 2, "network_mode": "host",
            "ports": [{"target": 80, "published": "8080"}, {"target": 81}, {"target": 82, "published": "0"}],
            "volumes": [
                {"type": "volume", "source": "data", "target": "/d"},
                {"type": "bind", "source": "/etc/x", "target": "/x", "read_only": true},
                {"type": "tmpfs", "target": "/t"}, {"type": "volume", "target": "/anonymous"}
            ],
            "healthcheck": {"test": ["NONE"]},
            "labels": {"traefik.enable": "true", "users": "bob:$$apr1$$x"},
            "depends_on": {"db": {"condition": "service_started"}}
        });
        let read = ComposeService::read(&service);
        assert_eq!(read.container_name.as_deref(), Some("web"));
        assert_eq!(read.published, ["8080"]);
        assert_eq!(read.writable, [Volume { source: "data".to_owned(), target: "/d".to_owned() }]);
        assert_eq!(
            (read.replicas, read.healthcheck, read.network_mode.as_deref()),
            (Some(2), Some(false), Some("host"))
        );
        assert_eq!(read.labels["users"], "bob:$apr1$x");
        assert_eq!(read.depends_on, ["db"]);
        assert_eq!(ComposeService::read(&serde_json::json!({})).replicas, None);
    }
}
