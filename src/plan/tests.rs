//! Golden cases: `tests/plans/<case>/input.json`, and `tests/ecs-plans` for ECS, in; `plan.txt`, `plan.md`, `plan.json` out.
//! `UPDATE_PLANS=1` writes the outputs; review their diff as the change of behaviour that it is.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;

use super::ecs::ScalingHold;
use super::*;
use crate::agent_api::Routing;
use crate::config::{BeforeDeploy, VpsTarget};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    environment: EnvName,
    agent: String,
    want: Wanted,
    status: ServiceStatus,
    #[serde(default)]
    before_deploy: Option<Vec<String>>,
}

/// A case of ECS: the target as deploy.yml has it, and what was read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EcsInput {
    environment: EnvName,
    ecs: String,
    #[serde(default)]
    before_deploy: Option<String>,
    want: Wanted,
    observed: EcsObserved,
}

fn planned(text: &str) -> Planned {
    plan_of(serde_json::from_str(text).unwrap())
}

fn ecs_planned(text: &str) -> Planned {
    ecs_plan_of(serde_json::from_str(text).unwrap())
}

fn ecs_plan_of(input: EcsInput) -> Planned {
    let before = input.before_deploy.as_ref().map(|before| format!(", before_deploy: {before}")).unwrap_or_default();
    let EcsInput { environment, ecs, .. } = &input;
    let file = format!("app: shop\nenvironments:\n  {environment}: {{target: {{ecs: {ecs}}}{before}}}\n");
    let config = crate::config::parse("deploy.yml", &file).unwrap_or_else(|problems| panic!("{problems}"));
    let Target::Ecs(target) = config.environments[&input.environment].target.clone() else { panic!("{file}") };
    build(&PlanInput {
        app: config.app,
        environment: input.environment,
        want: input.want,
        commit: None,
        observed: Observed::Ecs(target, Box::new(input.observed)),
        version: "0.1.0".to_owned(),
    })
}

fn plan_of(input: Input) -> Planned {
    let timeout = std::time::Duration::from_secs(600);
    let before_deploy = input.before_deploy.map(|command| BeforeDeploy { command, timeout });
    let (agent, service) = (input.agent.parse().unwrap(), input.status.service.clone());
    let target = VpsTarget { agent, service, before_deploy };
    build(&PlanInput {
        app: input.status.app.clone(),
        environment: input.environment,
        want: input.want,
        commit: None,
        observed: Observed::Vps(target, Box::new(input.status)),
        version: "0.1.0".to_owned(),
    })
}

#[test]
fn the_address_is_that_of_the_proof_without_what_only_a_probe_asks() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans/later_swap/input.json"));
    let status = serde_json::from_str::<Input>(&text.unwrap()).unwrap().status;
    let address = |proof: Option<&str>, rule: &str| {
        let mut status = status.clone();
        status.proof = proof.map(str::to_owned);
        for route in &mut status.routes {
            rule.clone_into(&mut route.rule);
        }
        preview::address(&status).map(|url| url.to_string())
    };
    assert!(!status.routes.is_empty());
    let proof = Some("https://shop.example/healthz?x");
    assert_eq!(address(proof, "Host(`shop.example`)").as_deref(), Some("https://shop.example/"));
    assert_eq!(
        address(proof, "Host(`shop.example`) && PathPrefix(`/h`)").as_deref(),
        Some("https://shop.example/healthz")
    );
    assert_eq!(address(proof, "HostRegexp(`.*`)").as_deref(), Some("https://shop.example/"));
    assert_eq!(address(proof, "Host(`SHOP.example`, `b.example`)").as_deref(), Some("https://shop.example/"));
    assert_eq!(address(proof, "Host(`b.example`)"), None, "a foreign host");
    assert_eq!(address(None, "HostRegexp(`.*`)"), None);
    for hostile in ["https://[bad", "javascript:alert(1)", "data:text/html,x", "//x", "https://a:b@x/", "https://x/](y"]
    {
        let shown = address(Some(hostile), "Host(`x`) && Path(`/x`)");
        assert!(shown.as_deref().is_none_or(|url| url == "https://x/](y"), "an agent's word is data: {shown:?}");
    }
}

fn case(name: &str) -> Planned {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans").join(name);
    planned(&fs::read_to_string(folder.join("input.json")).unwrap())
}

