//! The proof can fail where Traefik's own list says "UP", and it can pass where a naive request would not.

use kit::bed::{AppImage, BedOptions, ComposeFile, ComposeService, ProxyOptions};

use crate::stage::{HOST, Run, Setting, Stage, web};

fn deploy(setting: Setting) -> (Stage, Run) {
    let stage = Stage::set(setting);
    let run = stage.deploy(&stage.version("v2"));
    (stage, run)
}

/// Refused before anything was changed, for this blocker.
#[track_caller]
fn blocked(setting: Setting, code: &str) -> Stage {
    let (stage, run) = deploy(setting);
    assert_eq!(run.reason(), "blocked", "{}", run.shown());
    assert!(run.shown().contains(code), "{}", run.shown());
    assert_eq!(run.code, 13, "{}", run.shown());
    assert_eq!(stage.containers("web").len(), 1);
    stage
}

#[test]
fn a_middleware_that_does_not_exist() {
    let setting = Setting::default().compose(|image| {
        let file = web(image)
            .label("traefik.http.routers.other.rule", "Host(`other.test`)")
            .label("traefik.http.routers.other.service", "web")
            .label("traefik.http.routers.other.middlewares", "missing");
        ComposeFile::of(file)
    });
    let stage = blocked(setting, "route_broken");
    let up = stage.bed.proxy.api("/api/http/services/web@docker").expect("the service");
    assert!(up["serverStatus"].to_string().contains("UP"), "Traefik's list says UP: {up}");
    stage.assert_serves("v1");
}

#[test]
fn healthy_but_500_through_the_route() {
    let stage = Stage::new();
    let run = stage.deploy(&stage.push(&AppImage::version("v2").mode("error-500-host"))).expect(30);
    assert_eq!(run.reason(), "proof_failed");
    stage.assert_serves("v1");
    assert_eq!(stage.containers("web").len(), 1);
}

fn with_rival(above: u64) -> fn(&str) -> ComposeFile {
    fn rival(image: &str, above: u64) -> ComposeFile {
        let ours = format!("Host(`{HOST}`)").len() as u64;
        let other = ComposeService::new("other", image)
            .routed("PathPrefix(`/`)")
            .label("traefik.http.routers.other.priority", &(ours + above).to_string());
        ComposeFile::of(web(image)).and(other)
    }
    match above {
        1 => |image| rival(image, 1),
        _ => |image| rival(image, 2),
    }
}

#[test]
fn a_rival_router_one_above() {
    blocked(Setting::default().compose(with_rival(1)), "route_collision");
}

#[test]
fn a_rival_router_two_above() {
    blocked(Setting::default().compose(with_rival(2)), "route_collision");
}

#[test]
fn a_rival_router_that_takes_everything() {
    let setting = Setting::default().compose(|image| {
        let rival = ComposeService::new("other", image)
            .routed("PathPrefix(`/`)")
            .label("traefik.http.routers.other.priority", "1000");
        ComposeFile::of(web(image)).and(rival)
    });
    let (stage, run) = deploy(setting);
    assert_eq!(run.expect(30).reason(), "adopt_failed");
    let up = stage.bed.proxy.api("/api/http/services/web@docker").expect("the service");
    assert!(up["serverStatus"].to_string().contains("UP"), "Traefik's list says UP: {up}");
    assert_eq!(stage.ids("web").len(), 1);
}

#[test]
fn a_file_provider_that_looks_elsewhere() {
    let proxy = ProxyOptions { files_elsewhere: true, ..ProxyOptions::default() };
    let bed = BedOptions { proxy, ..BedOptions::with(env!("CARGO_BIN_EXE_deploy-action")) };
    let (stage, run) = deploy(Setting { bed, ..Setting::default() });
    assert!(matches!((run.code, run.reason()), (13, "blocked") | (30, "adopt_failed")), "{}", run.shown());
    stage.assert_serves("v1");
    assert_eq!(stage.containers("web").len(), 1);
}

#[test]
fn basic_auth_in_front() {
    let setting = Setting::default().compose(|image| {
        let file = web(image)
            .label("traefik.http.routers.web.middlewares", "auth")
            .label("traefik.http.middlewares.auth.basicauth.users", "bob:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/");
        ComposeFile::of(file)
    });
    let (stage, run) = deploy(setting);
    run.expect(0);
    assert_eq!(stage.status("/"), 401, "the route still asks for a password");
}

#[test]
fn a_redirect_to_tls() {
    let setting = Setting::default().compose(|image| {
        let file = web(image)
            .label("traefik.http.routers.web.middlewares", "tls")
            .label("traefik.http.middlewares.tls.redirectscheme.scheme", "https")
            .label("traefik.http.routers.secure.rule", &format!("Host(`{HOST}`)"))
            .label("traefik.http.routers.secure.entrypoints", "websecure")
            .label("traefik.http.routers.secure.tls", "true")
            .label("traefik.http.routers.secure.service", "web");
        ComposeFile::of(file)
    });
    let (stage, run) = deploy(setting);
    run.expect(0);
    assert!((300..400).contains(&stage.status("/")), "{}", stage.status("/"));
    let (status, body) = stage.bed.get_tls("/", HOST).expect("TLS answers");
    assert_eq!((status, body.trim()), (200, "hello from v2"));
}

#[test]
fn strip_prefix_with_host_and_path() {
    let setting =
        Setting { first: AppImage::version("v1").mode("strict-paths"), ..Setting::default() }.compose(|image| {
            let file = ComposeService::new("web", image)
                .routed(&format!("Host(`{HOST}`) && PathPrefix(`/u`)"))
                .label("traefik.http.routers.web.middlewares", "strip")
                .label("traefik.http.middlewares.strip.stripprefix.prefixes", "/u");
            ComposeFile::of(file).and(ComposeService::new("rest", image).routed(&format!("Host(`{HOST}`)")))
        });
    let stage = Stage::set(setting);
    stage.deploy(&stage.push(&AppImage::version("v2").mode("strict-paths"))).expect(0);
    let answer = stage.bed.get("/u/", HOST).expect("answers");
    assert_eq!((answer.status, answer.header("x-version")), (200, Some("v2")));
    stage.assert_serves("v1");
}
