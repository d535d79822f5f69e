use super::*;
use crate::control::http::connection::Service as _;
use crate::control::mock::Mock;
use crate::control::status::{Exit, State};
use serde_json::{Value, json};

fn service() -> Service<Mock> {
    Service(Arc::default())
}

fn request(method: &str, path: &str, body: &str) -> Request {
    Request { method: method.into(), path: path.into(), body: body.into(), keeps_alive: true }
}

fn ask(service: &Service<Mock>, method: &str, path: &str, body: &str) -> (u16, Value) {
    match service.call(&request(method, path, body), Instant::now()) {
        Reply::Now(response) => {
            (response.status, serde_json::from_slice(&response.body).unwrap_or(Value::Null))
        }
        Reply::Later(_) => (0, Value::Null),
    }
}

#[test]
fn the_index_says_all_that_there_is() {
    let (status, index) = ask(&service(), "GET", "/v1/", "");
    assert_eq!((status, index["routes"].as_array().unwrap().len()), (200, ROUTES.len()));
    for route in index["routes"].as_array().unwrap() {
        let methods = route["methods"].as_str().unwrap();
        let method = methods.split(", ").next().unwrap();
        let (status, _) = ask(&service(), method, route["path"].as_str().unwrap(), "");
        assert!(![404, 405].contains(&status), "{route}");
    }
}

#[test]
fn what_there_is_not_is_refused_with_what_there_is() {
    let (status, problem) = ask(&service(), "GET", "/v1/pausee", "");
    assert_eq!((status, problem["hint"].as_str()), (404, Some(SEE_INDEX)));
    let Reply::Now(response) = service().call(&request("GET", "/v1/pause", ""), Instant::now()) else {
        panic!("no answer")
    };
    assert_eq!((response.status, response.allow), (405, Some("PUT, POST")));
}

#[test]
fn a_pause_is_answered_when_the_machine_stands() {
    let service = service();
    service.0.inner().is_stuck = true;
    assert_eq!(ask(&service, "PUT", "/v1/pause", "").0, 0, "later");
    assert_eq!(service.resume(false), None);
    assert_eq!(service.resume(true).unwrap().status, 503);
    service.0.inner().is_stuck = false;
    let answer = service.resume(false).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), json!({"state": "paused"}));
    assert_eq!(ask(&service, "POST", "/v1/resume", "{}"), (200, json!({"state": "running"})));
    assert_eq!(ask(&service, "PUT", "/v1/pause", r#"{"for": 1}"#).0, 400);
    assert!(!service.0.inner().is_paused);
}

#[test]
fn keys_are_typed_and_what_is_left_told() {
    let service = service();
    let text = r#"{"text":"ls\n"}"#;
    assert_eq!(ask(&service, "PUT", "/v1/keys", text).0, 409);
    service.0.inner().room = Some(2);
    assert_eq!(ask(&service, "PUT", "/v1/keys", text), (200, json!({"taken": 2, "left": 1})));
    service.0.inner().room = Some(9);
    let named = r#"{"keys":["enter","ctrl-d"]}"#;
    assert_eq!(ask(&service, "PUT", "/v1/keys", named), (200, json!({"taken": 2, "left": 0})));
    assert_eq!(service.0.inner().typed, b"ls\r\x04");
    for wrong in [
        "",
        "{}",
        "[]",
        "\"x\"",
        "{\"text\":1}",
        "{\"keys\":[\"nokey\"]}",
        "{\"text\":\"a\",\"keys\":[]}",
        "\u{1}",
        "{\"txt\":\"a\"}",
    ] {
        let (status, problem) = ask(&service, "PUT", "/v1/keys", wrong);
        assert!(status == 400 && problem["hint"].is_string(), "{wrong}: {status} {problem}");
    }
}

#[test]
fn a_stop_says_how_it_will_end() {
    let service = service();
    let ended = |exit: Exit| json!({"state": State::Ending, "exit": exit});
    assert_eq!(ask(&service, "PUT", "/v1/stop", ""), (200, ended(Exit::Signal(libc::SIGTERM))));
    assert_eq!(service.0.inner().stopped, Some(Status::Signal(libc::SIGTERM)));
    assert_eq!(ask(&service, "PUT", "/v1/stop", r#"{"status":3}"#), (200, ended(Exit::Status(3))));
    service.0.inner().stopped = None;
    assert_eq!(ask(&service, "PUT", "/v1/stop", r#"{"status":125}"#).0, 400);
    assert_eq!(service.0.inner().stopped, None);
}

#[test]
fn figures_have_their_own_type() {
    let Reply::Now(response) = service().call(&request("GET", "/v1/metrics", ""), Instant::now()) else {
        panic!("no answer")
    };
    assert_eq!(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert!(response.body.starts_with(b"# HELP ukvmm_build_info "));
}
