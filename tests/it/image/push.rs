//! Registries that want a login, are busy, lie or are down.

use deploy_action::clients::docker::RegistryLogin;
use deploy_action::clients::registry::{Credentials, Registry as Client};
use deploy_action::domain::{Repository, Secret};
use deploy_action::event::DeployEvent;
use deploy_action::failure::Failure;
use deploy_action::plan::image::BuildMode;
use kit::bed::{Registry, TokenServer};

use super::faulty::{Fault, Faulty};
use super::shop::{BASE, Shop};

/// `bob` / `s3cret`.
const BOB: &str = "bob:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

fn login(password: &str) -> RegistryLogin {
    RegistryLogin { username: "bob".to_owned(), password: Secret::new(password.to_owned()) }
}

/// Without a login, and with a wrong one.
#[track_caller]
fn assert_login_wanted(shop: &mut Shop) {
    let host = shop.registry.address().to_string();
    let made = shop.make();
    assert_eq!(made.failure().message, format!("the registry `{host}` wants a login for `{host}/shop/web`"));
    shop.credentials = Credentials::default().with(&host, login("wrong"));
    let made = shop.make();
    assert_eq!(made.failure().message, format!("the registry `{host}` refuses the login for `{host}/shop/web`"));
    assert!(!made.failure().render().contains("wrong"));
}

#[test]
fn a_registry_with_a_login_wants_the_right_one() {
    let dockerfile = format!("FROM {BASE}\nCOPY hello /\n");
    let mut shop = Shop::with(&dockerfile, |machine, dir| Registry::private(machine, dir, BOB).expect("a registry"));
    let host = shop.registry.address().to_string();

    assert_login_wanted(&mut shop);
    shop.credentials = Credentials::default().with(&host, login("s3cret"));
    let made = shop.make();
    assert!(made.result.is_ok(), "{}", made.failure().render());
}

#[test]
fn a_registry_with_tokens_wants_the_right_login() {
    let mut tokens = None;
    let mut shop = Shop::with("FROM scratch\nCOPY hello /\n", |machine, dir| {
        let server = tokens.insert(TokenServer::start(machine, dir, "bob", "s3cret").expect("a token server"));
        Registry::with_tokens(machine, dir, server).expect("a registry")
    });
    let tokens = tokens.expect("a token server");
    let host = shop.registry.address().to_string();
    assert_login_wanted(&mut shop);
    assert_eq!(tokens.given(), 0);
    shop.credentials = Credentials::default().with(&host, login("s3cret"));
    let made = shop.make();
    let base = made.result.as_ref().map_err(Failure::render).expect("an image").to_string();
    let pushed = tokens.given();
    assert!(pushed >= 2, "one to read, one to write: {pushed}");
    // The same login as of a base image, which only BuildKit asks for.
    shop.forget();
    shop.dockerfile(&format!("FROM {base}\nCOPY hello /again\n"));
    shop.mode = BuildMode::Always;
    let made = shop.make();
    assert!(made.result.is_ok(), "{}", made.failure().render());
}

#[test]
fn a_registry_of_this_host_may_have_any_certificate() {
    let shop = Shop::with("FROM scratch\nCOPY hello /\n", |machine, dir| {
        let server = TokenServer::start(machine, dir, "bob", "s3cret").expect("a key");
        Registry::with_tls(machine, dir, &server).expect("a registry")
    });
    let made = shop.make();
    assert!(made.result.is_ok(), "{}", made.failure().render());
    assert!(shop.make().reused);
}

#[test]
fn a_registry_that_is_down_is_told() {
    let nowhere: Repository = "127.0.0.1:1/web".parse().expect("a repository");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let asked = runtime.block_on(Client::new(Credentials::default()).digest(&nowhere, "v1"));
    let failure = asked.expect_err("nobody listens there");
    assert_eq!(failure.message, "the registry `127.0.0.1:1` cannot be reached");
    assert_eq!(failure.kind.exit_code(), 20);
}

