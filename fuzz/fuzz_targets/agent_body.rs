//! The body of a request to the agent: read, or refused in one plain line; what was read means the same when it is
//! written and read again.
#![no_main]

use deploy_action::agent::http::read_request;
use fuzz::assert_plain;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    match read_request(body) {
        Ok(request) => {
            let written = serde_json::to_vec(&request).expect("a request is JSON");
            let again = read_request(&written).expect("what was written is read");
            assert_eq!(serde_json::to_vec(&again).expect("a request is JSON"), written);
        }
        Err(error) => {
            assert_plain(&error.message);
            assert!(error.message.chars().count() <= 600, "{}", error.message);
        }
    }
});
