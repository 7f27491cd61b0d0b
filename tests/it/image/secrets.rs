//! Secrets of a build: its steps can read them, and nothing keeps them.

use deploy_action::clients::docker::RegistryLogin;
use deploy_action::clients::registry::Credentials;
use deploy_action::domain::Secret;
use deploy_action::plan::image::BuildMode;
use kit::bed::Registry;
use kit::scan::Canaries;

use super::shop::{BASE, Shop};

/// What a step is to read, and its SHA-256: a step that prints this has read it.
const NPM: &str = "canary-npm-4f1e\nsecond line %$'\"\\";
const NPM_SUM: &str = "d83852621407375925674768aa4f748db8ef6514323f7a1e50a3511e5b16e579";
/// The password of the base's registry, and as that keeps it.
const PULL: &str = "canary-pull-5f1c9a77e0b2";
const PULL_BCRYPT: &str = "robot:$2y$05$abcdefghijklmnopqrstuu.989sFuawQT371d1nOr1g4WQR0X2UGm\n";

#[test]
fn steps_read_secrets_and_nothing_keeps_them() {
    // The base comes from a registry with a login, which is a secret too.
    let mut shop = Shop::with("", |machine, dir| Registry::private(machine, dir, PULL_BCRYPT).expect("a registry"));
    let canaries = Canaries::of(&[("the secret", NPM), ("its first line", "canary-npm-4f1e"), ("the password", PULL)]);
    let login = RegistryLogin { username: "robot".to_owned(), password: Secret::new(PULL.to_owned()) };
    shop.credentials = Credentials::default().with(&shop.door.to_string(), login);
    shop.dockerfile(&format!("FROM {BASE}\nCOPY hello /\n"));
    let base = shop.make().result.map_err(|failure| failure.render()).expect("a base");
    shop.forget();

    let salt = shop.dir.path().display().to_string();
    shop.dockerfile(&format!(
        "FROM {base}\nARG WHO\n\
         RUN --mount=type=secret,id=npm busybox sha256sum /run/secrets/npm && echo \"for $WHO\"\n\
         RUN --mount=type=secret,id=npm,target=/key,required cp /key /tmp-key && busybox rm /tmp-key\n\
         COPY hello /again\n"
    ));
    shop.spec.args.insert("WHO".to_owned(), salt.clone());
    shop.spec.secrets.insert("npm".to_owned(), Secret::new(NPM.to_owned()));
    shop.spec.secrets.insert("unused".to_owned(), Secret::new("canary-unused".to_owned()));
    shop.mode = BuildMode::Always;
    let made = shop.make();
    let image = made.result.as_ref().map_err(|failure| failure.render()).expect("an image").to_string();
    assert!(made.lines().contains(&format!("{NPM_SUM}  /run/secrets/npm")), "{}", made.lines());

    let canaries = canaries.and("the secret that no step asked for", b"canary-unused");
    let events = format!("{:?}", made.events);
    assert_eq!(canaries.find(events.as_bytes()), None);
    // Manifests, configurations with labels and history, layers.
    assert_eq!(canaries.below(shop.dir.path(), &[]).expect("looks"), None);
    let control = Canaries::of(&[("the build argument", &salt)]);
    assert!(control.below(shop.dir.path(), &[]).expect("looks").is_some(), "an argument is in the history");
    for command in [
        &["system", "df", "--verbose", "--format", "{{json .}}"][..],
        &["image", "inspect", &image],
        &["history", "--no-trunc", &image],
    ] {
        let said = shop.machine.docker(command).expect("docker");
        assert_eq!(canaries.find(said.as_bytes()), None, "{command:?}");
    }
    let cached = shop.machine.docker(&["system", "df", "--verbose", "--format", "{{json .BuildCache}}"]);
    assert!(cached.expect("docker").contains("sha256sum /run/secrets/npm"), "the cache of this build was looked at");
}

#[test]
fn a_step_that_prints_a_secret_is_not_repeated() {
    let mut shop = Shop::open(&format!(
        "FROM {BASE}\nRUN --mount=type=secret,id=npm echo \"it is $(cat /run/secrets/npm)\" && exit 3\n"
    ));
    shop.spec.secrets.insert("npm".to_owned(), Secret::new(NPM.to_owned()));
    let made = shop.make();
    assert_eq!(made.problem().0, Some(2));
    assert!(made.lines().contains("  | it is ***\n  | ***\n"), "{}", made.lines());
}

#[test]
fn a_secret_that_is_not_given_is_told() {
    let shop = Shop::open(&format!("FROM {BASE}\n\nRUN --mount=type=secret,id=npm,required true\n"));
    let made = shop.make();
    let (line, message) = made.problem();
    assert_eq!(line, Some(3), "{message}");
    insta::assert_snapshot!(made.failure().render(), @"
    error: context/Dockerfile:3: the step `[2/2] RUN --mount=type=secret,id=npm,required true` failed
      because: secret npm not found: not found
      hint: give it in the input `secrets`, one `id=value` a line; the id is that of the Dockerfile
      reason: build_failed (exit code 20)
    ");
}
