//! What people write under `with:`, and what comes of it.

use proptest::prelude::*;

use super::*;
use crate::trigger::sample::vars;

fn read(inputs: &[(&str, &str)]) -> Result<Inputs, Failure> {
    let inputs = Inputs::read(&vars(inputs))?;
    inputs.check_login().map(|()| inputs)
}

#[test]
fn nothing_given_is_all_defaults() {
    insta::assert_debug_snapshot!(read(&[("INPUT_APP", ""), ("INPUT_TIMEOUT", " ")]).unwrap());
}

#[test]
fn everything_given() {
    let image = format!("ghcr.io/acme/web@sha256:{}", "ab".repeat(32));
    insta::assert_debug_snapshot!(
        read(&[
            ("INPUT_APP", "hello"),
            ("INPUT_COMMAND", "rollback"),
            ("INPUT_ENVIRONMENT", "staging"),
            ("INPUT_CONFIG", "ops/deploy.yml"),
            ("INPUT_IMAGE", &image),
            ("INPUT_BUILD", "never"),
            ("INPUT_CONTEXT", "web"),
            ("INPUT_DOCKERFILE", "web.Dockerfile"),
            ("INPUT_TARGET", "release"),
            ("INPUT_BUILD-ARGS", "A=1\r\n\nB=a=b \nC="),
            ("INPUT_SECRETS", "npm=canary"),
            ("INPUT_AGENT-URL", "https://deploy.example.com"),
            ("INPUT_AGENT-KEY", "canary"),
            ("INPUT_SERVICE", "web"),
            ("INPUT_REGISTRY", "ghcr.io"),
            ("INPUT_REGISTRY-USERNAME", "eve"),
            ("INPUT_REGISTRY-PASSWORD", "canary"),
            ("INPUT_GITHUB-TOKEN", "canary"),
            ("INPUT_TIMEOUT", "90s"),
            ("INPUT_DRY-RUN", "true"),
            ("INPUT_ENTRYPOINT", "/x"),
            ("INPUT_ARGS", "x"),
            ("github-token", "as act leaks it"),
        ])
        .unwrap()
    );
}

#[test]
fn an_image_is_a_repository_a_tag_or_a_digest() {
    let image = |text: &str| read(&[("INPUT_IMAGE", text)]).unwrap().image;
    assert!(matches!(image("127.0.0.1:5000/web"), Some(ImageInput::Repository(_))));
    assert!(matches!(image("127.0.0.1:5000/web:v1"), Some(ImageInput::Tag(_, tag)) if tag == "v1"));
    assert!(matches!(image("nginx:1.29"), Some(ImageInput::Tag(..))));
    assert!(matches!(image("nginx"), Some(ImageInput::Repository(_))));
}

#[test]
fn mistakes_are_told() {
    let mut all = String::new();
    for inputs in [
        vec![("INPUT_ENVIROMENT", "staging")],
        vec![("INPUT_BUILD_ARGS", "A=1"), ("INPUT_GITHUB_TOKEN", "canary")],
        vec![("INPUT_COLOUR\u{1b}[2J", "red")],
        vec![("INPUT_APP", "My App")],
        vec![("INPUT_COMMAND", "destroy")],
        vec![("INPUT_ENVIRONMENT", "../x")],
        vec![("INPUT_IMAGE", "https://ghcr.io/acme/web")],
        vec![("INPUT_IMAGE", "web@sha256:12")],
        vec![("INPUT_IMAGE", "web:"), ("INPUT_BUILD", "sometimes")],
        vec![("INPUT_BUILD-ARGS", "A=1\nB")],
        vec![("INPUT_SECRETS", "canary")],
        vec![("INPUT_SECRETS", "a=canary\na=canary")],
        vec![("INPUT_SECRETS", "BEGIN canary KEY=x")],
        vec![("INPUT_AGENT-URL", "http://deploy.example.com")],
        vec![("INPUT_SERVICE", "Web")],
        vec![("INPUT_REGISTRY", "https://index.docker.io/v1/")],
        vec![("INPUT_REGISTRY", "ghcr.io:registry")],
        vec![("INPUT_REGISTRY-USERNAME", "robot:canary"), ("INPUT_REGISTRY-PASSWORD", "canary")],
        vec![("INPUT_REGISTRY-PASSWORD", "canary")],
        vec![("INPUT_TIMEOUT", "soon"), ("INPUT_DRY-RUN", "yes"), ("INPUT_APPS", "web")],
        vec![("INPUT_TIMEOUT", "0")],
        vec![("INPUT_ENVIRONMENT", "a\n::add-mask::b"), ("INPUT_DOCKERFILE", "Dockerfile\r::error::x")],
        vec![("INPUT_COMMAND", "\u{1b}[2Jplan\u{202e}##[group]"), ("INPUT_TARGET", "x\ty")],
        vec![("INPUT_BUILD-ARGS", "# a comment\nA=1")],
        vec![("INPUT_APP", "one"), ("INPUT_app", "two")],
    ] {
        let failure = read(&inputs).expect_err(inputs[0].0);
        assert_eq!(failure.kind.exit_code(), 2);
        all.push_str(&format!("--- {}\n{}", inputs[0].0.escape_default(), failure.render()));
    }
    assert!(!all.contains("canary"), "{all}");
    insta::assert_snapshot!(all);
}

