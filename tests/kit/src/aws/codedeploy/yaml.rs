//! YAML, as much of it as an AppSpec is written in: block maps and lists, plain and quoted scalars, lists in one line.

use serde_json::{Map, Value, json};

/// A line that is not empty: how far it is indented, and what follows.
struct Line {
    indent: usize,
    text: String,
}

/// Reads a document; none where it is not of the subset.
pub(super) fn read(text: &str) -> Option<Value> {
    let mut lines: Vec<Line> = text.lines().map(line).collect::<Option<Vec<_>>>()?;
    lines.retain(|line| !line.text.is_empty() && line.text != "---");
    let first = lines.first()?.indent;
    let mut at = 0;
    let value = block(&mut lines, &mut at, first)?;
    (at == lines.len()).then_some(value)
}

fn line(text: &str) -> Option<Line> {
    let content = text.trim_start_matches(' ');
    if content.starts_with('\t') {
        return None;
    }
    Some(Line { indent: text.len() - content.len(), text: without_comment(content).trim_end().to_owned() })
}

/// Cuts a comment off: a `#` at the beginning or after a space, outside of quotes.
fn without_comment(text: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '#') if before == ' ' => return &text[..at],
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), letter) if letter == open => quote = None,
            _ => {}
        }
        before = letter;
    }
    text
}

/// Everything that is indented like the line at `at`.
fn block(lines: &mut [Line], at: &mut usize, indent: usize) -> Option<Value> {
    let first = lines.get(*at)?;
    if is_item(&first.text) { items(lines, at, indent) } else { members(lines, at, indent) }
}

fn items(lines: &mut [Line], at: &mut usize, indent: usize) -> Option<Value> {
    let mut items = Vec::new();
    while let Some(line) = lines.get_mut(*at).filter(|line| line.indent == indent && is_item(&line.text)) {
        let rest = line.text.strip_prefix('-')?;
        let content = rest.trim_start().to_owned();
        if content.is_empty() {
            *at += 1;
            items.push(nested(lines, at, indent)?);
        } else if is_member(&content) {
            // The item is a map whose first member stands behind the dash.
            line.indent += 1 + rest.len() - content.len();
            line.text = content;
            let inner = line.indent;
            items.push(members(lines, at, inner)?);
        } else {
            *at += 1;
            items.push(scalar(&content)?);
        }
    }
    Some(items.into())
}

fn members(lines: &mut [Line], at: &mut usize, indent: usize) -> Option<Value> {
    let mut members = Map::new();
    while let Some(line) = lines.get(*at).filter(|line| line.indent == indent) {
        let (name, rest) = split(&line.text)?;
        *at += 1;
        let value = if rest.is_empty() { nested(lines, at, indent)? } else { scalar(&rest)? };
        if members.insert(name, value).is_some() {
            return None;
        }
    }
    match lines.get(*at) {
        Some(line) if line.indent > indent => None,
        _ => Some(members.into()),
    }
}

/// What stands below a name or a dash: a deeper block, a list at the same depth, or nothing.
fn nested(lines: &mut [Line], at: &mut usize, indent: usize) -> Option<Value> {
    match lines.get(*at) {
        Some(line) if line.indent > indent => {
            let inner = line.indent;
            block(lines, at, inner)
        }
        Some(line) if line.indent == indent && is_item(&line.text) => items(lines, at, indent),
        _ => Some(Value::Null),
    }
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

fn is_member(text: &str) -> bool {
    !text.starts_with('[') && split(text).is_some()
}

/// A member's name and what follows the colon.
fn split(text: &str) -> Option<(String, String)> {
    if let Some(quote) = text.chars().next().filter(|first| "\"'".contains(*first)) {
        let (name, rest) = text[1..].split_once(quote)?;
        return Some((name.to_owned(), rest.strip_prefix(':')?.trim().to_owned()));
    }
    let (name, rest) = text.split_once(": ").or_else(|| text.strip_suffix(':').map(|name| (name, "")))?;
    Some((name.trim().to_owned(), rest.trim().to_owned()))
}

fn scalar(text: &str) -> Option<Value> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?.trim();
        let parts = inner.split(',').map(str::trim).filter(|_| !inner.is_empty());
        return parts.map(scalar).collect::<Option<Vec<_>>>().map(Value::from);
    }
    if text.starts_with('"') {
        return serde_json::from_str(text).ok().filter(Value::is_string);
    }
    if let Some(inner) = text.strip_prefix('\'') {
        return inner.strip_suffix('\'').map(|inner| json!(inner.replace("''", "'")));
    }
    if text.starts_with(['{', '&', '*', '|', '>', '!', '%', '@', '`']) {
        return None;
    }
    Some(match text {
        "true" | "True" | "TRUE" => json!(true),
        "false" | "False" | "FALSE" => json!(false),
        "null" | "Null" | "NULL" | "~" => Value::Null,
        other => match other.parse::<i64>() {
            Ok(number) => json!(number),
            Err(_) => other.parse::<f64>().map_or_else(|_| json!(other), |number| json!(number)),
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;

    #[test]
    fn what_an_appspec_is_written_in() {
        let text = "\
# who serves
version: 0.0
Resources:
  - TargetService:
      Type: AWS::ECS::Service
      Properties:
        TaskDefinition: \"arn:aws:ecs:eu-west-1:111122223333:task-definition/web:2\" # the new one
        LoadBalancerInfo:
          ContainerName: 'web'
          ContainerPort: 8080
        NetworkConfiguration:
          AwsvpcConfiguration:
            Subnets: [\"subnet-1\", subnet-2]
            SecurityGroups:
            - sg-1
            AssignPublicIp: DISABLED
Hooks:
- BeforeInstall: check
- AfterInstall: \"arn:aws:lambda:eu-west-1:111122223333:function:check\"
";
        let expected = json!({
            "version": 0.0,
            "Resources": [{"TargetService": {
                "Type": "AWS::ECS::Service",
                "Properties": {
                    "TaskDefinition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/web:2",
                    "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 8080},
                    "NetworkConfiguration": {"AwsvpcConfiguration": {
                        "Subnets": ["subnet-1", "subnet-2"],
                        "SecurityGroups": ["sg-1"],
                        "AssignPublicIp": "DISABLED",
                    }},
                },
            }}],
            "Hooks": [
                {"BeforeInstall": "check"},
                {"AfterInstall": "arn:aws:lambda:eu-west-1:111122223333:function:check"},
            ],
        });
        assert_eq!(read(text), Some(expected));
    }

    #[test]
    fn what_is_no_document() {
        for text in ["", "a: 1\n  b: 2", "a: 1\n\tb: 2", "a: [1, 2", "a: 1\na: 2", "just words", "a: {b: 1}", "a: \"b"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
