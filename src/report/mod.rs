//! What people and machines read: folds over the one event stream, and views of the agent's answers.
//!
//! Renderers are pure; [`Out`] and [`Publisher`] are the only effects. Must never import `execute` or `observe`.

mod annotations;
mod comment;
mod conclusion;
mod early;
mod ecs_status;
mod escape;
mod files;
mod groups;
mod history;
mod json;
mod log;
mod model;
mod out;
mod outputs;
mod publish;
mod releases;
mod status;
mod story;
mod summary;
mod table;
#[cfg(test)]
mod tests;

pub use annotations::{Annotation, annotation, failed, warning};
pub use comment::{comment, marker};
pub use conclusion::Conclusion;
use conclusion::UNKNOWN;
pub use early::Early;
pub use ecs_status::ecs_status;
pub use files::Files;
pub use groups::Groups;
pub use history::history;
pub use json::{Ending, event, object, result};
pub use log::{last_line, lines};
pub use model::Model;
pub use out::Out;
pub use outputs::{Output, outputs};
pub use publish::{CommentOn, Earlier, Late, Open, Publisher, Run, Unreported};
pub use releases::releases;
pub use status::status;
pub use story::{Ended, Story, Told};
pub use summary::summary;

/// Longest line of text from outside, in characters.
const LINE: usize = 500;
