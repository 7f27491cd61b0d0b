//! The words of the product as types: each value that exists was checked when it was made.
//!
//! Must never import anything else of this crate.

mod agent_url;
mod aws;
mod command;
mod digest;
mod ecr;
mod exit;
mod http_url;
mod image_ref;
mod names;
mod private_net;
mod reason;
mod redact;
mod repo;
mod secret;
mod span;
mod text;
mod text_type;

pub use agent_url::{AgentUrl, AgentUrlError, BasePathError, parse_base_path};
pub use aws::{TaskDefinitionArn, TaskDefinitionArnError};
pub use command::{MAX_COMMAND_BYTES, MAX_COMMAND_TIME, MAX_COMMAND_WORDS, is_command};
pub use digest::{Digest, DigestError};
pub use ecr::EcrRepository;
pub use exit::exit_meaning;
pub use http_url::{HttpUrl, HttpUrlError};
pub use image_ref::{ImageRef, ImageRefError, Repository};
pub use names::{
    AppName, CodeDeployName, DeploymentId, EcsName, EnvName, IdempotencyKey, NameError, Region, RoleArn, ServiceLabel,
    ServiceName,
};
pub use private_net::is_private_address;
pub use reason::Reason;
pub use redact::{Redact, SHORTEST_HIDDEN, basic_login, hidden_forms};
pub use repo::{GitSha, PrNumber, RepoError, RepoSlug, TokenRepo};
pub use secret::Secret;
pub use span::{SpanError, parse_span, show_span, show_time};
pub use text::{hex, one_line, plain_json};
