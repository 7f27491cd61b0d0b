//! While the engine is away and its containers live on, nobody resolves their names: the routes lead to the addresses that
//! they had. Nothing is started meanwhile, so nobody takes those.
//!
//! An engine without live-restore ends all containers when it comes back and gives out the addresses anew, so the routes
//! lead to names again as soon as it listens. One with live-restore starts what died meanwhile a moment before it answers;
//! until then the routes are as true as those of Traefik's Docker provider, which goes by addresses, too.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};

use super::app::App;
use super::facts::shared_networks;
use super::site::Traefik;
use crate::clients::docker::{Container, ContainerEvent, DockerError};

/// Time between two looks for an engine that is away.
const LOOK: Duration = Duration::from_millis(20);
/// The same while somebody listens at its address.
const AGAIN: Duration = Duration::from_millis(250);
/// Time between two looks although nothing happened: the engine's own settings may have changed.
const REST: Duration = Duration::from_secs(30);
/// How long addresses go on standing in once the engine answers, and follow the containers: a question after a name that it
/// did not live to answer is given up after 5 s by default, and until then everybody who asks the same waits with it
/// (resolv.conf(5); Go's resolver asks once for all).
const RESOLVES: Duration = Duration::from_secs(12);
/// Longest wait for the answers of one look.
const ANSWER: Duration = Duration::from_secs(10);

/// What tells a change of a container, or that nobody tells any more.
type Told = Option<Result<ContainerEvent, DockerError>>;

/// Leads one application's routes past an engine that is away, for as long as the agent runs.
pub async fn bridge(app: Arc<App>) {
    let Some(traefik) = app.site.traefik.clone() else { return };
    let mut bridge = Bridge { app, traefik, reached: Reached::default(), stands: false, untold: true };
    loop {
        bridge.until_it_listens().await;
        // From before the look on, or a change in between would go unseen.
        let since = jiff::Timestamp::now().as_second();
        let mut events = std::pin::pin!(bridge.app.site.engine.events(since));
        if bridge.look(&mut events).await.is_err() {
            bridge.pause().await;
            continue;
        }
        let resolves = Instant::now() + RESOLVES;
        let mut rest = interval_at(Instant::now() + REST, REST);
        rest.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let looked = tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) if bridge.is_about_us(&event) => bridge.look(&mut events).await,
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => break,
                },
                () = sleep_until(resolves), if bridge.stands => {
                    bridge.stand_in(false);
                    continue;
                }
                _ = rest.tick() => bridge.look(&mut events).await,
            };
            if looked == Err(Gone) {
                break;
            }
        }
        let outlived = bridge.reached.live_restore || !bridge.app.site.engine.listens().await;
        bridge.stand_in(outlived);
        bridge.pause().await;
    }
}

/// The engine went away, or is not there.
#[derive(Debug, PartialEq, Eq)]
struct Gone;

/// What is known of one application's containers.
#[derive(Debug)]
struct Bridge {
    app: Arc<App>,
    traefik: Traefik,
    reached: Reached,
    /// Whether the addresses stand in for the names.
    stands: bool,
    /// Whether trouble with the files would be news.
    untold: bool,
}

/// Who is reached, and how.
#[derive(Debug, Default)]
struct Reached {
    /// The id of Traefik's container, where one runs.
    proxy: Option<String>,
    /// Names and addresses of those that it reaches by name, by id.
    by_name: BTreeMap<String, (String, Ipv4Addr)>,
    /// Whether an engine that comes back leaves containers as they are.
    live_restore: bool,
}

impl Bridge {
    /// Before it is looked for again. One that listens and does not answer as it should is asked less often.
    async fn pause(&self) {
        sleep(if self.app.site.engine.listens().await { AGAIN } else { LOOK }).await;
    }

    /// Addresses that an engine gives out anew stand until it may do so, and no longer.
    async fn until_it_listens(&mut self) {
        while self.stands && !self.reached.live_restore {
            if self.app.site.engine.listens().await {
                self.reached.by_name.clear();
                self.stand_in(false);
            } else {
                self.stand_in(true);
                sleep(LOOK).await;
            }
        }
    }

