//! What a journal says about the swap it belongs to: a fold, so that a running swap and a resumed one know the same.

use crate::agent::store::{Accepted, CompiledRoute, Ended, Found, Member, Record};
use crate::agent_api::Release;
use crate::event::{Outcome, Phase};

/// The state of one swap.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// What it starts from.
    pub accepted: Accepted,
    /// True where an earlier process began it.
    pub resumed: bool,
    /// True where its journal lost records, so that it may have done more than they say.
    pub damaged: bool,
    /// True where these are as a newer agent wrote them.
    pub newer: bool,
    /// The phase it is in.
    pub phase: Option<Phase>,
    /// The route of the version from before, once it is the agent's; after a first deployment's switch the only one.
    pub route: Option<CompiledRoute>,
    /// The route of the new version, where its routing labels differ.
    pub next: Option<CompiledRoute>,
    /// True while the route file may hold an adoption that was not proven.
    pub adopting: bool,
    /// The engine's id of the image.
    pub image_id: Option<String>,
    /// True once there may be a container for the command that runs before, and a candidate override.
    pub preparing: bool,
    /// True once containers may have been created.
    pub creating: bool,
    /// The new containers.
    pub new: Vec<Member>,
    /// Compose's hash of their configuration.
    pub config_hash: String,
    /// True once the route file may hold the routers that rehearse them.
    pub starting: bool,
    /// True once requests of ours may have been routed to them.
    pub gated: bool,
    /// True once the route file may point at them.
    pub switching: bool,
    /// What the version from before answered to the proof's requests.
    pub before: Vec<Option<u16>>,
    /// True once Traefik confirmed it.
    pub switched: bool,
    /// The release, once proven.
    pub release: Option<Release>,
    /// True once its window was over.
    pub retiring: bool,
    /// The end it is going back to.
    pub going_back: Option<Ended>,
    /// The end.
    pub finished: Option<Ended>,
}

impl Job {
    /// A swap that was just accepted.
    #[must_use]
    pub fn new(accepted: Accepted) -> Self {
        Self {
            accepted,
            resumed: false,
            damaged: false,
            newer: false,
            phase: None,
            route: None,
            next: None,
            adopting: false,
            image_id: None,
            preparing: false,
            creating: false,
            new: Vec::new(),
            config_hash: String::new(),
            starting: false,
            gated: false,
            switching: false,
            before: Vec::new(),
            switched: false,
            release: None,
            retiring: false,
            going_back: None,
            finished: None,
        }
    }

    /// The swap that a journal describes; `None` for an empty one.
    #[must_use]
    pub fn of(found: Found) -> Option<Self> {
        let mut records = found.records.into_iter();
        let Some(Record::Accepted { accepted }) = records.next() else { return None };
        let mut job = Self::new(*accepted);
        job.resumed = true;
        records.for_each(|record| job.take(record));
        job.newer = found.newer;
        if found.damaged {
            job.fear_the_worst();
        }
        Some(job)
    }

    /// Takes everything for begun that lost records may have announced: to undo what was not done changes nothing.
    fn fear_the_worst(&mut self) {
        self.damaged = true;
        self.preparing = true;
        self.creating = true;
        self.starting = true;
        self.gated = true;
        self.switching = true;
        let deployed = self.finished.as_ref().is_some_and(|ended| ended.outcome == Outcome::Deployed);
        self.switched |= self.release.is_some() || self.retiring || deployed;
        if deployed && (self.release.is_none() || self.new.is_empty()) {
            // What the state takes from such an end is lost: it is come to once more.
            self.finished = None;
        }
    }

