//! What is deployed where, from `deploy.yml` and the inputs. Inputs win, and where they do that is told.

use crate::config::{Config, EcrConfig, EcsTarget, Environment, Target, VpsTarget};
use crate::domain::{AppName, EcrRepository, EnvName, Reason, Region, Repository, ServiceLabel};
use crate::failure::Failure;
use crate::trigger::{GitHubContext, ImageInput, Inputs};

/// Both sources as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) app: AppName,
    pub(super) environment: EnvName,
    pub(super) target: Target,
    /// Absent where neither source says it.
    pub(super) image: Option<ImageInput>,
    /// What the file says of Amazon ECR, where the image is at the file's registry.
    pub(super) ecr: Option<EcrConfig>,
    /// A sentence for each input that is used instead of the file.
    pub(super) overrides: Vec<String>,
}

impl Settings {
    /// How reports call the service.
    pub(super) fn service(&self) -> ServiceLabel {
        match &self.target {
            Target::Vps(target) => (&target.service).into(),
            Target::Ecs(target) => (&target.service).into(),
        }
    }

    /// The region of Amazon ECR, where that is whose registry the image is at.
    pub(super) fn ecr_region(&self) -> Option<Region> {
        let named = self.ecr.as_ref().and_then(|ecr| ecr.region.clone());
        let told = || EcrRepository::of(image_repository(self.image.as_ref()?)).map(|found| found.region);
        named.or_else(told)
    }
}

/// Puts both together. `config` is absent where there is no file.
///
/// # Errors
/// Something is said by neither, or the file has no such environment.
pub(super) fn merge(config: Option<&Config>, inputs: &Inputs, context: &GitHubContext) -> Result<Settings, Failure> {
    let mut overrides = Vec::new();
    let environment = environment(config, inputs)?;
    let file = match config {
        Some(config) => match config.environments.get(&environment) {
            Some(Environment { target }) => Some(target),
            None if inputs.agent_url.is_some() && inputs.service.is_some() => None,
            None => return Err(no_environment(config, &environment)),
        },
        None => None,
    };
    let app = match (&inputs.app, config) {
        (Some(app), config) => {
            note(&mut overrides, "app", app, config.map(|config| &config.app));
            app.clone()
        }
        (None, Some(config)) => config.app.clone(),
        (None, None) => of_repository(context)?,
    };
    let target = match file {
        Some(Target::Ecs(target)) => Target::Ecs(of_ecs(target, inputs, &environment)?),
        Some(Target::Vps(file)) => Target::Vps(of_agent(Some(file), inputs, &mut overrides)?),
        None => Target::Vps(of_agent(None, inputs, &mut overrides)?),
    };
    let file = config.and_then(|config| config.image.as_ref());
    let repository = file.map(|file| &file.repository);
    if let (Some(image), Some(repository)) = (&inputs.image, repository) {
        note(&mut overrides, "image", image_repository(image), Some(repository));
    }
    let image = inputs.image.clone().or_else(|| repository.cloned().map(ImageInput::Repository));
    let at_files =
        image.as_ref().map(|image| image_repository(image).registry()) == repository.map(Repository::registry);
    let ecr = file.filter(|_| at_files).and_then(|file| file.ecr.clone());
    let settings = Settings { app, environment, target, image, ecr, overrides };
    if let (Target::Vps(_), Some(_), None) = (&settings.target, &inputs.role_to_assume, settings.ecr_region()) {
        let environment = &settings.environment;
        let message = format!("the input `role-to-assume` is about AWS, and `{environment}` is behind an agent");
        return Err(Failure::new(Reason::Usage, message)
            .hint("leave `role-to-assume` out; it is for ECS targets, and for images in Amazon ECR"));
    }
    Ok(settings)
}

/// A service behind an agent: inputs win.
fn of_agent(file: Option<&VpsTarget>, inputs: &Inputs, overrides: &mut Vec<String>) -> Result<VpsTarget, Failure> {
    let agent = inputs.agent_url.as_ref().or(file.map(|file| &file.agent)).ok_or_else(|| unsaid("agent-url"))?;
    let service = inputs.service.as_ref().or(file.map(|file| &file.service)).ok_or_else(|| unsaid("service"))?;
    note(overrides, "agent-url", agent, file.map(|file| &file.agent));
    note(overrides, "service", service, file.map(|file| &file.service));
    let before_deploy = file.and_then(|file| file.before_deploy.clone());
    Ok(VpsTarget { agent: agent.clone(), service: service.clone(), before_deploy })
}

