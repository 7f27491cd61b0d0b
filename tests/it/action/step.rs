//! The action's step, as a process with what a runner gives it.

use super::user::User;

#[test]
fn a_push_of_a_pull_requests_commit_is_told_in_its_comment() {
    let user = User::new();
    let sha = user.version("v2");
    user.github.pull_requests(&sha, &[7]);
    let planned = user.pull_request(&sha, &[]);
    assert_eq!(planned.code, 0, "{}", planned.log());
    let deployed = user.push(&sha, &[]);
    assert_eq!(deployed.code, 0, "{}", deployed.log());
    assert_eq!((deployed.output("outcome"), deployed.output("release")), ("deployed", "2"));
    user.stage.assert_serves("v2");
    let comments = user.github.comments(7);
    assert_eq!(comments.len(), 1, "made once, edited after: {comments:?}");
}
