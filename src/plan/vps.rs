//! The plan for a service behind an agent: what changes, which phases a swap goes through, what stands in the way.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Action, AgentSwap, Downtime, Mark, Place, Plan, PlanInput, PlanReport, Step, Version};
use crate::agent_api::{BeforeDeploy, Blocker, Gate, Release, Replica, Route, Routing, ServiceStatus, Wanted};
use crate::config::{self, VpsTarget};
use crate::domain::{ImageRef, Repository, show_span};
use crate::event::Phase;

/// Drift that a deployment mends; other drift is told only.
const MENDED: [&str; 4] = ["image_differs", "not_running", "config_changed", "unrouted"];

pub(super) fn build(input: &PlanInput, target: &VpsTarget, status: &ServiceStatus) -> (Plan, PlanReport) {
    let running = running(status);
    let wanted = wanted(&input.want, status);
    let changed = wanted.as_ref().is_some_and(|wanted| differs(wanted, status));
    let before = target.before_deploy.as_ref().filter(|_| input.want != Wanted::Rollback);
    let mut blockers = if changed || wanted.is_none() { blockers(&input.want, status) } else { Vec::new() };
    blockers.extend(before.filter(|_| changed).and_then(|_| no_command(target, status)));
    let mut report = PlanReport {
        environment: input.environment.clone(),
        app: input.app.clone(),
        service: (&target.service).into(),
        place: Place::Agent(target.agent.clone()),
        running,
        wanted,
        rollback: input.want == Wanted::Rollback,
        changed,
        gate: Some(status.gate.clone()),
        actions: Vec::new(),
        downtime: Downtime { expected: false, why: "nothing is done".to_owned() },
        notes: Vec::new(),
        blockers,
    };
    let mut plan = Plan { steps: Vec::new(), left_held: None };
    if changed && report.blockers.is_empty() {
        report.actions = actions(&report, status, before);
        report.downtime = downtime(status);
        plan.steps.push(Step::AgentSwap(Box::new(AgentSwap {
            url: target.agent.clone(),
            app: input.app.clone(),
            service: target.service.clone(),
            want: input.want.clone(),
            expected_revision: status.revision.clone(),
            before_deploy: before.map(|before| BeforeDeploy {
                command: before.command.clone(),
                timeout_ms: u64::try_from(before.timeout.as_millis()).unwrap_or(u64::MAX),
            }),
        })));
    }
    report.notes = notes(input, &report, status);
    (plan, report)
}

fn live(status: &ServiceStatus) -> impl Iterator<Item = &Replica> {
    status.replicas.iter().filter(|replica| replica.state == "running")
}

fn count(status: &ServiceStatus) -> u64 {
    live(status).fold(0, |sum, _| sum + 1)
}

/// What runs: the release where the agent knows one, else what the first container says.
pub(super) fn running(status: &ServiceStatus) -> Option<Version> {
    let first = live(status).next()?;
    let release = status.release.as_ref().filter(|release| release.image_id == first.image_id);
    Some(Version {
        release: release.map(|release| release.number),
        image: first.image.clone().or_else(|| release.and_then(|release| release.image.clone())),
        image_id: Some(first.image_id.clone()),
        containers: count(status),
    })
}

fn wanted(want: &Wanted, status: &ServiceStatus) -> Option<Version> {
    let of = |release: Option<u64>, image: Option<ImageRef>, image_id: Option<String>| Version {
        release,
        image,
        image_id,
        containers: status.wanted_replicas,
    };
    match want {
        Wanted::Image(image) => Some(of(None, Some(image.clone()), None)),
        Wanted::Rollback => status
            .previous
            .as_ref()
            .map(|Release { number, image, image_id, .. }| of(Some(*number), image.clone(), Some(image_id.clone()))),
    }
}

/// The same content: by digest where both are known by one, else by the engine's id.
fn same_image(wanted: &Version, replica: &Replica) -> bool {
    match (&wanted.image, &replica.image) {
        (Some(wanted), Some(running)) => wanted.digest() == running.digest(),
        _ => wanted.image_id.as_ref() == Some(&replica.image_id),
    }
}

fn differs(wanted: &Version, status: &ServiceStatus) -> bool {
    // Where nothing runs, nothing is as wanted, also where the compose file asks for no container.
    count(status) == 0
        || count(status) != status.wanted_replicas
        || !live(status).all(|replica| same_image(wanted, replica))
        || status.config_changed
        || status.drift.iter().any(|drift| MENDED.contains(&drift.code.as_str()))
}

