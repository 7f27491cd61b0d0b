//! A bed on which an agent dies again and again: each death is followed by a look at everything that was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use deploy_action::agent::store::Point;
use deploy_action::agent_api::History;
use deploy_action::event::{Outcome, Phase};
use kit::bed::{AppImage, BedOptions, request, wait_for};
use kit::load::{Load, LoadConfig, Report, Running};
use serde_json::Value;

use super::case::{Case, Kill, Kind};
use super::tidy::{complaints, stored};
use crate::client::Client;
use crate::stage::{HOST, Setting, Stage};

/// Longest time from the start of an agent until one version serves and nothing is left to do.
pub(super) const CONVERGES: Duration = Duration::from_secs(60);
/// How long that must stay so.
const STAYS: Duration = Duration::from_secs(10);
/// Requests per second while the agent dies.
const RATE: u32 = 50;
/// Versions that nothing is wrong with.
const GOOD: [&str; 3] = ["v1", "v2", "v3"];
/// Fails behind the proxy.
const BROKEN: &str = "v8";
/// Can be made unhealthy.
const FRAGILE: &str = "v9";
/// What a later swap runs before.
const BEFORE: &str = "    before_deploy: {command: [once, \"0\"], timeout: 30s}\n";
/// The agent's variable that names the point of its death.
const KILL_AT: &str = "DEPLOY_AGENT_KILL_AT";

/// How long a swap of each kind takes when nobody dies, as far as that is known.
pub(super) type Lengths = Mutex<BTreeMap<Kind, Duration>>;

/// What came of a case.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) outcome: &'static str,
    /// From the start after the last death until one version served and nothing was left to do.
    pub(super) converged_ms: u64,
    pub(super) requests: u64,
    pub(super) failed_requests: u64,
}

/// The bed and what is known of it.
pub(super) struct Ground {
    stage: Stage,
    images: BTreeMap<&'static str, String>,
    /// The versions of the proven releases, oldest first; the last one serves.
    releases: Vec<String>,
    unbroken: bool,
}

