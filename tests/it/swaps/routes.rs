//! What stands between the caller and the containers.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kit::bed::{AppImage, ComposeFile, ComposeService};

use super::{UnderLoad, seen_out, telling};
use crate::stage::{HOST, Setting, Stage, web};

/// `bob` with password `test`, and what sends it.
const LOGIN: &str = "bob:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/";
const SENT: &str = "Basic Ym9iOnRlc3Q=";

#[test]
fn a_stripped_prefix_added_headers_and_a_login() {
    let setting = Setting { up: false, first: AppImage::version("v1").mode("strict-paths"), ..Setting::default() };
    let stage = Stage::set(telling(setting.compose(|image| {
        let web = ComposeService::new("web", image)
            .routed(&format!("Host(`{HOST}`) && PathPrefix(`/shop`)"))
            .label("traefik.http.routers.web.middlewares", "login,strip,headers")
            .label("traefik.http.middlewares.login.basicauth.users", LOGIN)
            .label("traefik.http.middlewares.strip.stripprefix.prefixes", "/shop")
            .label("traefik.http.middlewares.headers.headers.customrequestheaders.X-From", "shop")
            .label("traefik.http.middlewares.headers.headers.customresponseheaders.X-Shop", "open");
        ComposeFile::of(web)
    })));
    stage.bed.project.up().expect("version 1 is up");
    stage.wait("the labels to route", || stage.status("/shop/") == 401);
    let v2 = stage.push(&AppImage::version("v2").mode("strict-paths"));
    let load = UnderLoad::with(&stage, |config| {
        config.path = "/shop/".to_owned();
        config.headers = vec![("Authorization".to_owned(), SENT.to_owned())];
    });
    stage.deploy(&v2).expect(0);
    seen_out(&stage, 1);
    let report = load.finish_without_a_failure();
    assert_eq!(report.only_version_in_last(Duration::from_secs(1)).as_deref(), Some("v2"));
    assert_eq!(stage.status("/shop/"), 401, "the route still asks for a password");
    let answer = stage.bed.get_with("/shop/whoami", HOST, &[("Authorization", SENT)]).expect("answers");
    assert_eq!((answer.status, answer.header("x-shop")), (200, Some("open")));
    let seen: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!((&seen["path"], &seen["headers"]["x-from"]), (&"/whoami".into(), &"shop".into()));
}

/// How often one dies.
const EVERY: Duration = Duration::from_millis(500);
/// Those that do in turn: an engine takes longer than that to end one and to start it.
const OTHERS: u32 = 5;

/// Lets them live, also where the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Ends a container at once and starts it again. The engine's own words: its client takes longer to start than that.
fn restart(id: &str) {
    let mut engine = UnixStream::connect("/var/run/docker.sock").expect("the engine listens");
    write!(engine, "POST /containers/{id}/restart?t=0 HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")
        .expect("it is asked");
    let mut answer = String::new();
    engine.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}

/// Each start and each end of a container makes Traefik read its configuration anew.
#[test]
fn two_replicas_beside_a_container_that_dies_every_half_second() {
    let setting = Setting { up: false, ..Setting::default() };
    let stage = Stage::set(telling(setting.compose(|image| {
        let other =
            ComposeService::new("other", image).routed("Host(`other.test`)").with("healthcheck: {disable: true}");
        ComposeFile::of(web(image).replicas(2)).and(other.replicas(OTHERS))
    })));
    for up in [["up", "-d", "--wait", "web"].as_slice(), &["up", "-d", "other"]] {
        stage.bed.project.compose(up).expect("version 1 is up");
    }
    stage.wait("the labels to route", || stage.serves("v1"));
    let others = stage.containers("other");
    let v2 = stage.version("v2");
    let over = AtomicBool::new(false);
    let (deaths, took) = thread::scope(|scope| {
        let (began, flag, stage) = (Instant::now(), &over, &stage);
        let over = Over(flag);
        let die = move |id: &str, turn: u32| {
            let mut deaths = 0;
            while !flag.load(Ordering::SeqCst) {
                thread::sleep((EVERY * (OTHERS * deaths + turn)).saturating_sub(began.elapsed()));
                restart(id);
                deaths += 1;
            }
            deaths
        };
        let dying: Vec<_> = (0..).zip(&others).map(|(turn, other)| scope.spawn(move || die(&other.id, turn))).collect();
        let load = UnderLoad::begin(stage);
        let run = stage.deploy(&v2);
        seen_out(stage, 2);
        drop(over);
        run.expect(0);
        load.finish_without_a_failure();
        let deaths: u32 = dying.into_iter().map(|dying| dying.join().expect("no panic")).sum();
        (deaths, began.elapsed())
    });
    // On a host that has anything else to do the engine falls behind a little.
    assert!(deaths >= 5 && EVERY * deaths * 2 >= took, "{deaths} in {took:?}");
    stage.assert_serves("v2");
}