fn blockers(want: &Wanted, status: &ServiceStatus) -> Vec<Blocker> {
    let mut blockers = status.blockers.clone();
    let mut add = |code: &str, message: String, hint: String| {
        if !blockers.iter().any(|blocker| blocker.code == code) {
            blockers.push(Blocker { code: code.to_owned(), message, hint });
        }
    };
    match want {
        Wanted::Image(image) if !allowed(image.repository(), &status.images) => add(
            "image_not_allowed",
            format!("the agent does not run images of `{}`", image.repository()),
            format!("add the repository to `apps.{}.images` in `agent.yml` on the host and restart the agent", status.app),
        ),
        Wanted::Rollback if status.previous.is_none() => add(
            "no_earlier_release",
            format!("there is no earlier proven release of `{}` to go back to", status.service),
            "deploy an older image by its digest instead: `deploy-action deploy <environment> --image <repository>@<digest>`"
                .to_owned(),
        ),
        _ => {}
    }
    if status.wanted_replicas == 0 {
        add(
            "no_replicas",
            format!("the compose file asks for 0 containers of `{}`, so there is nothing to prove", status.service),
            "set `scale` or `deploy.replicas` of the service to at least 1".to_owned(),
        );
    }
    if status.gate == Gate::None {
        add(
            "no_gate",
            format!("nothing tells when a new container of `{}` is ready", status.service),
            format!(
                "add `probe` to `apps.{}.services.{}` in `agent.yml`, or `healthcheck` to the service in the compose file",
                status.app, status.service
            ),
        );
    }
    blockers
}

/// Why the command of a target is not run: an older agent would leave it out without a word.
pub(super) fn no_command(target: &VpsTarget, status: &ServiceStatus) -> Option<Blocker> {
    if target.before_deploy.is_none() || status.runs_before_deploy {
        return None;
    }
    Some(Blocker {
        code: "before_deploy_refused".to_owned(),
        message: format!("the agent runs no command before a deployment of `{}`", status.service),
        hint: format!(
            "set `before_deploy: allowed` under `apps.{}.services.{}` in agent.yml on the host, and restart the agent; one of an older version has to be updated first",
            status.app, status.service
        ),
    })
}

fn allowed(repository: &Repository, images: &[String]) -> bool {
    images.iter().any(|image| image.parse::<Repository>().is_ok_and(|allowed| allowed.same_as(repository)))
}

fn containers(count: u64) -> String {
    if count == 1 { "1 container".to_owned() } else { format!("{count} containers") }
}

/// `web` or `web`, `api`, as routes are named in sentences.
fn routes(routes: &[Route]) -> String {
    let names: Vec<String> = routes.iter().map(|route| format!("`{}` ({})", route.router, route.rule)).collect();
    if names.is_empty() { "the route".to_owned() } else { names.join(", ") }
}

fn changed_routes(status: &ServiceStatus) -> String {
    let next = &status.next_routes;
    if next.is_empty() { String::new() } else { format!(", which becomes {}", routes(next)) }
}

