//! What README and templates show of workflows fits the action: inputs, outputs, permissions.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

fn read(path: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

fn parsed(text: &str) -> Value {
    serde_saphyr::from_str(text).expect(text)
}

/// Names of `inputs` or `outputs`, in their order.
fn names(action: &str, member: &str) -> Vec<String> {
    let inside = action.lines().skip_while(|line| *line != format!("{member}:")).skip(1);
    let inside = inside.take_while(|line| line.is_empty() || line.starts_with(' '));
    let keys = inside.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    keys.map(|line| line.trim().trim_end_matches(':').to_owned()).collect()
}

/// First cells of the table below a heading.
fn listed(readme: &str, heading: &str) -> Vec<String> {
    let section = readme.split(&format!("\n{heading}\n")).nth(1).expect(heading);
    let section = section.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned())).collect()
}

/// The YAML that the README shows.
fn examples() -> Vec<String> {
    let readme = read("README.md");
    let blocks = readme.split("\n```yaml\n").skip(1);
    blocks.filter_map(|block| Some(format!("{}\n", block.split_once("\n```")?.0))).collect()
}

/// All that people copy, with where it is.
fn workflows() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("workflows-templates");
    let files = fs::read_dir(folder).expect("the templates").map(|entry| entry.expect("an entry").path());
    let mut all: Vec<(String, String)> =
        files.map(|file| (file.display().to_string(), fs::read_to_string(&file).expect("a template"))).collect();
    assert!(all.len() >= 2, "{all:?}");
    all.extend(
        examples().into_iter().filter(|text| text.contains("\njobs:")).map(|text| ("README.md".to_owned(), text)),
    );
    assert!(all.iter().any(|(from, _)| from == "README.md"), "it shows none");
    all
}

#[test]
fn the_tables_are_those_of_the_action() {
    let (action, readme) = (read("action.yml"), read("README.md"));
    assert_eq!(listed(&readme, "### Inputs"), names(&action, "inputs"));
    assert_eq!(listed(&readme, "### Outputs"), names(&action, "outputs"));
}

#[test]
fn every_example_of_a_configuration_is_valid() {
    let examples: Vec<String> = examples().into_iter().filter(|text| text.starts_with("app:")).collect();
    assert!(examples.len() >= 2, "{examples:?}");
    for text in examples {
        deploy_action::config::parse("README.md", &text).expect("valid");
    }
}

#[test]
fn a_workflow_checks_out_then_uses_the_action_with_inputs_that_exist() {
    let inputs = names(&read("action.yml"), "inputs");
    for (from, text) in workflows() {
        let workflow = parsed(&text);
        let jobs = workflow["jobs"].as_object().expect("jobs");
        for job in jobs.values() {
            let steps = job["steps"].as_array().expect("steps");
            let uses = |step: &Value| step["uses"].as_str().unwrap_or_default().to_owned();
            assert!(uses(&steps[0]).starts_with("actions/checkout@"), "{from}: {steps:?}");
            let step = steps.iter().find(|step| uses(step) == "badgery/deploy-action@v1").expect("the action");
            for input in step["with"].as_object().expect("inputs").keys() {
                assert!(inputs.contains(input), "{from}: no input `{input}`");
            }
        }
    }
}

#[test]
fn a_workflow_may_do_nothing_but_what_a_job_names_and_runs_once_at_a_time() {
    for (from, text) in workflows() {
        let workflow = parsed(&text);
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{from}");
        assert!(workflow["concurrency"]["group"].is_string(), "{from}");
        for job in workflow["jobs"].as_object().expect("jobs").values() {
            let permissions = job["permissions"].as_object().expect("permissions");
            for (name, right) in permissions {
                let line = format!("{name}: {} # ", right.as_str().unwrap_or_default());
                assert!(text.contains(&line), "{from}: `{name}` says no reason");
            }
        }
        let above: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(from == "README.md" || above.len() >= 4, "{from}: no paragraph says what it may do and why");
    }
}
