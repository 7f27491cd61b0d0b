//! Wrong inputs, and hostile ones: each is told with its place and a way out, and nothing was touched before.

use std::fs;

use super::bare::Bare;

/// What `with:` says in each case.
const CASES: &[(&str, &[(&str, &str)])] = &[
    ("a misspelt input", &[("enviroment", "staging"), ("agent-key", "canary")]),
    ("underscores", &[("build_args", "A=1"), ("agent key", "canary")]),
    ("an input of another action", &[("colour", "red")]),
    ("an application with a space", &[("app", "My App")]),
    ("an unknown command", &[("command", "destroy")]),
    ("an environment that is a path", &[("environment", "../production")]),
    ("a line break in one line", &[("dockerfile", "Dockerfile\nDockerfile.prod")]),
    ("an image with a scheme", &[("image", "https://ghcr.io/acme/web")]),
    ("an image with half a digest", &[("image", "ghcr.io/acme/web@sha256:12")]),
    ("an image with an empty tag", &[("image", "ghcr.io/acme/web:")]),
    ("an unknown way to build", &[("build", "sometimes")]),
    ("a build argument without a value", &[("build-args", "A=1\r\nB\r\n")]),
    ("a comment among build arguments", &[("build-args", "# for A=1\nA=1")]),
    ("a secret without a name", &[("secrets", "canary-value")]),
    ("a secret that is there twice", &[("secrets", "npm=canary-1\nnpm=canary-2")]),
    ("a secret with a strange name", &[("secrets", "../npm=canary")]),
    ("an agent without encryption", &[("agent-url", "http://deploy.example.com")]),
    ("an agent with a password", &[("agent-url", "https://eve:canary@deploy.example.com")]),
    ("a service in capitals", &[("service", "Web")]),
    ("a registry as a URL", &[("registry", "https://index.docker.io/v1/")]),
    ("half a login", &[("registry-password", "canary")]),
    ("a user name with a colon", &[("registry-username", "robot:x"), ("registry-password", "canary")]),
    ("several at once", &[("timeout", "soon"), ("dry-run", "yes"), ("apps", "web")]),
    ("no time at all", &[("timeout", "0")]),
    ("nothing that names a place", &[]),
    ("a configuration that is not there", &[("config", "ops/deploy.yml")]),
    ("a secret too short to be hidden", &[("registry-password", "abc")]),
    // Hostile ones: somebody may put a branch's name or a comment into an input.
    ("a command", &[("environment", "::error::pwned")]),
    ("a command on a second line", &[("app", "web\n::error title=pwned::x"), ("target", "a\r::error title=pwned::x")]),
    ("an escaped line break", &[("command", "plan%0A::error title=pwned::x")]),
    ("an older command", &[("build", "##[error]pwned")]),
    ("a terminal's commands", &[("image", "\u{1b}[2J\u{1b}]0;pwned\u{7}\u{202e}")]),
    ("a name that is a command", &[("x\n::error title=pwned::\r", "1")]),
    ("a file that is a command", &[("config", "::error title=pwned::x.yml")]),
    ("a long text", &[("command", LONG), ("dry-run", LONG)]),
];

const LONG: &str = concat!(
    "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 ",
    "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
);

#[test]
fn mistakes_are_told_before_anything_is_touched() {
    let bare = Bare::new();
    let mut all = String::new();
    for (what, inputs) in CASES {
        let told = bare.run(("push", b"{}"), &[], inputs);
        assert_ne!(told.code, 0, "{what}: {}", told.log());
        for wanted in ["error: ", "  hint: ", "  reason: "] {
            assert!(told.stdout.contains(wanted), "{what}: {}", told.log());
        }
        let unmasked = |line: &&str| line.contains("canary") && !line.starts_with("::add-mask::");
        assert_eq!(told.log().lines().find(unmasked), None, "{what}");
        assert_eq!(told.output("outcome"), "failed", "{what}: {told:?}");
        all.push_str(&format!("=== {what}\n{}", bare.shown(&told)));
    }
    bare.assert_untouched();
    bare.assert_engine_untouched();
    insta::assert_snapshot!(all);
}

#[test]
fn what_runners_add_is_no_mistake() {
    let bare = Bare::new();
    let place = bare.place();
    let mut inputs: Vec<(&str, &str)> = place.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    inputs.extend([("build-args", "A=b=c\r\n\r\nB=\r\n"), ("timeout", " 15m\n"), ("target", " \t")]);
    // The runner's own, and the second set that act leaks.
    let added = [("INPUT_ENTRYPOINT", "/x"), ("INPUT_ARGS", "--help"), ("github-token", "x"), ("enviroment", "x")];
    let told = bare.run(("push", b"{}"), &added, &inputs);
    assert_eq!(told.code, 13, "{}", told.log());
    assert!(told.stdout.contains("error: there is no agent key"), "{}", told.log());
    bare.assert_untouched();
    bare.assert_engine_untouched();
}

#[test]
fn a_hostile_configuration_is_shown_harmless() {
    let bare = Bare::new();
    let name = "a,title=pwned,b::error title=pwned::%0A.yml";
    let mut all = String::new();
    for text in [
        "app: \"\u{1b}[2J##[error]pwned\"\n",
        "\"::error title=pwned::\\n::error title=pwned::x\": 1\napp: \"##[error]pwned\\u202e\"\n",
        "::error title=pwned::x: {}\n",
    ] {
        fs::write(bare.workspace().join(name), text).expect("writes");
        let told = bare.run(("push", b"{}"), &[], &[("config", name)]);
        all.push_str(&format!("=== {}\n{}", text.escape_debug(), bare.shown(&told)));
    }
    bare.assert_untouched();
    bare.assert_engine_untouched();
    insta::assert_snapshot!(all);
}

#[test]
fn a_runners_variables_bring_no_command_in() {
    let bare = Bare::new();
    let place = bare.place();
    let place: Vec<(&str, &str)> = place.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let hostile = "x\r\n::error title=pwned::x ##[error]pwned";
    let mut all = String::new();
    for name in [
        "GITHUB_REPOSITORY",
        "GITHUB_RUN_ID",
        "GITHUB_RUN_ATTEMPT",
        "GITHUB_SHA",
        "GITHUB_REF_NAME",
        "GITHUB_ACTOR",
        "GITHUB_EVENT_NAME",
        "GITHUB_API_URL",
        "GITHUB_SERVER_URL",
        "DOCKER_HOST",
        "DEPLOY_LOG",
    ] {
        let told = bare.run(("push", b"{}"), &[(name, hostile)], &place);
        assert!([2, 13].contains(&told.code), "{name}: {}", told.log());
        all.push_str(&format!("=== {name}\n{}", bare.shown(&told)));
    }
    bare.assert_untouched();
    bare.assert_engine_untouched();
    insta::assert_snapshot!(all);
}
