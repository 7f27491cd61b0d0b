//! Schemas of OpenAPI 3.0 as JSON Schema: draft 4 with `nullable`.

use std::collections::BTreeMap;

use jsonschema::Draft;
use serde_json::{Map, Value, json};

/// What is wrong with a value, a sentence each. `schema` may refer to the rest of `document`.
pub(super) fn problems(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut parts = BTreeMap::new();
    let Value::Object(mut whole) = converted(document, schema, &mut parts) else {
        return vec!["there is no schema for it".to_owned()];
    };
    whole.insert("parts".to_owned(), parts.into_iter().collect::<Map<_, _>>().into());
    let options = jsonschema::options().with_draft(Draft::Draft4).should_validate_formats(true);
    match options.build(&whole.into()) {
        Ok(validator) => {
            validator.iter_errors(value).map(|error| format!("{} {error}", error.instance_path())).collect()
        }
        Err(error) => vec![format!("its schema is none: {error}")],
    }
}

/// What a `$ref` of the document itself refers to.
pub(super) fn target<'a>(document: &'a Value, value: &Value) -> Option<&'a Value> {
    document.pointer(value.get("$ref")?.as_str()?.strip_prefix('#')?)
}

/// A schema in which `nullable` is said as JSON Schema says it, and every reference leads to one of `parts`.
fn converted(document: &Value, schema: &Value, parts: &mut BTreeMap<String, Value>) -> Value {
    match schema {
        Value::Array(all) => all.iter().map(|one| converted(document, one, parts)).collect(),
        Value::Object(_) if schema.get("$ref").is_some() => reference(document, schema, parts),
        Value::Object(members) => {
            // Examples are values, not schemas; what reads like one in them is none.
            let kept = members.iter().filter(|(name, _)| !matches!(name.as_str(), "nullable" | "example" | "examples"));
            let plain = kept.map(|(name, one)| (name.clone(), converted(document, one, parts))).collect::<Map<_, _>>();
            if members.get("nullable") == Some(&json!(true)) { nullable(plain) } else { plain.into() }
        }
        other => other.clone(),
    }
}

/// The simpler form first: with it a mistake is told at its member.
fn nullable(mut schema: Map<String, Value>) -> Value {
    match (schema.get("type"), schema.contains_key("enum")) {
        (Some(Value::String(word)), false) => {
            let either = json!([word, "null"]);
            schema.insert("type".to_owned(), either);
            schema.into()
        }
        _ => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}

fn reference(document: &Value, schema: &Value, parts: &mut BTreeMap<String, Value>) -> Value {
    let name = schema["$ref"].as_str().unwrap_or_default().replace(['#', '/'], ".");
    if !parts.contains_key(&name) {
        // Known before it is read: a schema may refer to itself.
        parts.insert(name.clone(), Value::Null);
        let part = target(document, schema).map_or(Value::Null, |target| converted(document, target, parts));
        parts.insert(name.clone(), part);
    }
    json!({"$ref": format!("#/parts/{name}")})
}
