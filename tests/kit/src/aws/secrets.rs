//! AWS Secrets Manager and the Parameter Store: what is there, never what it holds.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::input::{list, text, texts};
use super::names;
use super::request::AwsFault;
use super::world::{EPOCH, World};

/// What is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets {
    /// Secrets of Secrets Manager, by ARN.
    pub(crate) secrets: BTreeSet<String>,
    /// Parameters, by name.
    pub(crate) parameters: BTreeSet<String>,
}

/// Answers a call to Secrets Manager.
pub(crate) fn secret(world: &World, operation: &str, input: &Value) -> Result<Value, AwsFault> {
    let asked = text(input, "SecretId").unwrap_or_default();
    match operation {
        "DescribeSecret" => {
            let found = world.secrets.secrets.iter().find(|arn| arn.as_str() == asked || name(arn) == asked);
            let arn = found.ok_or_else(|| {
                let message = "Secrets Manager can't find the specified secret.";
                AwsFault::new("ResourceNotFoundException", message)
            })?;
            Ok(json!({"ARN": arn, "Name": name(arn), "CreatedDate": EPOCH}))
        }
        _ => Err(AwsFault::unknown_operation()),
    }
}

/// Answers a call to the Parameter Store.
pub(crate) fn parameter(world: &World, operation: &str, input: &Value) -> Result<Value, AwsFault> {
    if operation != "DescribeParameters" {
        return Err(AwsFault::unknown_operation());
    }
    let filters = list(input, "ParameterFilters");
    if let Some(odd) = filters.iter().find(|filter| filter["Key"] != "Name" || filter["Option"] != "Equals") {
        return Err(AwsFault::new("InvalidFilterKey", format!("The filter {odd} is not known here.")));
    }
    let fits = |parameter: &&String| {
        filters.iter().all(|filter| texts(filter, "Values").iter().any(|value| value == &parameter.as_str()))
    };
    let shown = world.secrets.parameters.iter().filter(fits).map(|parameter| {
        let path = format!("/{}", parameter.trim_start_matches('/'));
        json!({
            "Name": parameter,
            "ARN": format!("arn:aws:ssm:{}:{}:parameter{path}", names::REGION, names::ACCOUNT),
            "Type": "SecureString",
            "LastModifiedDate": EPOCH,
            "Version": 1,
            "Tier": "Standard",
            "DataType": "text",
        })
    });
    Ok(json!({"Parameters": shown.collect::<Vec<_>>()}))
}

/// A secret's name: the ARN's last part without the six letters that AWS adds.
fn name(arn: &str) -> &str {
    let last = arn.rsplit(':').next().unwrap_or_default();
    last.rsplit_once('-').map_or(last, |(name, _)| name)
}
