//! What BuildKit asks while it builds: logins for base images, and secrets. Both are answered from memory.

use std::collections::BTreeMap;
use std::future;
use std::sync::Arc;

use bollard::health::health_check_response::ServingStatus;
use bollard::health::health_server::{Health, HealthServer};
use bollard::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use futures_util::stream::{self, BoxStream};
use hyper::server::conn::http2;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioExecutor;
use hyper_util::service::TowerToHyperService;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::clients::docker::RegistryLogin;
use crate::domain::Secret;

/// The calls that the engine may make, as it wants them named.
pub(super) const METHODS: [&str; 2] =
    ["/moby.filesync.v1.Auth/Credentials", "/moby.buildkit.secrets.v1.Secrets/GetSecret"];

/// Answers the engine until it hangs up.
pub(super) async fn serve(
    connection: Upgraded,
    logins: &BTreeMap<String, RegistryLogin>,
    secrets: &BTreeMap<String, Secret<String>>,
) {
    let answers = Answers { logins: Arc::new(logins.clone()), secrets: Arc::new(secrets.clone()) };
    let routes = Routes::new(HealthServer::new(answers.clone()))
        .add_service(AuthServer::new(answers.clone()))
        .add_service(SecretsServer::new(answers));
    let service = TowerToHyperService::new(routes.prepare());
    // Whatever ends it, the build itself tells.
    drop(http2::Builder::new(TokioExecutor::new()).serve_connection(connection, service).await);
}

#[derive(Clone)]
struct Answers {
    logins: Arc<BTreeMap<String, RegistryLogin>>,
    secrets: Arc<BTreeMap<String, Secret<String>>>,
}

#[tonic::async_trait]
impl Secrets for Answers {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        match self.secrets.get(&request.get_ref().id) {
            Some(secret) => Ok(Response::new(GetSecretResponse { data: secret.expose().clone().into_bytes() })),
            None => Err(Status::not_found("the input `secrets` has no such id")),
        }
    }
}

#[tonic::async_trait]
impl Auth for Answers {
    /// An empty login where there is none: the engine then goes without.
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        let host = match request.get_ref().host.as_str() {
            "registry-1.docker.io" => "docker.io",
            host => host,
        };
        let login = self.logins.get(host).map(|login| CredentialsResponse {
            username: login.username.clone(),
            secret: login.password.expose().clone(),
        });
        Ok(Response::new(login.unwrap_or_default()))
    }

    /// The engine fetches tokens itself, as it does for a push.
    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("tokens are fetched by the engine"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("tokens are fetched by the engine"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("tokens are fetched by the engine"))
    }
}

/// The engine asks every second whether this side lives, and ends the session where it does not say so.
#[tonic::async_trait]
impl Health for Answers {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Ok(Response::new(HealthListResponse::default()))
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let serving = self.check(request).await?.into_inner();
        Ok(Response::new(Box::pin(stream::once(future::ready(Ok(serving))))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_login_is_given_to_its_registry_only() {
        let login = |name: &str| RegistryLogin { username: name.to_owned(), password: Secret::new("p".to_owned()) };
        let logins = BTreeMap::from([("docker.io".to_owned(), login("hub")), ("one.example".to_owned(), login("one"))]);
        let answers = Answers { logins: Arc::new(logins), secrets: Arc::default() };
        for (host, user) in [("registry-1.docker.io", "hub"), ("one.example", "one"), ("one.example.org", "")] {
            let request = CredentialsRequest { host: host.to_owned() };
            let given = answers.credentials(Request::new(request)).await.expect("an answer").into_inner();
            assert_eq!((given.username.as_str(), given.secret.is_empty()), (user, user.is_empty()), "{host}");
        }
    }
}
