//! Builds and pushes that fail, from a push to what the user sees: exit 20, the line, and the old version serves.

use kit::bed::{AppImage, Registry};
use kit::runner::Told;
use kit::scan::Canaries;
use serde_json::Value;

use super::user::User;
use crate::image::faulty::{Fault, Faulty};
use crate::image::shop::{BASE, base};

/// `bob` / `s3cret`.
const BOB: &str = "bob:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

/// What the agent has, but for the time of asking.
fn agent(user: &User) -> Value {
    let mut state = user.stage.state();
    if let Some(state) = state.as_object_mut() {
        state.remove("at");
    }
    state
}

/// Lets the agent run images of these repositories, too.
fn allow<'a>(user: &mut User, repositories: impl Iterator<Item = &'a str>) {
    let own = user.image();
    let all: Vec<String> = repositories.map(|it| format!("\"{it}\"")).chain([format!("\"{own}\"")]).collect();
    let agent = user.stage.bed.agent().expect("an agent");
    let text = std::fs::read_to_string(agent.config()).expect("reads");
    let allowed = text.replace(&format!("[\"{own}\"]"), &format!("[{}]", all.join(", ")));
    assert_ne!(text, allowed);
    std::fs::write(agent.config(), allowed).expect("writes");
    agent.restart(&[]).expect("starts");
}

#[track_caller]
fn failed(user: &User, before: &Value, told: &Told, what: &str) {
    assert_eq!(told.code, 20, "{what}: {}", told.log());
    assert_eq!(told.output("outcome"), "failed", "{what}: {:?}", told.outputs);
    user.stage.assert_serves("v1");
    assert_eq!(agent(user), *before, "{what}: nothing was asked of the agent");
}

#[test]
fn a_failed_build_is_told_on_its_line() {
    let user = User::new();
    base(&user.stage.bed.machine);
    let before = agent(&user);
    for (dockerfile, target, annotation, sentence) in [
        (
            format!("FROM {BASE}\n\nRUN echo before && \\\n    exit 7\n"),
            None,
            "file=web/Dockerfile,line=3,",
            "web/Dockerfile:3: the step `[2/2] RUN echo before",
        ),
        (
            format!("FROM {BASE}\nCOPY nowhere /x\n"),
            None,
            "file=web/Dockerfile,line=2,",
            "the file is not in the build context",
        ),
        (
            format!("FROM {BASE}\nRUN true\n\nCOPPY hello /\n"),
            None,
            "file=web/Dockerfile,line=4,",
            "correct the Dockerfile there",
        ),
        (format!("FROM {BASE} AS web\n"), Some("wep"), "file=web/Dockerfile,", "the input `target` has to be the name"),
        (format!("FROM {BASE}\nRUN echo x > /dev/full\n"), None, "file=web/Dockerfile,line=2,", "a disk is full"),
    ] {
        user.repository.write("web/Dockerfile", &dockerfile).expect("writes");
        let sha = user.repository.commit("broken").expect("commits");
        let inputs = [Some(("context", "web")), target.map(|target| ("target", target))];
        let told = user.push(&sha, &Vec::from_iter(inputs.into_iter().flatten()));
        failed(&user, &before, &told, &dockerfile);
        let annotations: Vec<&str> = told.stdout.lines().filter(|line| line.starts_with("::error file=")).collect();
        let [only] = annotations[..] else { panic!("{dockerfile}: {annotations:?}\n{}", told.log()) };
        assert!(only.starts_with(&format!("::error {annotation}title=")), "{dockerfile}: {only}");
        assert!(told.log().contains(sentence), "{dockerfile}: {}", told.log());
    }
}

/// Minutes go into a build, and what it pushes stays in the registry.
#[test]
fn what_no_image_would_change_is_told_before_it_is_built() {
    let user = User::new();
    let sha = user.version("v2");
    let before = agent(&user);
    let image = user.image().replace("/hello", "/other");
    for event in ["push", "pull_request"] {
        let payload = if event == "push" { super::user::push(&sha) } else { super::user::pull_request(&sha) };
        let told = user.run(&mut user.job(event, &payload, &sha), &[("image", &image)]);
        assert_eq!((told.code, told.output("outcome")), (11, "failed"), "{event}: {}", told.log());
        let sentence = format!("image_not_allowed: the agent does not run images of `{image}`");
        assert!(told.log().contains(&sentence) && told.summary.contains("Blocked: nothing will be done"), "{event}");
        assert_eq!(agent(&user), before, "{event}: nothing was asked of the agent");
    }
    user.stage.assert_serves("v1");
    let names = user.stage.bed.machine.docker(&["images", "--quiet", &image]).expect("docker");
    assert_eq!(names, "", "nothing was built");
    let comments = user.github.comments(7);
    assert!(comments[0].1.contains("add the repository to &#96;apps."), "{}", comments[0].1);
}

#[test]
fn a_context_by_accident_is_refused_at_once() {
    let user = User::new();
    let sha = user.version("v2");
    let before = agent(&user);
    let data = user.repository.dir().join("data");
    std::fs::create_dir(&data).expect("a folder");
    // Sparse: it takes no space.
    std::fs::File::create(data.join("dump")).and_then(|file| file.set_len(3 << 30)).expect("a file");
    let told = user.push(&sha, &[]);
    failed(&user, &before, &told, "a huge context");
    assert!(told.log().contains("more than 2048 MiB; most of it is in `data/` (3072 MiB)"), "{}", told.log());
}

