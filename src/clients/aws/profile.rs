//! The profile that somebody asked for: where no file has it, the SDK would go on searching, and end with the credentials of
//! the machine.

use crate::domain::Reason;
use crate::env::AwsProfile;
use crate::failure::{Failure, Kind};

/// The profile that needs no entry.
const DEFAULT: &str = "default";

/// That one of its files has it.
///
/// # Errors
/// None has.
pub(super) fn check(profile: &AwsProfile) -> Result<(), Failure> {
    let texts = profile.files.iter().map(|file| std::fs::read(file).unwrap_or_default());
    let mut texts = texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if profile.name == DEFAULT || texts.any(|text| names(&text).any(|name| name == profile.name)) {
        return Ok(());
    }
    let files: Vec<String> = profile.files.iter().map(|file| format!("`{}`", file.display())).collect();
    Err(Failure::new(
        Reason::AwsCredentials,
        format!("`AWS_PROFILE` asks for profile `{}`, which is not in {}", profile.name, files.join(" nor ")),
    )
    .kind(Kind::Preflight)
    .hint("`aws configure list-profiles` shows those there are; or unset `AWS_PROFILE`"))
}

/// The profiles of a file: `[name]` or `[profile name]`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let sections = text.lines().filter_map(|line| line.trim().strip_prefix('[')?.split_once(']'));
    sections.map(|(section, _)| {
        let section = section.trim();
        section.strip_prefix("profile").filter(|name| name.starts_with(char::is_whitespace)).map_or(section, str::trim)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found_under_either_form_of_its_name() {
        let text = "[default]\nregion = x\n [ profile  laptop ] # mine\n[ci]\n; [off]\n[profilex]\n";
        assert_eq!(names(text).collect::<Vec<_>>(), ["default", "laptop", "ci", "profilex"]);
    }
}
