//! The bed, with the real engine, registry, Traefik and compose: what the tests of the product stand on.

use std::time::Duration;

use kit::bed::{
    AppImage, Bed, BedError, BedOptions, ComposeFile, ComposeService, EngineOptions, Machine, ProxyOptions, Result,
    sweep, wait_for,
};
use kit::load::{Load, LoadConfig};

const LONG: Duration = Duration::from_secs(30);
const HOST: &str = "hello.test";

/// A bed in which version 1 of the sample app runs, started by plain compose.
fn with_v1() -> Result<Bed> {
    let bed = Bed::start(&BedOptions::default())?;
    put_up_v1(&bed)?;
    Ok(bed)
}

fn put_up_v1(bed: &Bed) -> Result<()> {
    let image = bed.push(&AppImage::version("v1"))?;
    let web = ComposeService::new("web", &image).routed(&format!("Host(`{HOST}`)"));
    bed.project.write("compose.yaml", &ComposeFile::of(web).render(bed.name()))?;
    bed.project.up()?;
    wait_for("v1 to serve", LONG, || bed.serves_only(HOST, "v1"))
}

#[test]
fn a_version_serves_and_nothing_is_left_of_it() -> Result<()> {
    let bed = with_v1()?;
    let (name, dir) = (bed.name().to_owned(), bed.dir().to_owned());
    let machine = bed.machine.clone();
    assert_eq!(bed.containers_of("web")?.len(), 1);
    assert_eq!(bed.proxy.servers("web@docker").len(), 1);
    assert_eq!(bed.get("/", "other.test")?.status, 404);
    bed.proxy.restart()?;
    wait_for("v1 to serve at the same address", LONG, || bed.serves_only(HOST, "v1"))?;

    drop(bed);
    let label = format!("label=deploy-action-bed={name}");
    assert_eq!(machine.docker(&["ps", "-aq", "--filter", &label])?, "");
    assert_eq!(machine.docker(&["network", "ls", "-q", "--filter", &label])?, "");
    assert!(!dir.exists());
    Ok(())
}

#[test]
fn beds_run_side_by_side() -> Result<()> {
    let (one, two) = (with_v1()?, with_v1()?);
    assert_eq!((one.proxy.servers("web@docker").len(), two.proxy.servers("web@docker").len()), (1, 1));
    assert_ne!(one.proxy.servers("web@docker"), two.proxy.servers("web@docker"));
    Ok(())
}

#[test]
fn traefik_in_the_hosts_network_serves_too() -> Result<()> {
    let proxy = ProxyOptions { host_network: true, ..ProxyOptions::default() };
    let bed = Bed::start(&BedOptions { proxy, ..BedOptions::default() })?;
    put_up_v1(&bed)
}

#[test]
fn what_a_crash_leaves_is_swept() -> Result<()> {
    let bed = with_v1()?;
    let (name, dir, machine) = (bed.name().to_owned(), bed.dir().to_owned(), bed.machine.clone());
    // Another sweep must not take a bed whose process lives.
    sweep(&machine)?;
    assert!(bed.serves_only(HOST, "v1"));
    // As a process killed on the spot: nothing is dropped, and its id and start time are nobody's any more.
    std::mem::forget(bed);
    std::fs::write(dir.join("owner"), "1 0").map_err(|error| BedError::new(error.to_string()))?;
    assert!(sweep(&machine)?.contains(&name));
    let label = format!("label=deploy-action-bed={name}");
    assert_eq!(machine.docker(&["ps", "-aq", "--filter", &label])?, "");
    assert!(!dir.exists());
    Ok(())
}

/// The load generator must be able to see what it is there for.
#[test]
fn a_plain_recreate_fails_requests() -> Result<()> {
    let bed = with_v1()?;
    let load = Load::start(LoadConfig::new(bed.proxy.web_for_load()?, HOST, 250));
    assert!(load.wait_until_ok(250, LONG), "the load reaches v1");
    assert_eq!(load.failed_so_far(), 0, "v1 alone fails no request");
    bed.project.compose(&["up", "-d", "--force-recreate", "--wait"])?;
    assert!(load.wait_until_only("v1", Duration::from_secs(1), LONG), "v1 is back");
    let report = load.stop();
    report.check_books().map_err(BedError::new)?;
    assert!(report.failed > 0, "a recreate leaves a gap, and the load did not see it: {report:?}");
    Ok(())
}

/// A bed with an engine of its own, of which nothing may be left.
fn with_engine(engine: EngineOptions) -> Result<Bed> {
    let bed = Bed::start(&BedOptions { engine: Some(engine), ..BedOptions::default() })?;
    put_up_v1(&bed)?;
    Ok(bed)
}

fn assert_nothing_left(name: &str) {
    let named = |entry: &std::fs::DirEntry| {
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(&format!("/{name}/"))
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten().filter(named);
    assert_eq!(processes.map(|entry| entry.path()).collect::<Vec<_>>(), [] as [&std::path::Path; 0]);
    let groups = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|it| it.path().join(name));
    assert_eq!(groups.filter(|group| group.exists()).collect::<Vec<_>>(), [] as [&std::path::Path; 0]);
    assert!(!std::env::temp_dir().join("deploy-action-bed").join(name).exists());
}

#[test]
fn an_engine_of_its_own_is_killed_and_nothing_is_left_of_it() -> Result<()> {
    for live_restore in [true, false] {
        let mut bed = with_engine(EngineOptions { live_restore, ..EngineOptions::default() })?;
        let (name, container) = (bed.name().to_owned(), bed.containers_of("web")?.remove(0));
        assert_eq!(Machine::find()?.docker(&["ps", "-aq", "--filter", &format!("id={}", container.id)])?, "");
        bed.engine()?.kill9();
        assert!(bed.machine.docker(&["version"]).is_err());
        let to = bed.proxy.web_for_load();
        assert!(to.is_err(), "nobody answers for the engine");
        bed.engine()?.start()?;
        let then = bed.containers_of("web")?.remove(0);
        assert_eq!((then.id == container.id, then.state == "running"), (true, live_restore), "{then:?}");
        if live_restore {
            wait_for("v1 to serve", LONG, || bed.serves_only(HOST, "v1"))?;
        }
        bed.engine()?.stop()?;
        drop(bed);
        assert_nothing_left(&name);
    }
    Ok(())
}

#[test]
fn an_engine_that_a_crash_left_is_swept() -> Result<()> {
    let bed = with_engine(EngineOptions { disk: Some("64m".to_owned()), ..EngineOptions::default() })?;
    let (name, dir) = (bed.name().to_owned(), bed.dir().to_owned());
    std::mem::forget(bed);
    std::fs::write(dir.join("owner"), "1 0").map_err(|error| BedError::new(error.to_string()))?;
    assert!(sweep(&Machine::find()?)?.contains(&name));
    assert_nothing_left(&name);
    Ok(())
}
