//! Amazon ECR: its login, and the repositories that images are pushed to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Aws;
use super::error::{AwsError, Trouble};
use crate::clients::docker::RegistryLogin;
use crate::domain::Secret;

/// A repository that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcrState {
    /// Whether no tag may be given to another image. False where only some may not.
    pub immutable: bool,
}

impl Aws {
    /// A login for every repository that the caller may use, for twelve hours.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn registry_login(&self) -> Result<RegistryLogin, AwsError> {
        const CALL: &str = "ecr:GetAuthorizationToken";
        let answer = self.clients().ecr.ask(CALL, &json!({})).await?;
        let token = answer["authorizationData"][0]["authorizationToken"].as_str().unwrap_or_default();
        let login = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let login = login.as_deref().and_then(|login| login.split_once(':'));
        let (username, password) = login.ok_or_else(|| AwsError {
            call: CALL,
            trouble: Trouble::Failing,
            code: None,
            message: "the answer holds no token".to_owned(),
        })?;
        Ok(RegistryLogin { username: username.to_owned(), password: Secret::new(password.to_owned()) })
    }

    /// A repository; `None` where the registry has none of that name. `account` is absent for the caller's own.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn repository(&self, account: Option<&str>, name: &str) -> Result<Option<EcrState>, AwsError> {
        let input = of(account, json!({"repositoryNames": [name]}));
        match self.clients().ecr.ask("ecr:DescribeRepositories", &input).await {
            Ok(answer) => {
                let found = answer["repositories"].as_array().and_then(|all| all.first());
                Ok(found.map(|found| EcrState { immutable: found["imageTagMutability"] == "IMMUTABLE" }))
            }
            Err(error) if error.is("RepositoryNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a repository, and gives whether it did: one that is there meanwhile stays as it is. Sent once: a second sending
    /// would find the repository of the first.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn create_repository(
        &self,
        account: Option<&str>,
        name: &str,
        immutable_tags: bool,
        scan_on_push: bool,
    ) -> Result<bool, AwsError> {
        let mutability = if immutable_tags { "IMMUTABLE" } else { "MUTABLE" };
        let input = json!({
            "repositoryName": name,
            "imageTagMutability": mutability,
            "imageScanningConfiguration": {"scanOnPush": scan_on_push},
        });
        match self.clients().ecr.ask_once("ecr:CreateRepository", &of(account, input)).await {
            Err(error) if error.is("RepositoryAlreadyExistsException") => Ok(false),
            made => made.map(|_| true),
        }
    }

    /// Gives a repository its rules for old images.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn put_lifecycle(&self, account: Option<&str>, name: &str, policy: &str) -> Result<(), AwsError> {
        let input = json!({"repositoryName": name, "lifecyclePolicyText": policy});
        self.clients().ecr.ask("ecr:PutLifecyclePolicy", &of(account, input)).await.map(drop)
    }
}

/// The same for the registry of an account.
fn of(account: Option<&str>, mut input: Value) -> Value {
    if let Some(account) = account {
        input["registryId"] = account.into();
    }
    input
}
