//! The gate: a new container gets no traffic before it answers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use super::{Fault, Swap};
use crate::agent::facts::{Facts, gate, shared_networks};
use crate::agent::store::{Member, Record};
use crate::agent_api::Gate;
use crate::clients::docker::Container;
use crate::domain::Reason;
use crate::event::Phase;
use crate::failure::innermost;

/// Time between two probes.
const PROBE_EVERY: Duration = Duration::from_millis(20);
/// Good answers in a row that open the gate.
const IN_A_ROW: u32 = 3;
/// Longest wait for one answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two looks at the container itself.
const INSPECT_EVERY: Duration = Duration::from_millis(200);

/// Where and what to probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Probing {
    /// GET of this port and path on the container's own address; 2xx and 3xx are good.
    Http {
        /// Container port.
        port: u16,
        /// Path.
        path: String,
    },
    /// Docker's health state.
    Health,
}

impl Probing {
    /// From the wire's form.
    #[must_use]
    pub(super) fn of(gate: &Gate) -> Option<Self> {
        match gate {
            Gate::Probe(text) => {
                let (port, path) = text.strip_prefix(':')?.split_once('/')?;
                Some(Self::Http { port: port.parse().ok()?, path: format!("/{path}") })
            }
            Gate::DockerHealth => Some(Self::Health),
            Gate::None => None,
        }
    }
}

/// The address at which a container is probed: in the network that Traefik shares with it, else any.
#[must_use]
pub fn address(container: &Container, proxy: Option<&Container>) -> Option<IpAddr> {
    let shared = proxy.map(|proxy| shared_networks(container, proxy)).unwrap_or_default();
    let first = |name: &String| container.networks.get(name).and_then(|network| network.addresses.first().copied());
    shared.iter().find_map(first).or_else(|| container.addresses().first().copied())
}

/// One probe.
///
/// # Errors
/// What was answered instead.
pub async fn probe_once(client: &reqwest::Client, address: IpAddr, port: u16, path: &str) -> Result<(), String> {
    let url = format!("http://{}{path}", SocketAddr::new(address, port));
    let answer = client.get(&url).timeout(PROBE_TIMEOUT).send().await;
    match answer {
        Ok(answer) if answer.status().is_success() || answer.status().is_redirection() => Ok(()),
        Ok(answer) => Err(format!("GET :{port}{path} is answered with status {}", answer.status().as_u16())),
        Err(error) => Err(format!("GET :{port}{path} is not answered: {}", innermost(&error))),
    }
}

impl Swap {
    pub(super) async fn gate(&mut self) -> Result<(), Fault> {
        let began = self.begin(Phase::Gate);
        // Not while the engine starts them: on a small host compose would take a core from it. The answer is needed before
        // the switch.
        self.asked = Some(self.ask());
        let facts = Box::pin(self.around()).await?;
        let probing = Probing::of(&gate(&self.site, &self.service, &facts)).ok_or_else(|| {
            Fault::new(Reason::Blocked, "nothing says when the new version is ready")
                .hint("set `probe` for the service in agent.yml")
        })?;
        let all_pass = async {
            for member in &self.job.new {
                let passed = self.cancellable(self.pass_gate(member, &probing, &facts)).await;
                if let Err(fault) = passed {
                    if fault.reason == Reason::Cancelled {
                        return Err(fault);
                    }
                    let report = self.diagnose(member).await;
                    return Err(fault.explained(report.as_ref()));
                }
            }
            Ok(())
        };
        Box::pin(all_pass).await?;
        self.record(Record::Gated)?;
        self.end(Phase::Gate, began);
        Ok(())
    }

    async fn pass_gate(&self, member: &Member, probing: &Probing, facts: &Facts) -> Result<(), Fault> {
        let limit = self.config.gate_timeout;
        let until = Instant::now() + limit;
        let mut container = self.site.engine.container(&member.id).await?;
        let mut inspected = Instant::now();
        let (mut good, mut answered, mut bad) = (0, false, None);
        loop {
            let mut hint = "look at its log lines; raise `gate_timeout` for the service in agent.yml if it only needs longer to start";
            still_up(&container)?;
            let last = match probing {
                Probing::Health => match container.health.as_deref() {
                    Some("healthy") => return Ok(()),
                    Some(word) => format!("Docker's health check says `{word}`"),
                    None => {
                        return Err(Fault::new(
                            Reason::NeverHealthy,
                            format!("{} has no health check, so nothing says when it is ready", member.name),
                        )
                        .hint("give the image a HEALTHCHECK, or set `probe` for the service in agent.yml"));
                    }
                },
                Probing::Http { port, path } => match address(&container, facts.proxy.as_ref()) {
                    None => "it has no address yet".to_owned(),
                    Some(address) => match probe_once(&self.site.http, address, *port, path).await {
                        Ok(()) => {
                            good += 1;
                            answered = true;
                            if good < IN_A_ROW {
                                bad.as_ref()
                                    .map_or_else(|| "it answered once".to_owned(), |why: &String| come_and_go(why))
                            } else if self.is_ill(&mut container).await? {
                                good = 0;
                                hint = "mend the health check of the image or the compose file, or give it a longer `start_period`; `docker inspect` shows what it said";
                                "it answers, but Docker's health check says `unhealthy`".to_owned()
                            } else {
                                return Ok(());
                            }
                        }
                        Err(why) => {
                            good = 0;
                            if answered { come_and_go(bad.insert(why)) } else { why }
                        }
                    },
                },
            };
            if Instant::now() >= until {
                return Err(Fault::new(
                    Reason::NeverHealthy,
                    format!("{} did not become healthy within {} s: {last}", member.name, limit.as_secs()),
                )
                .hint(hint));
            }
            tokio::time::sleep(PROBE_EVERY).await;
            if inspected.elapsed() >= INSPECT_EVERY {
                container = self.site.engine.container(&member.id).await?;
                inspected = Instant::now();
            }
        }
    }
}

