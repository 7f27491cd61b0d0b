//! Compose files for tests. A test that needs something unusual writes its file itself.

use super::LABEL;
use super::yaml::{list, quoted};

/// A service, rendered into a compose file by [`ComposeFile`].
#[derive(Debug, Clone)]
pub struct ComposeService {
    name: String,
    image: String,
    labels: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    depends_on: Vec<String>,
    replicas: Option<u32>,
    extra: String,
}

impl ComposeService {
    /// A service without a route.
    pub fn new(name: &str, image: &str) -> Self {
        Self {
            name: name.to_owned(),
            image: image.to_owned(),
            labels: Vec::new(),
            environment: Vec::new(),
            depends_on: Vec::new(),
            replicas: None,
            extra: String::new(),
        }
    }

    /// Routed by Traefik to port 8080: router and service are named as the compose service, entry point `web`.
    #[must_use]
    pub fn routed(self, rule: &str) -> Self {
        let name = self.name.clone();
        self.label("traefik.enable", "true")
            .label(&format!("traefik.http.routers.{name}.rule"), rule)
            .label(&format!("traefik.http.routers.{name}.entrypoints"), "web")
            .label(&format!("traefik.http.services.{name}.loadbalancer.server.port"), "8080")
    }

    /// With a label; one of the same name is replaced.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.retain(|(known, _)| known != name);
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// After another service.
    #[must_use]
    pub fn depends_on(mut self, service: &str) -> Self {
        self.depends_on.push(service.to_owned());
        self
    }

    /// In so many containers.
    #[must_use]
    pub fn replicas(mut self, count: u32) -> Self {
        self.replicas = Some(count);
        self
    }

    /// With a member as it is, for example `container_name: web`; may be called again.
    #[must_use]
    pub fn with(mut self, member: &str) -> Self {
        self.extra.push_str(&format!("    {}\n", member.trim_end().replace('\n', "\n    ")));
        self
    }

    fn render(&self, bed: &str) -> String {
        let mut text = format!("  {}:\n    image: {}\n", self.name, quoted(&self.image));
        let mut labels = self.labels.clone();
        labels.push((LABEL.to_owned(), bed.to_owned()));
        for (key, pairs) in [("labels", &labels), ("environment", &self.environment)] {
            if !pairs.is_empty() {
                text.push_str(&format!("    {key}:\n"));
            }
            for (name, value) in pairs {
                // Compose expands `$`, as docker does not.
                text.push_str(&format!("      {}: {}\n", quoted(name), quoted(value).replace('$', "$$")));
            }
        }
        if !self.depends_on.is_empty() {
            text.push_str(&format!("    depends_on: {}\n", list(&self.depends_on)));
        }
        if let Some(count) = self.replicas {
            text.push_str(&format!("    deploy: {{replicas: {count}}}\n"));
        }
        text + &self.extra
    }
}

/// A compose file whose services are in the bed's network.
#[derive(Debug, Clone, Default)]
pub struct ComposeFile {
    services: Vec<ComposeService>,
    extra: String,
}

impl ComposeFile {
    /// A file with one service.
    pub fn of(service: ComposeService) -> Self {
        Self { services: vec![service], extra: String::new() }
    }

    /// With another service.
    #[must_use]
    pub fn and(mut self, service: ComposeService) -> Self {
        self.services.push(service);
        self
    }

    /// With lines at the top level, for example `volumes: {data: {}}`.
    #[must_use]
    pub fn with(mut self, lines: &str) -> Self {
        self.extra.push_str(lines);
        self.extra.push('\n');
        self
    }

    /// The file's text for the bed of this name.
    pub fn render(&self, bed: &str) -> String {
        let services: String = self.services.iter().map(|service| service.render(bed)).collect();
        format!("services:\n{services}networks:\n  default: {{name: {}, external: true}}\n{}", quoted(bed), self.extra)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file() {
        let web = ComposeService::new("web", "r/app@sha256:1").routed("Host(`a.test`)").env("PRICE", "5$").replicas(2);
        let file =
            ComposeFile::of(web).and(ComposeService::new("jobs", "r/app:2").depends_on("web").with("read_only: true"));
        assert_eq!(
            file.with("volumes: {data: {}}").render("dab-1-0"),
            r#"services:
  web:
    image: "r/app@sha256:1"
    labels:
      "traefik.enable": "true"
      "traefik.http.routers.web.rule": "Host(`a.test`)"
      "traefik.http.routers.web.entrypoints": "web"
      "traefik.http.services.web.loadbalancer.server.port": "8080"
      "deploy-action-bed": "dab-1-0"
    environment:
      "PRICE": "5$$"
    deploy: {replicas: 2}
  jobs:
    image: "r/app:2"
    labels:
      "deploy-action-bed": "dab-1-0"
    depends_on: ["web"]
    read_only: true
networks:
  default: {name: "dab-1-0", external: true}
volumes: {data: {}}
"#
        );
    }
}
