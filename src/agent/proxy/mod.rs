//! The proxies that the agent can switch: Traefik today.

pub mod traefik;
