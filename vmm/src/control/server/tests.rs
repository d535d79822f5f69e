use super::*;
use crate::control::http::connection::Reply;
use crate::control::http::request::Request;
use crate::control::http::response::Response;
use crate::control::mock::Mock;
use crate::control::service::Service as Routes;
use crate::socket::Access;
use std::io::{Read, Write};
use std::path::PathBuf;

/// A machine that is only thought up, and what wakes the thread for it.
struct Alone {
    routes: Routes<Mock>,
    news: Bell,
}

impl Service for Alone {
    fn call(&self, request: &Request, now: Instant) -> Reply {
        self.routes.call(request, now)
    }
    fn resume(&self, is_late: bool) -> Option<Response> {
        self.routes.resume(is_late)
    }
}

impl Waiting for Alone {
    fn news(&self) -> Option<BorrowedFd<'_>> {
        Some(self.news.event.as_fd())
    }
    fn forget_news(&self) {
        self.news.forget();
    }
}

struct Bench {
    _folder: tempfile::TempDir,
    path: PathBuf,
    service: Arc<Alone>,
    server: Option<Server>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let socket = Socket::open(path.clone(), Access::Owner).unwrap();
        let service = Arc::new(Alone { routes: Routes(Arc::default()), news: Bell::new().unwrap() });
        let server = Server::start(socket, Arc::new(Bell::new().unwrap()), service.clone()).unwrap();
        Self { _folder: folder, path, service, server: Some(server) }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Says it on a connection of its own, and hears until the end.
    fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        to_end(stream)
    }
}

fn to_end(mut stream: UnixStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const STATUS: &str = "GET /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n";

#[test]
fn it_answers_and_goes_with_its_socket() {
    let mut bench = Bench::new();
    assert!(bench.ask(STATUS).contains("\"state\":\"running\""));
    bench.server = None;
    assert!(!bench.path.exists());
}

#[test]
fn nobody_stalls_anybody_else() {
    let bench = Bench::new();
    // Who says nothing, who says half, who does not read, who has gone.
    let mut slow: Vec<_> = (0..CONNECTIONS).map(|_| bench.connect()).collect();
    slow[0].write_all(b"GET /v1/sta").unwrap();
    let many = STATUS.replace("close", "keep-alive").repeat(300);
    slow[1].write_all(many.as_bytes()).unwrap();
    slow[2].write_all(STATUS.as_bytes()).unwrap();
    drop(slow.remove(2));
    for _ in 0..3 * CONNECTIONS {
        assert!(bench.ask(STATUS).starts_with("HTTP/1.1 200 "), "there is room for one more");
    }
}

#[test]
fn pipelined_requests_are_all_answered() {
    let bench = Bench::new();
    let request = STATUS.replace("close", "keep-alive");
    let answer = bench.ask(&(request.repeat(200) + STATUS));
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 201);
}

#[test]
fn too_much_is_refused_though_it_goes_on() {
    let bench = Bench::new();
    let mut stream = bench.connect();
    stream.write_all(b"PUT /v1/keys HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n").unwrap();
    // It may hang up while we write.
    let _ = stream.write_all(&[b'x'; 100_000]);
    let mut head = [0; 16];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 413 Con");
}

#[test]
fn a_pause_waits_for_the_news_and_others_do_not_wait_for_it() {
    let bench = Bench::new();
    bench.service.routes.0.inner().is_stuck = true;
    let mut stream = bench.connect();
    stream.write_all(STATUS.replace("GET /v1/status", "PUT /v1/pause").as_bytes()).unwrap();
    let mut answer = String::new();
    while !answer.contains("pausing") {
        answer = bench.ask(STATUS);
    }
    bench.service.routes.0.inner().is_stuck = false;
    bench.service.news.ring();
    assert!(to_end(stream).contains("{\"state\":\"paused\"}"));
}

#[test]
fn a_pause_that_does_not_succeed_is_told() {
    let bench = Bench::new();
    bench.service.routes.0.inner().is_stuck = true;
    let answer = bench.ask(&STATUS.replace("GET /v1/status", "PUT /v1/pause"));
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: 1"), "{answer}");
}
