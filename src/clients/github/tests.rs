//! The client against the double, one fault at a time: whatever happens, one comment and one deployment afterwards.

use kit::github::{Fault, GitHubDouble, VIEWER};

use super::*;
use crate::domain::{EnvName, GitSha, PrNumber};

const MARKER: &str = "<!-- deploy-action:shop:staging:web -->";

struct Bench {
    double: GitHubDouble,
    client: GitHub,
}

fn bench() -> Bench {
    let double = GitHubDouble::start().unwrap();
    let token = Secret::new("hunter2".to_owned());
    let mut client = GitHub::new(&double.url(), "badgery/shop".parse().unwrap(), &token).unwrap();
    client.pace = Pace {
        one_try: Duration::from_millis(700),
        pause: Duration::from_millis(5),
        longest_wait: Duration::from_secs(2),
    };
    Bench { double, client }
}

fn sha() -> GitSha {
    "a".repeat(40).parse().unwrap()
}

fn seven() -> PrNumber {
    7.try_into().unwrap()
}

fn owner() -> Owner {
    Owner { run_id: 9, attempt: 1, app: "shop".parse().unwrap(), service: "web".parse().unwrap() }
}

fn deployment() -> NewDeployment {
    let environment: EnvName = "staging".parse().unwrap();
    let payload = DeploymentPayload { owner: owner(), deployment: "d-1".parse().unwrap() };
    NewDeployment {
        commit: sha(),
        environment,
        transient: false,
        payload,
        image: format!("web@sha256:{}", "2".repeat(64)).parse().ok(),
    }
}

fn status() -> DeploymentStatus {
    DeploymentStatus {
        state: DeploymentState::Success,
        description: "x".repeat(200),
        log_url: "https://github.example/run".to_owned(),
        environment_url: "https://shop.example/".parse().ok(),
    }
}

impl Bench {
    async fn comment(&self, text: &str) -> Result<CommentId, GitHubError> {
        let text = format!("{MARKER}\n{text}");
        let id = self.client.upsert_comment(seven(), MARKER, &text, None, |_| false).await?;
        Ok(id.expect("nothing is left alone"))
    }

    fn sent(&self, method: &str, path: &str) -> usize {
        self.double.calls().iter().filter(|call| call.method == method && call.path.contains(path)).count()
    }
}

/// Faults after which the call succeeds all the same.
fn passing() -> [Fault; 7] {
    [
        Fault::TooMany(0),
        Fault::Secondary(Some(1)),
        Fault::BadGatewayAfter,
        Fault::ClosedAfter,
        Fault::Hanging,
        Fault::Truncated,
        Fault::Html,
    ]
}

#[tokio::test]
async fn a_comment_is_created_once_and_edited_after() {
    let bench = bench();
    bench.double.comment(7, "mallory", &format!("{MARKER}\nnot ours"));
    bench.double.comment(7, VIEWER, &format!("> {MARKER}\nnot on line 1"));
    let first = bench.comment("one").await.unwrap();
    assert_eq!(bench.comment("two").await.unwrap(), first);
    let ours: Vec<_> = bench.double.comments(7).into_iter().skip(2).collect();
    assert_eq!(ours, [(VIEWER.to_owned(), format!("{MARKER}\ntwo"))]);
    assert_eq!((bench.sent("POST", "/comments"), bench.sent("PATCH", "/comments")), (1, 1));
    assert_eq!(bench.sent("POST", "/graphql"), 1);
}

#[tokio::test]
async fn a_deleted_comment_is_made_anew() {
    let bench = bench();
    let id = bench.client.upsert_comment(seven(), MARKER, MARKER, Some(CommentId(1)), |_| false).await.unwrap();
    assert!(id.is_some_and(|id| id != CommentId(1)));
    assert_eq!(bench.double.comments(7).len(), 1);
}

