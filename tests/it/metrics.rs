//! What Prometheus is told: parsed strictly, true, and still true after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};

use kit::bed::{AgentOptions, AppImage, request};

use crate::stage::{Setting, Stage};

/// The samples of one scrape by their whole series, `name{labels}`.
type Samples = BTreeMap<String, f64>;

fn scrape(at: SocketAddr) -> Samples {
    let answer = request(at, "GET", "prometheus", "/metrics", &[]).expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    parsed(&answer.body).unwrap_or_else(|why| panic!("{why}\n{}", answer.body))
}

/// Reads the text format as strictly as its description allows: every family is announced once and stands together, no
/// series comes twice, names and escapes are those of the grammar, and a histogram adds up.
fn parsed(text: &str) -> Result<Samples, String> {
    let mut samples = Samples::new();
    let (mut family, mut kind) = (String::new(), String::new());
    let mut announced = BTreeSet::new();
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let name = rest.split(' ').next().unwrap_or_default();
            if !announced.insert(name.to_owned()) {
                return Err(format!("{name} is announced twice"));
            }
            (family, kind) = (name.to_owned(), String::new());
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, word) = rest.split_once(' ').ok_or("a type without a word")?;
            if name != family || !matches!(word, "counter" | "gauge" | "histogram") {
                return Err(format!("not the type of {family}: {line}"));
            }
            kind = word.to_owned();
            continue;
        }
        let (series, value) = line.rsplit_once(' ').ok_or_else(|| format!("no value: {line}"))?;
        let (name, labels) = series.split_once('{').map_or((series, None), |(name, rest)| (name, Some(rest)));
        let suffix = name.strip_prefix(family.as_str()).ok_or_else(|| format!("outside of its family: {line}"))?;
        let fits = match kind.as_str() {
            "histogram" => matches!(suffix, "_bucket" | "_sum" | "_count"),
            _ => suffix.is_empty(),
        };
        if family.is_empty() || !fits || !is_name(name) {
            return Err(format!("not of {kind} {family}: {line}"));
        }
        if let Some(labels) = labels {
            labels_of(labels.strip_suffix('}').ok_or_else(|| format!("no end of labels: {line}"))?)?;
        }
        let value: f64 = value.parse().map_err(|_| format!("not a number: {line}"))?;
        if samples.insert(series.to_owned(), value).is_some() {
            return Err(format!("twice: {series}"));
        }
    }
    buckets_add_up(&samples)?;
    Ok(samples)
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// `a="x",b="y"` with the three escapes that there are.
fn labels_of(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    loop {
        let (name, tail) = rest.split_once("=\"").ok_or_else(|| format!("no label: {rest}"))?;
        let mut value = String::new();
        let mut chars = tail.char_indices();
        let end = loop {
            match chars.next().ok_or("a value without an end")? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, escaped @ ('\\' | '"'))) => escaped,
                    other => return Err(format!("no escape: {other:?}")),
                }),
                (_, c) => value.push(c),
            }
        };
        if !is_name(name) || labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("no label of its own: {name}"));
        }
        match tail[end + 1..].strip_prefix(',') {
            Some(more) => rest = more,
            None if tail[end + 1..].is_empty() => return Ok(labels),
            None => return Err(format!("something after a value: {tail}")),
        }
    }
}

fn buckets_add_up(samples: &Samples) -> Result<(), String> {
    let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (series, value) in samples {
        let Some((name, labels)) = series.strip_suffix('}').and_then(|series| series.split_once("_bucket{")) else {
            continue;
        };
        let mut labels = labels_of(labels)?;
        let bound = labels.remove("le").ok_or_else(|| format!("no bound: {series}"))?;
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().map_err(|_| series.clone())? };
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        buckets.entry(format!("{name}_count{{{}}}", labels.join(","))).or_default().push((bound, *value));
    }
    let counts: BTreeMap<String, f64> = samples
        .iter()
        .filter_map(|(series, value)| {
            let (name, labels) = series.strip_suffix('}')?.split_once("_count{")?;
            let labels: Vec<String> =
                labels_of(labels).ok()?.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            Some((format!("{name}_count{{{}}}", labels.join(",")), *value))
        })
        .collect();
    for (series, mut found) in buckets {
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let grows = found.windows(2).all(|pair| pair[0].1 <= pair[1].1);
        let (last, all) = (found.last().copied().unwrap_or_default(), counts.get(&series).copied());
        if !grows || last.0 != f64::INFINITY || Some(last.1) != all {
            return Err(format!("{series} does not add up: {found:?} of {all:?}"));
        }
    }
    Ok(())
}

#[test]
fn a_wrong_exposition_is_seen_as_one() {
    let good = "# HELP a Some.\n# TYPE a counter\na{x=\"1\\\"\\\\\\n\"} 1\na{x=\"2\"} 2\n";
    assert_eq!(parsed(good).map(|samples| samples.len()), Ok(2));
    for bad in [
        "a 1\n",
        "# HELP a A.\n# TYPE a counter\na 1",
        "# HELP a A.\n# TYPE a counter\na 1\na 1\n",
        "# HELP a A.\n# TYPE a counter\na{x=\"\\t\"} 1\n",
        "# HELP a A.\n# TYPE a counter\na{x=\"1\"y=\"2\"} 1\n",
        "# HELP a A.\n# TYPE a counter\nb 1\n",
        "# HELP a A.\n# TYPE a counter\na one\n",
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_count{} 1\n",
    ] {
        assert!(parsed(bad).is_err(), "{bad}");
    }
}

