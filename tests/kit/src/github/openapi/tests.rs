use std::sync::OnceLock;

use super::*;

/// Parameters of a path, whatever they are.
fn rest() -> Value {
    let one = |name: &str| json!({"name": name, "in": "path", "schema": {"type": "string"}});
    ["owner", "repo", "number", "what"].map(one).to_vec().into()
}

/// A small description in GitHub's form.
fn description() -> &'static Description {
    static ONE: OnceLock<Description> = OnceLock::new();
    ONE.get_or_init(|| {
        let document = json!({
            "paths": {
                "/repos/{owner}/{repo}/issues/{number}/comments": {
                    "get": {
                        "parameters": [
                            {"$ref": "#/components/parameters/owner"},
                            {"name": "repo", "in": "path", "schema": {"type": "string"}},
                            {"name": "number", "in": "path", "schema": {"type": "integer"}},
                            {"name": "per_page", "in": "query", "schema": {"type": "integer"}},
                        ],
                        "responses": {"200": {"content": {"application/json": {"schema": {
                            "type": "array", "items": {"$ref": "#/components/schemas/comment"},
                        }}}}},
                    },
                    "post": {
                        "parameters": [
                            {"$ref": "#/components/parameters/owner"},
                            {"name": "repo", "in": "path", "schema": {"type": "string"}},
                            {"name": "number", "in": "path", "schema": {"type": "integer"}},
                        ],
                        "requestBody": {"required": true, "content": {"application/json": {"schema": {
                            "type": "object", "required": ["body"],
                            "properties": {"body": {"type": "string"}, "state": {"enum": ["open", "closed"]}},
                        }}}},
                        "responses": {"201": {"$ref": "#/components/responses/made"}},
                    },
                },
                "/repos/{owner}/{repo}/issues/{number}/{what}": {"patch": {"parameters": rest(), "responses": {}}},
                "/repos/{owner}/{repo}/issues/comments/{what}": {"patch": {
                    "parameters": rest(),
                    "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                    "responses": {},
                }},
            },
            "components": {
                "parameters": {"owner": {"name": "owner", "in": "path", "schema": {"type": "string"}}},
                "responses": {"made": {"content": {"application/json": {"schema": {
                    "$ref": "#/components/schemas/comment",
                }}}}},
                "schemas": {
                    "comment": {
                        "type": "object", "required": ["id", "user", "at"],
                        "properties": {
                            "id": {"type": "integer"}, "at": {"type": "string", "format": "date-time"},
                            "note": {"type": "string", "nullable": true},
                            "user": {"$ref": "#/components/schemas/nullable-user"},
                            "answers": {"type": "array", "items": {"$ref": "#/components/schemas/comment"}},
                        },
                    },
                    "nullable-user": {
                        "type": "object", "nullable": true, "required": ["login"],
                        "properties": {"login": {"type": "string"}},
                    },
                },
            },
        });
        Description { document }
    })
}

fn call(method: &str, path: &str, body: Value, answer: Option<(u16, Value)>) -> Call {
    Call { method: method.to_owned(), path: path.to_owned(), body, authorized: true, answer }
}

const COMMENTS: &str = "/repos/acme/hello/issues/7/comments";

fn comment() -> Value {
    json!({"id": 1, "user": {"login": "eve"}, "at": "2026-03-01T10:00:00Z", "note": null})
}

#[test]
fn what_is_described_passes() {
    let answered = comment();
    let mut nested = comment();
    nested["answers"] = json!([comment()]);
    nested["user"] = Value::Null;
    let calls = [
        call("POST", COMMENTS, json!({"body": "x", "state": "open"}), Some((201, answered))),
        call("POST", COMMENTS, json!({"body": "x"}), None),
        call("GET", &format!("{COMMENTS}?per_page=100"), Value::Null, Some((200, json!([nested])))),
        call("POST", "/graphql", json!({"query": QUERY}), Some((200, json!({"data": null})))),
    ];
    assert_eq!(description().problems(&calls), [] as [&str; 0]);
}

#[test]
fn what_is_not_described_is_told() {
    let with = |name: &str, value: Value| {
        let mut comment = comment();
        comment[name] = value;
        Some((201, comment))
    };
    let good = || json!({"body": "x"});
    let mut anonymous = call("POST", COMMENTS, good(), None);
    anonymous.authorized = false;
    let wrong = [
        (call("POST", COMMENTS, Value::Null, None), "null is not of type \"object\""),
        (call("POST", COMMENTS, json!({}), None), "\"body\" is a required property"),
        (call("POST", COMMENTS, json!({"body": 1}), None), "the request: /body 1 is not of type \"string\""),
        (call("POST", COMMENTS, json!({"body": "x", "bodi": "x"}), None), "('bodi' was unexpected)"),
        (call("POST", COMMENTS, json!({"body": "x", "state": "ajar"}), None), "/state \"ajar\" is not one of"),
        (call("POST", COMMENTS, good(), Some((200, comment()))), "GitHub does not answer 200 here"),
        (call("POST", COMMENTS, good(), Some((201, json!({"id": 1, "user": null})))), "\"at\" is a required property"),
        (call("POST", COMMENTS, good(), with("at", "yesterday".into())), "/at \"yesterday\" is not a \"date-time\""),
        (call("POST", COMMENTS, good(), with("id", Value::Null)), "the answer: /id null is not of type"),
        (call("POST", COMMENTS, good(), with("user", json!({}))), "/user \"login\" is a required property"),
        (call("POST", COMMENTS, good(), with("answers", json!([{}]))), "/answers/0 \"id\" is a required property"),
        (call("POST", &format!("{COMMENTS}?page=1"), good(), None), "no query parameter `page`"),
        (call("GET", &format!("{COMMENTS}?per_page=many"), Value::Null, None), "`per_page`:  \"many\" is not of type"),
        (call("GET", COMMENTS, good(), None), "GitHub takes no document here"),
        (call("GET", "/repos/acme/hello/issues/seven/comments", Value::Null, None), "`number`:  \"seven\""),
        (call("DELETE", COMMENTS, Value::Null, None), "GitHub has no such operation"),
        (call("GET", "/repos/acme/hello/issues/7/remarks", Value::Null, None), "GitHub has no such operation"),
        (call("GET", "/repos/acme//issues/7/comments", Value::Null, None), "GitHub has no such operation"),
        (call("POST", "/graphql", json!({"query": "query { viewer { email } }"}), None), "not the one query"),
        (anonymous, "it carries no token"),
    ];
    for (call, expected) in &wrong {
        let problems = description().problems(std::slice::from_ref(call)).join("\n");
        assert!(problems.contains(expected), "{problems:?} lacks {expected:?}");
    }
}

#[test]
fn of_two_templates_the_more_exact_one_counts() {
    let (number, words) = ("/repos/acme/hello/issues/3/comments", "/repos/acme/hello/issues/comments/3");
    let edit = |path: &str| description().problems(&[call("PATCH", path, json!({"body": "x"}), None)]).join("\n");
    assert_eq!(edit(words), "");
    assert!(edit(number).contains("GitHub takes no document here"), "{}", edit(number));
}
