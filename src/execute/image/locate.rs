//! Which line of the Dockerfile a failed build is about.

/// Line of the instruction, from 1; `None` where the error is about none of them, or where it cannot be told.
///
/// `error` is what the engine said, `step` the failed step as BuildKit names it (`[2/3] RUN make`). Engines before 23 give
/// no position but that of a syntax error.
pub(super) fn line(dockerfile: &str, error: &str, step: Option<&str>) -> Option<u64> {
    syntax(error).or_else(|| {
        let step = step?;
        let (head, text) = match step.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
            Some((head, text)) => (head, text),
            None => ("", step),
        };
        let instructions = instructions(dockerfile);
        if head == "internal" {
            return base(&instructions, text);
        }
        let wanted = normal(text);
        let keyword = wanted.split(' ').next()?.to_owned();
        let same = |text: &str| text.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(&keyword));
        if let Some((line, _)) = instructions.iter().find(|(_, text)| *text == wanted) {
            return Some(*line);
        }
        let candidates: Vec<_> = instructions.iter().filter(|(_, text)| same(text)).collect();
        // Variables are replaced in the step's name: what begins alike for longest is what it came from.
        let alike = |text: &str| text.chars().zip(wanted.chars()).take_while(|(a, b)| a == b).count();
        let best = candidates.iter().map(|(_, text)| alike(text)).max()?;
        let mut best = candidates.iter().filter(|(_, text)| alike(text) == best);
        match (best.next(), best.next()) {
            (Some((line, _)), None) => Some(*line),
            _ => None,
        }
    })
}

/// `… parse error line 3: …`, `… parse error on line 3: …`
fn syntax(error: &str) -> Option<u64> {
    let rest = error.split_once("parse error")?.1;
    let rest = rest.trim_start().strip_prefix("on ").unwrap_or(rest.trim_start()).strip_prefix("line ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The `FROM` of an image that could not be had: `load metadata for docker.io/library/nginx:1`.
fn base(instructions: &[(u64, String)], text: &str) -> Option<u64> {
    let image = text.strip_prefix("load metadata for ")?;
    let short = image.trim_start_matches("docker.io/").trim_start_matches("library/");
    let short = short.strip_suffix(":latest").unwrap_or(short);
    let named = |text: &&(u64, String)| {
        let mut words = text.1.split(' ').filter(|word| !word.starts_with("--"));
        let from = words.next().is_some_and(|word| word.eq_ignore_ascii_case("from"));
        from && words
            .next()
            .is_some_and(|word| word == image || word.trim_start_matches("docker.io/").starts_with(short))
    };
    instructions.iter().find(named).map(|(line, _)| *line)
}

/// Each instruction with the line on which it begins, continuation lines joined.
fn instructions(dockerfile: &str) -> Vec<(u64, String)> {
    let escape =
        if dockerfile.lines().next().is_some_and(|line| line.replace(' ', "") == "#escape=`") { '`' } else { '\\' };
    let mut found: Vec<(u64, String)> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(dockerfile.lines()) {
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (text, goes_on) = text.strip_suffix(escape).map_or((text, false), |text| (text, true));
        match found.last_mut() {
            Some((_, whole)) if open => *whole = normal(&format!("{whole} {text}")),
            _ => found.push((number, normal(text))),
        }
        open = goes_on;
    }
    found
}

fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    const DOCKERFILE: &str = "# syntax of a comment\nFROM busybox:1 AS build\nARG V\nRUN true && \\\n    # inside\n    \
                              make   all\nCOPY missing /\nCOPY $V/bin /bin\nRUN true\nFROM nginx\nFROM other.example/x:2\n";

    #[test]
    fn the_failed_line_is_found() {
        for (error, step, line) in [
            ("dockerfile parse error line 3: unknown instruction: FOO", None, Some(3)),
            ("dockerfile parse error on line 12: x", None, Some(12)),
            ("exit code: 2", Some("[build 2/4] RUN true && make   all"), Some(4)),
            ("exit code: 2", Some("[build 4/4] RUN true"), Some(9)),
            ("not found", Some("[3/4] COPY missing /"), Some(7)),
            ("not found", Some("[3/4] COPY 1.2/bin /bin"), None),
            ("not found", Some("[internal] load metadata for docker.io/library/nginx:latest"), Some(10)),
            ("not found", Some("[internal] load metadata for docker.io/library/busybox:1"), Some(2)),
            ("denied", Some("[internal] load metadata for other.example/x:2"), Some(11)),
            ("target stage nope could not be found", None, None),
            ("x", Some("exporting to image"), None),
            ("parse error line x", Some("["), None),
        ] {
            assert_eq!(super::line(DOCKERFILE, error, step), line, "{error} {step:?}");
        }
    }
}
