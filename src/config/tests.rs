//! Good and bad `deploy.yml` files; each bad one has its rendered messages in `snapshots/`.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::parse;
use crate::yaml::mutate;

const GOOD: &str = "\
# Where badgery runs.
app: badgery
image:
  repository: docker.io/badgery/app
environments:
  staging:
    target:
      vps: { agent: 'https://staging.example.com/deploy/', service: web }
  production:
    target:
      vps:
        agent: https://deploy.example.com:8443
        service: web
";

const ECR: &str = "
app: badgery
image:
  repository: 111122223333.dkr.ecr.eu-west-1.amazonaws.com/badgery
  ecr: {create: true, keep_images: 50, immutable_tags: false}
environments:
  production: {target: {ecs: {region: eu-west-1, cluster: badgery, service: web}}}
";

fn refused(name: &str, text: &str) {
    let problems = parse("deploy.yml", text).expect_err(name);
    insta::assert_snapshot!(name, problems.to_string());
}

#[test]
fn good() {
    insta::assert_debug_snapshot!("good", parse("deploy.yml", GOOD).map_err(|p| p.to_string()));
}

#[test]
fn a_repository_of_amazon_ecr() {
    insta::assert_debug_snapshot!(
        "ecr",
        parse("deploy.yml", ECR).map(|config| config.image).map_err(|p| p.to_string())
    );
    let changed = |from: &str, to: &str| {
        assert!(ECR.contains(from), "{from}");
        ECR.replace(from, to)
    };
    refused(
        "ecr_bad_values",
        &changed("create: true, keep_images: 50, immutable_tags: false", "create: yes, keep_images: 3"),
    );
    refused("ecr_nothing_made", &changed("create: true, ", ""));
    refused("ecr_other_registry", &changed("111122223333.dkr.ecr.eu-west-1.amazonaws.com", "ghcr.io/acme"));
    refused("ecr_other_region", &changed("create: true", "create: true, region: eu-west-2"));
}