#[test]
fn secrets_are_masked_line_by_line_and_in_every_form() {
    let masked = masks(&vars(&[
        ("INPUT_AGENT-KEY", " deploy-agent-key-v1:vps-1:ci:seed%\r\n"),
        ("INPUT_SECRETS", "npm=npm-value\nnot a pair\njson={\n  inner \n}\n"),
        ("INPUT_REGISTRY-USERNAME", "eve"),
        ("INPUT_REGISTRY-PASSWORD", "pass"),
        ("INPUT_GITHUB-TOKEN", ""),
        ("INPUT_APP", "hello"),
    ]));
    insta::assert_snapshot!(masked);
    assert_eq!(login_masks([("eve", "pass")]), "::add-mask::ZXZlOnBhc3M\n::add-mask::pass\n");
}

#[test]
fn secrets_are_hidden_however_the_inputs_name_is_written() {
    let vars = vars(&[("INPUT_agent-key", "lower-key"), ("INPUT_Secrets", "a=first"), ("INPUT_SECRETS", "b=second")]);
    let (masked, redact) = (masks(&vars), redact(&vars));
    for secret in ["lower-key", "first", "second"] {
        assert!(masked.contains(&format!("::add-mask::{secret}\n")), "{masked}");
        assert_eq!(redact.text(secret), "***");
    }
}

#[test]
fn what_is_too_short_is_not_masked_but_told() {
    let masked = masks(&vars(&[("INPUT_REGISTRY-PASSWORD", "abc"), ("INPUT_GITHUB-TOKEN", "four")]));
    assert_eq!(value_masks(["abc", "deploy-agent-key-v1:a:b:c"]), "::add-mask::deploy-agent-key-v1:a:b:c\n");
    insta::assert_snapshot!(masked);
}

#[test]
fn of_a_fork_half_a_login_is_no_mistake_yet() {
    let inputs = Inputs::read(&vars(&[("INPUT_REGISTRY-USERNAME", "eve"), ("INPUT_REGISTRY-PASSWORD", "")])).unwrap();
    assert!(inputs.check_login().is_err());
}

#[test]
fn an_audience_is_of_a_role() {
    let check = |given: &[(&str, &str)]| Inputs::read(&vars(given)).unwrap().check_login();
    let (audience, role) =
        (("INPUT_AUDIENCE", "ours"), ("INPUT_ROLE-TO-ASSUME", "arn:aws:iam::111122223333:role/deploy"));
    assert!(check(&[audience]).unwrap_err().render().contains("set that as well, or remove `audience`"));
    check(&[audience, role]).unwrap();
    // The runner gives what `action.yml` has as the default.
    check(&[("INPUT_AUDIENCE", "sts.amazonaws.com")]).unwrap();
}

#[test]
fn lines_keep_what_is_in_them() {
    let pairs = |text: &str| read(&[("INPUT_BUILD-ARGS", text)]).unwrap().build_args;
    let wanted = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert_eq!(pairs("\r\n A = 1 \r\nB=a=b#c\r\n\r\n"), wanted(&[("A", " 1 "), ("B", "a=b#c")]));
    assert_eq!(pairs(" \r\n\t"), wanted(&[]));
}

#[test]
fn defaults_are_what_they_are_said_to_be() {
    let given: Vec<(String, &str)> = INPUTS
        .iter()
        .filter_map(|input| Some((format!("INPUT_{}", input.name.to_uppercase()), input.default?)))
        .filter(|(name, _)| name != "INPUT_GITHUB-TOKEN" && name != "INPUT_CONFIG")
        .collect();
    let given: Vec<(&str, &str)> = given.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(format!("{:?}", read(&given).unwrap()), format!("{:?}", read(&[]).unwrap()));
}

#[test]
fn action_yml_says_the_same() {
    let text = include_str!("../../../action.yml");
    let (_, rest) = text.split_once("\ninputs:\n").expect("inputs");
    let (inputs, _) = rest.split_once("\noutputs:\n").expect("outputs");
    let written: String = INPUTS
        .iter()
        .map(|input| {
            let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
            // A default file need not exist; one that is named must. So that default is not written out.
            let default = input.default.filter(|_| input.name != "config");
            let default = default.map(|text| format!("    default: {}\n", quoted(text))).unwrap_or_default();
            format!("  {}:\n    description: {}\n{default}", input.name, quoted(input.doc))
        })
        .collect();
    assert_eq!(inputs, written);
}

proptest! {
    #[test]
    fn whatever_is_given_is_read_or_refused_in_plain_lines(
        given in proptest::collection::btree_map(
            prop_oneof![
                6 => proptest::sample::select(INPUTS).prop_map(|input| input.name.to_uppercase()),
                1 => "[a-zA-Z_\\-\\x00-\\x20:#\\[]{0,12}",
            ],
            "[a-z0-9:/@=.\\-]{0,20}|\\PC{0,20}|[\\x00-\\x9f#\\[:=%]{0,20}",
            0..8,
        ),
    ) {
        let mut all = vars(&[]);
        all.extend(given.iter().map(|(name, value)| (format!("INPUT_{name}"), value.clone())));
        let refused = Inputs::read(&all).and_then(|inputs| inputs.check_login());
        if let Err(failure) = refused {
            let told = failure.render();
            prop_assert_eq!(failure.kind.exit_code(), 2);
            prop_assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{:?}", told);
            prop_assert!(!told.lines().any(|line| line.trim_start().starts_with("::")), "{}", told);
            // A sentence of a few problems each, never a value's lines.
            prop_assert!(told.lines().count() <= given.len() + 5, "{}", told);
        }
        for line in masks(&all).lines() {
            prop_assert!(line.starts_with("::add-mask::") || line.starts_with("::warning title=secrets::"), "{}", line);
        }
    }
}
