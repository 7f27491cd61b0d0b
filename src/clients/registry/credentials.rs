//! Logins for registries: from inputs, or from a docker config.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::clients::docker::RegistryLogin;
use crate::domain::{Reason, Repository, Secret};
use crate::failure::Failure;

/// One login per registry.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    logins: BTreeMap<String, RegistryLogin>,
    /// Registries whose login a docker config leaves to a helper program, and the helper.
    helped: BTreeMap<String, String>,
    /// Registries with an identity token instead of a password.
    tokens: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize)]
struct Auth {
    auth: Option<Secret<String>>,
    username: Option<String>,
    password: Option<Secret<String>>,
    identitytoken: Option<Secret<String>>,
}

impl Credentials {
    /// Adds or replaces the login for a registry, for example `docker.io` or `127.0.0.1:5000`.
    #[must_use]
    pub fn with(mut self, registry: &str, login: RegistryLogin) -> Self {
        let registry = host(registry);
        self.helped.remove(&registry);
        self.tokens.remove(&registry);
        self.logins.insert(registry, login);
        self
    }

    /// Reads the text of a docker `config.json`.
    ///
    /// # Errors
    /// It is not one. A login that this program cannot use is an error only when its registry is asked for.
    pub fn from_docker_config(text: &str) -> Result<Self, Failure> {
        // Never repeat what the parser met: it may be a password.
        let bad = |what: String| {
            Failure::new(Reason::RegistryFailed, what).hint("let `docker login` write the file, or give the inputs")
        };
        let config: DockerConfig = serde_json::from_str(text).map_err(|error| {
            bad(format!("the docker config does not parse (line {}, column {})", error.line(), error.column()))
        })?;
        let mut credentials = Self::default();
        for (registry, auth) in config.auths {
            let registry = host(&registry);
            let decoded = match &auth.auth {
                Some(auth) if !auth.expose().is_empty() => Some(decode(auth.expose()).ok_or_else(|| {
                    bad(format!("the docker config's `auth` of `{registry}` is not base64 of `user:password`"))
                })?),
                _ => None,
            };
            let plain = auth.username.zip(auth.password.map(|password| password.expose().clone()));
            if auth.identitytoken.is_some_and(|token| !token.expose().is_empty()) {
                credentials.tokens.insert(registry);
            } else if let Some((username, password)) = decoded.or(plain) {
                credentials.logins.insert(registry, RegistryLogin { username, password: Secret::new(password) });
            } else if let Some(store) = &config.creds_store {
                credentials.helped.insert(registry, store.clone());
            }
        }
        for (registry, helper) in config.cred_helpers {
            let registry = host(&registry);
            credentials.logins.remove(&registry);
            credentials.helped.insert(registry, helper);
        }
        Ok(credentials)
    }

    /// The login for a registry; `None` where there is none, which is right for public ones.
    ///
    /// # Errors
    /// The docker config has one in a form that this program cannot use.
    pub fn of(&self, registry: &str) -> Result<Option<&RegistryLogin>, Failure> {
        let registry = host(registry);
        let refused = |what: String| {
            Err(Failure::new(Reason::RegistryFailed, what).hint(
                "give `registry-username` and `registry-password`: helper programs and identity tokens are not used",
            ))
        };
        if let Some(helper) = self.helped.get(&registry) {
            return refused(format!(
                "the docker config leaves the login for `{registry}` to the program `docker-credential-{helper}`"
            ));
        }
        if self.tokens.contains(&registry) {
            return refused(format!("the docker config has an identity token for `{registry}`, no password"));
        }
        Ok(self.logins.get(&registry))
    }

    /// Every login, by registry.
    #[must_use]
    pub fn logins(&self) -> &BTreeMap<String, RegistryLogin> {
        &self.logins
    }
}

/// Whether a login for `registry`, as somebody wrote it, is one for the registry of this repository.
#[must_use]
pub fn is_for(registry: &str, repository: &Repository) -> bool {
    host(registry) == host(&repository.registry())
}

/// The registry's host as image names have it; docker configs also write it as a URL.
fn host(registry: &str) -> String {
    let rest = registry.split_once("://").map_or(registry, |(_, rest)| rest);
    match rest.split('/').next().unwrap_or_default() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        host => host.to_owned(),
    }
}

fn decode(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    // Old docker versions pad the password with zero bytes.
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_config_is_read_as_docker_writes_it() {
        let config = r#"{
            "auths": {
                "https://index.docker.io/v1/": {"auth": "Ym9iOnMzOmNyZXQ="},
                "one.example": {"username": "amy", "password": "p"},
                "two.example": {},
                "three.example": {"auth": "Ym9iOnMzY3JldA==", "identitytoken": "t"},
                "four.example": {"auth": "Ym9iOnMzY3JldA=="}
            },
            "credsStore": "desktop",
            "credHelpers": {"four.example": "ecr-login"}
        }"#;
        let credentials = Credentials::from_docker_config(config).expect("a config");
        let login = |registry: &str| {
            let login = credentials.of(registry).map_err(|failure| failure.message)?;
            Ok(login.map(|login| (login.username.clone(), login.password.expose().clone())))
        };
        assert_eq!(login("docker.io"), Ok(Some(("bob".to_owned(), "s3:cret".to_owned()))));
        assert_eq!(login("one.example"), Ok(Some(("amy".to_owned(), "p".to_owned()))));
        let helper = |registry: &str, name: &str| {
            Err(format!(
                "the docker config leaves the login for `{registry}` to the program `docker-credential-{name}`"
            ))
        };
        assert_eq!(login("two.example"), helper("two.example", "desktop"));
        assert_eq!(login("four.example"), helper("four.example", "ecr-login"));
        let token = "the docker config has an identity token for `three.example`, no password";
        assert_eq!(login("three.example"), Err(token.to_owned()));
        assert_eq!(login("five.example"), Ok(None));
        let given = RegistryLogin { username: "eve".to_owned(), password: Secret::new("x".to_owned()) };
        let credentials = credentials.clone().with("four.example", given);
        assert_eq!(credentials.of("four.example").ok().flatten().map(|login| login.username.as_str()), Some("eve"));
    }

    #[test]
    fn a_broken_config_is_not_repeated() {
        for (text, message) in [
            ("{\"auths\": {\"r\": {\"auth\": 7hunter2", "the docker config does not parse (line 1, column 26)"),
            (
                "{\"auths\": {\"r\": {\"auth\": \"hunter2\"}}}",
                "the docker config's `auth` of `r` is not base64 of `user:password`",
            ),
        ] {
            let failure = Credentials::from_docker_config(text).expect_err("no config");
            assert!(!failure.render().contains("hunter2"), "{}", failure.render());
            assert_eq!(failure.message, message);
        }
    }
}
