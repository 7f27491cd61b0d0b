//! Networks: which addresses they hand out, and giving a container one that stays its own.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest, NetworkInspect,
};
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::{DockerError, Engine};

/// The option on a container's place in a network that says that its address was given by [`Engine::keep_address`]. Drivers
/// ignore options that they do not know.
const KEPT: &str = "deploy-agent.address";
/// Its value.
const YES: &str = "kept";

/// A network, reduced to what it hands out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// `bridge`, `overlay` …
    pub driver: String,
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
        Self { driver: raw.driver.unwrap_or_default(), pools: pools.collect() }
    }
}

/// The address that [`Engine::keep_address`] gave a container, in any of its networks.
pub(super) fn kept_address<'a>(endpoints: impl IntoIterator<Item = &'a EndpointSettings>) -> Option<Ipv4Addr> {
    let ours = |endpoint: &&EndpointSettings| {
        endpoint.driver_opts.as_ref().and_then(|options| options.get(KEPT)).is_some_and(|value| value == YES)
    };
    endpoints.into_iter().filter(ours).find_map(fixed_address)
}

fn fixed_address(endpoint: &EndpointSettings) -> Option<Ipv4Addr> {
    endpoint.ipam_config.as_ref()?.ipv4_address.as_ref()?.parse().ok()
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
                taken.entry(network).or_default().extend(has.into_iter().chain(fixed_address(&endpoint)));
            }
        }
        Ok(taken)
    }

    /// Gives a container that was not started an address of its own in a network that it is in; it has it at every start.
    ///
    /// # Errors
    /// [`DockerError::Refused`] where the network hands out no addresses on request. The container may be out of the
    /// network then.
    pub async fn keep_address(&self, id: &str, network: &str, address: Ipv4Addr) -> Result<(), DockerError> {
        let raw = self.bounded(self.docker.inspect_container(id, None)).await?;
        let networks = raw.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let endpoint = networks.get(network).cloned().unwrap_or_default();
        let leave = NetworkDisconnectRequest { container: id.to_owned(), force: None };
        self.bounded(self.docker.disconnect_network(network, leave)).await?;
        let mut driver_opts: HashMap<_, _> = endpoint.driver_opts.unwrap_or_default();
        driver_opts.insert(KEPT.to_owned(), YES.to_owned());
        let ipam =
            EndpointIpamConfig { ipv4_address: Some(address.to_string()), ..endpoint.ipam_config.unwrap_or_default() };
        let join = EndpointSettings {
            ipam_config: Some(ipam),
            links: endpoint.links,
            mac_address: endpoint.mac_address.filter(|mac| !mac.is_empty()),
            aliases: endpoint.aliases,
            driver_opts: Some(driver_opts),
            gw_priority: endpoint.gw_priority.filter(|priority| *priority != 0),
            ..EndpointSettings::default()
        };
        let join = NetworkConnectRequest { container: id.to_owned(), endpoint_config: Some(join) };
        self.bounded(self.docker.connect_network(network, join)).await
    }
}
