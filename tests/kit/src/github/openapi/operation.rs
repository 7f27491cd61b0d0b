//! One operation of the description: finding it, and holding a call against it.

use serde_json::{Value, json};

use super::super::Call;
use super::schema;

/// An operation, and the path's parameters as a call gave them.
pub(super) struct Operation<'a> {
    document: &'a Value,
    description: &'a Value,
    given: Vec<(&'a str, &'a str)>,
}

impl<'a> Operation<'a> {
    /// The operation that a call is; of several templates that fit, the one with the fewest parameters.
    pub(super) fn of(document: &'a Value, call: &'a Call) -> Option<Self> {
        let (path, _) = split(&call.path);
        let fits = document["paths"].as_object()?.iter().filter_map(|(template, item)| {
            let description = item.get(call.method.to_lowercase())?;
            Some(Self { document, description, given: fill(template, path)? })
        });
        fits.min_by_key(|operation| operation.given.len())
    }

    pub(super) fn problems(&self, call: &Call) -> Vec<String> {
        let mut all = self.parameters(&call.path);
        all.extend(self.request(&call.body));
        if let Some((status, document)) = &call.answer {
            all.extend(self.response(*status, document));
        }
        if !call.authorized {
            all.push("it carries no token".to_owned());
        }
        all
    }

    fn parameters(&self, path: &str) -> Vec<String> {
        let described: Vec<&Value> = list(&self.description["parameters"]).map(|one| self.resolved(one)).collect();
        let query = split(path).1.split('&').filter(|pair| !pair.is_empty());
        let query = query.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let given = self.given.iter().copied().map(|pair| ("path", pair));
        let mut all = Vec::new();
        for (place, (name, text)) in given.chain(query.map(|pair| ("query", pair))) {
            let known = described.iter().find(|one| one["name"] == name && one["in"] == place);
            match known {
                None => all.push(format!("GitHub has no {place} parameter `{name}`")),
                Some(one) => all.extend(self.check(&format!("`{name}`"), &one["schema"], &typed(&one["schema"], text))),
            }
        }
        all
    }

    fn request(&self, body: &Value) -> Vec<String> {
        let described = &self.description["requestBody"];
        let schema = &described["content"]["application/json"]["schema"];
        match (schema.is_object(), body.is_null()) {
            (false, true) => Vec::new(),
            (true, true) if described["required"] != true => Vec::new(),
            (false, false) => vec!["GitHub takes no document here".to_owned()],
            // A misspelt member is ignored by GitHub; here it is a mistake.
            (true, _) => self.check("the request", &closed(schema), body),
        }
    }

    fn response(&self, status: u16, document: &Value) -> Vec<String> {
        let Some(described) = self.description["responses"].get(status.to_string()) else {
            return vec![format!("GitHub does not answer {status} here")];
        };
        self.check("the answer", &self.resolved(described)["content"]["application/json"]["schema"], document)
    }

    fn check(&self, what: &str, schema: &Value, value: &Value) -> Vec<String> {
        schema::problems(self.document, schema, value).into_iter().map(|problem| format!("{what}: {problem}")).collect()
    }

    fn resolved(&self, value: &'a Value) -> &'a Value {
        schema::target(self.document, value).unwrap_or(value)
    }
}

/// Path and query.
fn split(path: &str) -> (&str, &str) {
    path.split_once('?').unwrap_or((path, ""))
}

/// What a path gives for a template's parameters; none where it is another path.
fn fill<'a>(template: &'a str, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let (wanted, parts) = (template.split('/'), path.split('/'));
    if wanted.clone().count() != parts.clone().count() {
        return None;
    }
    let mut given = Vec::new();
    for (wanted, part) in wanted.zip(parts) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !part.is_empty() => given.push((name, part)),
            None if wanted == part => {}
            _ => return None,
        }
    }
    Some(given)
}

/// A parameter's text as its schema wants it; what is no number stays text, which the schema then refuses.
fn typed(schema: &Value, text: &str) -> Value {
    let value = match schema["type"].as_str() {
        Some("integer") => text.parse::<i64>().ok().map(Value::from),
        Some("boolean") => text.parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    value.unwrap_or_else(|| text.into())
}

/// The schema of a request, with no members but those that it names.
fn closed(schema: &Value) -> Value {
    let mut closed = schema.clone();
    if closed["properties"].is_object() && closed.get("additionalProperties").is_none() {
        closed["additionalProperties"] = json!(false);
    }
    closed
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
