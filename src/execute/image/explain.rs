//! What to do about a build that failed, from what the engine and the failed step said.

/// One sentence. `said` is the engine's error, `last` the last lines of the failed step.
pub(super) fn hint(said: &str, last: &str) -> &'static str {
    let says = |words: &str| said.contains(words) || last.to_ascii_lowercase().contains(words);
    if says("no space left on device") {
        "a disk is full: free space where the Docker Engine keeps its data (`docker system df` tells what takes it), or what the step fills"
    } else if said.starts_with("secret ") && said.contains("not found") {
        "give it in the input `secrets`, one `id=value` a line; the id is that of the Dockerfile"
    } else if said.contains("target stage") || said.contains("failed to reach build target") {
        "the input `target` has to be the name of a stage, as `AS` in the Dockerfile gives it"
    } else if said.contains("parse error") || said.contains("unknown instruction") {
        "correct the Dockerfile there"
    } else if ["failed to compute cache key", "failed to calculate checksum"].iter().any(|words| said.contains(words)) {
        "the file is not in the build context: look at the path, at `context` and at `.dockerignore`"
    } else if ["authorization failed", "insufficient_scope", "no basic auth", "401 ", "403 "]
        .iter()
        .any(|w| said.contains(w))
    {
        "the base image wants a login: give its registry's in a docker config (`DOCKER_CONFIG`), or in the registry inputs where it is the same"
    } else if last.is_empty() {
        "see that the Dockerfile names what exists"
    } else {
        "the build's own lines are above"
    }
}

#[cfg(test)]
mod tests {
    use super::hint;

    #[test]
    fn the_hint_is_about_the_error() {
        for (said, last, about) in [
            ("failed to copy: write /var/lib/docker/x: no space left on device", "", "a disk is full"),
            (
                "process \"/bin/sh -c tar x\" did not complete: exit code: 1",
                "tar: x: No space left on device",
                "a disk is full",
            ),
            ("secret npm not found: not found", "", "`secrets`"),
            ("target stage wep could not be found", "", "`target`"),
            ("dockerfile parse error line 3: unknown instruction: COPPY", "", "correct the Dockerfile"),
            ("failed to compute cache key: \"/nowhere\" not found: not found", "", "build context"),
            (
                "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
                "",
                "wants a login",
            ),
            ("executor failed running [/bin/sh -c make]: exit code: 2", "make: *** [all] Error 1", "lines are above"),
            ("docker.io/library/nope:1: not found", "", "names what exists"),
        ] {
            assert!(hint(said, last).contains(about), "{said}: {}", hint(said, last));
        }
    }
}
