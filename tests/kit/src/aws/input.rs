//! Reading an input without demanding that it is well formed.

use serde_json::Value;

/// A text that is there and not empty.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// A list; empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The texts of a list.
pub(crate) fn texts<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    list(value, name).iter().filter_map(Value::as_str).collect()
}

/// A yes or no.
pub(crate) fn flag(value: &Value, name: &str) -> Option<bool> {
    value.get(name)?.as_bool()
}

/// A number that is not negative.
pub(crate) fn number(value: &Value, name: &str) -> Option<u64> {
    value.get(name)?.as_u64()
}

/// Puts a member in only where there is something to say.
pub(crate) fn put(object: &mut Value, name: &str, member: Option<Value>) {
    if let Some(member) = member {
        object[name] = member;
    }
}

/// One page of a list, and the token of the next one: the place where it begins.
pub(crate) fn page<T>(items: Vec<T>, input: &Value, limit: usize) -> (Vec<T>, Option<String>) {
    let begin = text(input, "nextToken").and_then(|token| token.parse().ok()).unwrap_or(0);
    let size = number(input, "maxResults").map_or(limit, |size| usize::try_from(size).unwrap_or(limit).clamp(1, limit));
    let next = (begin + size < items.len()).then(|| (begin + size).to_string());
    (items.into_iter().skip(begin).take(size).collect(), next)
}
