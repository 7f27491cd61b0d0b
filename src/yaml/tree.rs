//! YAML text to a tree in which every key and value knows where it stands.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{self as granit, Event, Parser, ScalarStyle};

use super::problem::{Problem, Span};
use super::syntax;

/// Largest file in bytes.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// Most nodes after aliases are replaced by what they stand for. The files that people write have some hundred.
const MAX_NODES: usize = 10_000;
/// Deepest nesting. The deepest place of either file is at 5.
const MAX_DEPTH: usize = 32;

/// A value.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// The value's place; a mapping or list in block style begins at its first entry.
    pub(super) at: Span,
    pub(super) value: Value,
    /// How many nodes there are in it, itself included.
    size: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Nothing at all, `~` or `null`.
    Nothing,
    /// A text, exactly as written but for quotes and escapes.
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_at: Span,
    pub(super) node: Node,
}

/// A list or mapping that has begun.
struct Open {
    at: Span,
    anchor: usize,
    what: Container,
    size: usize,
}

enum Container {
    List(Vec<Node>),
    /// With the key that waits for its value; `None` inside where the key is unusable and its value is dropped.
    Map(Vec<Entry>, Option<Option<(String, Span)>>),
}

struct Builder<'p> {
    problems: &'p mut Vec<Problem>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

/// Reads the one document of `text`. `None` where it has no content, or could not be read (then a problem says why).
pub(super) fn parse(text: &str, problems: &mut Vec<Problem>) -> Option<Node> {
    let mut options = granit::Options::default();
    options.disallow_directives = true;
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder { problems, open: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None };
    let mut documents = 0;
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                builder.problems.push(syntax::problem(&error, text));
                return None;
            }
        };
        let at = place(span);
        if let Event::DocumentStart(..) = event {
            documents += 1;
            if documents > 1 {
                builder.say(at, "a second document begins here: this file holds one", "remove `---` and what follows");
                return builder.root;
            }
        }
        if !builder.take(event, at) {
            return None;
        }
    }
    builder.root
}

fn place(span: granit::Span) -> Span {
    let (start, end) = (span.start, span.end);
    let width = if start.line() == end.line() { end.col().saturating_sub(start.col()) } else { 1 };
    Span { line: start.line().max(1), column: start.col() + 1, width: width.max(1) }
}

impl Builder<'_> {
    fn say(&mut self, at: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem { at, message: message.into(), hint: Some(hint.into()), hidden: false });
    }

    /// False where reading ends here.
    fn take(&mut self, event: Event<'_>, at: Span) -> bool {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), at);
                let nothing = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                let value = if nothing { Value::Nothing } else { Value::Text(text.into_owned()) };
                self.place_node(Node { at, value, size: 1 }, anchor)
            }
            Event::Alias(id) => match self.anchors.get(&id).cloned() {
                Some(node) => self.place_node(node, 0),
                None => {
                    self.say(at, "this alias stands for a value that it is part of", "write the value out");
                    false
                }
            },
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), at);
                self.begin(at, anchor, Container::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), at);
                self.begin(at, anchor, Container::Map(Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { at, anchor, what, size }) = self.open.pop() else { return true };
                let value = match what {
                    Container::List(items) => Value::List(items),
                    Container::Map(entries, _) => Value::Map(entries),
                };
                // The nodes inside were counted as they came.
                self.nodes -= size;
                self.place_node(Node { at, value, size: size + 1 }, anchor)
            }
            _ => true,
        }
    }

    fn refuse_tag(&mut self, tagged: bool, at: Span) {
        if tagged {
            self.say(at, "tags such as `!!str` or `!x` are not supported", "remove the tag; put a text in quotes");
        }
    }

    fn begin(&mut self, at: Span, anchor: usize, what: Container) -> bool {
        let at = Span { width: 1, ..at };
        if self.open.len() >= MAX_DEPTH {
            self.say(at, format!("this is nested deeper than {MAX_DEPTH} levels"), "check the indentation");
            return false;
        }
        self.open.push(Open { at, anchor, what, size: 0 });
        true
    }

    /// Puts a finished node where it belongs.
    fn place_node(&mut self, node: Node, anchor: usize) -> bool {
        self.nodes += node.size;
        if self.nodes > MAX_NODES {
            self.say(
                node.at,
                format!(
                    "the file holds more than {MAX_NODES} values once its aliases are replaced by what they stand for"
                ),
                "write fewer values or fewer aliases",
            );
            return false;
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return true;
        };
        open.size += node.size;
        match &mut open.what {
            Container::List(items) => items.push(node),
            Container::Map(_, waiting @ None) => {
                *waiting = Some(None);
                if let Some(key) = self.key(node) {
                    if let Some(Open { what: Container::Map(_, waiting), .. }) = self.open.last_mut() {
                        *waiting = Some(Some(key));
                    }
                }
            }
            Container::Map(entries, waiting) => {
                if let Some((key, key_at)) = waiting.take().flatten() {
                    entries.push(Entry { key, key_at, node });
                }
            }
        }
        true
    }

    /// The key, unless it cannot be one (then its value is read and dropped).
    fn key(&mut self, node: Node) -> Option<(String, Span)> {
        let key = match node.value {
            Value::Text(text) => text,
            Value::Nothing => {
                self.say(node.at, "this key has no name", "write a name before the `:`");
                return None;
            }
            Value::List(_) | Value::Map(_) => {
                self.say(node.at, "a list or a mapping stands where a key is expected", "write a name before the `:`");
                return None;
            }
        };
        if key == "<<" {
            self.say(node.at, "merge keys (`<<`) are not supported", "write the keys out");
            return None;
        }
        let Some(Open { what: Container::Map(entries, _), .. }) = self.open.last() else { return None };
        let Some(first) = entries.iter().find(|entry| entry.key == key).map(|entry| entry.key_at.line) else {
            return Some((key, node.at));
        };
        self.say(node.at, format!("`{key}` is given twice here: first in line {first}"), "remove one of the two");
        None
    }
}
