//! `tests/README.md` names tests that exist, and there are as many examples of bad input as it promises.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Ids and the names in their second cells.
fn rows() -> Vec<(String, Vec<String>)> {
    let page = read(&root().join("tests/README.md"));
    let is_id =
        |cell: &str| cell.len() == 5 && cell.as_bytes()[2] == b'-' && cell[..2].bytes().all(|b| b.is_ascii_uppercase());
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let id = cells.next().filter(|cell| is_id(cell))?.to_owned();
        let names = cells
            .next()
            .filter(|cell| cell.starts_with('`'))?
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        Some((id, names))
    };
    page.lines().filter_map(row).collect()
}

/// The file of a module: `a::b` is `a/b.rs`, `a/b/mod.rs`, or written within the file of `a`.
fn source(crate_name: &str, modules: &[&str]) -> Option<PathBuf> {
    let (mut file, mut folder) = match crate_name {
        "deploy_action" => (root().join("src/lib.rs"), root().join("src")),
        "it" => (root().join("tests/it/main.rs"), root().join("tests/it")),
        "kit" => (root().join("tests/kit/src/lib.rs"), root().join("tests/kit/src")),
        "app" | "bed" => (root().join(format!("tests/kit/tests/{crate_name}.rs")), PathBuf::new()),
        "architecture" | "readme" | "workflows" | "scorecard" => {
            (root().join(format!("tests/{crate_name}.rs")), PathBuf::new())
        }
        _ => return None,
    };
    for module in modules {
        folder = folder.join(module);
        let flat = folder.with_extension("rs");
        let inner = folder.join("mod.rs");
        match [flat, inner].into_iter().find(|file| file.is_file()) {
            Some(found) => file = found,
            // A module within the file, for example `tests`.
            None if read(&file).contains(&format!("mod {module} {{")) => {}
            None => return None,
        }
    }
    Some(file)
}

fn exists(name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let (Some((crate_name, rest)), Some(test)) = (parts.split_first(), parts.last()) else { return false };
    if *crate_name == "ci" {
        return read(&root().join(".ci/run")).lines().any(|line| line.starts_with("check ") && line.contains(test));
    }
    let modules = &rest[..rest.len().saturating_sub(1)];
    // A macro may write the function around the name.
    let named = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == *test);
    source(crate_name, modules).is_some_and(|file| named(&read(&file)))
}

/// As many ids as each group has; those that no test holds are told with the reason.
#[test]
fn no_id_is_left_out() {
    let page = read(&root().join("tests/README.md"));
    let first_cells: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).collect();
    let named: Vec<&str> = first_cells.iter().flat_map(|cell| cell.split(' ')).collect();
    for (group, count) in [("IN", 12), ("FX", 12), ("CR", 10), ("LD", 4), ("AU", 19), ("AG", 13), ("SC", 7)] {
        for number in 1..=count {
            let id = format!("{group}-{number:02}");
            let times = named.iter().filter(|name| **name == id).count();
            assert_eq!(times, 1, "{id} is in neither table, or twice");
        }
    }
}

#[test]
fn every_test_of_the_table_exists() {
    let rows = rows();
    assert!(rows.len() > 30, "the table was not found");
    for (id, names) in &rows {
        assert!(rows.iter().filter(|(other, _)| other == id).count() == 1, "{id} is there twice");
        for name in names {
            assert!(exists(name), "{id}: there is no test `{name}`");
        }
    }
    assert!(!exists("it::hostile::files::nothing_of_the_kind") && !exists("it::nowhere::x") && !exists("ci::nothing"));
}

/// The snapshots below a folder whose names begin so.
fn snapshots(folder: &str, begin: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).expect(folder).flatten();
    let names = entries
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin)));
    // What stands above the second `---` is about the test.
    let body = |path: PathBuf| read(&path).splitn(3, "---\n").nth(2).unwrap_or_default().to_owned();
    names.map(body).collect()
}

/// True where a line begins `file:line:column: `.
fn has_place(text: &str, file: &str) -> bool {
    text.lines().filter_map(|line| line.strip_prefix(file)?.strip_prefix(':')).any(|rest| {
        let mut parts = rest.splitn(3, ':');
        let number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok());
        number(parts.next()) && number(parts.next()) && parts.next().is_some_and(|rest| rest.starts_with(' '))
    })
}

#[test]
fn bad_configurations_are_told_with_line_and_column() {
    let with_place = |folder: &str, begin: &str, file: &str| {
        snapshots(folder, begin).iter().filter(|text| has_place(text, file)).count()
    };
    let deploy = with_place("src/config/snapshots", "deploy_action__config__", "deploy.yml");
    let agent = with_place("src/agent/config/snapshots", "deploy_action__agent__config__", "agent.yml");
    assert!(deploy >= 25 && agent >= 25, "{deploy} of deploy.yml, {agent} of agent.yml");
}

#[test]
fn bad_inputs_and_requests_are_told_with_what_to_do() {
    let inputs = snapshots("tests/it/action/snapshots", "it__action__inputs__mistakes_are_told");
    let told = |section: &&str| section.contains("\nerror: ") && section.contains("  hint: ");
    let inputs: usize = inputs.iter().map(|text| text.split("=== ").filter(told).count()).sum();
    let requests = snapshots("tests/it/bad_input/snapshots", "it__bad_input__requests__requests");
    let told = |section: &&str| section.contains("\"code\": ") && section.contains("\"hint\": ");
    let requests: usize = requests.iter().map(|text| text.split("## ").filter(told).count()).sum();
    assert!(inputs >= 10 && requests >= 15, "{inputs} inputs, {requests} requests");
}
