//! An address that stays a container's own, where the network has some that it hands out to nobody by itself: the route then
//! needs no name, and so no engine that resolves it.
//!
//! Any other address would be somebody else's after a restart, and the route would lead there.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;

use super::{Fault, Swap};
use crate::agent::facts::{may_route, shared_networks};
use crate::agent::proxy::traefik::apply::addresses_in;
use crate::clients::docker::{Container, DockerError, Kept, Network};

impl Swap {
    /// Gives each of these containers, none of them started yet, an address that it keeps, where that can be done. They come
    /// back as they are then.
    pub(super) async fn keep_addresses(&self, new: Vec<Container>) -> Result<Vec<Container>, Fault> {
        let facts = Box::pin(self.around()).await?;
        let routed = self.job.route.is_some() || may_route(&facts);
        let Some(proxy) = facts.proxy.filter(|_| routed) else { return Ok(new) };
        // Nobody else on this host chooses meanwhile.
        let _choosing = self.site.addresses.lock().await;
        let engine = &self.site.engine;
        let mut given = Vec::with_capacity(new.len());
        for container in new {
            let refused = match self.give_address(&container, &proxy).await {
                Ok(Ok(true)) => {
                    given.push(engine.container(&container.id).await?);
                    continue;
                }
                Ok(Ok(false)) => None,
                Ok(Err(refused)) | Err(refused @ DockerError::Refused { .. }) => Some(refused),
                Err(error) => return Err(error.into()),
            };
            if let Some(refused) = refused {
                self.note(format!("the route leads to the name of {}: {refused}", container.name));
            }
            given.push(container);
        }
        Ok(given)
    }

    /// Gives it one that nobody has, in a network that it shares with the proxy. False where there is none.
    async fn give_address(
        &self,
        container: &Container,
        proxy: &Container,
    ) -> Result<Result<bool, DockerError>, DockerError> {
        let engine = &self.site.engine;
        for name in shared_networks(container, proxy) {
            if container.networks.get(&name).is_some_and(|place| place.asked_for) {
                continue;
            }
            let network = engine.network(&name).await?;
            if !sets_aside(&network) {
                continue;
            }
            let mut taken: BTreeSet<Ipv4Addr> =
                engine.taken_addresses().await?.remove(&name).unwrap_or_default().into_iter().collect();
            if let Some(traefik) = &self.site.traefik {
                taken.extend(addresses_in(&traefik.config.dir));
            }
            if let Some(address) = free(&network, &taken, seed(&container.id)) {
                let kept = Kept { network: name, address };
                return Ok(engine.keep_address(&container.id, &kept).await?.map(|()| true));
            }
        }
        Ok(Ok(false))
    }
}

/// Whether the network has addresses that it hands out to nobody by itself.
#[must_use]
pub fn sets_aside(network: &Network) -> bool {
    free(network, &BTreeSet::new(), 0).is_some()
}

/// Spreads the addresses: one that was given back is not the next one's at once.
fn seed(id: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    u32::try_from(hasher.finish() >> 32).unwrap_or_default()
}

/// An address that the network hands out to nobody by itself, and that nobody has; the first from `seed` on.
fn free(network: &Network, taken: &BTreeSet<Ipv4Addr>, seed: u32) -> Option<Ipv4Addr> {
    if network.driver != "bridge" || !network.left_to_us {
        return None;
    }
    let (pool, subnet) = network.pools.iter().find_map(|pool| Some((pool, Block::read(&pool.subnet)?)))?;
    // Without one the engine gives any address of the network to any container.
    let range = Block::read(pool.range.as_ref()?)?;
    let reserved: BTreeSet<Ipv4Addr> = pool.reserved.iter().filter_map(|text| text.parse().ok()).collect();
    // Not the network's own, not the usual gateway's, not the one for all.
    let (first, last) = (subnet.first.checked_add(2)?, subnet.last.checked_sub(1)?);
    let (from, to) = (range.first.max(first), range.last.min(last));
    let handed_out = to.checked_sub(from).map_or(0, |more| u64::from(more) + 1);
    let ours = u64::from(last.checked_sub(first)?) + 1 - handed_out;
    let nth = |number: u64| {
        let address = u64::from(first) + number;
        let over = if handed_out > 0 && address >= u64::from(from) { handed_out } else { 0 };
        u32::try_from(address + over).map(Ipv4Addr::from).ok()
    };
    let usable = |address: &Ipv4Addr| !reserved.contains(address) && !taken.contains(address);
    (0..ours).filter_map(|step| nth((u64::from(seed) + step) % ours)).find(usable)
}

