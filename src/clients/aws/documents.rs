//! Services that are asked by documents alone. The client of ECS carries what they are asked to another address, under
//! another name: it signs, and repeats what may be repeated.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_ecs::config::endpoint::{Endpoint, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_ecs::config::retry::RetryPartition;
use aws_smithy_types::Document as Property;
use aws_types::service_config::ServiceConfigKey;
use serde_json::Value;

use super::error::AwsError;
use super::forms::{Form, form};
use super::raw::{Answer, Document, OnlyIfRefused};
use super::services::{Service, Wire};
use crate::domain::Region;

/// Asks one service.
#[derive(Debug, Clone)]
pub(super) struct Client {
    carrier: aws_sdk_ecs::Client,
    wire: Wire,
}

/// Every call goes here.
#[derive(Debug)]
struct At(Endpoint);

impl ResolveEndpoint for At {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(self.0.clone()))
    }
}

impl Client {
    pub(super) fn of(service: &Service, sdk: &SdkConfig, region: &Region) -> Self {
        let key = ServiceConfigKey::builder().service_id(service.id).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        let own = key.build().ok().and_then(|key| sdk.service_config()?.load_config(key));
        let usual = || {
            let host = service.host(region, sdk.use_fips() == Some(true), sdk.use_dual_stack() == Some(true));
            format!("https://{host}")
        };
        let url = own.or_else(|| sdk.endpoint_url().map(str::to_owned)).unwrap_or_else(usual);
        let signs_for = service.signing_region(region);
        let scheme = [("name", "sigv4"), ("signingName", service.signs_as), ("signingRegion", signs_for)];
        let scheme = scheme.map(|(name, value)| (name.to_owned(), Property::String(value.to_owned())));
        let schemes = vec![Property::Object(HashMap::from(scheme))];
        let endpoint = Endpoint::builder().url(url).property("authSchemes", schemes).build();
        // Tries that one service needs are not taken from another's.
        let config = aws_sdk_ecs::config::Builder::from(sdk)
            .endpoint_resolver(At(endpoint))
            .retry_partition(RetryPartition::new(format!("{}-{region}", service.id)))
            .build();
        Self { carrier: aws_sdk_ecs::Client::from_conf(config), wire: service.wire }
    }

    /// Asks, for example `ecr:CreateRepository` as policies have it, and gives the answer's document. What got no answer is
    /// asked again: only for what may happen twice.
    pub(super) async fn ask(&self, call: &'static str, input: &Value) -> Result<Value, AwsError> {
        self.send(call, input, aws_sdk_ecs::config::Builder::new()).await
    }

    /// The same for what makes something new each time it arrives: asked again only where the service refused it.
    pub(super) async fn ask_once(&self, call: &'static str, input: &Value) -> Result<Value, AwsError> {
        self.send(call, input, aws_sdk_ecs::config::Builder::new().retry_classifier(OnlyIfRefused)).await
    }

    async fn send(
        &self,
        call: &'static str,
        input: &Value,
        changes: aws_sdk_ecs::config::Builder,
    ) -> Result<Value, AwsError> {
        let operation = call.rsplit(':').next().unwrap_or_default();
        let answer = Answer::default();
        // Of the operation that carries it nothing is left but the way it is sent.
        let carried = self.carrier.list_clusters().customize().config_override(changes);
        let carried = match self.wire {
            Wire::Json { target } => {
                let target = format!("{target}.{operation}");
                carried
                    .interceptor(Document(input.to_string().into_bytes()))
                    .interceptor(answer.clone())
                    .mutate_request(move |request| drop(request.headers_mut().insert("x-amz-target", target.clone())))
            }
            Wire::Query { version } => carried
                .interceptor(Document(form(operation, version, input).into_bytes()))
                .interceptor(Form { operation, answer: answer.clone() })
                .mutate_request(|request| {
                    request.headers_mut().remove("x-amz-target");
                    request.headers_mut().insert("content-type", "application/x-www-form-urlencoded");
                }),
        };
        carried.send().await.map_err(|error| AwsError::of(call, error))?;
        Ok(answer.take())
    }
}

/// A text; an empty one says nothing.
pub(super) fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A list; one that is missing is empty.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
