//! Reads outcome, reason, release and digest back out of each place.

use std::collections::BTreeMap;

use serde_json::Value;

/// What one place says; empty where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Says {
    pub(super) outcome: String,
    pub(super) reason: String,
    pub(super) release: String,
    pub(super) digest: String,
}

/// `rolled_back (never_healthy), release 3, sha256:…`, and what follows that is none of these.
fn sentence(text: &str) -> Option<Says> {
    let mut parts = text.split(", ");
    let first = parts.next()?;
    let (outcome, reason) = first.split_once(" (").unwrap_or((first, ""));
    let mut says =
        Says { outcome: outcome.to_owned(), reason: reason.trim_end_matches(')').to_owned(), ..Says::default() };
    // A cancelled run is told by one word.
    if says.outcome == "cancelled" && says.reason.is_empty() {
        says.reason = "cancelled".to_owned();
    }
    for part in parts {
        if let Some(number) = part.strip_prefix("release ") {
            number.clone_into(&mut says.release);
        } else if part.starts_with("sha256:") {
            part.clone_into(&mut says.digest);
        }
    }
    Some(says).filter(|says| !says.outcome.is_empty())
}

/// The last line. Where the agent's last words stand above it, they are the same.
pub(super) fn said_in_log(stdout: &str) -> Option<Says> {
    let says = sentence(stdout.lines().last()?.strip_prefix("result: ")?)?;
    // `10:00:00  proven: release 4 answers through the entry point`; at ECS, whose release is the revision's number,
    // `10:00:00  deployed: revision `web:4` of `web` serves`
    let release = |line: &str| {
        let own = line.split_once("  proven: release ").and_then(|(_, rest)| rest.split(' ').next());
        let at_ecs =
            || line.split_once("  deployed: revision `")?.1.split_once('`')?.0.rsplit_once(':').map(|(_, n)| n);
        own.or_else(at_ecs).map(str::to_owned)
    };
    let proven = stdout.lines().filter_map(release).next_back();
    let fits = says.outcome != "deployed" || proven.as_deref() == Some(says.release.as_str());
    fits.then_some(says)
}

pub(super) fn said_in_outputs(outputs: &BTreeMap<String, String>) -> Option<Says> {
    let get = |name: &str| outputs.get(name).cloned();
    let says = Says {
        outcome: get("outcome")?,
        reason: get("reason-code")?,
        release: get("release")?,
        digest: get("digest")?,
    };
    let image = get("image")?;
    (image.ends_with(&says.digest) && get("environment").is_some()).then_some(says)
}

pub(super) fn result_json(outputs: &BTreeMap<String, String>) -> Value {
    outputs.get("result-json").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

pub(super) fn said_in_result_json(outputs: &BTreeMap<String, String>) -> Option<Says> {
    let document = result_json(outputs);
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    Some(Says {
        outcome: document["outcome"].as_str()?.to_owned(),
        reason: text("reason"),
        release: document["release"].as_u64().map(|number| number.to_string()).unwrap_or_default(),
        digest: text("image").split_once('@').map(|(_, digest)| digest.to_owned()).unwrap_or_default(),
    })
}

/// The line at its foot. Headline and table, which are written otherwise, have to mean the same.
pub(super) fn said_in_markdown(text: &str) -> Result<Option<Says>, String> {
    let Some((_, foot)) = text.rsplit_once("<sub>Result: <code>") else { return Ok(None) };
    let Some(says) = foot.split_once("</code>").and_then(|(inner, _)| sentence(&decoded(inner))) else {
        return Ok(None);
    };
    let headline = text.lines().find_map(|line| line.strip_prefix("### ")).unwrap_or_default();
    let outcomes = meant(headline);
    if !outcomes.contains(&says.outcome.as_str()) {
        return Err(format!("the headline `{headline}` does not mean `{}`", says.outcome));
    }
    let mut lines = text.lines().skip_while(|line| !line.contains("| serving release | serving digest |"));
    if let Some(row) = lines.nth(2) {
        let cells: Vec<String> = row.trim_matches('|').split('|').map(|cell| decoded(cell.trim())).collect();
        let cell = |at: usize| cells.get(at).map(|cell| cell.replace('–', "")).unwrap_or_default();
        let digest = cell(4).replace("<code>", "").replace("</code>", "");
        if cell(3) != says.release || (says.digest.is_empty() != digest.is_empty()) || !says.digest.starts_with(&digest)
        {
            return Err(format!("the table says {row}, the foot {says:?}"));
        }
    }
    Ok(Some(says))
}

/// The outcomes that a headline may stand for.
fn meant(headline: &str) -> &'static [&'static str] {
    let has = |text: &str| headline.contains(text);
    match headline.chars().next() {
        Some('✅') if has("Nothing to do") => &["unchanged"],
        Some('✅') => &["deployed"],
        Some('📋') => &["planned"],
        Some('❌') if has("the version from before serves") => &["rolled_back"],
        Some('❌' | '🚫') => &["failed"],
        Some('🚨') => &["stranded"],
        Some('⏹') if has("Run cancelled") => &["unknown"],
        Some('⏹') => &["cancelled"],
        Some('⏭') => &["skipped"],
        Some('❓') => &["unknown"],
        _ => &[],
    }
}

/// The state is the outcome's, and the description says it.
pub(super) fn said_in_status(status: &Value) -> Result<Option<Says>, String> {
    let Some(says) = status["description"].as_str().and_then(sentence) else { return Ok(None) };
    let state = match says.outcome.as_str() {
        "deployed" | "unchanged" => "success",
        "rolled_back" => "failure",
        "cancelled" => "inactive",
        "unknown" if status["state"] == "in_progress" => "in_progress",
        _ => "error",
    };
    if status["state"] == state {
        return Ok(Some(says));
    }
    Err(format!("the state {} does not mean `{}`", status["state"], says.outcome))
}

/// `&#58;` as `:`; a zero-width space as nothing.
fn decoded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("&#") {
        out.push_str(before);
        let (number, after) = after.split_once(';').unwrap_or((after, ""));
        out.extend(number.parse().ok().and_then(char::from_u32).filter(|c| *c != '\u{200b}'));
        rest = after;
    }
    out.push_str(rest);
    out
}