#[test]
fn a_push_is_tried_again_where_the_registry_is_overloaded() {
    let mut shop = Shop::open("FROM scratch\nCOPY hello /\n");
    let fault = Fault::Answer { method: "PUT /v2/shop/web/manifests/", status: "503 Service Unavailable", times: 2 };
    let faulty = Faulty::before(shop.registry.address(), fault);
    shop.door = faulty.address;
    let made = shop.make();
    assert!(made.result.is_ok(), "{}", made.failure().render());
    assert_eq!(faulty.met(), 2);
    let notes = made.events.iter().filter_map(|event| match event {
        DeployEvent::Note { text } if text.contains("again in") => Some(text.as_str()),
        _ => None,
    });
    let notes: Vec<&str> = notes.collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("503") && notes[0].ends_with("again in 1 s"), "{notes:?}");
}

#[test]
fn a_push_that_is_denied_is_not_tried_again() {
    let mut shop = Shop::open("FROM scratch\nCOPY hello /\n");
    assert!(shop.make().result.is_ok(), "its layer is there: the engine repeats uploads of layers");
    let open = shop.door;
    let faulty = Faulty::before(shop.registry.address(), Fault::Denied { method: "PUT" });
    shop.door = faulty.address;
    shop.mode = BuildMode::Always;
    let host = shop.door.to_string();
    let login = RegistryLogin { username: "bob".to_owned(), password: Secret::new("s3cret".to_owned()) };
    for credentials in [Credentials::default(), Credentials::default().with(&host, login)] {
        shop.credentials = credentials;
        let before = faulty.met();
        let made = shop.make();
        let word = if shop.credentials.logins().is_empty() { "wants a login" } else { "refuses the login" };
        assert_eq!(made.failure().message, format!("the registry `{host}` {word} for `{host}/shop/web`"));
        assert_eq!(faulty.met() - before, 1);
    }
    shop.forget();
    shop.door = open;
}

#[test]
fn a_registry_that_asks_to_wait_is_left_alone_so_long() {
    let mut shop = Shop::open("FROM scratch\nCOPY hello /\n");
    let open = shop.door;
    let fault = Fault::Busy { seconds: 3, path: "/manifests/" };
    let faulty = Faulty::before(shop.registry.address(), fault);
    shop.door = faulty.address;
    let made = shop.make();
    assert!(made.result.is_ok(), "{}", made.failure().render());
    let notes = made.events.iter().filter_map(|event| match event {
        DeployEvent::Note { text } if text.contains("again in") => Some(text.as_str()),
        _ => None,
    });
    let notes: Vec<&str> = notes.collect();
    assert!(matches!(&notes[..], [note] if note.ends_with("again in 3 s")), "{notes:?}");
    shop.forget();
    shop.door = open;
}

#[test]
fn another_digest_than_was_pushed_is_refused() {
    let mut shop = Shop::open("FROM scratch\nCOPY hello /\n");
    shop.door = Faulty::before(shop.registry.address(), Fault::OtherDigest).address;
    shop.mode = BuildMode::Always;
    let made = shop.make();
    let message = &made.failure().message;
    assert!(message.contains(&"0".repeat(64)) && message.ends_with(" was pushed"), "{message}");
    assert!(!made.events.iter().any(|event| matches!(event, DeployEvent::Pushed { .. })));
}

#[test]
fn a_busy_registry_is_asked_for_the_digest_again() {
    let mut shop = Shop::open("FROM scratch\nCOPY hello /\n");
    let first = shop.make().result.map_err(|failure| failure.render()).expect("an image");
    let open = shop.door;
    // The first question is three requests: whether a login is needed, HEAD, GET.
    let fault = Fault::Answer { method: "", status: "503 Service Unavailable", times: 3 };
    let faulty = Faulty::before(shop.registry.address(), fault);
    shop.door = faulty.address;
    let made = shop.make();
    let image = made.result.as_ref().map_err(Failure::render).expect("an image");
    assert_eq!((image.digest(), made.reused, faulty.met()), (first.digest(), true, 3));
    shop.door = open;
}

