//! Request in, answer out: nothing here reads a clock, a socket or the environment.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use super::request::Request;
use super::response::Response;
use super::settings::Settings;

/// The answer to `request`, which came from `peer`.
pub(super) fn answer(request: &Request, settings: &Settings, peer: SocketAddr, hostname: &str) -> Response {
    match request.path() {
        "/" => Response::text(200, format!("hello from {}\n", settings.version)),
        "/sick" if settings.fragile => {
            settings.unhealthy.store(true, Ordering::Relaxed);
            Response::text(200, "unhealthy from now on\n")
        }
        "/healthz" if settings.unhealthy.load(Ordering::Relaxed) => Response::text(503, "unhealthy\n"),
        "/healthz" if settings.flaps.as_ref().is_some_and(|asked| asked.fetch_add(1, Ordering::Relaxed) % 2 == 1) => {
            Response::text(503, "unhealthy\n")
        }
        "/healthz" => Response::text(200, "ok\n"),
        "/whoami" => Response::json(whoami(request, settings, peer, hostname)),
        // The usual name of the page that leaks an environment: it must not even seem to exist.
        "/env" => Response::text(404, "not found\n"),
        _ if settings.strict_paths => Response::text(404, "not found\n"),
        _ => Response::text(200, format!("{}\n", request.target)),
    }
}

/// Headers are one object, names in lower case, values of a repeated name joined by a comma.
fn whoami(request: &Request, settings: &Settings, peer: SocketAddr, hostname: &str) -> String {
    let mut headers: Vec<(&str, String)> = Vec::new();
    for (name, value) in &request.head.headers {
        match headers.iter_mut().find(|(known, _)| known == name) {
            Some((_, joined)) => *joined = format!("{joined}, {value}"),
            None => headers.push((name, value.clone())),
        }
    }
    let headers: Vec<String> =
        headers.iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
    format!(
        "{{\"version\":{},\"hostname\":{},\"remote\":{},\"method\":{},\"path\":{},\"headers\":{{{}}}}}\n",
        quoted(&settings.version),
        quoted(hostname),
        quoted(&peer.to_string()),
        quoted(&request.method),
        quoted(&request.target),
        headers.join(","),
    )
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::wire::Wire;
    use super::*;

    fn get(mode: &str, path: &str, headers: &str) -> Response {
        let settings = Settings::of(&[("MODE", mode), ("CANARY", "s3cret")]).expect("valid");
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
        let request = Request::read(&mut Wire::new(bytes.as_bytes()), std::io::sink());
        let peer = SocketAddr::from(([10, 0, 0, 1], 99));
        answer(&request.expect("valid"), &settings, peer, "box")
    }

    #[test]
    fn paths() {
        assert_eq!(get("", "/", ""), Response::text(200, "hello from v1\n"));
        assert_eq!(get("", "/healthz", ""), Response::text(200, "ok\n"));
        assert_eq!(get("", "/a/b?c", ""), Response::text(200, "/a/b?c\n"));
        assert_eq!(get("strict-paths", "/a/b?c", "").status, 404);
        assert_eq!(get("log-canary", "/env?x", "").status, 404);
    }

    #[test]
    fn an_unhealthy_one_still_answers() {
        assert_eq!(get("unhealthy", "/healthz", "").status, 503);
        assert_eq!(get("unhealthy", "/", "").status, 200);
    }

    #[test]
    fn health_can_change() {
        for (mode, statuses) in [("fragile", [200, 200, 503, 503]), ("flap", [200, 200, 503, 200])] {
            let settings = Settings::of(&[("MODE", mode)]).expect("valid");
            let get = |path: &str| {
                let bytes = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
                let request = Request::read(&mut Wire::new(bytes.as_bytes()), std::io::sink()).expect("valid");
                answer(&request, &settings, SocketAddr::from(([10, 0, 0, 1], 99)), "box").status
            };
            assert_eq!(["/healthz", "/sick", "/healthz", "/healthz"].map(get), statuses, "{mode}");
        }
    }

    #[test]
    fn whoami_is_json_whatever_the_headers_hold() {
        let answer = get("", "/whoami?q=\"", "X-A: \\\"\x01\u{85}\r\nx-a: b\r\n");
        let json: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(json["headers"]["x-a"], "\\\"\u{1}\u{85}, b");
        assert_eq!(json["headers"]["host"], "h");
        assert_eq!(json["path"], "/whoami?q=\"");
        assert_eq!(json["remote"], "10.0.0.1:99");
        assert_eq!((&json["version"], &json["hostname"]), (&"v1".into(), &"box".into()));
    }
}
