//! The older of AWS's wires: a form is sent, XML comes back. Both are documents to the rest.

use aws_sdk_ecs::operation::list_clusters::{ListClustersError, ListClustersOutput};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{BeforeSerializationInterceptorContextMut, Error, Output};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::ErrorMetadata;
use reqwest::Url;
use roxmltree::Node;
use serde_json::{Map, Value};

use super::raw::Answer;

/// Deepest nesting of an answer that is read: AWS's have some ten levels, serde_json stops at as many.
const DEEPEST: usize = 128;

/// A call as a form. Of its input texts and lists of texts are taken: nothing else is asked for.
pub(super) fn form(operation: &str, version: &str, input: &Value) -> String {
    let mut fields = vec![("Action".to_owned(), operation.to_owned()), ("Version".to_owned(), version.to_owned())];
    for (name, value) in input.as_object().into_iter().flatten() {
        match value {
            Value::Array(items) => {
                fields.extend(items.iter().zip(1..).map(|(item, at)| (format!("{name}.member.{at}"), field(item))))
            }
            value => fields.push((name.clone(), field(value))),
        }
    }
    // Only its query is wanted, which is encoded as a form is.
    let url = Url::parse_with_params("http://form", fields);
    url.ok().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

fn field(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Reads the answer as what it is, in the place of what the carrying operation would read.
#[derive(Debug, Clone)]
pub(super) struct Form {
    /// The operation, whose name the answer's root begins with.
    pub(super) operation: &'static str,
    /// Where the answer goes.
    pub(super) answer: Answer,
}

impl Intercept for Form {
    fn name(&self) -> &'static str {
        "Form"
    }

    fn modify_before_serialization(
        &self,
        _: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(SharedResponseDeserializer::new(self.clone()));
        Ok(())
    }
}

impl DeserializeResponse for Form {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        let text = std::str::from_utf8(response.body().bytes().unwrap_or_default()).unwrap_or_default();
        if !response.status().is_success() {
            return Err(OrchestratorError::operation(Error::erase(refusal(text))));
        }
        match result(text, self.operation) {
            Some(result) => {
                self.answer.put(result);
                Ok(Output::erase(ListClustersOutput::builder().build()))
            }
            None => Err(OrchestratorError::response(format!("this is no answer to {}", self.operation).into())),
        }
    }
}

/// What `<OpResponse><OpResult>…` wraps; null where an operation gives nothing. `None` for anything else.
fn result(xml: &str, operation: &str) -> Option<Value> {
    let parsed = roxmltree::Document::parse(xml).ok()?;
    let root = parsed.root_element();
    let is_wanted = |node: &Node<'_, '_>| node.tag_name().name().strip_suffix("Result") == Some(operation);
    if root.tag_name().name().strip_suffix("Response") != Some(operation) {
        return None;
    }
    root.children().find(is_wanted).map_or(Some(Value::Null), |node| value(node, DEEPEST))
}

/// `<ErrorResponse><Error><Code>…`; without it the status alone tells.
fn refusal(xml: &str) -> ListClustersError {
    let parsed = roxmltree::Document::parse(xml).ok();
    let said = |name: &str| {
        let error = parsed.as_ref()?.root_element().children().find(|node| node.tag_name().name() == "Error")?;
        error.children().find(|node| node.tag_name().name() == name)?.text().map(str::to_owned)
    };
    let mut told = ErrorMetadata::builder();
    if let Some(code) = said("Code") {
        told = told.code(code);
    }
    if let Some(message) = said("Message") {
        told = told.message(message);
    }
    ListClustersError::generic(told.build())
}

/// Elements that are all called `member` are a list; others are members of a mapping; without any it is text. `None` where
/// they are nested deeper than `depth`.
fn value(node: Node<'_, '_>, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let mut children = node.children().filter(Node::is_element).peekable();
    if children.peek().is_none() {
        return Some(node.text().unwrap_or_default().into());
    }
    let name = |node: &Node<'_, '_>| node.tag_name().name().to_owned();
    if children.clone().all(|child| name(&child) == "member") {
        return children.map(|child| value(child, depth)).collect();
    }
    let members = children.map(|child| Some((name(&child), value(child, depth)?)));
    Some(Value::Object(members.collect::<Option<Map<_, _>>>()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_input_becomes_a_form() {
        let input = json!({"TargetGroupArns": ["arn:aws:a/b", "c d&e=f"], "RoleName": "ä"});
        assert_eq!(
            form("DescribeTargetGroups", "2015-12-01", &input),
            "Action=DescribeTargetGroups&Version=2015-12-01&RoleName=%C3%A4\
             &TargetGroupArns.member.1=arn%3Aaws%3Aa%2Fb&TargetGroupArns.member.2=c+d%26e%3Df"
        );
    }

    #[test]
    fn an_answer_becomes_a_document() {
        let xml = r#"<?xml version="1.0"?>
<AskResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
  <AskResult>
    <Groups><member><Name>a &lt; b</Name><Ports/></member><member><Name>c</Name></member></Groups>
    <Next></Next>
  </AskResult>
  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</AskResponse>"#;
        let expected = json!({"Groups": [{"Name": "a < b", "Ports": ""}, {"Name": "c"}], "Next": ""});
        assert_eq!(result(xml, "Ask"), Some(expected));
        assert_eq!(result("<AskResponse><ResponseMetadata/></AskResponse>", "Ask"), Some(Value::Null));
        let deep = format!(
            "<AskResponse><AskResult>{}{}</AskResult></AskResponse>",
            "<a>".repeat(20_000),
            "</a>".repeat(20_000)
        );
        for other in ["", "{}", "<html><body/></html>", "<TellResponse/>", deep.as_str()] {
            assert_eq!(result(other, "Ask"), None, "{}", other.len());
        }
    }

    #[test]
    fn a_refusal_is_read() {
        use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
        let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>none</Message></Error></ErrorResponse>";
        let told = refusal(xml);
        assert_eq!((told.code(), told.message()), (Some("NoSuchEntity"), Some("none")));
        for other in ["", "<html/>", "<ErrorResponse/>"] {
            assert_eq!(refusal(other).code(), None, "{other}");
        }
    }
}
