//! What people write under `with:`, and what comes of it.

use super::*;
use crate::trigger::sample::vars;

fn read(inputs: &[(&str, &str)]) -> Result<Inputs, Failure> {
    Inputs::read(&vars(inputs))
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
        vec![("INPUT_REGISTRY-PASSWORD", "canary")],
        vec![("INPUT_TIMEOUT", "soon"), ("INPUT_DRY-RUN", "yes"), ("INPUT_APPS", "web")],
        vec![("INPUT_TIMEOUT", "0")],
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
        ("INPUT_AGENT-KEY", " key-line-1\nkey-line-2%\r\n"),
        ("INPUT_SECRETS", "npm=npm-value\nnot a pair\n"),
        ("INPUT_REGISTRY-USERNAME", "eve"),
        ("INPUT_REGISTRY-PASSWORD", "pass"),
        ("INPUT_GITHUB-TOKEN", ""),
        ("INPUT_APP", "hello"),
    ]));
    insta::assert_snapshot!(masked);
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
