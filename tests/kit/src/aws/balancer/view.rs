//! Target groups, listeners and rules as the API shows them.

use serde_json::{Value, json};

use super::Balancer;
use crate::aws::names;

/// A target group's JSON.
pub(super) fn group(balancer: &Balancer, name: &str) -> Value {
    json!({
        "TargetGroupArn": names::target_group(name),
        "TargetGroupName": name,
        "Protocol": "HTTP",
        "Port": 8080,
        "VpcId": "vpc-0a1b2c3d4e5f60718",
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "traffic-port",
        "HealthCheckEnabled": true,
        "HealthCheckIntervalSeconds": 15,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 2,
        "UnhealthyThresholdCount": 2,
        "HealthCheckPath": "/healthz",
        "Matcher": {"HttpCode": "200"},
        "LoadBalancerArns": [balancer.arn()],
        "TargetType": "ip",
        "ProtocolVersion": "HTTP1",
        "IpAddressType": "ipv4",
    })
}

/// A listener's JSON.
pub(super) fn listener(balancer: &Balancer, port: u16, shares: &[(String, u32)]) -> Value {
    json!({
        "ListenerArn": balancer.listener(port),
        "LoadBalancerArn": balancer.arn(),
        "Port": port,
        "Protocol": "HTTP",
        "DefaultActions": [action(shares)],
    })
}

/// A listener's rule for every path, and its default rule; both share the traffic in the same way.
pub(super) fn rules(balancer: &Balancer, port: u16, shares: &[(String, u32)]) -> [Value; 2] {
    let arn = balancer.rule(port);
    let paths = json!([{"Field": "path-pattern", "Values": ["/*"], "PathPatternConfig": {"Values": ["/*"]}}]);
    [
        json!({
            "RuleArn": arn,
            "Priority": "1",
            "Conditions": paths,
            "Actions": [action(shares)],
            "IsDefault": false,
        }),
        json!({
            "RuleArn": format!("{}0", &arn[..arn.len() - 1]),
            "Priority": "default",
            "Conditions": [],
            "Actions": [action(shares)],
            "IsDefault": true,
        }),
    ]
}

fn action(shares: &[(String, u32)]) -> Value {
    let groups: Vec<Value> = shares
        .iter()
        .map(|(name, weight)| json!({"TargetGroupArn": names::target_group(name), "Weight": weight}))
        .collect();
    let mut shown = json!({
        "Type": "forward",
        "Order": 1,
        "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": {"Enabled": false}},
    });
    if let [(name, _)] = shares {
        shown["TargetGroupArn"] = json!(names::target_group(name));
    }
    shown
}
