//! What the command says with `--format json`: one event per line.

use serde_json::Value;

/// A line for people, if the event is worth one.
pub(super) fn shown(line: &str) -> Option<String> {
    sentence(&serde_json::from_str(line).ok()?)
}

/// Milliseconds by phase, in the order in which they ended.
pub(super) fn phases(lines: &[String]) -> Vec<(String, u64)> {
    let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ended = events.filter(|event| event["kind"] == "phase_finished");
    ended.filter_map(|event| Some((event["phase"].as_str()?.to_owned(), event["took_ms"].as_u64()?))).collect()
}

fn sentence(event: &Value) -> Option<String> {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    match event["kind"].as_str()? {
        "phase_finished" => Some(format!("{:<9} {} ms", text("phase"), event["took_ms"])),
        "note" => Some(text("text")),
        "switched" => Some("the new version gets the traffic".to_owned()),
        "proven" => Some(format!("release {} is proven to serve", event["release"])),
        "drained" => Some(format!("old connections drained in {} ms, {} left open", event["took_ms"], event["open"])),
        "diagnosis" => {
            let container = &event["container"];
            let log = container["log"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let name = container["name"].as_str().unwrap_or("the container");
            Some(log.fold(format!("last words of {name}:"), |all, line| format!("{all}\n  {line}")))
        }
        "finished" => Some(match text("hint") {
            hint if hint.is_empty() => text("message"),
            hint => format!("{}\nhint: {hint}", text("message")),
        }),
        "result" => Some(format!("exit code {}", event["exit_code"])),
        _ => None,
    }
}