#[test]
fn golden_cases() {
    golden("tests/plans", planned);
}

#[test]
fn golden_cases_of_ecs() {
    golden("tests/ecs-plans", ecs_planned);
}

fn golden(root: &str, planned: fn(&str) -> Planned) {
    let update = update_asked();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
    let mut folders: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 20, "{} golden cases", folders.len());
    let mut wrong = Vec::new();
    for folder in folders {
        let text = fs::read_to_string(folder.join("input.json")).unwrap();
        let first = planned(&text);
        assert_eq!(first, planned(&text), "deterministic");
        assert_eq!(first.lints, [], "{}", folder.display());
        for (file, now) in [
            ("plan.txt", render::text(&first.report)),
            ("plan.md", render::markdown(&first.report)),
            ("plan.json", render::json(&first)),
        ] {
            let path = folder.join(file);
            if update {
                fs::write(&path, &now).unwrap();
            } else if fs::read_to_string(&path).unwrap_or_default() != now {
                wrong.push(format!("{}:\n{now}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "run with UPDATE_PLANS=1 and read the diff:\n{}", wrong.join("\n"));
}

#[expect(clippy::disallowed_methods, reason = "a switch for the person who runs the tests")]
fn update_asked() -> bool {
    std::env::var_os("UPDATE_PLANS").is_some()
}

#[test]
fn json_keys_are_sorted() {
    let text = render::json(&case("later_swap"));
    let keys: Vec<&str> =
        text.lines().filter(|line| line.starts_with("  \"")).filter_map(|line| line.trim().split('"').nth(1)).collect();
    assert!(keys.is_sorted() && keys.len() > 10, "{keys:?}");
}

#[test]
fn blocked_plans_are_not_executable_and_keep_their_reason() {
    for (name, reason, kind) in [
        ("blocked_image_not_allowed", Reason::ImageNotAllowed, Kind::NotAllowed),
        ("rollback_without_earlier", Reason::NoEarlierRelease, Kind::Preflight),
        ("blocked_no_gate", Reason::Blocked, Kind::Preflight),
    ] {
        let failure = case(name).executable().unwrap_err();
        assert_eq!((failure.reason, failure.kind), (reason, kind), "{name}");
    }
    assert_eq!(case("nothing_to_do").executable().unwrap().steps, []);
    assert_eq!(case("later_swap").executable().unwrap().steps.len(), 1);
}

#[test]
fn what_is_seen_during_a_deployment_is_passing() {
    for (case, expected) in [("active_refused", true), ("blue_green", false), ("no_group", false)] {
        let text = fs::read_to_string(format!("tests/ecs-plans/{case}/input.json")).unwrap();
        let input: EcsInput = serde_json::from_str(&text).unwrap();
        assert_eq!(input.observed.is_in_motion(), expected, "{case}");
    }
    for (case, expected) in [("later_swap", false), ("busy", true)] {
        let text = fs::read_to_string(format!("tests/plans/{case}/input.json")).unwrap();
        let Input { agent, status, .. } = serde_json::from_str(&text).unwrap();
        let (agent, service) = (agent.parse().unwrap(), status.service.clone());
        let target = VpsTarget { agent, service, before_deploy: None };
        assert_eq!(Observed::Vps(target, Box::new(status)).is_in_motion(), expected, "{case}");
    }
}

#[test]
fn scaling_is_set_back_where_nothing_else_is_to_do_and_nobody_deploys() {
    let held = |change: fn(&mut EcsInput)| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ecs-plans/nothing_to_do_but_setting_back");
        let mut input: EcsInput =
            serde_json::from_str(&fs::read_to_string(folder.join("input.json")).unwrap()).unwrap();
        change(&mut input);
        ecs_plan_of(input).plan.left_held.is_some()
    };
    assert!(held(|_| {}));
    assert!(!held(|input| input.observed.scaling = ScalingHold::Nobody));
    assert!(!held(|input| input.observed.code_deploy.active = vec!["d-1".to_owned()]), "it may be the holder's");
    assert!(!held(|input| input.observed.running = None), "there is something to do");
}

#[test]
fn lints_find_each_contradiction() {
    type Break = fn(&mut Planned);
    let swap_to = |planned: &mut Planned, a: Phase, b: Phase| {
        let at = |phase| planned.report.actions.iter().position(|action| action.phase == phase).unwrap();
        let (a, b) = (at(a), at(b));
        planned.report.actions.swap(a, b);
    };
    let breaks: [(&str, Break); 8] = [
        ("acts_though_blocked", |planned| {
            planned.report.blockers = vec![Blocker { code: "x".into(), message: "x".into(), hint: "x".into() }];
        }),
        ("acts_without_change", |planned| planned.report.changed = false),
        ("change_without_steps", |planned| {
            planned.plan.steps.clear();
            planned.report.actions.clear();
        }),
        ("steps_and_lines_differ", |planned| planned.report.actions.clear()),
        ("acts_and_sets_back", |planned| {
            let name = || "web".parse().unwrap();
            planned.plan.left_held =
                Some(super::ecs::HeldScaling { cluster: name(), service: name(), key: "run".to_owned() });
        }),
        ("no_expected_revision", |planned| {
            let Step::AgentSwap(swap) = &mut planned.plan.steps[0] else { panic!("a swap") };
            swap.expected_revision.clear();
        }),
        ("no_gate", |planned| planned.report.gate = Some(Gate::None)),
        ("switch_before_gate", |planned| planned.report.actions.retain(|action| action.phase != Phase::Gate)),
    ];
    for (code, change) in breaks {
        let mut planned = case("first_swap_from_labels");
        change(&mut planned);
        planned.lints = lint(&planned.plan, &planned.report);
        assert!(planned.lints.iter().any(|lint| lint.code == code), "{code}: {:?}", planned.lints);
        assert_eq!(planned.executable().unwrap_err().kind, Kind::Bug);
    }
    for (code, a, b) in [
        ("gate_before_create", Phase::Create, Phase::Gate),
        ("adopt_late", Phase::Adopt, Phase::Create),
        ("rehearse_after_switch", Phase::Rehearse, Phase::Switch),
        ("prove_before_switch", Phase::Switch, Phase::Prove),
        ("retire_before_prove", Phase::Prove, Phase::Retire),
        ("retire_before_gate", Phase::Gate, Phase::Retire),
        ("retire_before_verify", Phase::Verify, Phase::Retire),
    ] {
        let mut planned = case("first_swap_from_labels");
        swap_to(&mut planned, a, b);
        assert!(lint(&planned.plan, &planned.report).iter().any(|lint| lint.code == code), "{code}");
    }
}

fn arbitrary_case() -> impl Strategy<Value = (usize, u64, bool, bool, Option<bool>, u8, u8, bool, String)> {
    (
        0..40_usize,
        0..4_u64,
        any::<bool>(),
        any::<bool>(),
        any::<Option<bool>>(),
        0..3_u8,
        0..3_u8,
        any::<bool>(),
        ".{0,30}",
    )
}

proptest! {
    /// Whatever an agent reports, the plan does not contradict itself, and acts only where it may.
    #[test]
    fn no_observation_leads_to_a_contradiction(
        (base, wanted, config_changed, exited, present, gate, routing, rollback, text) in arbitrary_case()
    ) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans");
        let mut folders: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        let file = fs::read_to_string(folders[base % folders.len()].join("input.json")).unwrap();
        let mut input: Input = serde_json::from_str(&file).unwrap();
        let status = &mut input.status;
        status.wanted_replicas = wanted;
        status.config_changed = config_changed;
        status.image_present = present;
        status.gate = [Gate::None, Gate::DockerHealth, Gate::Probe(text.clone())][usize::from(gate)].clone();
        status.routing = [Routing::None, Routing::Labels, Routing::Agent][usize::from(routing)];
        if exited {
            status.replicas.iter_mut().for_each(|replica| replica.state = text.clone());
        }
        status.routes.iter_mut().for_each(|route| route.rule = text.clone());
        if rollback {
            input.want = Wanted::Rollback;
        }
        let planned = plan_of(input);
        prop_assert_eq!(&planned.lints, &[]);
        prop_assert_eq!(planned.plan.steps.is_empty(), !planned.report.changed || !planned.report.blockers.is_empty());
        let lines = render::text(&planned.report);
        prop_assert!(!lines.chars().any(|c| c != '\n' && c.is_control()), "{:?}", lines);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&render::json(&planned)).is_ok());
    }
}
