//! A project as compose itself resolves it: files merged, variables and `env_file` put in, paths absolute.
//!
//! Compose is asked for a service's hash about this text, not about the files. Since 2.22 its `config --hash` leaves
//! `env_file` unresolved, and gives another hash than the label of the containers that it makes (docker/compose issue 14001).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{ComposeError, ComposeService};
use crate::domain::{Secret, ServiceName};

/// What `docker compose config --format json` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// All of it, written the same way each time, with every variable of every container.
    pub(super) text: Secret<Arc<str>>,
    /// Its services by name.
    pub services: BTreeMap<String, ComposeService>,
}

impl Resolved {
    /// # Errors
    /// [`ComposeError::Unexpected`].
    pub(super) fn read(text: &str) -> Result<Self, ComposeError> {
        Self::of(&value(text)?)
    }

    fn of(config: &Value) -> Result<Self, ComposeError> {
        let services = config.get("services").and_then(Value::as_object);
        let services = services.ok_or_else(|| unexpected("no services".to_owned()))?;
        let services = services.iter().map(|(name, service)| (name.clone(), ComposeService::read(service))).collect();
        Ok(Self { text: Secret::new(config.to_string().into()), services })
    }

    /// The same with another image of a service, as an override file gives it.
    ///
    /// # Errors
    /// [`ComposeError::Unexpected`] where there is no such service.
    pub fn with_image(&self, service: &ServiceName, image: &str) -> Result<Self, ComposeError> {
        let mut config = value(self.text.expose())?;
        let one = config.get_mut("services").and_then(|services| services.get_mut(service.as_str()));
        let one = one.and_then(Value::as_object_mut).ok_or_else(|| unexpected(format!("no service {service}")))?;
        // As compose writes it: a lone `$` would begin a variable.
        one.insert("image".to_owned(), image.replace('$', "$$").into());
        Self::of(&config)
    }
}

fn value(text: &str) -> Result<Value, ComposeError> {
    serde_json::from_str(text).map_err(|error| unexpected(error.to_string()))
}

fn unexpected(why: String) -> ComposeError {
    ComposeError::Unexpected { call: "config".to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_takes_the_place_of_another_and_nothing_else_changes() {
        let text = r#"{"name":"p","services":{"db":{"image":"a"},"web":{"image":"a","environment":{"A":"$$1"}}}}"#;
        let read = Resolved::read(text).expect("reads");
        let web: ServiceName = "web".parse().expect("a name");
        let mut expected: Value = serde_json::from_str(text).expect("JSON");
        expected["services"]["web"]["image"] = "b".into();
        let expected = serde_json::to_string_pretty(&expected).expect("JSON");
        assert_eq!(read.with_image(&web, "b").expect("is there"), Resolved::read(&expected).expect("reads"));
        assert!(read.with_image(&"api".parse().expect("a name"), "b").is_err());
        assert!(Resolved::read("{}").is_err());
    }

    #[test]
    fn what_containers_are_given_is_shown_nowhere() {
        let text = r#"{"services":{"web":{"image":"a","environment":{"PASSWORD":"canary"}}}}"#;
        let read = Resolved::read(text).expect("reads");
        assert!(read.text.expose().contains("canary") && !format!("{read:?}").contains("canary"), "{read:?}");
    }
}
