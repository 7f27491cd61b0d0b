//! What is read of AWS's answers, under the names of the service models (`ecs` 2014-11-13, `codedeploy` 2014-10-06).
//!
//! Only members that something rests on. Readers ignore what they do not know, take a missing member for its default, and
//! keep words that a newer service may say as texts.

pub mod codedeploy;
pub mod ecs;