#[test]
fn a_base_image_behind_a_login_is_fetched() {
    let dockerfile = "FROM scratch\nCOPY hello /\n";
    let mut shop = Shop::with(dockerfile, |machine, dir| Registry::private(machine, dir, BOB).expect("a registry"));
    let login = RegistryLogin { username: "bob".to_owned(), password: Secret::new("s3cret".to_owned()) };
    shop.credentials = Credentials::default().with(&shop.door.to_string(), login);
    let base = shop.make().result.map_err(|failure| failure.render()).expect("a base");
    // With its own name gone, the engine has to ask the registry for it.
    shop.forget();
    let stranger = Shop::open(&format!("# a comment\nFROM {base}\n")).make();
    let (line, message) = stranger.problem();
    assert_eq!(line, Some(2), "{message}");
    assert!(stranger.failure().message.contains("load metadata for"), "{}", stranger.failure().render());
    std::fs::write(shop.spec.context.join("Dockerfile"), format!("FROM {base}\nCOPY hello /again\n")).expect("a file");
    shop.mode = BuildMode::Always;
    let made = shop.make();
    assert!(made.result.is_ok(), "{}", made.failure().render());
}

#[test]
fn an_upload_that_breaks_off_is_done_again() {
    const SIZE: u64 = 5_000_000;
    let mut shop = Shop::open("FROM scratch\nCOPY hello large /\n");
    let open = shop.door;
    // Nothing that a layer could be made smaller of.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let noise: Vec<u8> = noise.take(SIZE as usize).collect();
    for percent in [30, 60, 90] {
        std::fs::write(shop.spec.context.join("large"), [&noise[..], &[percent]].concat()).expect("a file");
        let faulty = Faulty::before(shop.registry.address(), Fault::Cut { after: SIZE * u64::from(percent) / 100 });
        shop.door = faulty.address;
        shop.mode = BuildMode::Always;
        let made = shop.make();
        let image = made.result.as_ref().map_err(Failure::render).expect("an image").clone();
        assert!(faulty.met() >= 2, "{percent}: the upload broke off and came again: {}", faulty.met());
        let pushed = |event: &DeployEvent| matches!(event, DeployEvent::Pushed { image: told } if *told == image);
        assert!(made.events.iter().any(pushed), "{percent}: what was pushed is told");
        shop.forget();
        // The engine takes nothing whose digest is not what its name says.
        let kept = format!("{open}/shop/web@{}", image.digest());
        assert!(shop.content(&kept).contains("large"), "{percent}");
        shop.door = open;
        shop.forget();
    }
    shop.door = open;
}

#[test]
fn a_tag_that_another_run_took_is_as_good_only_with_the_same_image() {
    let mut shop = Shop::open(&format!("FROM {BASE}\nCOPY hello /\n"));
    let first = shop.make().result.expect("an image");
    let door = |shop: &Shop| Faulty::before(shop.registry.address(), Fault::Taken);
    let taken = door(&shop);
    shop.door = taken.address;
    let made = shop.make();
    let image = made.result.as_ref().map_err(Failure::render).expect("the same image");
    assert_eq!((image.digest(), taken.met()), (first.digest(), 1));
    shop.forget();

    std::fs::write(shop.spec.context.join("hello"), "another\n").expect("a file");
    let taken = door(&shop);
    shop.door = taken.address;
    let made = shop.make();
    let host = shop.door;
    let tag = deploy_action::plan::image::tag(&Shop::commit(), &shop.spec);
    assert_eq!(
        made.failure().message,
        format!("the registry `{host}` has another image as `{tag}`, and lets no tag be given to another one")
    );
}