#[test]
fn a_registry_that_does_not_take_the_image_is_told() {
    let mut user = User::new();
    let sha = user.version("v2");
    let (bed, open) = (&user.stage.bed, user.stage.bed.registry.address());
    let private = Registry::private(&bed.machine, bed.dir(), BOB).expect("a registry");
    let denied = Faulty::before(open, Fault::Denied { method: "PUT" });
    let other = Faulty::before(open, Fault::OtherDigest);
    let (private, wrong) = (private.repository("hello"), ("registry-password", "wrong"));
    let bob = ("registry-username", "bob");
    let cases = [
        ("127.0.0.1:1/hello".to_owned(), vec![], "the registry `127.0.0.1:1` cannot be reached"),
        (private.clone(), vec![], "wants a login for"),
        (private, vec![bob, wrong], "refuses the login for"),
        (format!("{}/hello", denied.address), vec![], "wants a login for"),
        (format!("{}/hello", other.address), vec![("build", "always")], " was pushed"),
    ];
    allow(&mut user, cases.iter().map(|(image, ..)| image.as_str()));
    let (before, bed) = (agent(&user), &user.stage.bed);
    for (image, more, sentence) in cases {
        let inputs = [&[("image", image.as_str())], &more[..]].concat();
        let mut job = user.job("push", &super::user::push(&sha), &sha);
        let told = user.run(&mut job, &inputs);
        failed(&user, &before, &told, &image);
        assert!(told.log().contains(sentence), "{image}: {}", told.log());
        let names = bed.machine.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", &image]).expect("docker");
        for name in names.lines() {
            bed.machine.docker(&["rmi", name]).expect("removed");
        }
    }
}

#[test]
fn a_changed_checkout_is_built_each_time_and_never_as_the_commit() {
    let user = User::new();
    let sha = user.version("v2");
    AppImage::version("v3").write(&user.stage.bed.machine, user.repository.dir()).expect("writes");
    let changed = user.push(&sha, &[]);
    assert_eq!(changed.code, 0, "{}", changed.log());
    assert!(
        changed.log().contains("not as in the commit: `Dockerfile`; the image gets a tag of its own"),
        "{}",
        changed.log()
    );
    user.stage.assert_serves("v3");
    let (machine, image) = (&user.stage.bed.machine, user.image());
    let labels = machine.docker(&["image", "inspect", "--format", "{{json .Config.Labels}}", changed.output("image")]);
    let labels = labels.expect("labels");
    assert!(!labels.contains("image.revision") && labels.contains("image.source"), "{labels}");
    let tags = || {
        let listed = machine.docker(&["images", "--format", "{{.Tag}}", &image]).expect("docker");
        Vec::from_iter(listed.lines().filter(|tag| *tag != "<none>").map(str::to_owned))
    };
    assert!(tags().iter().any(|tag| tag.starts_with("dirty-")), "{:?}", tags());
    assert!(!tags().iter().any(|tag| tag.starts_with(&sha)), "{:?}", tags());

    AppImage::version("v2").write(machine, user.repository.dir()).expect("writes");
    let clean = user.push(&sha, &[]);
    assert_eq!(clean.code, 0, "{}", clean.log());
    user.stage.assert_serves("v2");
    assert!(tags().iter().any(|tag| tag.starts_with(&sha)), "{:?}", tags());
}

#[test]
fn a_build_with_secrets_is_deployed_and_keeps_none() {
    let user = User::new();
    let machine = &user.stage.bed.machine;
    base(machine);
    AppImage::version("v2").write(machine, user.repository.dir()).expect("writes");
    let dockerfile = std::fs::read_to_string(user.repository.dir().join("Dockerfile")).expect("reads");
    // Another step in each run: the engine remembers what it ran.
    let salt = user.stage.bed.name();
    // A stage that reads the secret, and prints it by mistake.
    let dockerfile = dockerfile.replace(
        "FROM scratch\n",
        &format!(
            "FROM {BASE} AS made\nRUN --mount=type=secret,id=npm,required busybox sha256sum /run/secrets/npm > /made \
             && cat /run/secrets/npm && : {salt}\nFROM scratch\nCOPY --from=made /made /made\n"
        ),
    );
    user.repository.write("Dockerfile", &dockerfile).expect("writes");
    let sha = user.repository.commit("v2").expect("commits");
    let canary = "canary-build-2d7c41";
    let canaries = Canaries::of(&[("the build's secret", canary)]);
    let mut job = user.job("push", &super::user::push(&sha), &sha);
    job.set("DEPLOY_LOG", "trace");
    let (image, secrets) = (user.image(), format!("npm={canary}"));
    let told = user.run(&mut job, &[("image", &image), ("secrets", &secrets)]);
    assert_eq!(told.code, 0, "{}", told.log());
    user.stage.assert_serves("v2");
    let log = told.log();
    assert!(log.contains("TRACE") && log.contains("| ***"), "{log}");
    let said = Vec::from_iter(log.lines().filter(|line| !line.starts_with("::add-mask::"))).join("\n");
    assert_eq!(canaries.find(said.as_bytes()), None);
    // The job's files, the registry with its layers, the agent's state, the checkout.
    assert_eq!(canaries.below(user.stage.bed.dir(), &[]).expect("looks"), None);
}
