//! Building and pushing with a real engine and a real registry: what comes out, and what a failure says.

pub(crate) mod faulty;
mod full;
mod ignored;
mod push;
mod secrets;
pub(crate) mod shop;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use deploy_action::event::DeployEvent;
use deploy_action::failure::Failure;
use deploy_action::plan::image::{BuildMode, recipe_hash, tag};

use shop::{BASE, Shop};

#[test]
fn a_commit_is_built_pushed_and_then_reused() {
    let mut shop = Shop::open(&format!("FROM {BASE}\nARG WHO\nCOPY hello /\nRUN cat /hello && echo \"for $WHO\"\n"));
    // Another value in each run: nothing of it is in the engine's cache.
    let who = shop.dir.path().display().to_string();
    shop.spec.args.insert("WHO".to_owned(), who.clone());
    let made = shop.make();
    let image = made.result.as_ref().map_err(Failure::render).expect("an image");
    assert!(!made.reused);
    let tag = tag(&Shop::commit(), &shop.spec);
    assert_eq!(image.digest().as_str(), shop.registry.digest("shop/web", &tag).expect("a digest"));
    let lines = made.lines();
    assert!(lines.contains(&format!("  | for {who}\n")) && lines.contains("COPY hello /"), "{lines}");
    assert!(!lines.contains("[internal]"), "{lines}");
    assert!(made.events.contains(&DeployEvent::Pushed { image: image.clone() }));
    let label = shop.machine.docker(&[
        "inspect",
        "--format",
        "{{json .Config.Labels}}",
        &format!("{}:{tag}", shop.repository()),
    ]);
    let told: BTreeMap<String, String> = serde_json::from_str(&label.expect("labels")).expect("labels");
    assert_eq!(told, BTreeMap::from([("recipe".to_owned(), recipe_hash(&shop.spec))]));

    let again = shop.make();
    assert!(again.reused && again.events.is_empty());
    assert_eq!(again.result.as_ref().ok(), Some(image));

    shop.mode = BuildMode::Always;
    let always = shop.make();
    assert!(!always.reused && always.result.is_ok());
}

#[test]
fn a_failing_command_is_found_in_the_dockerfile() {
    let shop = Shop::open(&format!("FROM {BASE}\n\nRUN echo before && \\\n    exit 7\n"));
    let made = shop.make();
    let (line, message) = made.problem();
    assert_eq!(line, Some(3), "{message}");
    assert!(message.contains("exit code: 7"), "{message}");
    assert!(made.lines().contains("  | before\n"), "{}", made.lines());
    assert!(
        made.failure().message.contains("context/Dockerfile:3: the step `[2/2] RUN echo before"),
        "{}",
        made.failure()
    );
}

#[test]
fn a_missing_source_is_found_in_the_dockerfile() {
    let made = Shop::open(&format!("FROM {BASE}\nCOPY hello /\nCOPY nowhere /x\n")).make();
    let (line, message) = made.problem();
    assert_eq!(line, Some(3), "{message}");
    assert!(message.contains("nowhere"), "{message}");
    made.failure();
}

#[test]
fn a_syntax_error_is_found_in_the_dockerfile() {
    let made = Shop::open(&format!("FROM {BASE}\nRUN true\nCOPPY hello /\n")).make();
    let (line, message) = made.problem();
    assert_eq!(line, Some(3), "{message}");
    assert!(message.contains("COPPY"), "{message}");
    made.failure();
}

#[test]
fn an_unknown_target_is_told() {
    let mut shop = Shop::open(&format!("FROM {BASE} AS web\n"));
    shop.spec.target = Some("wep".to_owned());
    let made = shop.make();
    let (line, message) = made.problem();
    assert_eq!(line, None, "{message}");
    assert!(message.contains("wep"), "{message}");
    made.failure();
}

#[test]
fn a_cancelled_build_ends_at_once() {
    let mut shop = Shop::open("");
    let dockerfile = format!("FROM {BASE}\nRUN : {} && /bin/busybox sleep 60\n", shop.dir.path().display());
    fs::write(shop.spec.context.join("Dockerfile"), dockerfile).expect("a file");
    shop.cancel_after = Some(Duration::from_secs(2));
    let start = Instant::now();
    let made = shop.make();
    let failure = made.result.as_ref().expect_err("cancelled");
    assert_eq!(failure.kind.exit_code(), 40, "{}", failure.render());
    assert!(made.lines().contains("sleep 60"), "it was at work: {}", made.lines());
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_huge_context_is_refused_before_anything_is_sent() {
    let shop = Shop::open("FROM scratch\nCOPY hello /\n");
    for (file, gib) in [("data/big", 3), ("cache/a", 1), ("small", 0)] {
        let path = shop.spec.context.join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        // Sparse: it takes no space.
        fs::File::create(path).and_then(|file| file.set_len(gib << 30)).expect("a file");
    }
    let made = shop.make();
    assert_eq!(
        made.failure().message,
        "the build context is 4096 MiB, more than 2048 MiB; \
         most of it is in `data/` (3072 MiB), `cache/` (1024 MiB), `Dockerfile` (0 MiB)"
    );
    assert!(made.events.is_empty(), "nothing was sent");
}

#[test]
fn an_engine_that_is_too_old_is_told() {
    let mut shop = Shop::open("FROM scratch\nCOPY hello /\n");
    shop.engine = Some(format!("tcp://{}", faulty::old_engine()));
    let made = shop.make();
    insta::assert_snapshot!(made.failure().render(), @"
    error: the Docker Engine 19.03.15 (API 1.40) is too old to build images
      hint: use Docker Engine 20.10 or later
      reason: docker_unavailable (exit code 20)
    ");
}

#[test]
fn an_engine_that_is_reached_by_tcp_is_told_when_it_is_gone() {
    let mut shop = Shop::open("FROM scratch\nCOPY hello /\n");
    shop.engine = Some("tcp://127.0.0.1:1".to_owned());
    let made = shop.make();
    let text = made.failure().render();
    assert!(text.contains("the Docker Engine at tcp://127.0.0.1:1 does not answer"), "{text}");
    assert!(text.contains("(`DOCKER_HOST`)"), "{text}");
}
