//! The journal: of whatever a disk gives back, the records that are whole are read, and they can be folded into a
//! deployment. Less of it never means something else.
//!
//! Once as it is, and once with each line in a frame of its own with the right sum: else no input would get behind it.
#![no_main]

use deploy_action::agent::store::Found;
use deploy_action::agent::swap::Job;
use libfuzzer_sys::fuzz_target;

fn assert_read(text: &[u8]) {
    let found = Found::of(text);
    assert!(found.records.len() <= text.iter().filter(|byte| **byte == b'\n').count());
    let half = Found::of(&text[..text.len() / 2]);
    assert!(found.records.starts_with(&half.records), "{half:?} is no beginning of {found:?}");
    let none = found.records.is_empty();
    assert!(Job::of(found).is_none() || !none);
}

fuzz_target!(|text: &[u8]| {
    assert_read(text);
    let mut framed = Vec::new();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let body = [format!("{} ", at + 1).as_bytes(), line].concat();
        framed.extend_from_slice(format!("{:08x} ", crc32c::crc32c(&body)).as_bytes());
        framed.extend_from_slice(&body);
        framed.push(b'\n');
    }
    assert_read(&framed);
});