/// `172.30.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    first: u32,
    last: u32,
}

impl Block {
    fn read(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (address, bits) = (address.parse::<Ipv4Addr>().ok()?, bits.parse::<u32>().ok().filter(|bits| *bits <= 32)?);
        let hosts = u32::MAX.checked_shr(bits).unwrap_or_default();
        let first = u32::from(address) & !hosts;
        Some(Self { first, last: first | hosts })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clients::docker::Pool;

    fn network(subnet: &str, range: Option<&str>, reserved: &[&str]) -> Network {
        let pool = Pool {
            subnet: subnet.to_owned(),
            range: range.map(str::to_owned),
            reserved: reserved.iter().map(ToString::to_string).collect(),
        };
        Network { driver: "bridge".to_owned(), left_to_us: true, pools: vec![pool] }
    }

    fn all_free(network: &Network, seed: u32) -> Vec<String> {
        let mut taken = BTreeSet::new();
        while let Some(address) = free(network, &taken, seed) {
            taken.insert(address);
        }
        taken.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_address_is_one_that_nobody_else_is_given() {
        for seed in 0..20 {
            let upper = network("10.1.2.0/29", Some("10.1.2.4/30"), &[]);
            assert_eq!(all_free(&upper, seed), ["10.1.2.2", "10.1.2.3"], "{seed}");
            let lower = network("10.1.2.0/28", Some("10.1.2.0/29"), &["10.1.2.9", "10.1.2.12"]);
            let found = ["10.1.2.8", "10.1.2.10", "10.1.2.11", "10.1.2.13", "10.1.2.14"];
            assert_eq!(all_free(&lower, seed), found, "{seed}");
        }
    }

    #[test]
    fn addresses_are_spread() {
        // The network of the README.
        let readme = network("172.30.0.0/16", Some("172.30.128.0/17"), &["172.30.128.1"]);
        let found: Vec<_> =
            (0..1000).map(|number| free(&readme, &BTreeSet::new(), seed(&format!("{number}")))).collect();
        let different: BTreeSet<_> = found.iter().flatten().collect();
        assert!(found.iter().all(Option::is_some) && different.len() > 980, "{}", different.len());
    }

    #[test]
    fn a_network_that_sets_none_aside_has_none() {
        for none in [
            network("10.1.2.0/24", None, &[]),
            network("10.1.2.0/24", Some("10.1.2.0/24"), &[]),
            network("10.1.2.0/31", Some("10.1.2.0/32"), &[]),
            network("fd00::/64", Some("fd00::/80"), &[]),
            network("", Some(""), &[]),
            network("10.1.2.0/99", Some("10.1.2.0/30"), &[]),
            Network { driver: "overlay".to_owned(), ..network("10.1.2.0/24", Some("10.1.2.128/25"), &[]) },
            // They may be somebody else's.
            Network { left_to_us: false, ..network("10.1.2.0/24", Some("10.1.2.128/25"), &[]) },
            Network::default(),
        ] {
            assert_eq!(free(&none, &BTreeSet::new(), 7), None, "{none:?}");
        }
    }

    proptest! {
        #[test]
        fn wherever_the_search_begins_it_finds_what_is_free(
            seed: u32,
            (bits, wide, place) in (24u32..=29, 1u32..=3, any::<u32>()),
            used in prop::collection::vec(any::<u32>(), 0..250),
        ) {
            let subnet = format!("10.64.7.0/{bits}");
            let whole = Block::read(&subnet).unwrap();
            // Anywhere in the network.
            let count = whole.last - whole.first + 1;
            let range = format!("{}/{}", Ipv4Addr::from(whole.first + place % count), (bits + wide).min(32));
            let handed_out = Block::read(&range).unwrap();
            let taken: BTreeSet<Ipv4Addr> = used.iter().map(|at| Ipv4Addr::from(whole.first + at % count)).collect();
            let ours = (whole.first + 2..whole.last).filter(|at| !(handed_out.first..=handed_out.last).contains(at));
            let left: BTreeSet<Ipv4Addr> = ours.map(Ipv4Addr::from).filter(|at| !taken.contains(at)).collect();
            match free(&network(&subnet, Some(&range), &[]), &taken, seed) {
                Some(found) => prop_assert!(left.contains(&found)),
                None => prop_assert!(left.is_empty(), "{left:?}"),
            }
        }
    }
}
