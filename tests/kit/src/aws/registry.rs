//! Elastic Container Registry: its repositories and what is known of their images. Images themselves go elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::input::{flag, list, text, texts};
use super::names;
use super::request::AwsFault;
use super::world::World;

/// The password in each token for the registry; the user is `AWS`.
const PASSWORD: &str = "simulated-registry-password";
/// How long a token for the registry is good, in seconds.
const TOKEN: u64 = 12 * 3600;

/// The registry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    /// Its host, with a port where it has one.
    pub(crate) host: String,
    /// How clients reach it, `https` or `http`.
    pub(crate) scheme: String,
    pub(crate) repositories: Vec<Repository>,
}

/// A repository.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub(crate) name: String,
    pub(crate) created: u64,
    pub(crate) images: Vec<Image>,
    /// Whether a tag stays with its image.
    pub(crate) immutable: bool,
    /// Whether images are scanned when they are pushed.
    pub(crate) scanned: bool,
    /// The rules that remove images, as a text.
    pub(crate) lifecycle: Option<String>,
}

impl Repository {
    /// As the console makes it.
    pub(crate) fn new(name: &str, created: u64) -> Self {
        let name = name.to_owned();
        Self { name, created, images: Vec::new(), immutable: false, scanned: false, lifecycle: None }
    }
}

/// An image.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) digest: String,
    pub(crate) tags: Vec<String>,
}

/// Answers a call.
pub(crate) fn call(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsFault> {
    // Of another account there is nothing that this caller may see.
    if let Some(registry) = text(input, "registryId").filter(|registry| *registry != names::ACCOUNT) {
        let name = text(input, "repositoryName").or_else(|| texts(input, "repositoryNames").first().copied());
        let name = name.unwrap_or_default();
        let message = format!("The repository with name '{name}' does not exist in the registry with id '{registry}'");
        return Err(AwsFault::new("RepositoryNotFoundException", message));
    }
    match operation {
        "GetAuthorizationToken" => Ok(token(world)),
        "DescribeRepositories" => repositories(world, input),
        "DescribeImages" => images(world, input),
        "CreateRepository" => create(world, input),
        "PutLifecyclePolicy" => lifecycle(world, input),
        _ => Err(AwsFault::unknown_operation()),
    }
}

fn token(world: &World) -> Value {
    let registry = &world.registry;
    json!({"authorizationData": [{
        "authorizationToken": STANDARD.encode(format!("AWS:{PASSWORD}")),
        "expiresAt": world.wall + TOKEN,
        "proxyEndpoint": format!("{}://{}", registry.scheme, registry.host),
    }]})
}

fn repositories(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let asked = texts(input, "repositoryNames");
    for name in &asked {
        find(world, name)?;
    }
    let known = world.registry.repositories.iter();
    let wanted = known.filter(|known| asked.is_empty() || asked.contains(&known.name.as_str()));
    Ok(json!({"repositories": wanted.map(|known| show(world, known)).collect::<Vec<_>>()}))
}

fn images(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let repository = find(world, text(input, "repositoryName").unwrap_or_default())?;
    let asked = list(input, "imageIds");
    let is = |image: &Image, id: &Value| {
        text(id, "imageDigest").is_none_or(|digest| image.digest == digest)
            && text(id, "imageTag").is_none_or(|tag| image.tags.iter().any(|known| known == tag))
    };
    if let Some(missing) = asked.iter().find(|id| !repository.images.iter().any(|image| is(image, id))) {
        let message = format!("The image with imageId {missing} does not exist within the repository");
        return Err(AwsFault::new("ImageNotFoundException", message));
    }
    let wanted = repository.images.iter().filter(|image| asked.is_empty() || asked.iter().any(|id| is(image, id)));
    let shown = wanted.map(|image| {
        json!({
            "registryId": names::ACCOUNT,
            "repositoryName": repository.name,
            "imageDigest": image.digest,
            "imageTags": image.tags,
            "imageSizeInBytes": 5_000_000,
            "imagePushedAt": repository.created,
            "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
        })
    });
    Ok(json!({"imageDetails": shown.collect::<Vec<_>>()}))
}

fn create(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let name = text(input, "repositoryName").unwrap_or_default().to_owned();
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_./".contains(letter);
    if name.len() < 2 || !name.chars().all(fits) {
        let message = "Invalid parameter at 'repositoryName' failed to satisfy constraint";
        return Err(AwsFault::new("InvalidParameterException", message));
    }
    if find(world, &name).is_ok() {
        let message = format!("The repository with name '{name}' already exists in the registry");
        return Err(AwsFault::new("RepositoryAlreadyExistsException", message));
    }
    let mutability = text(input, "imageTagMutability").unwrap_or("MUTABLE");
    if !["MUTABLE", "IMMUTABLE"].contains(&mutability) {
        let message = "Invalid parameter at 'imageTagMutability' failed to satisfy constraint";
        return Err(AwsFault::new("InvalidParameterException", message));
    }
    let scanned = flag(&input["imageScanningConfiguration"], "scanOnPush").unwrap_or(false);
    let repository = Repository { immutable: mutability == "IMMUTABLE", scanned, ..Repository::new(&name, world.now) };
    let shown = show(world, &repository);
    world.registry.repositories.push(repository);
    Ok(json!({"repository": shown}))
}

/// Takes rules of the one kind that there is here: an expiry by count or age.
fn lifecycle(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let name = find(world, text(input, "repositoryName").unwrap_or_default())?.name.clone();
    let policy = text(input, "lifecyclePolicyText").unwrap_or_default().to_owned();
    let parsed: Value = serde_json::from_str(&policy).unwrap_or_default();
    let good = |rule: &Value| {
        let selection = &rule["selection"];
        rule["rulePriority"].as_u64().is_some_and(|priority| priority > 0)
            && ["any", "tagged", "untagged"].map(Value::from).contains(&selection["tagStatus"])
            && ["imageCountMoreThan", "sinceImagePushed"].map(Value::from).contains(&selection["countType"])
            && selection["countNumber"].as_u64().is_some_and(|count| count > 0)
            && rule["action"]["type"] == "expire"
    };
    if list(&parsed, "rules").is_empty() || !list(&parsed, "rules").iter().all(good) {
        let message = "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure'";
        return Err(AwsFault::new("InvalidParameterException", message));
    }
    for repository in world.registry.repositories.iter_mut().filter(|known| known.name == name) {
        repository.lifecycle = Some(policy.clone());
    }
    Ok(json!({"registryId": names::ACCOUNT, "repositoryName": name, "lifecyclePolicyText": policy}))
}

fn find<'a>(world: &'a World, name: &str) -> Result<&'a Repository, AwsFault> {
    world.registry.repositories.iter().find(|known| known.name == name).ok_or_else(|| {
        let registry = names::ACCOUNT;
        let message = format!("The repository with name '{name}' does not exist in the registry with id '{registry}'");
        AwsFault::new("RepositoryNotFoundException", message)
    })
}

fn show(world: &World, repository: &Repository) -> Value {
    let name = &repository.name;
    json!({
        "repositoryArn": format!("arn:aws:ecr:{}:{}:repository/{name}", names::REGION, names::ACCOUNT),
        "registryId": names::ACCOUNT,
        "repositoryName": name,
        "repositoryUri": format!("{}/{name}", world.registry.host),
        "createdAt": repository.created,
        "imageTagMutability": if repository.immutable { "IMMUTABLE" } else { "MUTABLE" },
        "imageScanningConfiguration": {"scanOnPush": repository.scanned},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    })
}
