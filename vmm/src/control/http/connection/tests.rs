use super::*;
use std::cell::Cell;

/// Answers with the path; `/later` when it is told to.
#[derive(Default)]
struct Echo {
    is_ready: Cell<bool>,
    calls: Cell<usize>,
}

impl Service for Echo {
    fn call(&self, request: &Request, now: Instant) -> Reply {
        self.calls.set(self.calls.get() + 1);
        match request.path.as_str() {
            "/later" => Reply::Later(now + Duration::from_secs(2)),
            path => Reply::Now(Response::text("text/plain", path)),
        }
    }

    fn resume(&self, is_late: bool) -> Option<Response> {
        match (self.is_ready.get(), is_late) {
            (true, _) => Some(Response::text("text/plain", "ready")),
            (false, true) => Some(Problem::new(503, "late", "wait").into()),
            (false, false) => None,
        }
    }
}

struct Bench {
    echo: Echo,
    connection: Connection,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        Self { echo: Echo::default(), connection: Connection::new(now), now }
    }

    fn say(&mut self, text: &str) {
        assert!(text.len() <= self.connection.room());
        self.connection.receive(text.as_bytes(), &self.echo, self.now);
    }

    /// Takes all that is to go out just now.
    fn hear(&mut self) -> String {
        let text = String::from_utf8(self.connection.outgoing().to_vec()).unwrap();
        self.connection.sent(text.len(), &self.echo, self.now);
        text
    }

    fn after(&mut self, time: Duration) {
        self.now += time;
        self.connection.tick(&self.echo, self.now);
    }

    fn is_done(&self) -> bool {
        self.connection.is_done()
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn requests_are_answered_one_after_the_other_on_one_connection() {
    let mut bench = Bench::new();
    bench.say("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HT");
    assert_eq!((bench.echo.calls.get(), bench.connection.room()), (1, 0), "not before the answer is out");
    assert_eq!(body(&bench.hear()), "/a");
    assert_eq!(body(&bench.hear()), "/b");
    assert_eq!(bench.hear(), "");
    bench.say("TP/1.1\r\nConnection: close\r\n\r\n");
    assert_eq!(body(&bench.hear()), "/c");
    assert!(bench.connection.is_lingering());
    bench.say("more");
    bench.connection.half_close(&bench.echo, bench.now);
    assert!(bench.is_done());
}

#[test]
fn who_has_said_all_still_gets_an_answer() {
    let mut bench = Bench::new();
    bench.say("GET /a HTTP/1.1\r\n\r\n");
    bench.connection.half_close(&bench.echo, bench.now);
    assert_eq!(body(&bench.hear()), "/a");
    assert!(bench.is_done());
    let mut bench = Bench::new();
    bench.say("GET /a HT");
    bench.connection.half_close(&bench.echo, bench.now);
    assert!(bench.is_done() && bench.hear().is_empty());
}

#[test]
fn garbage_is_answered_and_what_follows_is_not_looked_at() {
    let mut bench = Bench::new();
    bench.say("\u{1}\r\n\r\nGET /a HTTP/1.1\r\n\r\n");
    assert!(bench.hear().starts_with("HTTP/1.1 400 "));
    assert!(bench.connection.is_lingering() && bench.echo.calls.get() == 0);
    bench.after(LINGER_TIME);
    assert!(bench.is_done());
}

#[test]
fn slow_clients_have_their_time_and_no_more() {
    let mut bench = Bench::new();
    bench.after(IDLE_TIME - Duration::from_millis(1));
    assert!(!bench.is_done());
    bench.say("G");
    for _ in 0..9 {
        bench.after(REQUEST_TIME / 10);
        bench.say("E");
        assert!(bench.connection.outgoing().is_empty());
    }
    bench.after(REQUEST_TIME / 10);
    assert!(bench.hear().starts_with("HTTP/1.1 408 "));
    let mut silent = Bench::new();
    silent.after(IDLE_TIME);
    assert!(silent.is_done() && silent.hear().is_empty());
}

#[test]
fn an_answer_that_nobody_reads_does_not_stay() {
    let mut bench = Bench::new();
    bench.say("GET /a HTTP/1.1\r\n\r\n");
    bench.after(REQUEST_TIME / 2);
    bench.connection.sent(1, &bench.echo, bench.now);
    bench.after(REQUEST_TIME - Duration::from_millis(1));
    assert!(!bench.is_done(), "as long as some of it is read");
    bench.after(Duration::from_millis(1));
    assert!(bench.is_done());
}

#[test]
fn what_takes_time_is_answered_when_it_is_done_or_late() {
    let mut bench = Bench::new();
    bench.say("PUT /later HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
    assert_eq!((bench.hear().as_str(), bench.connection.room()), ("", 0));
    bench.after(Duration::from_secs(1));
    assert_eq!(bench.hear(), "");
    bench.echo.is_ready.set(true);
    bench.after(Duration::ZERO);
    assert_eq!(body(&bench.hear()), "ready");
    assert_eq!(body(&bench.hear()), "/b");
    bench.echo.is_ready.set(false);
    bench.say("PUT /later HTTP/1.1\r\n\r\n");
    bench.after(Duration::from_secs(2));
    assert!(bench.hear().starts_with("HTTP/1.1 503 "));
    bench.echo.is_ready.set(true);
    bench.say("HEAD /later HTTP/1.1\r\n\r\n");
    assert!(bench.hear().ends_with("\r\n\r\n"), "at once, if there is nothing to wait for; without a body");
}

#[test]
fn who_asks_before_it_sends_is_told_once() {
    let mut bench = Bench::new();
    bench.say("PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(bench.hear(), "HTTP/1.1 100 Continue\r\n\r\n");
    bench.after(Duration::ZERO);
    assert_eq!(bench.hear(), "");
    bench.say("ab");
    assert_eq!(body(&bench.hear()), "/a");
}

#[test]
fn who_is_too_many_is_told() {
    let now = Instant::now();
    let mut bench = Bench { echo: Echo::default(), connection: Connection::refused(now), now };
    assert!(bench.hear().starts_with("HTTP/1.1 503 "));
    bench.after(LINGER_TIME);
    assert!(bench.is_done());
}
