//! Networks: which addresses they hand out, and giving a container one that stays its own.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest, NetworkInspect,
};
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::{DockerError, Engine};

/// The label of a network whose addresses outside of its range are ours to give; and the option on a container's place in it
/// that says that it was given one by [`Engine::keep_address`]. Drivers ignore options that they do not know.
const OURS: &str = "deploy-agent.addresses";
/// The value of both.
const KEPT: &str = "kept";

/// A network, reduced to what it hands out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// `bridge`, `overlay` …
    pub driver: String,
    /// True where its label says that addresses outside of its ranges are ours to give.
    pub left_to_us: bool,
    /// Its ranges of addresses, as the engine's own words.
    pub pools: Vec<Pool>,
}

/// A range of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pool {
    /// All of it, `172.30.0.0/16`.
    pub subnet: String,
    /// The part that containers get addresses from by themselves, where it was limited.
    pub range: Option<String>,
    /// Addresses that are no container's: the gateway's, and others that were set aside.
    pub reserved: Vec<String>,
}

/// An address that stays a container's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The network that it is in.
    pub network: String,
    /// The address.
    pub address: Ipv4Addr,
}

impl Network {
    fn from_inspect(raw: NetworkInspect) -> Self {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let pools = raw.ipam.and_then(|ipam| ipam.config).unwrap_or_default().into_iter().map(|config| Pool {
            subnet: config.subnet.unwrap_or_default(),
            range: filled(config.ip_range),
            reserved: filled(config.gateway)
                .into_iter()
                .chain(config.auxiliary_addresses.unwrap_or_default().into_values())
                .collect(),
        });
        Self {
            driver: raw.driver.unwrap_or_default(),
            left_to_us: raw.labels.is_some_and(|labels| labels.get(OURS).is_some_and(|value| value == KEPT)),
            pools: pools.collect(),
        }
    }
}

/// The address that [`Engine::keep_address`] gave a container.
pub(super) fn kept<'a>(endpoints: impl IntoIterator<Item = (&'a String, &'a EndpointSettings)>) -> Option<Kept> {
    let ours = |endpoint: &EndpointSettings| {
        endpoint.driver_opts.as_ref().and_then(|options| options.get(OURS)).is_some_and(|value| value == KEPT)
    };
    let all = endpoints.into_iter().filter(|(_, endpoint)| ours(endpoint));
    let mut kept =
        all.filter_map(|(network, endpoint)| Some(Kept { network: network.clone(), address: asked(endpoint)? }));
    kept.next()
}

/// The address that a place in a network was asked for with.
fn asked(endpoint: &EndpointSettings) -> Option<Ipv4Addr> {
    endpoint.ipam_config.as_ref()?.ipv4_address.as_ref()?.parse().ok()
}

/// Whether somebody else said which address a container that was not started has there.
pub(super) fn is_asked_for(endpoint: &EndpointSettings) -> bool {
    asked(endpoint).is_some() || endpoint.mac_address.as_ref().is_some_and(|mac| !mac.is_empty())
}

impl Engine {
    /// A network, by name.
    ///
    /// # Errors
    /// [`DockerError::NotFound`] where there is none.
    pub async fn network(&self, name: &str) -> Result<Network, DockerError> {
        self.bounded(self.docker.inspect_network(name, None)).await.map(Network::from_inspect)
    }

    /// Every IPv4 address of a container, running or not, by the name of the network: those that it has, and those that it
    /// will have when it starts.
    ///
    /// # Errors
    /// [`DockerError`] as for every call.
    pub async fn taken_addresses(&self) -> Result<BTreeMap<String, Vec<Ipv4Addr>>, DockerError> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let mut taken: BTreeMap<String, Vec<Ipv4Addr>> = BTreeMap::new();
        for container in self.bounded(self.docker.list_containers(Some(options))).await? {
            let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
            for (network, endpoint) in networks {
                let has = endpoint.ip_address.as_ref().and_then(|text| text.parse().ok());
                taken.entry(network).or_default().extend(has.into_iter().chain(asked(&endpoint)));
            }
        }
        Ok(taken)
    }

    /// Gives a container that was not started an address of its own in a network that it is in; it has it at every start.
    /// Where the engine does not, the container is in the network as before, and it comes back why.
    ///
    /// # Errors
    /// [`DockerError`] as for every call. The container may be out of the network then.
    pub async fn keep_address(&self, id: &str, kept: &Kept) -> Result<Result<(), DockerError>, DockerError> {
        let raw = self.bounded(self.docker.inspect_container(id, None)).await?;
        let networks = raw.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let before = networks.get(&kept.network).cloned().unwrap_or_default();
        let before = EndpointSettings {
            ipam_config: before.ipam_config,
            links: before.links,
            aliases: before.aliases,
            driver_opts: before.driver_opts,
            gw_priority: before.gw_priority.filter(|priority| *priority != 0),
            ..EndpointSettings::default()
        };
        let ipam = before.ipam_config.clone().unwrap_or_default();
        let mut driver_opts = before.driver_opts.clone().unwrap_or_default();
        driver_opts.insert(OURS.to_owned(), KEPT.to_owned());
        let with_address = EndpointSettings {
            ipam_config: Some(EndpointIpamConfig { ipv4_address: Some(kept.address.to_string()), ..ipam }),
            driver_opts: Some(driver_opts),
            ..before.clone()
        };
        let leave = NetworkDisconnectRequest { container: id.to_owned(), force: None };
        self.bounded(self.docker.disconnect_network(&kept.network, leave)).await?;
        match self.join(id, &kept.network, with_address).await {
            Err(error @ DockerError::Refused { .. }) => {
                self.join(id, &kept.network, before).await?;
                Ok(Err(error))
            }
            other => other.map(Ok),
        }
    }

    async fn join(&self, id: &str, network: &str, place: EndpointSettings) -> Result<(), DockerError> {
        let join = NetworkConnectRequest { container: id.to_owned(), endpoint_config: Some(place) };
        self.bounded(self.docker.connect_network(network, join)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(address: Option<&str>, mac: &str, ours: bool) -> EndpointSettings {
        let ipam = EndpointIpamConfig { ipv4_address: address.map(str::to_owned), ..EndpointIpamConfig::default() };
        EndpointSettings {
            ipam_config: Some(ipam),
            mac_address: Some(mac.to_owned()),
            driver_opts: ours.then(|| [(OURS.to_owned(), KEPT.to_owned())].into()),
            ..EndpointSettings::default()
        }
    }

    #[test]
    fn an_address_that_somebody_else_asked_for_is_not_ours() {
        let kept_in = |endpoint: EndpointSettings| kept([(&"proxy".to_owned(), &endpoint)]);
        let ours = Kept { network: "proxy".to_owned(), address: Ipv4Addr::new(172, 30, 0, 9) };
        assert_eq!(kept_in(place(Some("172.30.0.9"), "", true)), Some(ours));
        assert_eq!(kept_in(place(Some("172.30.0.9"), "", false)), None);
        assert_eq!(kept_in(place(None, "", true)), None, "taken out of the network and put back by hand");
        for (endpoint, asked) in [
            (place(Some("172.30.0.9"), "", false), true),
            (place(None, "02:42:ac:1e:00:09", false), true),
            (place(None, "", false), false),
            (EndpointSettings::default(), false),
        ] {
            assert_eq!(is_asked_for(&endpoint), asked, "{endpoint:?}");
        }
    }
}
