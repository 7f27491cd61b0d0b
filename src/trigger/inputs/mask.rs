//! What the runner must hide from the log, in every form in which it may turn up there.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::INPUTS;

/// Shortest text that is hidden, in characters. The runner puts `***` wherever it meets a hidden text, also in the
/// middle of words, and drops outputs that hold it: a mask of `}` or `1` would make both useless.
const SHORTEST: usize = 4;

/// The workflow commands that hide every secret input: to be printed before anything else, even where the inputs turn
/// out to be wrong. A mask holds for one line, so each line of a value has its own. Encoded forms of a hidden text are
/// hidden by the runner itself; what is hidden here as well is what is made of several parts, or is a part.
#[must_use]
pub fn masks(vars: &BTreeMap<String, String>) -> String {
    let input = |name: &str| vars.get(&format!("INPUT_{}", name.to_uppercase())).map(|value| value.trim());
    let mut hidden = BTreeSet::new();
    let mut short = BTreeSet::new();
    for secret in INPUTS.iter().filter(|input| input.secret) {
        let text = input(secret.name).unwrap_or_default();
        hidden.extend(forms(text));
        if secret.name == "secrets" {
            let values = || text.lines().filter_map(|line| line.split_once('=').map(|(_, value)| value));
            hidden.extend(values().flat_map(forms));
            short.extend(values().any(too_short).then_some(secret.name));
        } else if too_short(text) {
            short.insert(secret.name);
        }
    }
    let given = |name: &str| input(name).filter(|text| !text.is_empty());
    hidden.extend(given("registry-username").zip(given("registry-password")).map(|(user, word)| login(user, word)));
    let told = short.iter().map(|name| {
        format!(
            "::warning title=secrets::`{name}` has a value of less than {SHORTEST} characters: too short to be hidden \
             in the log\n"
        )
    });
    told.fold(commands(&hidden), |all, line| all + &line)
}

/// The workflow commands that hide secrets which were given apart from the inputs: to be printed with those.
#[must_use]
pub fn value_masks<'a>(secrets: impl IntoIterator<Item = &'a str>) -> String {
    commands(&secrets.into_iter().flat_map(forms).collect())
}

/// The workflow commands that hide logins, for example those of a docker config: to be printed before one is used.
#[must_use]
pub fn login_masks<'a>(logins: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut hidden = BTreeSet::new();
    for (username, password) in logins {
        hidden.extend(forms(password));
        hidden.insert(login(username, password));
    }
    commands(&hidden)
}

/// Each line without the spaces around it; of an agent key also the part that is the key.
fn forms(text: &str) -> Vec<String> {
    let key = text.trim().strip_prefix("deploy-agent-key-").and_then(|rest| rest.rsplit_once(':'));
    text.lines().map(|line| line.trim().to_owned()).chain(key.map(|(_, key)| key.to_owned())).collect()
}

/// How a login travels in a header and stands in a docker config, without the padding that not all write.
fn login(username: &str, password: &str) -> String {
    STANDARD.encode(format!("{username}:{password}")).trim_end_matches('=').to_owned()
}

fn too_short(text: &str) -> bool {
    (1..SHORTEST).contains(&text.trim().chars().count())
}

fn commands(hidden: &BTreeSet<String>) -> String {
    // The runner decodes these three.
    let escaped = |text: &String| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let long = |text: &&String| text.chars().count() >= SHORTEST;
    hidden.iter().filter(long).map(|text| format!("::add-mask::{}\n", escaped(text))).collect()
}
