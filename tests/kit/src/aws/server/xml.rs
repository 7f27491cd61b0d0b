//! The query wire's way out: the output as XML.

use serde_json::Value;

use super::http::Answer;
use crate::aws::request::{AwsFault, Request, Service};

/// Members that are moments, which this wire writes as text.
const MOMENTS: [&str; 2] = ["CreateDate", "Expiration"];

const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

/// The answer to a call.
pub(super) fn answer(request: &Request, outcome: &Result<Value, AwsFault>) -> Answer {
    let namespace = match request.service {
        Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        Service::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
        _ => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
    };
    match outcome {
        Ok(output) => {
            let name = &request.operation;
            let body = format!(
                "<{name}Response xmlns=\"{namespace}\">{}<ResponseMetadata><RequestId>{REQUEST_ID}</RequestId>\
                 </ResponseMetadata></{name}Response>",
                element(&format!("{name}Result"), output)
            );
            Answer { status: 200, content_type: "text/xml", error: None, body }
        }
        Err(fault) => {
            let kind = if fault.status < 500 { "Sender" } else { "Receiver" };
            let body = format!(
                "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{kind}</Type><Code>{}</Code>\
                 <Message>{}</Message></Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>",
                escaped(&fault.code),
                escaped(&fault.message)
            );
            Answer { status: fault.status, content_type: "text/xml", error: None, body }
        }
    }
}

fn element(name: &str, value: &Value) -> String {
    let inner = match value {
        Value::Object(members) => members.iter().map(|(name, member)| element(name, member)).collect(),
        Value::Array(items) => items.iter().map(|item| element("member", item)).collect(),
        Value::Number(number) if MOMENTS.contains(&name) => moment(number.as_u64().unwrap_or_default()),
        Value::String(text) => escaped(text),
        other => other.to_string(),
    };
    format!("<{name}>{inner}</{name}>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Seconds since 1970 as a date and a time of day.
fn moment(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut left) = (1970, days);
    while left >= days_of(year) {
        left -= days_of(year);
        year += 1;
    }
    let february = if days_of(year) == 366 { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", left + 1)
}

fn days_of(year: u64) -> u64 {
    let leaps = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if leaps { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{element, moment};

    #[test]
    fn moments() {
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
        assert_eq!(moment(951_868_799), "2000-02-29T23:59:59Z");
        assert_eq!(moment(1_790_000_000), "2026-09-21T14:13:20Z");
    }

    #[test]
    fn an_output_becomes_xml() {
        let output = json!({"Expiration": 0, "Rules": [{"IsDefault": true, "Priority": "1 < 2"}]});
        assert_eq!(
            element("Result", &output),
            "<Result><Expiration>1970-01-01T00:00:00Z</Expiration><Rules><member><IsDefault>true</IsDefault>\
             <Priority>1 &lt; 2</Priority></member></Rules></Result>"
        );
    }
}
