//! The load balancer: two target groups, a production listener and, where there is one, a test listener.

mod health;
mod view;

use serde_json::{Value, json};

use super::input::{text, texts};
use super::names;
use super::request::AwsFault;
use super::world::World;

/// What the load balancer remembers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Balancer {
    pub(crate) name: String,
    /// Short names of the target groups.
    pub(crate) groups: Vec<String>,
    /// Which target groups get how much of the traffic.
    production: Vec<(String, u32)>,
    /// The same for the test listener.
    test: Option<Vec<(String, u32)>>,
}

impl Balancer {
    /// A load balancer for a service, all of whose traffic goes to the first of two target groups.
    pub(crate) fn new(name: &str) -> Self {
        let groups = vec![format!("{name}-blue"), format!("{name}-green")];
        let production = vec![(groups[0].clone(), 100)];
        Self { name: name.to_owned(), groups, production, test: None }
    }

    /// Adds the test listener.
    pub(crate) fn add_test(&mut self) {
        self.test = Some(self.production.clone());
    }

    pub(crate) fn has_test(&self) -> bool {
        self.test.is_some()
    }

    /// The target group that is not this one.
    pub(crate) fn other(&self, group: &str) -> String {
        self.groups.iter().find(|known| *known != group).cloned().unwrap_or_default()
    }

    /// Gives one target group so much of the production traffic and the other one the rest.
    pub(crate) fn share(&mut self, source: &str, target: &str, weight: u32) {
        self.production = weights(source, target, weight);
    }

    /// The same for the test traffic.
    pub(crate) fn share_test(&mut self, source: &str, target: &str, weight: u32) {
        if self.has_test() {
            self.test = Some(weights(source, target, weight));
        }
    }

    /// The shares of the production traffic.
    pub(crate) fn production(&self) -> &[(String, u32)] {
        &self.production
    }

    /// The listeners: port and shares.
    fn listeners(&self) -> Vec<(u16, &[(String, u32)])> {
        let test = self.test.as_deref().map(|shares| (9001, shares));
        [(80, self.production.as_slice())].into_iter().chain(test).collect()
    }

    fn arn(&self) -> String {
        names::balancing(&format!("loadbalancer/app/{}/50dc6c495c0c9188", self.name))
    }

    /// A listener's name.
    pub(crate) fn listener(&self, port: u16) -> String {
        names::balancing(&format!("listener/app/{}/50dc6c495c0c9188/{:016x}", self.name, u64::from(port)))
    }

    /// The name of a listener's only rule beside the default one.
    pub(crate) fn rule(&self, port: u16) -> String {
        let path = format!("listener-rule/app/{}/50dc6c495c0c9188/{:016x}", self.name, u64::from(port));
        names::balancing(&format!("{path}/{:016x}", 0x9683_b2d0_2a6c_abee_u64))
    }
}

fn weights(source: &str, target: &str, weight: u32) -> Vec<(String, u32)> {
    vec![(source.to_owned(), 100 - weight), (target.to_owned(), weight)]
}

/// Answers a call.
pub(crate) fn call(world: &World, operation: &str, input: &Value) -> Result<Value, AwsFault> {
    match operation {
        "DescribeTargetHealth" => health::describe(world, input),
        "DescribeTargetGroups" => groups(world, input),
        "DescribeListeners" => listeners(world, input),
        "DescribeRules" => rules(world, input),
        _ => Err(AwsFault::new("InvalidAction", "The operation is not known.")),
    }
}

/// A target group by its full name.
fn group<'a>(world: &'a World, arn: &str) -> Result<&'a String, AwsFault> {
    let found = world.balancer.groups.iter().find(|name| names::target_group(name) == arn);
    found.ok_or_else(|| AwsFault::new("TargetGroupNotFound", "One or more target groups not found"))
}

fn groups(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let (arns, short) = (texts(input, "TargetGroupArns"), texts(input, "Names"));
    for arn in &arns {
        group(world, arn)?;
    }
    let known = &world.balancer.groups;
    if short.iter().any(|name| !known.iter().any(|known| known == name)) {
        return Err(AwsFault::new("TargetGroupNotFound", "One or more target groups not found"));
    }
    let wanted = known.iter().filter(|name| {
        (arns.is_empty() || arns.contains(&names::target_group(name).as_str()))
            && (short.is_empty() || short.contains(&name.as_str()))
    });
    Ok(json!({"TargetGroups": wanted.map(|name| view::group(&world.balancer, name)).collect::<Vec<_>>()}))
}

fn listeners(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let asked = texts(input, "ListenerArns");
    let balancer = &world.balancer;
    let known = balancer.listeners();
    if asked.iter().any(|arn| !known.iter().any(|(port, _)| balancer.listener(*port) == *arn)) {
        return Err(AwsFault::new("ListenerNotFound", "One or more listeners not found"));
    }
    let wanted =
        known.iter().filter(|(port, _)| asked.is_empty() || asked.contains(&balancer.listener(*port).as_str()));
    let shown: Vec<Value> = wanted.map(|(port, shares)| view::listener(balancer, *port, shares)).collect();
    Ok(json!({"Listeners": shown}))
}

fn rules(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let balancer = &world.balancer;
    let (listener, asked) = (text(input, "ListenerArn"), texts(input, "RuleArns"));
    let known = balancer.listeners();
    let of_listener = |port: u16| listener.is_none_or(|arn| balancer.listener(port) == arn);
    if !known.iter().any(|(port, _)| of_listener(*port)) {
        return Err(AwsFault::new("ListenerNotFound", "One or more listeners not found"));
    }
    let wanted = known.iter().filter(|(port, _)| of_listener(*port));
    let shown: Vec<Value> = wanted.flat_map(|(port, shares)| view::rules(balancer, *port, shares)).collect();
    let is_asked = |rule: &Value| asked.is_empty() || asked.iter().any(|arn| rule["RuleArn"] == **arn);
    let shown: Vec<Value> = shown.into_iter().filter(is_asked).collect();
    if shown.len() < asked.len() {
        return Err(AwsFault::new("RuleNotFound", "One or more rules not found"));
    }
    Ok(json!({"Rules": shown}))
}
