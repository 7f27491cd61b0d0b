//! An address that stays a container's own, where the network has some that it hands out to nobody by itself: the route then
//! needs no name, and so no engine that resolves it.
//!
//! Any other address would be somebody else's after a restart, and the route would lead there.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;

use super::{Fault, Swap};
use crate::agent::facts::shared_networks;
use crate::agent::proxy::traefik::apply::addresses_in;
use crate::clients::docker::{Container, Network};

impl Swap {
    /// Gives each of these containers, none of them started yet, an address that it keeps, where that can be done. They come
    /// back as they are then.
    pub(super) async fn keep_addresses(&self, new: Vec<Container>) -> Result<Vec<Container>, Fault> {
        let Some(proxy) = Box::pin(self.around()).await?.proxy else { return Ok(new) };
        let engine = &self.site.engine;
        let mut kept = Vec::with_capacity(new.len());
        for container in new {
            let mut found = None;
            for name in shared_networks(&container, &proxy) {
                let network = engine.network(&name).await?;
                let mut taken: BTreeSet<Ipv4Addr> =
                    engine.taken_addresses().await?.remove(&name).unwrap_or_default().into_iter().collect();
                if let Some(traefik) = &self.site.traefik {
                    taken.extend(addresses_in(&traefik.config.dir));
                }
                if let Some(address) = free(&network, &taken, seed(&container.id)) {
                    found = Some((name, address));
                    break;
                }
            }
            let Some((network, address)) = found else {
                kept.push(container);
                continue;
            };
            engine.keep_address(&container.id, &network, address).await?;
            kept.push(engine.container(&container.id).await?);
        }
        Ok(kept)
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
    if network.driver != "bridge" {
        return None;
    }
    let (pool, subnet) = network.pools.iter().find_map(|pool| Some((pool, Block::read(&pool.subnet)?)))?;
    // Without one the engine gives any address of the network to any container.
    let range = Block::read(pool.range.as_ref()?)?;
    let reserved: BTreeSet<Ipv4Addr> = pool.reserved.iter().filter_map(|text| text.parse().ok()).collect();
    // Not the network's own, not the usual gateway's, not the one for all.
    let (first, last) = (subnet.first.checked_add(2)?, subnet.last.checked_sub(1)?);
    let count = last.checked_sub(first)?.checked_add(1)?;
    let usable = |address: &u32| {
        let named = Ipv4Addr::from(*address);
        !range.has(*address) && !reserved.contains(&named) && !taken.contains(&named)
    };
    let mut offset = seed % count;
    for _ in 0..count {
        let address = first + offset;
        if usable(&address) {
            return Some(Ipv4Addr::from(address));
        }
        // Over the range in one step: it may be most of a large network.
        offset = if range.has(address) { (range.last - first).saturating_add(1) } else { offset + 1 } % count;
    }
    None
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

    fn has(self, address: u32) -> bool {
        (self.first..=self.last).contains(&address)
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
        Network { driver: "bridge".to_owned(), pools: vec![pool] }
    }

    fn all_free(network: &Network) -> Vec<String> {
        let mut taken = BTreeSet::new();
        while let Some(address) = free(network, &taken, 0) {
            taken.insert(address);
        }
        taken.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_address_is_one_that_nobody_else_is_given() {
        let upper = network("10.1.2.0/29", Some("10.1.2.4/30"), &[]);
        assert_eq!(all_free(&upper), ["10.1.2.2", "10.1.2.3"]);
        let lower = network("10.1.2.0/28", Some("10.1.2.0/29"), &["10.1.2.9", "10.1.2.12"]);
        assert_eq!(all_free(&lower), ["10.1.2.8", "10.1.2.10", "10.1.2.11", "10.1.2.13", "10.1.2.14"]);
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
            Network::default(),
        ] {
            assert_eq!(free(&none, &BTreeSet::new(), 7), None, "{none:?}");
        }
    }

    proptest! {
        #[test]
        fn wherever_the_search_begins_it_finds_what_is_free(seed: u32, bits in 1u32..=28, wide in 1u32..=4, used in prop::collection::vec(any::<u32>(), 0..20)) {
            let (subnet, range) = (format!("10.64.0.0/{}", bits.max(9)), format!("10.64.0.0/{}", bits.max(9) + wide));
            let network = network(&subnet, Some(&range), &[]);
            let (whole, handed_out) = (Block::read(&subnet).unwrap(), Block::read(&range).unwrap());
            let taken: BTreeSet<Ipv4Addr> = used.iter().map(|at| Ipv4Addr::from(whole.first + at % (whole.last - whole.first))).collect();
            match free(&network, &taken, seed) {
                Some(found) => {
                    let found_at = u32::from(found);
                    prop_assert!(whole.has(found_at) && !handed_out.has(found_at) && !taken.contains(&found));
                    prop_assert!(found_at != whole.last);
                }
                None => {
                    let mut left = (handed_out.last + 1)..whole.last;
                    prop_assert!(left.all(|at| taken.contains(&Ipv4Addr::from(at))));
                }
            }
        }
    }
}