/// One deployment: what is asked for, and what served and will serve.
struct Wish {
    arguments: Vec<String>,
    old: String,
    new: String,
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Ground {
    /// `spare_addresses`: whether its network sets some aside.
    pub(super) fn new(spare_addresses: bool) -> Self {
        let bed = BedOptions { spare_addresses, ..Setting::default().bed };
        Self::set(Setting { bed, ..Setting::default() }, true)
    }

    /// With another bed. `unbroken`: whether its containers outlive everything that dies here.
    pub(super) fn set(mut setting: Setting, unbroken: bool) -> Self {
        setting.agent.services.iter_mut().for_each(|service| service.before_deploy = "allowed".to_owned());
        let stage = Stage::set(setting);
        let mut images = BTreeMap::from(GOOD.map(|version| (version, stage.version(version))));
        images.insert(BROKEN, stage.push(&AppImage::version(BROKEN).mode("error-500-host")));
        images.insert(FRAGILE, stage.push(&AppImage::version(FRAGILE).mode("fragile")));
        Self { stage, images, releases: vec!["v1".to_owned()], unbroken }
    }

    /// The end of the agent's log, for a failure.
    pub(super) fn log(&self) -> String {
        let log = self.stage.agent_log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Kills the agent as the case says, starts it again, and looks at everything that was promised.
    pub(super) fn run(&mut self, case: Case, lengths: &Lengths) -> Result<Told, String> {
        let after = match case.kill {
            Kill::After(part) => Some(self.length(case.kind, lengths)?.mul_f64(part)),
            _ => None,
        };
        self.prepare(case.kind)?;
        let wish = self.wish(case.kind);
        let env: Vec<(&str, String)> = match case.kill {
            Kill::At(point) | Kill::Twice(point, _) | Kill::Damaged(point, _) => vec![(KILL_AT, point.to_string())],
            Kill::Torn(word) => vec![(KILL_AT, Point::After(word).to_string())],
            Kill::After(_) | Kill::Engine(_) | Kill::Host(_) => Vec::new(),
        };
        self.restart(case.kind, &env)?;
        let before = self.history()?.entries.len();
        let streams = self.streams();
        let mut load = if self.unbroken || engine_died(case) { Some(self.load()?) } else { None };
        let mut client = self.ask(&wish, case.kind)?;
        if let Some(after) = after {
            let accepted = client.until(CONVERGES, |line| line["kind"] == "accepted");
            let accepted = accepted.ok_or_else(|| format!("not accepted: {}", client.said()))?;
            std::thread::sleep((accepted + after).saturating_duration_since(Instant::now()));
        }
        let began = self.die(case, &streams, &mut load).map_err(|why| format!("{why}\n{}", client.said()))?;
        let end = client.end(CONVERGES).map_err(|error| format!("{error}: {}", client.said()))?;
        let told = self.judge(case, &wish, before, end, load, began);
        told.map_err(|error| format!("{error}\nthe command: exit {end}\n{}", client.said()))
    }

    /// Lets die what the case names, and starts it again. Gives the moment from which everything
    /// has to come right.
    fn die(&mut self, case: Case, streams: &BTreeSet<PathBuf>, load: &mut Option<Running>) -> Result<Instant, String> {
        if let Some(phase) = case.kill.phase() {
            self.until(phase, streams)?;
        }
        let bed = &mut self.stage.bed;
        match case.kill {
            Kill::At(_) => self.died(case)?,
            Kill::Damaged(_, line) => {
                self.died(case)?;
                self.damage(line)?;
            }
            Kill::Torn(_) => {
                self.died(case)?;
                self.tear()?;
            }
            Kill::Twice(_, second) => {
                self.died(case)?;
                let agent = self.stage.bed.agent().map_err(told)?;
                agent.start_unwatched(&[(KILL_AT, &second.to_string())]).map_err(told)?;
                self.died(case)?;
            }
            Kill::After(_) => bed.agent().map_err(told)?.kill9(),
            Kill::Engine(_) => {
                bed.engine().map_err(told)?.kill9();
                // The time that its service manager takes: the agent meets an engine that is away.
                std::thread::sleep(Duration::from_secs(1));
                // Until now they outlived it.
                if !self.unbroken
                    && let Some(load) = load.take()
                {
                    all_answered(load)?;
                }
                bed.engine().map_err(told)?.start().map_err(told)?;
                return Ok(Instant::now());
            }
            Kill::Host(_) => {
                bed.agent().map_err(told)?.kill9();
                bed.engine().map_err(told)?.stop().map_err(told)?;
                bed.engine().map_err(told)?.start().map_err(told)?;
            }
        }
        let began = Instant::now();
        self.stage.bed.agent().map_err(told)?.start(&[]).map_err(told)?;
        Ok(began)
    }

    /// The event streams that the agent keeps.
    fn streams(&self) -> BTreeSet<PathBuf> {
        let folder = self.stage.bed.dir().join("state").join(self.stage.bed.name());
        let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect()
    }

    /// Waits until the deployment whose stream is not among these begins a phase. Its file tells sooner than any answer.
    fn until(&self, phase: Phase, known: &BTreeSet<PathBuf>) -> Result<(), String> {
        // The old containers are seen out once the end was told.
        let word = match phase {
            Phase::Retire => "\"finished\"".to_owned(),
            _ => format!("\"phase_started\",\"phase\":\"{}\"", phase.as_str()),
        };
        let end = Instant::now() + CONVERGES;
        while Instant::now() < end {
            let text = self.streams().difference(known).next().and_then(|path| fs::read_to_string(path).ok());
            if text.is_some_and(|text| text.contains(&word)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(format!("phase {} is never reached", phase.as_str()))
    }

    /// Waits until the agent has killed itself.
    fn died(&mut self, case: Case) -> Result<(), String> {
        let ended = self.stage.bed.agent().map_err(told)?.ended(CONVERGES).map_err(told)?;
        if ended == Some(137) { Ok(()) } else { Err(format!("{case}: never reached; the agent: {ended:?}")) }
    }

    /// Makes a byte of a line of the journal another one.
    fn damage(&mut self, line: usize) -> Result<(), String> {
        let path = self.journal();
        let mut bytes = fs::read(&path).map_err(told)?;
        let starts = (0..bytes.len()).filter(|at| *at == 0 || bytes[at - 1] == b'\n');
        let start = starts.clone().nth(line).ok_or_else(|| format!("the journal has {} lines", starts.count()))?;
        bytes[start + 12] ^= 1;
        fs::write(path, bytes).map_err(told)
    }

    /// Takes the end of the last line of the journal away.
    fn tear(&mut self) -> Result<(), String> {
        let file = fs::OpenOptions::new().write(true).open(self.journal()).map_err(told)?;
        let length = file.metadata().map_err(told)?.len();
        file.set_len(length - 5).map_err(told)
    }

    fn journal(&self) -> PathBuf {
        self.stage.bed.dir().join("state").join(self.stage.bed.name()).join("journal")
    }

    /// Everything that must be so from now on.
    fn judge(
        &mut self,
        case: Case,
        wish: &Wish,
        before: usize,
        end: i32,
        load: Option<Running>,
        began: Instant,
    ) -> Result<Told, String> {
        let done = || fs::metadata(self.journal()).is_ok_and(|meta| meta.len() == 0);
        let settled = || done() && stored(&self.stage.bed).is_ok_and(|state| state.retiring.is_empty()) && self.alone();
        wait_for("one container and no deployment", CONVERGES, settled).map_err(told)?;
        let history = self.history()?;
        let outcome = match (history.entries.len() - before, history.entries.first()) {
            // Handed over to an agent that died before it took it on.
            (0, _) if end != 0 && case.kill.may_come_first() => None,
            (1, Some(entry)) => Some(entry.clone()),
            (new, _) => return Err(format!("{new} new lines of history: {:?}", history.entries)),
        };
        let deployed = outcome.as_ref().is_some_and(|entry| entry.outcome == Outcome::Deployed);
        if case.expected().is_some_and(|expected| expected != deployed) {
            return Err(format!("history says {outcome:?}"));
        }
        if let Some(entry) = &outcome {
            let code = if deployed { 0 } else { 30 };
            if end != code && end != UNREACHED {
                return Err(format!("exit code {end}, and history says {entry:?}"));
            }
            if entry.release.is_some() != deployed || entry.rollback != (case.kind == Kind::Rollback) {
                return Err(format!("history says {entry:?}"));
            }
        }
        let serving = if deployed { &wish.new } else { &wish.old };
        let load = match load {
            Some(load) => load,
            None => {
                wait_for("the version to serve", CONVERGES, || self.stage.serves(serving)).map_err(told)?;
                self.load()?
            }
        };
        if !load.wait_until_only(serving, Duration::from_millis(300), CONVERGES.saturating_sub(began.elapsed())) {
            return Err(format!("{serving} does not serve alone: {:?}", self.stage.bed.versions_serving(HOST)));
        }
        let took = began.elapsed();
        if took > CONVERGES {
            return Err(format!("{serving} serves alone only after {took:?}"));
        }
        let converged_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if deployed {
            self.releases.push(wish.new.clone());
        }
        if !load.wait_until_only(serving, STAYS, STAYS + Duration::from_secs(1)) {
            return Err(format!("{serving} did not go on serving alone for {STAYS:?}"));
        }
        let status = self.status()?;
        let kept = self.journal().with_extension("damaged");
        if matches!(case.kill, Kill::Damaged(..)) {
            fs::remove_file(kept).map_err(|error| format!("the damaged journal is not kept aside: {error}"))?;
        }
        // Only these pass: until an engine certainly resolves names again, addresses stand in for them; and on a busy disk the
        // state may still be on its way.
        let passes = |found: &String| {
            found.starts_with("state.json.tmp is left")
                || (engine_died(case) && found.starts_with("the route file should"))
        };
        let steady = || {
            let found = complaints(&self.stage.bed, &status).unwrap_or_default();
            found.is_empty() || !found.iter().all(passes)
        };
        let _ = wait_for("what passes to be over", STAYS, steady);
        let found = complaints(&self.stage.bed, &status)?;
        if !found.is_empty() {
            return Err(found.join("\n"));
        }
        let unchanged = self.stage.ids("web");
        // Not waiting for its health: an engine that was killed may never ask for it again.
        self.stage.bed.project.compose(&["up", "-d"]).map_err(told)?;
        if self.stage.ids("web") != unchanged {
            return Err("a plain `docker compose up -d` recreates containers".to_owned());
        }
        self.goes_back()?;
        let outcome = outcome.map_or("not accepted", |entry| entry.outcome.as_str());
        let report = all_answered(load)?;
        Ok(Told { outcome, converged_ms, requests: report.sent, failed_requests: report.failed })
    }

    /// To the version before, without a registry: whoever died, what that takes is still there.
    fn goes_back(&mut self) -> Result<(), String> {
        let Some(version) = self.previous().cloned() else { return Ok(()) };
        self.configure(Kind::Rollback)?;
        self.stage.bed.registry.signal("STOP").map_err(told)?;
        let run = self.stage.rollback();
        self.stage.bed.registry.signal("CONT").map_err(told)?;
        if run.code != 0 {
            return Err(format!("no rollback afterwards: {}", run.shown()));
        }
        self.releases.push(version);
        wait_for("the version from before alone", CONVERGES, || self.alone()).map_err(told)
    }

    fn alone(&self) -> bool {
        self.stage.bed.containers_of("web").is_ok_and(|containers| containers.len() == 1)
    }

    fn status(&self) -> Result<Value, String> {
        self.asked("status")
    }

    fn history(&self) -> Result<History, String> {
        serde_json::from_value(self.asked("history")?).map_err(told)
    }

    fn asked(&self, verb: &str) -> Result<Value, String> {
        let output = self.stage.bed.deploy_action(&[verb, "production", "--format", "json"]).map_err(told)?;
        serde_json::from_str(&output.ok(verb).map_err(told)?).map_err(told)
    }

    /// How long a swap of this kind takes from its acceptance to its end when nobody dies.
    fn length(&mut self, kind: Kind, lengths: &Lengths) -> Result<Duration, String> {
        if let Some(known) = lengths.lock().map_err(told)?.get(&kind) {
            return Ok(*known);
        }
        self.prepare(kind)?;
        let length = self.plain(kind)?;
        lengths.lock().map_err(told)?.insert(kind, length);
        Ok(length)
    }

    /// A swap in which nobody dies. Gives its length.
    fn plain(&mut self, kind: Kind) -> Result<Duration, String> {
        self.restart(kind, &[])?;
        let wish = self.wish(kind);
        let mut client = self.ask(&wish, kind)?;
        let accepted = client.until(CONVERGES, |line| line["kind"] == "accepted");
        let ended = client.until(CONVERGES, |line| line["kind"] == "finished");
        let code = client.end(CONVERGES)?;
        let (Some(accepted), Some(ended)) = (accepted, ended) else {
            return Err(format!("a swap without a death fails: {}", client.said()));
        };
        let good = !matches!(kind, Kind::Broken | Kind::Sick);
        if code != if good { 0 } else { 30 } {
            return Err(format!("a swap without a death ends with {code}: {}", client.said()));
        }
        if good {
            self.releases.push(wish.new);
        }
        wait_for("one container", CONVERGES, || self.alone()).map_err(told)?;
        Ok(ended - accepted)
    }

    /// Makes the bed one on which a swap of this kind is the next thing.
    fn prepare(&mut self, kind: Kind) -> Result<(), String> {
        if kind == Kind::First {
            return self.begin_anew();
        }
        while self.previous().is_none() || stored(&self.stage.bed)?.route.is_none() {
            self.plain(Kind::Later)?;
        }
        Ok(())
    }

    /// Version 1 by plain compose, and an agent that knows nothing.
    fn begin_anew(&mut self) -> Result<(), String> {
        let bed = &mut self.stage.bed;
        bed.agent().map_err(told)?.stop().map_err(told)?;
        bed.project.compose(&["down"]).map_err(told)?;
        bed.project.write("compose.deploy-agent.yaml", "services: {}\n").map_err(told)?;
        let route = bed.proxy.folder().join(format!("deploy-agent-{}-web.yml", bed.name()));
        let state = bed.agent().map_err(told)?.state_dir();
        for gone in [fs::remove_file(route), fs::remove_dir_all(state)] {
            if let Err(error) = gone
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(told(error));
            }
        }
        bed.project.up().map_err(told)?;
        wait_for("the labels to route", CONVERGES, || self.stage.serves("v1")).map_err(told)?;
        self.releases = vec!["v1".to_owned()];
        Ok(())
    }

    /// The newest release of another version than the one that serves.
    fn previous(&self) -> Option<&String> {
        self.releases.iter().rev().find(|version| Some(*version) != self.releases.last())
    }

    fn wish(&self, kind: Kind) -> Wish {
        let old = self.releases.last().cloned().unwrap_or_default();
        let next = GOOD.iter().position(|version| *version == old).map_or(0, |at| (at + 1) % GOOD.len());
        let new = match kind {
            Kind::First | Kind::Later => GOOD[next].to_owned(),
            Kind::Rollback => self.previous().cloned().unwrap_or_default(),
            Kind::Broken => BROKEN.to_owned(),
            Kind::Sick => FRAGILE.to_owned(),
        };
        let arguments = match kind {
            Kind::Rollback => vec!["rollback".to_owned(), "production".to_owned()],
            _ => ["deploy", "production", "--image", &self.images[new.as_str()]].map(str::to_owned).into(),
        };
        Wish { arguments, old, new }
    }

    fn ask(&self, wish: &Wish, kind: Kind) -> Result<Client, String> {
        self.configure(kind)?;
        let arguments: Vec<&str> = wish.arguments.iter().map(String::as_str).collect();
        let web = self.stage.bed.proxy.web();
        Client::start(&self.stage.bed, &arguments, move |line| {
            if kind == Kind::Sick && line["kind"] == "phase_started" && line["phase"] == "verify" {
                // An app that cannot be reached fails its window, too.
                let _ = request(web, "GET", HOST, "/sick", &[]);
            }
        })
    }

    /// A later swap runs a command before.
    fn configure(&self, kind: Kind) -> Result<(), String> {
        let text = fs::read_to_string(self.stage.bed.dir().join("client/deploy.yml")).map_err(told)?;
        let bare: String = text.split_inclusive('\n').filter(|line| !line.contains("before_deploy")).collect();
        let before = if kind == Kind::Later { BEFORE } else { "" };
        self.stage.bed.write_deploy_yml(&format!("{bare}{before}")).map_err(told)
    }

    /// Starts the agent anew. A version needs a while to be found ill, and only then.
    fn restart(&mut self, kind: Kind, env: &[(&str, String)]) -> Result<(), String> {
        let window = if kind == Kind::Sick { "verify_for: \"4s\"" } else { "verify_for: \"1s\"" };
        let agent = self.stage.bed.agent().map_err(told)?;
        let text = fs::read_to_string(agent.config()).map_err(told)?;
        let text = ["1s", "4s"].iter().fold(text, |text, is| text.replace(&format!("verify_for: \"{is}\""), window));
        fs::write(agent.config(), text).map_err(told)?;
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        agent.restart(&env).map_err(told)
    }

    fn load(&self) -> Result<Running, String> {
        let target = self.stage.bed.proxy.web_for_load().map_err(told)?;
        let running = Load::start(LoadConfig { workers: 24, ..LoadConfig::new(target, HOST, RATE) });
        let flows = running.wait_until_ok(u64::from(RATE) / 2, CONVERGES);
        if flows { Ok(running) } else { Err("the load does not begin".to_owned()) }
    }
}

fn engine_died(case: Case) -> bool {
    matches!(case.kill, Kill::Engine(_))
}

fn all_answered(load: Running) -> Result<Report, String> {
    let report = load.stop();
    report.check_books()?;
    if report.failed > 0 {
        return Err(format!("requests failed: {:?} {:?}", report.failures, report.samples));
    }
    Ok(report)
}

/// The exit code of a command whose agent did not answer while the deployment was being handed over.
const UNREACHED: i32 = 13;

impl Case {
    /// Whether the new version must serve; `None` where either is right.
    fn expected(self) -> Option<bool> {
        match self.kill {
            Kill::At(point) | Kill::Twice(point, _) => self.kind.survives(point),
            // It was never written: nothing that it announces was begun.
            Kill::Torn(word) => self.kind.survives(Point::Before(word)),
            Kill::Damaged(..) | Kill::Engine(_) | Kill::Host(_) => None,
            Kill::After(_) if matches!(self.kind, Kind::Broken | Kind::Sick) => Some(false),
            Kill::After(_) => None,
        }
    }
}
