//! Every input of the action, documented once. `action.yml` says the same (a test compares).

/// An input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// Its name, as people write it under `with:`.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// What it is where it is absent or empty, if anything.
    pub default: Option<&'static str>,
    /// Whether its value must not be seen.
    pub secret: bool,
}

const fn input(name: &'static str, doc: &'static str) -> Input {
    Input { name, doc, default: None, secret: false }
}

const fn or(default: &'static str, input: Input) -> Input {
    Input { default: Some(default), ..input }
}

const fn secret(input: Input) -> Input {
    Input { secret: true, ..input }
}

/// All of them, in the order in which `action.yml` lists them.
pub const INPUTS: &[Input] = &[
    input("app", "The application. Default: `app` of deploy.yml, else the repository's name."),
    input("command", "`deploy`, `plan` or `rollback`. Default: `plan` on a pull request, else `deploy`."),
    input("environment", "The environment. Default: the one of deploy.yml, where it has only one."),
    or(
        "deploy.yml",
        input("config", "The configuration, relative to the checkout. Without the file, the inputs say it all."),
    ),
    input(
        "image",
        "A repository (`ghcr.io/acme/web`: the commit is built and pushed to it), or an image to deploy as it is \
         (`repository:tag`, `repository@sha256:…`). Default: `image.repository` of deploy.yml.",
    ),
    or(
        "auto",
        input("build", "`auto` builds a commit once, `always` builds it again, `never` takes what the registry has."),
    ),
    or(".", input("context", "The folder that is built, relative to the checkout.")),
    or("Dockerfile", input("dockerfile", "The Dockerfile, relative to `context`.")),
    input("target", "The stage of the Dockerfile to build. Default: the last."),
    input("build-args", "Values for `ARG`, one `NAME=value` a line. They can be read in the image: nothing secret."),
    secret(input("secrets", "Values for `RUN --mount=type=secret`, one `id=value` a line.")),
    input("agent-url", "Where the agent listens. Default: from deploy.yml."),
    secret(input("agent-key", "The agent key, as `deploy-action agent keygen` prints it.")),
    input("service", "The compose service on the agent's host. Default: from deploy.yml."),
    input("registry", "The registry that the user name and password are for. Default: the image's."),
    input("registry-username", "User name for the registry, to push and for the agent to pull."),
    secret(input("registry-password", "Password or token for the registry.")),
    input(
        "role-to-assume",
        "A role of AWS to take on with GitHub's token, for an ECS target or an image in Amazon ECR, as `arn:aws:iam::111122223333:role/deploy`. \
         Needs `permissions: id-token: write`. Default: the credentials that the job has.",
    ),
    or(
        "sts.amazonaws.com",
        input(
            "audience",
            "For whom GitHub's token for `role-to-assume` is, as the identity provider in IAM and the role's trust policy name it.",
        ),
    ),
    secret(or("${{ github.token }}", input("github-token", "The token for comment and deployment status."))),
    or(
        "15m",
        input(
            "timeout",
            "Longest wait for the end, for example `90s` or `15m`; what has not switched by then is given up.",
        ),
    ),
    or("false", input("dry-run", "`true` shows what would be done and changes nothing.")),
];
