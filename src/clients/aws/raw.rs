//! Documents of ECS as they are: sent and read whole, so that a member which this version has never heard of survives.
//!
//! The SDK keeps signing, endpoints and repetition. What it would write is replaced before it signs; what came is kept
//! after it was read, because before that the answer is not there yet.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut, InterceptorContext,
};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::Value;

/// Keeps the answer's document.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer(Arc<Mutex<Value>>);

impl Answer {
    /// Keeps it.
    pub(super) fn put(&self, document: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = document;
    }

    /// The document; null before there was one.
    pub(super) fn take(&self) -> Value {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for Answer {
    fn name(&self) -> &'static str {
        "Answer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let bytes = context.response().body().bytes().unwrap_or_default();
        self.put(serde_json::from_slice(bytes).unwrap_or_default());
        Ok(())
    }
}

/// Sends another document than the SDK would. Its length was written already, and is signed.
#[derive(Debug)]
pub(super) struct Document(pub(super) Vec<u8>);

impl Intercept for Document {
    fn name(&self) -> &'static str {
        "Document"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        request.headers_mut().insert("content-length", self.0.len().to_string());
        *request.body_mut() = SdkBody::from(self.0.clone());
        Ok(())
    }
}

/// For calls that make something new each time they arrive: repeated only where the service refused them.
#[derive(Debug)]
pub(super) struct OnlyIfRefused;

impl ClassifyRetry for OnlyIfRefused {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let refused = context.output_or_error().and_then(Result::err).is_some_and(|error| error.is_operation_error());
        let failing = context.response().is_some_and(|response| response.status().is_server_error());
        if refused && !failing { RetryAction::NoActionIndicated } else { RetryAction::RetryForbidden }
    }

    fn name(&self) -> &'static str {
        "OnlyIfRefused"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}
