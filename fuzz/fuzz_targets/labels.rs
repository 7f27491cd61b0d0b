//! A compose file's labels, one `name=value` a line: they become a route whose parts belong together, or blockers that
//! say which label is in the way; and a route that Traefik's file provider gets is JSON that is read back as it was.
#![no_main]

use std::collections::BTreeMap;

use deploy_action::agent::proxy::traefik::api::View;
use deploy_action::agent::proxy::traefik::labels::{Around, enabled, route};
use fuzz::assert_plain;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let labels: BTreeMap<String, String> = text.lines().filter_map(pair).collect();
    let view = View::default();
    match route(&labels, Around { view: &view, today: None }) {
        Ok(None) => {}
        Ok(Some(route)) => {
            assert!(enabled(&labels) && !route.routers.is_empty());
            for router in route.routers.values() {
                let service = router["service"].as_str().expect("a router has a service");
                assert!(route.services.contains_key(service), "{service}");
            }
            let written = serde_json::to_string(&route).expect("a route is JSON");
            assert_eq!(
                serde_json::from_str::<deploy_action::agent::store::CompiledRoute>(&written).expect("it is read"),
                route
            );
        }
        Err(blockers) => {
            assert!(enabled(&labels) && !blockers.is_empty());
            for blocker in blockers {
                assert!(!blocker.message.is_empty() && !blocker.hint.is_empty());
                assert_plain(&blocker.code);
            }
        }
    }
});