#[tokio::test]
async fn whatever_passes_leaves_one_comment() {
    for fault in passing() {
        let bench = bench();
        bench.double.fail("POST", "/issues/7/comments", fault.clone(), 1);
        let made = bench.comment("text").await;
        assert!(made.is_ok(), "{fault:?}: {made:?}");
        assert_eq!(bench.double.comments(7).len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_never_followed_by_a_second_comment() {
    for fault in [Fault::BadGatewayAfter, Fault::ClosedAfter, Fault::Truncated, Fault::Html] {
        let bench = bench();
        bench.double.fail("POST", "/issues/7/comments", fault.clone(), 3);
        bench.comment("text").await.unwrap();
        assert_eq!(bench.sent("POST", "/issues/7/comments"), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn whatever_passes_leaves_one_deployment() {
    for fault in passing() {
        let bench = bench();
        bench.double.fail("POST", "/deployments", fault.clone(), 1);
        let number = bench.client.create_deployment(&deployment()).await;
        assert_eq!(number, Ok(DeploymentNumber(5000)), "{fault:?}");
        assert_eq!(bench.double.deployments().len(), 1, "{fault:?}");
        bench.double.fail("POST", "/statuses", fault.clone(), 1);
        bench.client.add_status(DeploymentNumber(5000), &status()).await.unwrap();
        assert_eq!(bench.double.deployments()[0].1.len(), 1, "{fault:?}");
    }
}

/// Whatever follows a status may trust it, so that a plain or a made-up address is not in one.
#[tokio::test]
async fn an_environment_s_address_is_one_of_https() {
    let bench = bench();
    let number = bench.client.create_deployment(&deployment()).await.unwrap();
    for (address, shown) in [("https://shop.example/", true), ("http://shop.example/", false), ("javascript:x", false)]
    {
        let status =
            DeploymentStatus { environment_url: address.parse().ok(), description: address.to_owned(), ..status() };
        bench.client.add_status(number, &status).await.unwrap();
        let told = bench.double.deployments().remove(0).1.pop().unwrap();
        assert_eq!(told.get("environment_url"), shown.then(|| address.into()).as_ref(), "{address}");
    }
}

#[tokio::test]
async fn a_deployment_is_exact_and_merges_nothing() {
    let bench = bench();
    let number = bench.client.create_deployment(&deployment()).await.unwrap();
    bench.client.add_status(number, &status()).await.unwrap();
    let (asked, statuses) = bench.double.deployments().remove(0);
    assert_eq!(asked["ref"], sha().as_str());
    assert_eq!((&asked["auto_merge"], &asked["required_contexts"]), (&false.into(), &serde_json::json!([])));
    let image = deployment().image.unwrap().to_string();
    let payload = serde_json::json!({
        "run_id": 9, "attempt": 1, "app": "shop", "service": "web", "deployment": "d-1", "image": image,
    });
    assert_eq!(asked["payload"], payload);
    assert_eq!(statuses[0]["description"].as_str().unwrap().chars().count(), 140);
    // Another attempt is another deployment.
    let mut again = deployment();
    again.payload.owner.attempt = 2;
    assert_ne!(bench.client.create_deployment(&again).await.unwrap(), number);
}

#[tokio::test]
async fn refusals_are_final_and_say_what_to_do() {
    let mut told = String::new();
    for fault in [
        Fault::Forbidden(None),
        Fault::Forbidden(Some("issues=write; pull_requests=write")),
        Fault::Forbidden(Some("contents=write")),
        Fault::BadToken,
        Fault::Missing,
        Fault::Invalid,
        Fault::TooMany(60),
        Fault::Secondary(None),
    ] {
        let bench = bench();
        bench.double.fail("POST", "/issues/7/comments", fault.clone(), 9);
        let error = bench.comment("text").await.unwrap_err();
        told.push_str(&format!("{fault:?}\n  {error}\n"));
        assert_eq!(bench.sent("POST", "/issues/7/comments"), 1, "{fault:?}");
    }
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn a_wait_that_github_asks_for_is_bounded() {
    for (after, waits) in [
        ("0", true),
        ("1", true),
        ("3", false),
        ("3600", false),
        // The second of an epoch, as other headers of GitHub have it.
        ("1792569600", false),
        ("18446744073709551615", false),
        ("18446744073709551616", false),
        ("-1", false),
        ("soon", false),
        ("Wed, 21 Oct 2026 07:28:00 GMT", false),
    ] {
        let bench = bench();
        bench.double.fail("GET", "/pulls", Fault::TooManyUntil(after), 1);
        let asked = tokio::time::Instant::now();
        assert_eq!(bench.client.pull_requests_of(&sha()).await.is_ok(), waits, "{after}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{after}: {:?}", asked.elapsed());
        assert_eq!(bench.sent("GET", "/pulls"), if waits { 2 } else { 1 }, "{after}");
    }
}

#[tokio::test]
async fn a_long_conversation_is_looked_through_within_a_runs_share() {
    for (others, calls) in [(350, 6), (1_000, 5)] {
        let bench = bench();
        for number in 0..others {
            bench.double.comment(7, "mallory", &format!("{MARKER}\n{number}"));
        }
        bench.double.comment(7, VIEWER, MARKER);
        let told = bench.comment("text").await;
        assert_eq!(told.is_ok(), others < 400, "{told:?}");
        let ours = bench.double.comments(7).into_iter().filter(|(author, _)| author == VIEWER);
        assert_eq!(ours.count(), 1, "never a second one");
        assert_eq!(bench.double.calls().len(), calls, "{others}");
    }
}

#[tokio::test]
async fn reads_are_tried_three_times() {
    for fault in [Fault::BadGatewayAfter, Fault::ClosedAfter, Fault::Truncated, Fault::Html, Fault::TooMany(0)] {
        let bench = bench();
        bench.double.pull_requests(sha().as_str(), &[7]);
        bench.double.fail("GET", "/pulls", fault.clone(), 2);
        assert_eq!(bench.client.pull_requests_of(&sha()).await, Ok(vec![seven()]), "{fault:?}");
        bench.double.fail("GET", "/pulls", fault.clone(), 9);
        let error = bench.client.pull_requests_of(&sha()).await.unwrap_err();
        assert_eq!(bench.sent("GET", "/pulls"), 6, "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn a_github_that_is_down_costs_the_tries_of_one_call() {
    for fault in [Fault::Down, Fault::TooMany(0)] {
        let bench = bench();
        bench.double.fail("GET", "/pulls", fault, 4);
        for (call, sent) in [(1, 3), (2, 4)] {
            assert!(bench.client.pull_requests_of(&sha()).await.is_err());
            assert_eq!(bench.sent("GET", "/pulls"), sent, "call {call}");
        }
        // An answer, and a call has all of its tries again.
        assert!(bench.client.pull_requests_of(&sha()).await.is_ok());
        bench.double.fail("GET", "/pulls", Fault::Down, 2);
        assert!(bench.client.pull_requests_of(&sha()).await.is_ok());
    }
}

#[tokio::test]
async fn a_slow_answer_is_an_answer_and_a_run_has_its_share() {
    let bench = bench();
    bench.double.fail("GET", "/pulls", Fault::Slow(Duration::from_millis(200)), 1);
    for _ in 0..MAX_CALLS {
        assert_eq!(bench.client.pull_requests_of(&sha()).await, Ok(Vec::new()));
    }
    let error = bench.client.pull_requests_of(&sha()).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Limited);
    assert_eq!(bench.double.calls().len(), 20);
}

#[tokio::test]
async fn the_token_goes_to_github_only() {
    let bench = bench();
    bench.comment("text").await.unwrap();
    assert!(bench.double.calls().iter().all(|call| call.authorized));
    assert!(!format!("{:?}", bench.client).contains("hunter2"));
}

#[test]
fn enterprise_servers_have_their_own_paths() {
    let place = |url| Place::of(url).map(|place| (place.origin, place.rest, place.graphql));
    let own = |a: &str, b: &str, c: &str| Some((a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(place("https://api.github.com"), own("https://api.github.com", "", "/graphql"));
    assert_eq!(place("https://git.example/api/v3/"), own("https://git.example", "/api/v3", "/api/graphql"));
    assert_eq!((place("ftp://x"), place("https://"), place("https://x/?y")), (None, None, None));
}

#[tokio::test]
async fn a_run_finds_its_own_deployments_and_their_last_words() {
    let bench = bench();
    let ours = bench.client.create_deployment(&deployment()).await.unwrap();
    for other in [
        Owner { run_id: 8, ..owner() },
        Owner { attempt: 2, ..owner() },
        Owner { app: "blog".parse().unwrap(), ..owner() },
        Owner { service: "api".parse().unwrap(), ..owner() },
    ] {
        let payload = DeploymentPayload { owner: other, ..deployment().payload };
        bench.client.create_deployment(&NewDeployment { payload, ..deployment() }).await.unwrap();
    }
    let found = bench.client.deployments_of(&sha(), &deployment().environment, &owner()).await.unwrap();
    assert_eq!(found, [(ours, "d-1".parse().unwrap())]);

    let begun = DeploymentStatus { state: DeploymentState::InProgress, ..status() };
    bench.client.add_status(ours, &begun).await.unwrap();
    assert_eq!(bench.client.last_words(ours).await.unwrap(), [""; 0]);
    bench.client.add_status(ours, &status()).await.unwrap();
    // Whatever is said after it, and in whichever order GitHub lists them.
    bench.client.add_status(ours, &DeploymentStatus { description: "again".to_owned(), ..begun }).await.unwrap();
    let words = bench.client.last_words(ours).await.unwrap();
    assert!(matches!(words.as_slice(), [word] if word.starts_with("xxx")), "{words:?}");
}