/// A port that nothing listens on.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

#[test]
fn deployments_phases_and_drift_are_counted_and_survive_a_restart() {
    let at = free_address();
    let agent = AgentOptions { extra: format!("metrics_listen: {at}"), ..AgentOptions::default() };
    let mut stage = Stage::set(Setting { agent, ..Setting::default() });
    let own = format!("app=\"{}\",service=\"web\"", stage.bed.name());
    let series = |name: &str, more: &str| format!("deploy_agent_{name}{{{own}{more}}}");
    let ended = |outcome: &str| series("deployments_total", &format!(",outcome=\"{outcome}\""));
    let drift = |code: &str| series("drift", &format!(",code=\"{code}\""));

    let first = scrape(at);
    assert_eq!((first[&ended("deployed")], first[&ended("rolled_back")]), (0.0, 0.0));
    assert_eq!(first[&series("release", "")], 0.0);
    assert!(!first.contains_key(&series("last_success_timestamp_seconds", "")), "nothing ended well yet");
    let codes = first.keys().filter(|series| series.starts_with("deploy_agent_drift{")).count();
    assert_eq!((codes, first[&drift("containers_replaced")]), (deploy_action::agent::facts::DRIFT.len(), 0.0));

    stage.deploy(&stage.version("v2")).expect(0);
    stage.deploy(&stage.push(&AppImage::version("v3").mode("error-500-host"))).expect(30);
    stage.wait("the old container to be gone", || stage.containers("web").len() == 1);
    let then = scrape(at);
    assert_eq!((then[&ended("deployed")], then[&ended("rolled_back")], then[&ended("stranded")]), (1.0, 1.0, 0.0));
    assert_eq!((then[&series("release", "")], then[&series("deployment_in_progress", "")]), (2.0, 0.0));
    assert!(then[&series("last_success_timestamp_seconds", "")] > 1_700_000_000.0);
    let phase =
        |name: &str, word: &str| series(&format!("phase_duration_seconds_{name}"), &format!(",phase=\"{word}\""));
    assert_eq!((then[&phase("count", "gate")], then[&phase("count", "switch")]), (2.0, 1.0), "{then:#?}");
    assert!(then[&phase("sum", "verify")] >= 1.0, "the window of one second");

    // What is read from the state is there after a restart, and nothing of it twice.
    let agent = stage.bed.agent().expect("an agent");
    agent.stop().expect("stops");
    stage.bed.project.compose(&["up", "-d", "--force-recreate"]).expect("recreates");
    stage.bed.agent().expect("an agent").start(&[]).expect("starts");
    let again = scrape(at);
    for series in [ended("deployed"), ended("rolled_back"), series("release", "")] {
        assert_eq!(again[&series], then[&series], "{series}");
    }
    assert_eq!(
        again[&series("last_success_timestamp_seconds", "")],
        then[&series("last_success_timestamp_seconds", "")]
    );
    assert_eq!((again[&drift("containers_replaced")], again[&drift("image_differs")]), (1.0, 0.0), "{again:#?}");
}

#[test]
fn the_door_of_the_metrics_opens_for_nothing_else() {
    let at = free_address();
    let agent = AgentOptions { extra: format!("metrics_listen: {at}"), ..AgentOptions::default() };
    let mut stage = Stage::set(Setting { agent, ..Setting::default() });
    let status = |to, method: &str, path: &str| request(to, method, "agent", path, &[]).expect("an answer").status;
    assert_eq!(status(at, "POST", "/metrics"), 405);
    let app = stage.bed.name().to_owned();
    for path in ["/", "/v1/deployments/d-1", &format!("/v1/apps/{app}/services/web"), "/metrics/", "//metrics"] {
        assert_eq!(status(at, "GET", path), 404, "{path}");
    }
    let signed = stage.bed.agent().expect("an agent").address();
    assert_eq!(status(signed, "GET", "/metrics"), 401, "the other door asks for a signature as ever");
    // Somebody who says nothing holds a connection for a moment, and nobody else up.
    let silent: Vec<_> = (0..7).map(|_| std::net::TcpStream::connect(at).expect("connects")).collect();
    assert_eq!(status(at, "GET", "/metrics"), 200);
    drop(silent);
}

#[test]
fn the_address_is_another_one_and_free() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("an address");
    let mut stage = Stage::new();
    let agent = stage.bed.agent().expect("an agent");
    agent.stop().expect("stops");
    let config = std::fs::read_to_string(agent.config()).expect("reads");
    std::fs::write(agent.config(), format!("metrics_listen: {at}\n{config}")).expect("writes");
    agent.start_unwatched(&[]).expect("starts");
    assert_eq!(agent.ended(crate::stage::PATIENCE).expect("waits"), Some(10), "{}", agent.log());
    assert!(agent.log().contains("set another `metrics_listen` in agent.yml"), "{}", agent.log());
}