impl Swap {
    /// Whether Docker's health check, where there is one, found it ill just now: one that boots for longer than its check
    /// has patience stays so until the next check, and would be taken back for it.
    async fn is_ill(&self, container: &mut Container) -> Result<bool, Fault> {
        if container.health.is_some() {
            *container = self.site.engine.container(&container.id).await?;
        }
        Ok(container.health.as_deref() == Some("unhealthy"))
    }
}

/// Of answers that are good only now and then.
fn come_and_go(why: &str) -> String {
    format!("its answers come and go ({why}), and {IN_A_ROW} good ones in a row are needed")
}

/// The exit code of a process that SIGKILL ended.
const KILLED: i64 = 137;

/// A container that ended or was restarted before it was healthy never will be.
pub(super) fn still_up(container: &Container) -> Result<(), Fault> {
    if container.running() && container.restarts > 0 {
        let times = container.restarts;
        let fault =
            Fault::new(Reason::ContainerExited, format!("{} ended and was restarted {times} time(s)", container.name));
        return Err(fault.hint("its last log lines say why"));
    }
    runs(container)
}

/// A container whose process runs, whatever came before.
pub(super) fn runs(container: &Container) -> Result<(), Fault> {
    if container.running() {
        return Ok(());
    }
    if container.state == "removing" {
        let fault =
            Fault::new(Reason::ChangedUnderneath, format!("{} is being removed by someone else", container.name));
        return Err(fault.hint("let no `docker compose` run during a deployment, then deploy again"));
    }
    let code = container
        .exit_code
        .filter(|_| container.ended())
        .map(|code| format!(" with exit code {code}"))
        .unwrap_or_default();
    let meaning = container
        .exit_meaning()
        .filter(|_| container.ended())
        .map(|meaning| format!(" ({meaning})"))
        .unwrap_or_default();
    let fault = Fault::new(Reason::ContainerExited, format!("{} ended{code}{meaning}", container.name));
    Err(fault.hint(match container.exit_code {
        _ if container.oom_killed => "raise its memory limit in the compose file, or find out what takes the memory",
        // On a busy machine the engine misses the kernel's word now and then.
        Some(KILLED) if container.ended() => {
            "somebody killed it, or the kernel, for lack of memory: compare its memory limit with what it takes"
        }
        _ => "its last log lines say why",
    }))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::agent::proxy::traefik::http::local_client;

    /// A redirect is not followed: where it leads is not what was started.
    #[tokio::test]
    async fn a_probe_takes_success_and_redirects() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let app = std::thread::spawn(move || {
            for status in ["204 No Content", "302 Found", "404 Not Found", "503 Service Unavailable"] {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]).unwrap();
                let head =
                    format!("HTTP/1.1 {status}\r\nLocation: /login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(head.as_bytes()).unwrap();
            }
        });
        let client = local_client().unwrap();
        for good in [true, true, false, false] {
            let answer = probe_once(&client, "127.0.0.1".parse().unwrap(), port, "/healthz").await;
            assert_eq!(answer.is_ok(), good, "{answer:?}");
        }
        app.join().expect("each was asked for once");
    }

    #[test]
    fn the_gate_is_read_from_its_wire_form() {
        let http = |port, path: &str| Some(Probing::Http { port, path: path.to_owned() });
        assert_eq!(Probing::of(&Gate::Probe(":8080/healthz?x=1".to_owned())), http(8080, "/healthz?x=1"));
        assert_eq!(Probing::of(&Gate::Probe(":?/healthz".to_owned())), None);
        assert_eq!(Probing::of(&Gate::DockerHealth), Some(Probing::Health));
        assert_eq!(Probing::of(&Gate::None), None);
    }
}
