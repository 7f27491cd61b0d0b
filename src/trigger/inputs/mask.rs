//! What nobody may see: the runner hides it in the log, and the program in what it sends elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::{INPUTS, named};
use crate::domain::{Redact, SHORTEST_HIDDEN, basic_login, hidden_forms};

/// The workflow commands that hide every secret input: to be printed before anything else, even where the inputs turn
/// out to be wrong. A mask holds for one line, so each line of a value has its own. Encoded forms of a hidden text are
/// hidden by the runner itself; what is hidden here as well is what is made of several parts, or is a part.
#[must_use]
pub fn masks(vars: &BTreeMap<String, String>) -> String {
    let mut hidden = BTreeSet::new();
    let mut short = BTreeSet::new();
    for (name, text) in secrets(vars) {
        hidden.extend(hidden_forms(text));
        short.extend(too_short(text).then_some(name));
    }
    hidden.extend(logins(vars).map(|(username, password)| basic_login(username, password)));
    let told = short.iter().map(|name| {
        format!(
            "::warning title=secrets::`{name}` has a value of less than {SHORTEST_HIDDEN} characters: too short to be hidden \
             in the log\n"
        )
    });
    told.fold(commands(&hidden), |all, line| all + &line)
}

/// Hides every secret input, even where the inputs turn out to be wrong.
#[must_use]
pub fn redact(vars: &BTreeMap<String, String>) -> Redact {
    let mut redact = Redact::default();
    secrets(vars).for_each(|(_, text)| redact.hide(text));
    logins(vars).for_each(|(username, password)| redact.hide_login(username, password));
    redact
}

/// The secret inputs with their names; of `secrets` the whole, and each line's value.
fn secrets(vars: &BTreeMap<String, String>) -> impl Iterator<Item = (&'static str, &str)> {
    INPUTS.iter().filter(|input| input.secret).flat_map(|input| {
        given(vars, input.name).flat_map(|text| {
            let lines = if input.name == "secrets" { text } else { "" };
            let values = lines.lines().filter_map(|line| line.split_once('=').map(|(_, value)| value));
            [text].into_iter().chain(values).map(|text| (input.name, text))
        })
    })
}

fn logins(vars: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    given(vars, "registry-username")
        .flat_map(|username| given(vars, "registry-password").map(move |password| (username, password)))
}

/// What an input holds, in whatever case its name is written: it is accepted in any, and in more than one it is refused,
/// but not before the masks are printed.
fn given<'a>(vars: &'a BTreeMap<String, String>, name: &'static str) -> impl Iterator<Item = &'a str> {
    let named = move |variable: &str| named(variable).is_some_and(|given| given == name);
    let all = vars.iter().filter(move |(variable, _)| named(variable)).map(|(_, value)| value.trim());
    all.filter(|text| !text.is_empty())
}

/// The workflow commands that hide secrets which were given apart from the inputs: to be printed with those.
#[must_use]
pub fn value_masks<'a>(secrets: impl IntoIterator<Item = &'a str>) -> String {
    commands(&secrets.into_iter().flat_map(hidden_forms).collect())
}

/// The workflow commands that hide logins, for example those of a docker config: to be printed before one is used.
#[must_use]
pub fn login_masks<'a>(logins: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut hidden = BTreeSet::new();
    for (username, password) in logins {
        hidden.extend(hidden_forms(password));
        hidden.insert(basic_login(username, password));
    }
    commands(&hidden)
}

fn too_short(text: &str) -> bool {
    (1..SHORTEST_HIDDEN).contains(&text.trim().chars().count())
}

fn commands(hidden: &BTreeSet<String>) -> String {
    // The runner decodes these three.
    let escaped = |text: &String| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    // The runner puts `***` wherever it meets a hidden text, also in the middle of words, and drops outputs that hold it:
    // a mask of `}` or `1` would make both useless.
    let long = |text: &&String| text.chars().count() >= SHORTEST_HIDDEN;
    hidden.iter().filter(long).map(|text| format!("::add-mask::{}\n", escaped(text))).collect()
}
