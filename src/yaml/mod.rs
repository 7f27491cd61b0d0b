//! Reading of the two YAML files that people write, with every problem at its line.
//!
//! Text becomes a tree in which each key and value knows where it stands; a reader walks the tree, collects problems
//! and goes on. No scalar is ever guessed to be a number or a boolean: `no`, `on` and `0123` are texts.
//!
//! Must never import anything else of this crate.

mod problem;
mod reader;
mod syntax;
mod tree;

pub use problem::{Problem, Problems, Span};
pub use reader::{Cursor, Fields, Report, read};
