//! The journal: whatever a disk gives back is read up to the damage, and what was read can be folded into a deployment.
//!
//! Once as it is, and once with each line in a frame of its own with the right sum: else no input would get behind it.
#![no_main]

use deploy_action::agent::store::parse_journal;
use deploy_action::agent::swap::Job;
use libfuzzer_sys::fuzz_target;

fn assert_read(bytes: &[u8]) {
    let (records, good) = parse_journal(bytes);
    assert!(good <= bytes.len());
    assert_eq!(bytes[..good].iter().filter(|byte| **byte == b'\n').count(), records.len());
    assert_eq!(parse_journal(&bytes[..good]), (records.clone(), good), "the good part is good by itself");
    let count = records.len();
    let job = Job::of(records);
    assert!(job.is_none() || count > 0);
}

fuzz_target!(|bytes: &[u8]| {
    assert_read(bytes);
    let mut framed = Vec::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let body = [format!("{} ", at + 1).as_bytes(), line].concat();
        framed.extend_from_slice(format!("{:08x} ", crc32c::crc32c(&body)).as_bytes());
        framed.extend_from_slice(&body);
        framed.push(b'\n');
    }
    assert_read(&framed);
});
