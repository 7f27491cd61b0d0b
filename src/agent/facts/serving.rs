//! Which of a service's running containers serve.

use std::borrow::Borrow;

use crate::agent::store::ServiceState;
use crate::clients::docker::Container;

/// Those of the running containers that a route may lead to. Never two versions at once: where the release's own image
/// runs, whatever else somebody started or a failed deployment left is not routed beside it.
pub fn serving<C: Borrow<Container>>(state: &ServiceState, running: impl Iterator<Item = C>) -> Vec<C> {
    let running: Vec<C> = running.collect();
    let of_release =
        |container: &C| state.current().is_some_and(|release| container.borrow().image_id == release.image_id);
    if !running.iter().any(of_release) {
        return running;
    }
    running.into_iter().filter(of_release).collect()
}
