//! What the runner must hide from the log, in every form in which it may turn up there.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::INPUTS;

/// The workflow commands that hide every secret input: to be printed before anything else, even where the inputs turn
/// out to be wrong. A mask holds for one line, so each line of a value has its own.
#[must_use]
pub fn masks(vars: &BTreeMap<String, String>) -> String {
    let input = |name: &str| vars.get(&format!("INPUT_{}", name.to_uppercase())).map(|value| value.trim());
    let mut hidden = BTreeSet::new();
    for text in INPUTS.iter().filter(|input| input.secret).filter_map(|secret| input(secret.name)) {
        hidden.extend(text.lines().map(|line| line.trim().to_owned()));
    }
    for line in input("secrets").unwrap_or_default().lines() {
        hidden.extend(line.split_once('=').map(|(_, value)| value.trim().to_owned()));
    }
    // How a login travels in a header and stands in a docker config.
    if let Some((username, password)) = input("registry-username").zip(input("registry-password")) {
        hidden.insert(STANDARD.encode(format!("{username}:{password}")));
    }
    // The runner decodes these three and refuses an empty mask.
    let escaped = |text: &String| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    hidden.iter().filter(|text| !text.is_empty()).map(|text| format!("::add-mask::{}\n", escaped(text))).collect()
}