    /// Takes a record in.
    pub fn take(&mut self, record: Record) {
        match record {
            Record::Accepted { .. } => {}
            // A damaged line may hide that the adoption was proven, which it is before anything is pulled.
            Record::Pulling => self.adopting = false,
            Record::Starting => self.starting = true,
            Record::Retiring => self.retiring = true,
            Record::Gated => self.gated = true,
            Record::Adopting { route } => {
                self.route = Some(*route);
                self.adopting = true;
            }
            Record::Adopted => self.adopting = false,
            Record::Pulled { image_id } => self.image_id = Some(image_id),
            Record::Preparing => self.preparing = true,
            Record::Creating => self.creating = true,
            Record::Created { new, config_hash, next } => {
                self.new = new;
                self.config_hash = config_hash;
                self.next = next.map(|next| *next);
            }
            Record::Switching { before, next } => {
                self.switching = true;
                self.before = before;
                // Either line may be damaged.
                self.next = next.map(|next| *next).or(self.next.take());
            }
            Record::Switched => self.switched = true,
            Record::Proven { release } => {
                self.release = Some(*release);
                // A first deployment of a service that nobody ran adopts at its switch, and is proven only after that.
                self.adopting = false;
            }
            Record::GoingBack { ended } => self.going_back = Some(*ended),
            Record::Finished { ended } => self.finished = Some(*ended),
        }
    }

    /// The route that leads to the new version once it is switched to.
    #[must_use]
    pub fn route_of_new(&self) -> Option<&CompiledRoute> {
        self.next.as_ref().or(self.route.as_ref())
    }

    /// True where the route was adopted by this swap or before it.
    #[must_use]
    pub fn routed(&self) -> bool {
        self.route.is_some() && !self.adopting
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn accepted() -> Record {
        Record::Accepted { accepted: Box::new(Accepted::sample()) }
    }

    fn damaged(rest: Vec<Record>) -> Job {
        let records = [vec![accepted()], rest].concat();
        Job::of(Found { records, damaged: true, newer: false }).expect("a job")
    }

    fn adopting() -> Record {
        let route = CompiledRoute {
            routers: BTreeMap::new(),
            services: BTreeMap::new(),
            middlewares: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        Record::Adopting { route: Box::new(route) }
    }

    fn ended(outcome: Outcome) -> Record {
        let (message, at) = (String::new(), jiff::Timestamp::UNIX_EPOCH);
        Record::Finished { ended: Box::new(Ended { outcome, reason: None, message, hint: None, at }) }
    }

    #[test]
    fn what_lost_records_may_have_announced_counts_as_begun() {
        assert!(!damaged(vec![adopting(), Record::Pulling]).adopting, "the adoption was proven before");
        assert!(damaged(vec![adopting()]).adopting);
        let proven = Record::Proven { release: Box::new(Release::sample(1, "sha256:1")) };
        let finished = damaged(vec![adopting(), Record::Switched, proven, ended(Outcome::Deployed)]);
        assert!(finished.routed(), "its route is not forgotten with the line that proves it");
        let job = damaged(vec![Record::Pulling]);
        assert!(
            job.creating && job.starting && job.gated && job.switching && !job.switched,
            "it goes back, from everything"
        );
        assert!(damaged(vec![Record::Retiring]).switched, "the old containers may be gone: it goes forward");
    }

    #[test]
    fn the_next_route_is_known_from_either_line() {
        let Record::Adopting { route } = adopting() else { panic!("it has a route") };
        let created = Record::Created { new: Vec::new(), config_hash: String::new(), next: Some(route.clone()) };
        let switching = |next| Record::Switching { before: Vec::new(), next };
        assert!(damaged(vec![created.clone()]).next.is_some());
        assert!(damaged(vec![switching(Some(route))]).next.is_some());
        assert!(damaged(vec![created, switching(None)]).next.is_some(), "as an agent that said it once");
        assert!(damaged(vec![switching(None)]).next.is_none());
    }

    #[test]
    fn an_end_counts_only_with_what_it_rests_on() {
        assert!(damaged(vec![ended(Outcome::RolledBack)]).finished.is_some());
        let job = damaged(vec![ended(Outcome::Deployed)]);
        assert!(job.finished.is_none() && job.switched, "without its release it is proven once more");
    }
}
