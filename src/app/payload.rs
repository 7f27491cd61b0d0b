//! The file with the event's payload, read with a bound.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result as IoResult};

use crate::domain::Reason;
use crate::env::GITHUB_EVENT_PATH;
use crate::failure::Failure;
use crate::trigger::PAYLOAD;

/// Reads the payload that the runner left.
///
/// # Errors
/// There is no such file, or it is larger than any that GitHub sends.
pub(super) fn read(vars: &BTreeMap<String, String>) -> Result<Vec<u8>, Failure> {
    bounded(vars, PAYLOAD).map_err(|why| {
        Failure::new(Reason::Usage, "the event's payload cannot be read")
            .because(why)
            .hint(format!("`{}` names its file", GITHUB_EVENT_PATH.name))
    })
}

fn bounded(vars: &BTreeMap<String, String>, most: u64) -> IoResult<Vec<u8>> {
    let path = vars.get(GITHUB_EVENT_PATH.name).ok_or(ErrorKind::NotFound)?;
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let mib = most >> 20;
        return Err(Error::new(
            ErrorKind::FileTooLarge,
            format!("it is larger than {mib} MiB, more than GitHub sends"),
        ));
    }
    Ok(bytes)
}
