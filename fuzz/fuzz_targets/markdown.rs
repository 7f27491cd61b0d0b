//! Text from outside in a comment: the comment keeps its blocks, gets no link, no picture and no element, and nobody is
//! mentioned. Held against a parser of GitHub's markdown.
#![no_main]

use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options, parse_document};
use deploy_action::domain::Reason;
use deploy_action::event::{ContainerReport, DeployEvent, Stamped};
use deploy_action::failure::Failure;
use deploy_action::plan::render::{markdown_code, markdown_prose};
use deploy_action::report::{Ended, Ending, Story, comment};
use libfuzzer_sys::fuzz_target;

fn options() -> Options<'static> {
    let mut options = Options::default();
    let extension = &mut options.extension;
    extension.table = true;
    extension.strikethrough = true;
    extension.tasklist = true;
    extension.autolink = true;
    extension.footnotes = true;
    extension.alerts = true;
    extension.math_dollars = true;
    options
}

/// The kinds of all nodes but texts, outermost first, and all text but what is code: GitHub calls nobody in it.
fn shape(markdown: &str) -> (Vec<String>, String) {
    #[derive(Default)]
    struct Shape {
        kinds: Vec<String>,
        text: String,
        in_code: bool,
    }
    fn walk<'a>(node: &'a AstNode<'a>, shape: &mut Shape) {
        let Shape { kinds, text, in_code } = shape;
        match &node.data.borrow().value {
            NodeValue::Text(_) if *in_code => {}
            NodeValue::Text(found) => text.push_str(found),
            NodeValue::SoftBreak => kinds.push("break".to_owned()),
            // Ours: it parts an address and shows nothing.
            NodeValue::HtmlInline(element) if element == "<wbr>" => {}
            NodeValue::HtmlInline(element) => {
                *in_code = (*in_code || element == "<code>") && element != "</code>";
                kinds.push(element.clone());
            }
            NodeValue::HtmlBlock(block) => kinds.push(block.literal.clone()),
            NodeValue::Link(link) => kinds.push(format!("link to {}", link.url)),
            other => kinds.push(other.xml_node_name().to_owned()),
        }
        node.children().for_each(|child| walk(child, shape));
    }
    let arena = Arena::new();
    let root = parse_document(&arena, markdown, &options());
    let mut shape = Shape::default();
    walk(root, &mut shape);
    (shape.kinds, shape.text)
}

fn assert_nobody_is_called(text: &str) {
    for (at, sign) in text.match_indices(['@', '#']) {
        let next = text[at + sign.len()..].chars().next();
        assert!(next.is_none_or(|next| !next.is_alphanumeric()), "{sign}{next:?} in {text:?}");
    }
}

/// A comment about a deployment that failed, with this text wherever one from outside can stand.
fn told(text: &str) -> String {
    let mut story = Story::new(
        "shop".parse().expect("a name"),
        "staging".parse().expect("a name"),
        "web".parse().expect("a name"),
        "c".repeat(40).parse().expect("a commit"),
        "https://github.example/acme/shop/actions/runs/9".to_owned(),
    );
    let container = ContainerReport {
        name: text.to_owned(),
        state: text.to_owned(),
        health: Some(text.to_owned()),
        exit_code: Some(3),
        meaning: Some(text.to_owned()),
        error: Some(text.to_owned()),
        log: vec![text.to_owned(), text.to_owned()],
    };
    let at = "2026-03-01T10:00:00Z".parse().expect("a time");
    story.apply(&Stamped { seq: 1, at, event: DeployEvent::Diagnosis { container } });
    let failure = Failure::new(Reason::NeverHealthy, text.replace(['\n', '\r'], " ")).hint(text);
    story.ended = Some(Ended::of(&Ending { changed: false, nothing_to_do: false, failure: Some(&failure) }));
    comment(&story)
}

fuzz_target!(|text: &str| {
    for (shown, plain) in [(markdown_prose(text), markdown_prose("word")), (markdown_code(text), markdown_code("word"))]
    {
        for frame in
            ["before TEXT after", "TEXT", "| a | b |\n|---|---|\n| TEXT | x |", "<details>\n\nTEXT<br>\n</details>"]
        {
            // An empty text leaves nothing to compare.
            if shown.trim().is_empty() {
                continue;
            }
            let (kinds, said) = shape(&frame.replace("TEXT", &shown));
            let (expected, _) = shape(&frame.replace("TEXT", &plain));
            assert_eq!(kinds, expected, "{shown}");
            assert_nobody_is_called(&said);
        }
    }
    let (kinds, said) = shape(&told(&format!("x{text}")));
    let (expected, _) = shape(&told("word"));
    assert_eq!(kinds, expected, "{text:?}");
    assert_nobody_is_called(&said);
});
