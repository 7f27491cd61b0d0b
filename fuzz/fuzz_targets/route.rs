//! Traefik's answer: any rule is read, and any answer becomes a route or blockers.
#![no_main]

use deploy_action::agent::proxy::traefik::api::View;
use deploy_action::agent::proxy::traefik::compile::{Subject, collisions, compile, differences};
use deploy_action::agent::proxy::traefik::rule::Rule;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fn list(document: &Value, name: &str) -> Vec<Value> {
    document[name].as_array().cloned().unwrap_or_default()
}

fuzz_target!(|text: &str| {
    let rule = Rule::read(text);
    let _ = (rule.host(), rule.path_for("/healthz"), rule.may_match("app.test", "/"));
    assert!(!rule.disjoint(&Rule::read("Method(`GET`)")), "nothing says that no GET matches");

    let Ok(document) = serde_json::from_str::<Value>(text) else { return };
    let view = View {
        routers: list(&document, "routers"),
        services: list(&document, "services"),
        middlewares: list(&document, "middlewares"),
        entry_points: list(&document, "entryPoints"),
    };
    let texts = |name: &str| document[name].as_object().cloned().unwrap_or_default();
    let label = |(key, value): (String, Value)| (key, value.as_str().unwrap_or_default().to_owned());
    let subject = Subject {
        addresses: list(&document, "addresses").iter().filter_map(|text| text.as_str()?.parse().ok()).collect(),
        labels: texts("labels").into_iter().map(label).collect(),
    };
    match compile(&view, &subject) {
        Ok(Some(route)) => {
            assert!(!route.routers.is_empty());
            for router in route.routers.values() {
                let service = router["service"].as_str().expect("a router has a service");
                assert!(route.services.contains_key(service), "{service}");
            }
            let _ = (collisions(&view, &route, None), differences(&view, &route));
        }
        Ok(None) => {}
        Err(blockers) => assert!(!blockers.is_empty()),
    }
});