#[test]
fn a_command_that_a_host_does_not_take() {
    refused(
        "before_deploy_too_much",
        "app: badgery
environments:
  production:
    before_deploy: {command: [bin/migrate], timeout: 9h}
    target: {vps: {agent: https://a.example, service: web}}
",
    );
}

#[test]
fn variables_of_a_container() {
    let text = |more: &str| {
        let target = "{target: {ecs: {region: eu-west-1, cluster: badgery, service: web";
        format!("app: badgery\nenvironments:\n  production: {target}, {more}}}}}}}\n")
    };
    let config = parse("deploy.yml", &text("environment: {A: '', B: }, secrets: {C: /prod/c}")).expect("good");
    insta::assert_debug_snapshot!("variables", config.environments);
    refused("variables_bad_names", &text("environment: {'': x, 'A=B': y, C: [z]}, secrets: {'': /x}"));
    refused("variables_twice", &text("environment: {A: x}, secrets: {A: /x, B: 'arn:aws:s3:::bucket'}"));
    refused("variables_secret_itself", &text("secrets: {DB: hunter2-hunter2}"));
    refused("variables_nothing", &text("environment: {}, secrets: "));
}

#[test]
fn other_ways_to_write_the_same() {
    let good = parse("deploy.yml", GOOD).expect("good");
    let with_mark = format!("\u{feff}---\n{}", GOOD.replace('\n', "\r\n"));
    assert_eq!(parse("deploy.yml", &with_mark).as_ref(), Ok(&good));
    let aliased = "
app: badgery
image: {repository: docker.io/badgery/app}
environments:
  production: {target: {vps: {agent: \"https://deploy.example.com:8443\", service: &service web}}}
  staging: {target: {vps: {agent: https://staging.example.com/deploy, service: *service}}}
";
    assert_eq!(parse("deploy.yml", aliased).as_ref(), Ok(&good));
}

#[test]
fn words_that_other_readers_take_for_booleans_and_numbers_are_texts() {
    let text = "
app: 0123
environments:
  no: {target: {vps: {agent: https://a.example, service: on}}}
  on: {target: {vps: {agent: https://a.example, service: 1e3}}}
  null: {target: {vps: {agent: https://a.example, service: 'null'}}}
";
    let config = parse("deploy.yml", text).expect("texts");
    assert_eq!(config.app.as_str(), "0123");
    assert_eq!(config.environments.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["no", "null", "on"]);
}

#[test]
fn empty_files() {
    refused("empty", "");
    refused("only_a_comment", "# nothing here yet\n");
    refused("null", "~\n");
}

#[test]
fn wrong_shapes() {
    refused("top_is_a_list", "- app: badgery\n- environments: {}\n");
    refused("top_is_a_text", "badgery\n");
    refused("wrong_types", "app: [badgery]\nimage: docker.io/badgery/app\nenvironments:\n  - production\n");
    refused("nothing_after_keys", "app:\nimage:\nenvironments:\n  production:\n  staging:\n    target:\n");
    refused("no_environments", "app: badgery\nenvironments: {}\n");
    refused("empty_texts", "app: ''\nenvironments:\n  '': {target: {vps: {agent: \"\", service: web}}}\n");
}

#[test]
fn keys() {
    refused("missing_keys", "image: {}\nenvironments:\n  production:\n    target:\n      vps:\n        service: web\n");
    refused(
        "unknown_keys",
        "application: x\nApp: badgery\nimages:\n  repository: docker.io/badgery/app\nenviroments:\n  production:\n    target: {}\n",
    );
    refused(
        "unknown_keys_inside",
        "app: badgery
environments:
  production:
    traget:
      vps: {}
  staging:
    target:
      vps:
        Agent: https://staging.example.com
        sevice: web
        replicas: 2
",
    );
    refused(
        "duplicate_keys",
        "app: badgery
app: other
environments:
  production:
    target: {vps: {agent: https://a.example, service: web, service: api}}
  production:
    target: {}
",
    );
}

#[test]
fn what_comes_later_is_refused_by_name() {
    refused(
        "later_keys",
        "app: badgery
image:
  repository: docker.io/badgery/app
  build: { context: . }
environments:
  production:
    protected: true
    target:
      vps: { agent: https://deploy.example.com, service: web, monthly_price: 6.00 }
    plan_on: pull_request
    deploy_on: { push: main }
    allow: { role: maintain }
    requires: { environment: staging }
    budget: { monthly: 120 }
    url: https://badgery.example.com
",
    );
    refused(
        "later_targets",
        "app: badgery
environments:
  production:
    target:
      ecs: { region: eu-west-1 }
  staging:
    target:
      ec2: {}
      vps: { agent: https://staging.example.com, service: web }
  test:
    target:
      kubernetes: {}
",
    );
}

#[test]
fn bad_values() {
    refused(
        "bad_values",
        "app: Badgery App
image:
  repository: docker.io/badgery/app:latest
environments:
  Production:
    target:
      vps: { agent: http://deploy.example.com, service: Web }
  staging:
    target:
      vps:
        agent: deploy.example.com
        service: web/api
  test:
    target:
      vps:
        agent: https://deploy.example.com:99999/x?y
        service: ../web
",
    );
    refused(
        "password_in_an_address",
        "app: badgery\nenvironments:\n  p: {target: {vps: {agent: 'https://me:hunter2@deploy.example.com', service: Web}}}\n",
    );
    refused("terminal_escapes", "app: \"\\e[2J\\u202e\"\nenvironments: \"a\\nb\" # \u{202e}\n");
    refused("control_character", "app: badgery # \u{1b}[31m\n");
}

#[test]
fn yaml_that_does_not_parse() {
    refused("tab", "app: badgery\nenvironments:\n\tproduction:\n");
    refused("unclosed_quote", "app: \"badgery\nenvironments: {}\n");
    refused("unclosed_bracket", "app: badgery\nenvironments: {production: {target: {vps: {}\n");
    refused("no_colon", "app badgery\nenvironments:\n  production: {}\n");
    refused("colon_in_text", "app: badgery: the app\n");
    refused("indentation", "app: badgery\nenvironments:\n    production: {}\n  staging: {}\n");
    refused("reserved_character", "app: @badgery\n");
    refused("unknown_alias", "app: *badgery\n");
    refused("directive", "%YAML 1.2\n---\napp: badgery\n");
}

#[test]
fn yaml_that_is_not_supported() {
    refused("merge_key", "app: badgery\nenvironments:\n  a: &a {target: {}}\n  b:\n    <<: *a\n");
    refused("tag", "app: !!int 12\nenvironments: !env {}\n");
    refused("two_documents", "app: badgery\n---\napp: other\n");
    refused("odd_keys", "? [a, b]\n: c\n? {d: e}\n: f\n~: g\napp: badgery\n");
    refused("alias_of_itself", "app: badgery\nenvironments: &all {production: *all}\n");
    refused("deep", &format!("app: {}\n", "[".repeat(60)));
    refused("deep_block", &(0..60).map(|i| format!("{}a:\n", " ".repeat(i))).collect::<String>());
}

#[test]
fn bombs_are_refused_fast() {
    let began = Instant::now();
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..20 {
        let before = vec![format!("*a{}", i - 1); 10].join(",");
        bomb.push_str(&format!("a{i}: &a{i} [{before}]\n"));
    }
    refused("alias_bomb", &bomb);
    refused("too_large", &"# padding\n".repeat(105_000));
    let wide = "a: 1\n".repeat(20_000);
    assert!(parse("deploy.yml", &wide).is_err());
    let many = (0..20_000).map(|i| format!("k{i}: 1\n")).collect::<String>();
    assert!(parse("deploy.yml", &many).is_err());
    let unknown = (0..4_000).map(|i| format!("k{i}: 1\n")).collect::<String>();
    let shown = parse("deploy.yml", &unknown).expect_err("unknown keys").to_string();
    assert!(shown.ends_with("deploy.yml: 3902 more problems are not shown\n"), "{}", shown.len());
    assert!(parse("deploy.yml", &"[".repeat(250_000)).is_err());
    assert!(parse("deploy.yml", &"\"\\".repeat(120_000)).is_err());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

proptest! {
    #[test]
    fn damaged_files_are_read_or_refused(damages in mutate::damage()) {
        let text = mutate::apply(GOOD, &damages);
        let began = Instant::now();
        if let Err(problems) = parse("deploy.yml", &text) {
            prop_assert!(!problems.list().is_empty());
            let shown = problems.to_string();
            prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
        }
        prop_assert!(began.elapsed() < Duration::from_secs(1));
    }
}