/// A service of ECS: the file says it all, and inputs that are about agents are a mistake.
fn of_ecs(target: &EcsTarget, inputs: &Inputs, environment: &EnvName) -> Result<Box<EcsTarget>, Failure> {
    let given = [
        ("agent-url", inputs.agent_url.is_some()),
        ("agent-key", inputs.agent_key.is_some()),
        ("service", inputs.service.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((input, _)) => Err(Failure::new(
            Reason::Usage,
            format!("the input `{input}` is about an agent, and `{environment}` is a service of Amazon ECS"),
        )
        .hint(format!(
            "leave `{input}` out; `environments.{environment}.target.ecs` in deploy.yml says where to deploy"
        ))),
        None => Ok(Box::new(target.clone())),
    }
}

/// The repository of an image, however it is named.
pub(super) fn image_repository(image: &ImageInput) -> &Repository {
    match image {
        ImageInput::Repository(repository) | ImageInput::Tag(repository, _) => repository,
        ImageInput::Digest(image) => image.repository(),
    }
}

fn note<T: PartialEq + std::fmt::Display>(overrides: &mut Vec<String>, input: &str, used: &T, file: Option<&T>) {
    if let Some(file) = file.filter(|file| *file != used) {
        overrides.push(format!("the input `{input}` says `{used}`, which is used instead of the file's `{file}`"));
    }
}

fn environment(config: Option<&Config>, inputs: &Inputs) -> Result<EnvName, Failure> {
    if let Some(environment) = &inputs.environment {
        return Ok(environment.clone());
    }
    let known: Vec<&EnvName> = config.iter().flat_map(|config| config.environments.keys()).collect();
    match known.as_slice() {
        [only] => Ok((*only).clone()),
        _ => Err(Failure::new(Reason::Usage, "the input `environment` is not set").hint(match known.as_slice() {
            [] => "check out a repository with a deploy.yml before this step, or name it under `with:`, for example \
                   `environment: production`"
                .to_owned(),
            known => format!("name one of {}", list(known)),
        })),
    }
}

fn list(names: &[&EnvName]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn no_environment(config: &Config, name: &EnvName) -> Failure {
    let known: Vec<&EnvName> = config.environments.keys().collect();
    Failure::new(Reason::ConfigInvalid, format!("there is no environment `{name}` in the configuration"))
        .hint(format!("it knows {}; or set the inputs `agent-url` and `service`", list(&known)))
}

fn of_repository(context: &GitHubContext) -> Result<AppName, Failure> {
    let name = context.repository.name().to_lowercase();
    name.parse().map_err(|error| {
        Failure::new(Reason::Usage, format!("the repository's name `{name}` cannot name the application"))
            .because(error)
            .hint("set the input `app`")
    })
}

fn unsaid(input: &str) -> Failure {
    Failure::new(
        Reason::Usage,
        format!("the input `{input}` is not set, and there is no configuration file that says it"),
    )
    .hint(format!("set `{input}` under `with:`, or add a deploy.yml and check the repository out before this step"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::sample::vars;

    const FILE: &str = "app: hello\nimage:\n  repository: ghcr.io/acme/hello\nenvironments:\n  \
                        staging:\n    target:\n      vps: {agent: \"https://staging.example.com\", service: web}\n";
    const SECOND: &str = "  production:\n    target:\n      vps: {agent: \"https://example.com\", service: web}\n";

    fn merged(file: Option<&str>, given: &[(&str, &str)]) -> String {
        let config = file.map(|file| crate::config::parse("deploy.yml", file).expect("a good file"));
        let inputs = Inputs::read(&vars(given)).expect("good inputs");
        let context = GitHubContext::read(&vars(given)).expect("a context");
        match merge(config.as_ref(), &inputs, &context) {
            Ok(settings) => format!("{settings:#?}\n"),
            Err(failure) => failure.render(),
        }
    }

    #[test]
    fn inputs_win_over_the_file() {
        let two = format!("{FILE}{SECOND}");
        let alone =
            [("INPUT_ENVIRONMENT", "x"), ("INPUT_AGENT-URL", "https://x.example.com"), ("INPUT_SERVICE", "api")];
        let mut all = String::new();
        for (what, file, given) in [
            ("the file alone", Some(FILE), vec![]),
            ("the inputs alone", None, alone.to_vec()),
            (
                "both",
                Some(FILE),
                vec![("INPUT_APP", "other"), ("INPUT_SERVICE", "api"), ("INPUT_IMAGE", "ghcr.io/acme/api:v1")],
            ),
            ("an environment of the inputs", Some(FILE), alone.to_vec()),
            ("two environments", Some(two.as_str()), vec![]),
            ("a wrong environment", Some(two.as_str()), vec![("INPUT_ENVIRONMENT", "prod")]),
            ("nothing", None, vec![]),
            ("only an environment", None, vec![("INPUT_ENVIRONMENT", "x")]),
            ("a bad name", None, [("GITHUB_REPOSITORY", "acme/.github")].into_iter().chain(alone).collect()),
        ] {
            all.push_str(&format!("--- {what}\n{}", merged(file, &given)));
        }
        insta::assert_snapshot!(all);
    }
}
