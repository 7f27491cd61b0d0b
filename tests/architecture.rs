//! Who may import whom: the table of `.github/ARCHITECTURE.md`, enforced over `src/`. A folder that does not exist yet is fine.

use std::fs;
use std::path::{Path, PathBuf};

/// One row: a top-level module and what it must not touch.
struct Row {
    module: &'static str,
    imports: Imports,
    /// Texts that must not occur: other crates, effects.
    words: &'static [&'static str],
}

/// Which other top-level modules a module may name.
enum Imports {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

use Imports::{AllBut, Only};

const SDKS: &[&str] = &["aws_sdk", "aws_config", "octocrab", "bollard"];
const EFFECTS: &[&str] =
    &["tokio", "std::env", "std::fs", "std::process", "TcpStream", "ToSocketAddrs", "Timestamp::now", "Instant::now"];

const TABLE: &[Row] = &[
    Row { module: "domain", imports: Only(&[]), words: EFFECTS },
    Row { module: "event", imports: Only(&["domain"]), words: EFFECTS },
    Row { module: "agent_api", imports: Only(&["domain", "event"]), words: EFFECTS },
    Row { module: "aws_api", imports: Only(&["domain"]), words: EFFECTS },
    Row { module: "yaml", imports: Only(&[]), words: EFFECTS },
    Row { module: "signing", imports: Only(&["agent_api", "domain"]), words: EFFECTS },
    Row { module: "failure", imports: Only(&["domain"]), words: EFFECTS },
    Row { module: "cli", imports: Only(&["domain"]), words: EFFECTS },
    // The one place that reads the environment.
    Row { module: "env", imports: AllBut(&["clients", "agent", "execute", "app"]), words: &["tokio"] },
    Row { module: "trigger", imports: Only(&["agent_api", "cli", "domain", "failure", "plan"]), words: EFFECTS },
    Row { module: "config", imports: Only(&["domain", "yaml"]), words: EFFECTS },
    Row {
        module: "plan",
        imports: AllBut(&["clients", "observe", "execute", "report", "agent", "app", "env", "cli", "trigger"]),
        words: EFFECTS,
    },
    Row { module: "observe", imports: AllBut(&["execute", "report", "agent", "app"]), words: SDKS },
    Row {
        module: "execute",
        imports: AllBut(&["config", "trigger", "report", "observe", "agent", "app", "cli", "env"]),
        words: SDKS,
    },
    Row {
        module: "clients",
        imports: AllBut(&["plan", "config", "report", "execute", "observe", "agent", "app"]),
        words: &[],
    },
    // `report/publish.rs` tells GitHub; nothing else of it needs a client.
    Row { module: "report", imports: AllBut(&["execute", "observe", "agent", "app"]), words: SDKS },
    Row {
        module: "agent",
        imports: AllBut(&["trigger", "config", "plan", "execute", "report", "observe", "app", "cli"]),
        words: &["aws_sdk", "aws_config", "octocrab"],
    },
    Row { module: "app", imports: AllBut(&[]), words: SDKS },
    Row { module: "main", imports: AllBut(&["plan", "config", "trigger", "observe", "agent", "clients"]), words: SDKS },
];

/// Everything in one file that its row does not allow.
fn violations(file: &str, source: &str) -> Vec<String> {
    let parts: Vec<&str> = file.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").collect();
    let Some(row) = TABLE.iter().find(|row| parts.first() == Some(&row.module)) else {
        return match parts.as_slice() {
            ["lib"] => Vec::new(),
            _ => vec![format!("{file}: it has no row in the table of tests/architecture.rs")],
        };
    };
    let mut found = Vec::new();
    let code = code(source);
    for (line, module) in imports(&code, parts.len()) {
        let good = module == row.module
            || match row.imports {
                Only(list) => list.contains(&module.as_str()),
                AllBut(list) => !list.contains(&module.as_str()),
            };
        if !good {
            found.push(format!("{file}:{line}: `{}` must not import `{module}`", row.module));
        }
    }
    for (number, text) in code.lines().enumerate() {
        for word in row.words.iter().filter(|word| text.contains(**word)) {
            found.push(format!("{file}:{}: `{}` must not use `{word}`", number + 1, row.module));
        }
    }
    found
}

/// The source without comments and without an inline test module; lines stay where they are.
fn code(source: &str) -> String {
    let body = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = body.lines().map(|line| match line.find("//") {
        Some(at) if !line[..at].ends_with(':') => &line[..at],
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Top-level modules that a file names, with the line: after `crate::`, after `deploy_action::`, or after as many
/// `super::` as lead out of its own module.
fn imports(code: &str, depth: usize) -> Vec<(usize, String)> {
    let out = "super::".repeat(depth);
    let mut found = Vec::new();
    for root in ["crate::", "deploy_action::", out.as_str()] {
        for (at, _) in code.match_indices(root) {
            if code[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '(') && root == "crate::" {
                continue; // `pub(in crate::…)` names, it does not import
            }
            let line = code[..at].lines().count().max(1);
            let rest = &code[at + root.len()..];
            found.extend(heads(rest).into_iter().map(|module| (line, module)));
        }
    }
    found
}

/// The first segment of a path, or of every path in braces.
fn heads(rest: &str) -> Vec<String> {
    let word =
        |text: &str| -> String { text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(word(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(word(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|word| !word.is_empty());
    found
}

/// Every source file but tests, which may read golden files and start servers.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() && name != "tests" {
            sources(&path, into);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            into.push(path);
        }
    }
}

#[test]
fn every_file_keeps_to_the_table() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 50, "the sources were not found");
    files.sort();
    let mut found = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&src).expect("below src").to_string_lossy().into_owned();
        found.extend(violations(&name, &fs::read_to_string(file).expect("a readable file")));
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn main_stays_small() {
    let main = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).expect("src/main.rs");
    assert!(main.lines().count() < 60, "src/main.rs has {} lines", main.lines().count());
}

#[test]
fn the_table_is_part_of_the_documentation() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/ARCHITECTURE.md")).expect("page");
    for row in TABLE {
        let cell = [format!("`{}`", row.module), format!("`{}.rs`", row.module), format!("`{}/`", row.module)];
        assert!(cell.iter().any(|cell| page.contains(cell)), "`{}` is not in ARCHITECTURE.md", row.module);
    }
}

#[test]
fn the_checker_sees_what_is_wrong() {
    let plan = violations(
        "plan/vps.rs",
        "//! Must never import clients, tokio or the environment.\nuse crate::domain::Digest;\nuse crate::clients::docker::Engine;\nfn f() { std::env::var(\"X\"); }\n",
    );
    assert_eq!(
        plan,
        ["plan/vps.rs:3: `plan` must not import `clients`", "plan/vps.rs:4: `plan` must not use `std::env`"]
    );
    let grouped = violations("domain/mod.rs", "use crate::{\n    domain::Digest,\n    event::{Phase, Outcome},\n};\n");
    assert_eq!(grouped, ["domain/mod.rs:1: `domain` must not import `event`"]);
    let inline = violations("report/log.rs", "fn f() {\n    crate::execute::run();\n}\n");
    assert_eq!(inline, ["report/log.rs:2: `report` must not import `execute`"]);
    let upwards = violations("execute/agent_swap.rs", "use super::super::report::Out;\nuse super::Context;\n");
    assert_eq!(upwards, ["execute/agent_swap.rs:1: `execute` must not import `report`"]);
    let own = violations("agent/swap/job.rs", "use super::super::app::App;\nuse crate::agent::config::Key;\n");
    assert_eq!(own, [] as [&str; 0], "the agent's own `app` and `config` are not the top-level ones");
    let tests = violations("plan/mod.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n");
    assert_eq!(tests, [] as [&str; 0], "tests may read files");
    assert_eq!(violations("newcomer.rs", ""), ["newcomer.rs: it has no row in the table of tests/architecture.rs"]);
}
