//! Values that are secrets by the look of them: in a task definition everybody who may describe it reads them.

use serde_json::Value;

/// How tokens of well-known services begin, with the least number of characters that follow.
const PREFIXES: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("github_pat_", 20),
    ("glpat-", 20),
    ("npm_", 30),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("AIza", 30),
    ("SG.", 40),
];
/// Length of a secret access key of AWS.
const SECRET_KEY: usize = 40;

/// `container.NAME` of each variable whose value looks like a key.
pub(super) fn variables(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for container in document["containerDefinitions"].as_array().into_iter().flatten() {
        for entry in container["environment"].as_array().into_iter().flatten() {
            let (name, value) =
                (entry["name"].as_str().unwrap_or_default(), entry["value"].as_str().unwrap_or_default());
            if looks_like_one(name, value) {
                found.push(format!("{}.{name}", container["name"].as_str().unwrap_or_default()));
            }
        }
    }
    found
}

/// The warning about one of them: never its value.
pub(super) fn note(variable: &str) -> String {
    format!(
        "the value of `{variable}` looks like a key, and whoever may describe the task definition reads it: keep it in AWS Secrets Manager or the Parameter Store, and name it in `secrets`"
    )
}

fn looks_like_one(name: &str, value: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let token = |(prefix, least): &(&str, usize)| {
        value.strip_prefix(prefix).is_some_and(|rest| rest.len() >= *least && rest.chars().all(word))
    };
    let jwt = value.starts_with("eyJ") && value.split('.').count() == 3 && value.chars().all(word);
    let private = value.contains("-----BEGIN ") && value.contains("PRIVATE KEY-----");
    let secret_key = name.to_ascii_uppercase().contains("SECRET")
        && value.len() == SECRET_KEY
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "/+=".contains(c));
    PREFIXES.iter().any(token) || jwt || private || secret_key || has_password(value)
}

/// `scheme://user:password@host`.
fn has_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let login = authority.rsplit_once('@').map(|(login, _)| login);
    login.and_then(|login| login.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_values() {
        for (name, value, expected) in [
            ("ID", "AKIAIOSFODNN7EXAMPLE", true),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", true),
            ("TOKEN", "ghp_0123456789abcdefghijABCDEFGHIJ012345", true),
            ("JWT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", true),
            ("KEY", "-----BEGIN RSA PRIVATE KEY-----\nMII…", true),
            ("DATABASE_URL", "postgres://app:hunter2@db.internal:5432/app?ssl=1", true),
            ("DATABASE_URL", "postgres://app@db.internal:5432/app", false),
            ("CALLBACK", "https://example.com/a:b@c", false),
            ("AKIA", "AKIA", false),
            ("LOG_LEVEL", "info", false),
            ("SECRET_NAME", "prod/db", false),
            ("COMMIT", "0123456789abcdef0123456789abcdef01234567", false),
            ("EMPTY", "", false),
        ] {
            assert_eq!(looks_like_one(name, value), expected, "{name}={value}");
        }
    }
}
