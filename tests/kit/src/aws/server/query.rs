//! The query wire's way in: the operation and its input as a form.

use serde_json::{Map, Value, json};

use super::http::Call;
use crate::aws::request::{Request, Service};

/// The operations of each service that speaks this wire, by the version that a form names.
const VERSIONS: [(&str, Service); 3] =
    [("2011-06-15", Service::Sts), ("2015-12-01", Service::LoadBalancing), ("2010-05-08", Service::Iam)];

/// Members that are numbers.
const NUMBERS: [&str; 3] = ["DurationSeconds", "PageSize", "Port"];

/// The call's meaning; none where it is not a form of a known service.
pub(super) fn request(call: &Call) -> Option<Request> {
    let body = std::str::from_utf8(&call.body).ok()?;
    let fields = body.split('&').filter_map(|field| field.split_once('='));
    let (mut action, mut version, mut input) = (None, String::new(), json!({}));
    for (name, value) in fields {
        let (name, value) = (decode(name), decode(value));
        match name.as_str() {
            "Action" => action = Some(value),
            "Version" => version = value,
            // An empty list comes as its bare name.
            _ if value.is_empty() => {}
            _ => insert(&mut input, &name.split('.').collect::<Vec<_>>(), &value),
        }
    }
    let service = VERSIONS.iter().find(|(known, _)| *known == version).map(|(_, service)| *service)?;
    let request = Request::new(service, &action?, input);
    Some(Request { access_key: call.access_key.clone(), ..request })
}

/// Puts a value where its name says, e.g. `Targets.member.1.Id`.
fn insert(place: &mut Value, path: &[&str], value: &str) {
    match path {
        ["member", number, rest @ ..] => {
            let at = number.parse::<usize>().unwrap_or(1).saturating_sub(1);
            if !place.is_array() {
                *place = json!([]);
            }
            let Some(items) = place.as_array_mut().filter(|_| at < 1000) else { return };
            while items.len() <= at {
                items.push(json!({}));
            }
            insert_last(&mut items[at], "", rest, value);
        }
        [name, rest @ ..] => {
            if !place.is_object() {
                *place = Map::new().into();
            }
            insert_last(&mut place[*name], name, rest, value);
        }
        [] => {}
    }
}

fn insert_last(place: &mut Value, name: &str, rest: &[&str], value: &str) {
    match (rest, value.parse::<i64>()) {
        ([], Ok(number)) if NUMBERS.contains(&name) => *place = json!(number),
        ([], _) => *place = json!(value),
        _ => insert(place, rest, value),
    }
}

/// Undoes the encoding of a form.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8(digits).unwrap_or_default();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Call, request};

    #[test]
    fn a_form_becomes_an_input() {
        let body =
            b"Action=DescribeTargetHealth&Version=2015-12-01&TargetGroupArn=arn%3Aaws&Targets.member.1.Id=10.0.1.1\
&Targets.member.1.Port=8080&Targets.member.2.Id=a+b";
        let read = request(&Call { body: body.to_vec(), ..Call::default() }).unwrap();
        assert_eq!(read.action(), "elasticloadbalancing:DescribeTargetHealth");
        let targets = json!([{"Id": "10.0.1.1", "Port": 8080}, {"Id": "a b"}]);
        assert_eq!(read.input, json!({"TargetGroupArn": "arn:aws", "Targets": targets}));
    }

    #[test]
    fn a_form_of_another_service_is_none() {
        assert_eq!(request(&Call { body: b"Action=ListQueues&Version=2012-11-05".to_vec(), ..Call::default() }), None);
    }
}