fn actions(report: &PlanReport, status: &ServiceStatus, before: Option<&config::BeforeDeploy>) -> Vec<Action> {
    let old = count(status);
    let leftover = status.replicas.iter().fold(0_u64, |sum, _| sum + 1);
    let new = status.wanted_replicas;
    let mut actions = Vec::new();
    let mut push = |mark, phase, text: String| actions.push(Action { mark, phase, text });

    if status.routing == Routing::Labels && old > 0 {
        push(
            Mark::Change,
            Phase::Adopt,
            format!("take over {} from the labels, still to the containers that run now", routes(&status.routes)),
        );
    }
    let image = report.wanted.as_ref().and_then(|version| version.image.as_ref());
    match (status.image_present, image) {
        (Some(true), _) | (_, None) => push(Mark::Same, Phase::Pull, "the image is on the host".to_owned()),
        (_, Some(image)) => push(Mark::Add, Phase::Pull, format!("fetch {image}")),
    }
    if let Some(before) = before {
        let command = before.command.join(" ");
        let text = format!("run `{command}` in a container of the new image; it must end with 0");
        push(Mark::Same, Phase::BeforeDeploy, text);
    }
    let beside = if old == 0 { String::new() } else { format!(" beside {old} running") };
    push(Mark::Add, Phase::Create, format!("make {} of `{}`{beside}", containers(new), status.service));
    push(
        Mark::Same,
        Phase::Gate,
        match &status.gate {
            Gate::Probe(probe) => format!("each new container must answer GET {probe}"),
            Gate::DockerHealth => "each new container must be `healthy` for Docker".to_owned(),
            Gate::None => "nothing".to_owned(),
        },
    );
    if status.routing != Routing::None {
        let to = containers(new);
        let text = if status.routing == Routing::Labels && old == 0 {
            format!("take over {} from the labels, to {to}", routes(&status.routes))
        } else {
            format!("point {} at {to}{}", routes(&status.routes), changed_routes(status))
        };
        let via = status.proof.as_deref().unwrap_or("the route");
        if old > 0 {
            let who = format!("requests that only the agent sends through {via} reach the new version first");
            push(Mark::Same, Phase::Rehearse, who);
        }
        push(Mark::Change, Phase::Switch, text);
        push(Mark::Same, Phase::Prove, format!("requests through {via} must be answered by the new version"));
    }
    let window = Duration::from_millis(status.verify_for_ms);
    let text =
        if window.is_zero() { "not watched further".to_owned() } else { format!("watch it for {}", show_span(window)) };
    push(Mark::Same, Phase::Verify, text);
    if leftover > 0 {
        let drain = if status.routing == Routing::None || old == 0 {
            String::new()
        } else {
            format!(
                "wait up to {} for open connections, then ",
                show_span(Duration::from_millis(status.drain_timeout_ms))
            )
        };
        push(Mark::Remove, Phase::Retire, format!("{drain}stop and remove {}", old_containers(leftover)));
    }
    actions
}

fn shown(replica: &Replica) -> String {
    let image = replica.image.as_ref().map_or(replica.image_id.as_str(), |image| image.digest().short());
    format!("`{}` runs {image}", replica.name)
}

fn old_containers(count: u64) -> String {
    if count == 1 { "the old container".to_owned() } else { format!("the {count} old containers") }
}

fn downtime(status: &ServiceStatus) -> Downtime {
    let why = if count(status) == 0 {
        "the service does not run now; it serves once the gate is passed"
    } else if status.routing == Routing::None {
        "the service has no route; old and new run side by side for a moment"
    } else {
        "the old version serves until the new one is ready, and its open requests are finished"
    };
    Downtime { expected: false, why: why.to_owned() }
}

fn notes(input: &PlanInput, report: &PlanReport, status: &ServiceStatus) -> Vec<String> {
    let mut notes = Vec::new();
    let ids: BTreeSet<&str> = live(status).map(|replica| replica.image_id.as_str()).collect();
    if ids.len() > 1 {
        let each: Vec<String> = live(status).map(shown).collect();
        notes.push(format!("the running containers differ: {}", each.join(", ")));
    }
    let acts = !report.actions.is_empty();
    let same = report.wanted.as_ref().is_some_and(|wanted| live(status).all(|replica| same_image(wanted, replica)));
    if acts && same && count(status) > 0 {
        notes.push(if status.config_changed {
            "the image stays; what changes is the service's configuration in the compose file".to_owned()
        } else {
            "the image stays; the containers are made anew".to_owned()
        });
    }
    if acts && report.rollback {
        notes.push("a rollback changes the image only: today's compose file stays in force".to_owned());
    }
    if status.routing == Routing::Labels && (acts || count(status) > 0) {
        notes.push(if !acts {
            "the route is still served from its labels; the first deployment that changes something takes it over".to_owned()
        } else if count(status) > 0 {
            "first deployment: from here on the agent keeps the route; the labels stay in the compose file as its source".to_owned()
        } else {
            "first deployment without a running container: Traefik may send requests to the new container from its labels before the gate is passed".to_owned()
        });
    }
    if acts && !status.dependents.is_empty() {
        let names: Vec<String> = status.dependents.iter().map(|name| format!("`{name}`")).collect();
        notes.push(format!(
            "{} may call `{}` directly on the compose network: for a moment both versions answer there",
            names.join(", "),
            status.service
        ));
    }
    notes.extend(status.drift.iter().map(|drift| format!("drift ({}): {}", drift.code, drift.message)));
    if status.agent_version != input.version {
        notes.push(format!(
            "the agent is version {}, this program is {}; they understand each other",
            status.agent_version, input.version
        ));
    }
    if let Some(holder) = &status.holder {
        notes.push(format!("{}: a deploy now is refused as busy", holder.told()));
    }
    notes
}
