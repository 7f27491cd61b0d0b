//! The wire JSON 1.1: the operation in a header, the input and the output as JSON.

use serde_json::{Value, json};

use super::http::{Answer, Call};
use crate::aws::request::{AwsFault, Request, Service};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The call's meaning; none where the service is not known or the body is not JSON.
pub(super) fn request(call: &Call) -> Option<Request> {
    let (prefix, operation) = call.target.as_deref()?.split_once('.')?;
    let input = match call.body.as_slice() {
        [] => json!({}),
        body => serde_json::from_slice(body).ok()?,
    };
    let request = Request::new(Service::of_target(prefix)?, operation, input);
    Some(Request { access_key: call.access_key.clone(), ..request })
}

/// An output.
pub(super) fn accepted(output: &Value) -> Answer {
    Answer { status: 200, content_type: CONTENT_TYPE, error: None, body: output.to_string() }
}

/// A refusal.
pub(super) fn refused(fault: &AwsFault) -> Answer {
    let body = json!({"__type": fault.code, "message": fault.message}).to_string();
    Answer { status: fault.status, content_type: CONTENT_TYPE, error: Some(fault.code.clone()), body }
}