    /// Reads anew who is reached where, until nothing changed meanwhile. What nobody answers is as it was, but for the
    /// containers that something happened to.
    async fn look(
        &mut self,
        events: &mut (impl Stream<Item = Result<ContainerEvent, DockerError>> + Unpin),
    ) -> Result<(), Gone> {
        loop {
            let mut changed = Vec::new();
            let found = {
                let mut reading = std::pin::pin!(timeout(ANSWER, self.read()));
                loop {
                    let told: Told = tokio::select! {
                        found = &mut reading => break Ok(found),
                        told = events.next() => told,
                    };
                    match told {
                        Some(Ok(event)) if self.is_about_us(&event) => changed.push(event.id),
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => break Err(Gone),
                    }
                }
            };
            match found {
                Ok(Ok(Ok(reached))) => self.reached = reached,
                Ok(Ok(Err(_)) | Err(_)) | Err(Gone) => {
                    self.reached.by_name.retain(|id, _| !changed.contains(id));
                    self.stand_in(self.stands);
                    return Err(Gone);
                }
            }
            self.stand_in(self.stands);
            if changed.is_empty() {
                return Ok(());
            }
        }
    }

    async fn read(&self) -> Result<Reached, DockerError> {
        let site = &self.app.site;
        let running = site.engine.running_containers().await?;
        let proxy = site.engine.with_mount(&self.traefik.config.dir, &running).await?;
        let mut by_name = BTreeMap::new();
        if let Some(proxy) = &proxy {
            for service in site.config.services.keys() {
                let containers = site.engine.service_containers(site.compose.project(), service.as_str()).await?;
                by_name.extend(
                    containers.into_iter().filter_map(|it| Some((it.id.clone(), reached_by_name(&it, proxy)?))),
                );
            }
        }
        let live_restore = site.engine.live_restore().await?;
        Ok(Reached { proxy: proxy.map(|proxy| proxy.id), by_name, live_restore })
    }

    /// Whether it may change who is reached where. Where there is no Traefik, anything that starts may be it.
    fn is_about_us(&self, event: &ContainerEvent) -> bool {
        let Reached { proxy, by_name, .. } = &self.reached;
        let ours = event.project.as_deref() == Some(self.app.site.compose.project());
        match event.action.as_str() {
            "start" => ours || proxy.is_none(),
            "die" | "rename" | "connect" | "disconnect" => {
                ours || proxy.as_ref() == Some(&event.id) || by_name.contains_key(&event.id)
            }
            _ => false,
        }
    }

    /// Tells where containers are; with `away` the addresses of all of them stand in for their names.
    fn stand_in(&mut self, away: bool) {
        let (site, by_name) = (&self.app.site, &self.reached.by_name);
        if away != self.stands {
            let led = if away { "addresses, because the engine is away" } else { "names again" };
            tracing::warn!(app = %site.app, reached = ?by_name.values(), "the routes lead to {led}");
        }
        self.stands = away;
        match site.stand_ins.know(&site.route_files(), by_name.values().cloned().collect(), away) {
            Ok(()) => self.untold = true,
            Err(error) if self.untold => {
                tracing::error!(app = %site.app, %error, "a route could not be led past the engine; tried again");
                self.untold = false;
            }
            Err(_) => {}
        }
    }
}

/// Its name and where that leads, for one that runs and has no address of its own.
fn reached_by_name(container: &Container, proxy: &Container) -> Option<(String, Ipv4Addr)> {
    if !container.running() || container.kept.is_some() {
        return None;
    }
    let networks = shared_networks(container, proxy);
    let addresses = networks.iter().filter_map(|name| container.networks.get(name)).flat_map(|it| &it.addresses);
    let address = addresses.copied().find_map(|address| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    Some((container.name.clone(), address?))
}
