use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::super::api::View;
use super::{Around, CompiledRoute, route, transition};

fn labels(lines: &[&str]) -> BTreeMap<String, String> {
    let pairs = lines.iter().filter_map(|line| line.split_once('='));
    let mut all: BTreeMap<String, String> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    all.insert("traefik.enable".to_owned(), "true".to_owned());
    all
}

fn view() -> View {
    let points = ["web", "websecure", "traefik"].map(|name| json!({ "name": name }));
    View { entry_points: points.to_vec(), ..View::default() }
}

fn read(lines: &[&str]) -> Result<CompiledRoute, String> {
    read_after(lines, None)
}

fn read_after(lines: &[&str], today: Option<&CompiledRoute>) -> Result<CompiledRoute, String> {
    let view = view();
    let read = route(&labels(lines), Around { view: &view, today });
    let told = |blockers: Vec<crate::agent_api::Blocker>| {
        blockers.iter().map(|b| format!("{}. {}", b.message, b.hint)).collect::<Vec<_>>().join("\n")
    };
    read.map(|route| route.expect("a route")).map_err(told)
}

const PORT: &str = "traefik.http.services.web.loadbalancer.server.port=8080";

#[test]
fn defaults_are_traefiks() {
    let route = read(&["traefik.http.routers.web.rule=Host(`a.test`)", PORT]).expect("understood");
    let router =
        json!({"rule": "Host(`a.test`)", "entryPoints": ["web", "websecure"], "priority": 14, "service": "web"});
    assert_eq!(route.routers["web"], router);
    assert_eq!((route.services["web"].port, route.services["web"].scheme.as_str()), (8080, "http"));
}

#[test]
fn everything_that_is_understood() {
    let route = read(&[
        "TRAEFIK.HTTP.Routers.web.Rule=Host(`a.test`) && PathPrefix(`/u`)",
        "traefik.http.routers.web.entrypoints=websecure, web",
        "traefik.http.routers.web.middlewares=strip,Foreign@file,plain,list@docker",
        "traefik.http.routers.web.priority=77",
        "traefik.http.routers.web.tls=true",
        "traefik.http.routers.web.tls.domains[1].main=b.test",
        "traefik.http.routers.web.tls.domains[0].main=a.test",
        "traefik.http.routers.web.tls.domains[0].sans=x.a.test,y.a.test",
        "traefik.http.middlewares.strip.stripprefix.prefixes=/u",
        "traefik.http.middlewares.list.chain.middlewares=strip,auth",
        "traefik.http.middlewares.auth.basicauth.users=bob:$apr1$x",
        "traefik.http.middlewares.small.compress=true",
        "traefik.http.middlewares.err.errors.service=web",
        PORT,
        "traefik.http.services.web.loadbalancer.sticky.cookie=true",
        "traefik.http.services.web.loadbalancer.passhostheader=false",
        "traefik.http.services.web.loadbalancer.server.scheme=https",
        "traefik.docker.network=x",
        "unrelated=1",
    ])
    .expect("understood");
    let all = json!({
        "routers": route.routers,
        "services": { "web": [route.services["web"].load_balancer, route.services["web"].scheme] },
        "middlewares": route.middlewares,
    });
    insta::assert_snapshot!(serde_json::to_string_pretty(&all).expect("JSON"));
}

#[test]
fn what_is_not_understood_is_named() {
    let rule = "traefik.http.routers.web.rule=Host(`a`)";
    let cases: &[&[&str]] = &[
        &[PORT],
        &["traefik.http.routers.web.entrypoints=web", PORT],
        &[rule, PORT, "traefik.http.routers.web.rulez=x"],
        &[rule, PORT, "traefik.http.routers.web.priority=-1"],
        &[rule, PORT, "traefik.http.routers.web.service=other"],
        &[rule, PORT, "traefik.http.services.two.loadbalancer.server.port=1"],
        &[rule, "traefik.http.services.web.weighted.services[0].name=x"],
        &[rule, PORT, "traefik.http.services.web.loadbalancer.server.url=http://x"],
        &[rule],
        &[rule, PORT, "traefik.http.middlewares.m.compress=true", "traefik.http.middlewares.m.buffering.retry=x"],
        &[rule, PORT, "traefik.http.middlewares.m.plugin.x.y=1"],
        &[rule, PORT, "traefik.http.routers..rule=x"],
        &[rule, PORT, "traefik.http.routers.web.rule.more=x"],
        &[rule, PORT, "traefik.http.routers.web.tls.domains[99999999].main=x"],
        &[rule, PORT, "traefik.http.serverstransports.x.insecureskipverify=true"],
    ];
    let told: Vec<String> =
        cases.iter().map(|case| format!("{}\n  -> {}", case.join("\n"), read(case).expect_err("refused"))).collect();
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn a_port_that_no_label_ever_named_is_the_one_of_today() {
    let mut today = read(&["traefik.http.routers.web.rule=Host(`a`)", PORT]).expect("understood");
    let rule = "traefik.http.routers.web.rule=Host(`b`)";
    assert!(read_after(&[rule], Some(&today)).is_err(), "the label was there and is gone: Traefik would guess anew");
    today.labels.clear();
    assert_eq!(read_after(&[rule], Some(&today)).expect("understood").services["web"].port, 8080);
}

#[test]
fn labels_that_ask_for_nothing_give_no_route() {
    let view = view();
    let around = Around { view: &view, today: None };
    let mut all = labels(&["traefik.http.routers.web.rule=Host(`a`)", PORT]);
    for off in ["false", "", "yes"] {
        all.insert("traefik.enable".to_owned(), off.to_owned());
        assert_eq!(route(&all, around), Ok(None), "{off:?}");
    }
}

#[test]
fn a_way_that_would_not_be_safe_is_refused() {
    let with = |name: &str, rule: &str, priority: u64| {
        read(&[
            &format!("traefik.http.routers.{name}.rule={rule}"),
            &format!("traefik.http.routers.{name}.priority={priority}"),
            PORT,
        ])
        .expect("understood")
    };
    let today = with("web", "Host(`a`)", 10);
    for (next, safe) in [
        (with("web", "Host(`a`) && PathPrefix(`/x`)", 20), true),
        (with("web", "Host(`a`)", 10), true),
        (with("web", "Host(`a`)", 9), false),
        (with("web", "Host(`b`)", 1), true),
        (with("other", "Host(`a`)", 11), true),
        (with("other", "Host(`a`)", 12), false),
        (with("other", "Host(`c`)", 99), true),
    ] {
        assert_eq!(transition(&today, &next).is_empty(), safe, "{next:?}");
    }
}

proptest! {
    #[test]
    fn any_labels_are_read_or_refused(lines in proptest::collection::vec("traefik\\.(http|enable)[a-z.\\[\\]0-9]{0,40}=\\PC{0,20}", 0..8)) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let _ = read_after(&lines, None);
    }

    #[test]
    fn a_rule_is_kept_to_the_letter(rule in "\\PC{1,60}") {
        let read = read(&[&format!("traefik.http.routers.web.rule={rule}"), PORT]);
        prop_assert_eq!(&read.expect("understood").routers["web"]["rule"], &json!(rule));
    }
}
