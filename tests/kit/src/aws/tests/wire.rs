//! The wires, by hand over TCP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::world;
use crate::aws::{Fault, Shift, Simulator};

/// A connection that stays open.
struct Client(BufReader<TcpStream>);

/// Status, headers in one text, body.
type Answer = (u16, String, String);

impl Client {
    fn connect(simulator: &Simulator) -> Self {
        let url = simulator.url();
        Self(BufReader::new(TcpStream::connect(url.trim_start_matches("http://")).unwrap()))
    }

    /// Sends a call; none where the connection closes without an answer.
    fn send(&mut self, headers: &str, body: &str) -> Option<Answer> {
        let length = body.len();
        let text = format!("POST /scenario/a HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
        let mut first = String::new();
        if self.0.read_line(&mut first).unwrap() == 0 {
            return None;
        }
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        let (mut headers, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            headers.push_str(&line);
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Some((status, headers, String::from_utf8(body).unwrap()))
    }

    fn json(&mut self, target: &str, input: Value) -> Option<Answer> {
        let signature = "AWS4-HMAC-SHA256 Credential=AKIAFIRST/20260921/eu-west-1/ecs/aws4_request, Signature=0";
        self.send(&format!("X-Amz-Target: {target}\r\nAuthorization: {signature}\r\n"), &input.to_string())
    }
}

#[test]
fn json_both_ways_on_one_connection() {
    let simulator = Simulator::start(world().code_deploy(Shift::AllAtOnce)).unwrap();
    let mut client = Client::connect(&simulator);
    let input = json!({"cluster": "badgery", "services": ["web"]});
    let (status, headers, body) =
        client.json("AmazonEC2ContainerServiceV20141113.DescribeServices", input.clone()).unwrap();
    assert_eq!(status, 200);
    assert!(headers.contains("content-type: application/x-amz-json-1.1"));
    let shown: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(shown["services"][0]["serviceName"], "web");
    let (status, headers, body) =
        client.json("CodeDeploy_20141006.GetDeployment", json!({"deploymentId": "d-000000000"})).unwrap();
    assert_eq!(status, 400);
    assert!(headers.contains("x-amzn-errortype: DeploymentDoesNotExistException"));
    let fault: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(fault["__type"], "DeploymentDoesNotExistException");
    assert!(fault["message"].is_string());
    let (status, _, body) = client.json("DynamoDB_20120810.ListTables", json!({})).unwrap();
    assert_eq!((status, body.contains("UnknownOperationException")), (400, true));

    let exchanges = simulator.exchanges();
    assert_eq!((exchanges.len(), simulator.calls(), simulator.writes()), (2, 2, 0));
    assert_eq!((exchanges[0].service.as_str(), exchanges[0].operation.as_str()), ("ecs", "DescribeServices"));
    assert_eq!((&exchanges[0].input, exchanges[0].access_key.as_deref()), (&input, Some("AKIAFIRST")));
    assert_eq!(exchanges[1].error.as_ref().map(|fault| fault.status), Some(400));
}

#[test]
fn forms_in_and_xml_out() {
    let simulator = Simulator::start(world()).unwrap();
    let mut client = Client::connect(&simulator);
    let (status, headers, body) = client
        .send("content-type: application/x-www-form-urlencoded\r\n", "Action=GetCallerIdentity&Version=2011-06-15")
        .unwrap();
    assert_eq!(status, 200);
    assert!(headers.contains("content-type: text/xml"));
    assert!(body.starts_with("<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"));
    assert!(body.contains("<GetCallerIdentityResult>") && body.contains("<Account>111122223333</Account>"));
    let form = "Action=DescribeTargetHealth&Version=2015-12-01&TargetGroupArn=x";
    let (status, _, body) = client.send("", form).unwrap();
    assert_eq!(status, 400);
    assert!(body.contains("<Code>TargetGroupNotFound</Code>"));
    assert_eq!(simulator.exchanges()[0].access_key, None);
}

#[test]
fn a_lost_reply_closes_the_connection() {
    let simulator = Simulator::start(world().fault(Fault::LostReplyOnce("ecs:ListTasks"))).unwrap();
    let target = "AmazonEC2ContainerServiceV20141113.ListTasks";
    let input = json!({"cluster": "badgery"});
    assert_eq!(Client::connect(&simulator).json(target, input.clone()), None);
    assert!(Client::connect(&simulator).json(target, input).is_some());
    assert_eq!(simulator.calls(), 2);
}

#[test]
fn a_world_can_be_changed_while_it_is_served() {
    let simulator = Simulator::start(world()).unwrap();
    simulator.with(|world| world.faults.push(Fault::ThrottleEvery(1)));
    let (status, _, body) =
        Client::connect(&simulator).json("AmazonEC2ContainerServiceV20141113.ListTasks", json!({})).unwrap();
    assert_eq!((status, body.contains("ThrottlingException")), (400, true));
}

#[test]
fn exchanges_are_lines_of_a_file() {
    let path = std::env::temp_dir().join(format!("exchanges-{}.jsonl", std::process::id()));
    let simulator = Simulator::start_logged(world(), &path).unwrap();
    let mut client = Client::connect(&simulator);
    client.json("AmazonEC2ContainerServiceV20141113.ListTasks", json!({"cluster": "badgery"})).unwrap();
    client.json("AmazonEC2ContainerServiceV20141113.ListTasks", json!({"cluster": "other"})).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["operation"], &lines[0]["at"]), (&json!("ListTasks"), &json!(crate::aws::EPOCH)));
    assert!(lines[0]["output"]["taskArns"].is_array());
    assert_eq!(lines[1]["error"]["code"], "ClusterNotFoundException");
}
