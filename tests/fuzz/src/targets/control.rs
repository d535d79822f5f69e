//! The control socket: what a client says, in pieces, while the machine changes and time goes by, and takes answers as it likes.

use super::Seed;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ukvmm::control::http::connection::Connection;
use ukvmm::control::http::request::{BODY_MAX, HEAD_MAX};
use ukvmm::control::mock::Mock;
use ukvmm::control::service::Service;

/// Begins a piece that is no text but an event; its second byte says which. Any other piece is what the client says.
const EVENT: u8 = b'~';
/// Bytes of an answer: the figures of a machine that has no devices are the longest.
const ANSWER_MAX: usize = 16 << 10;

/// The bytes are pieces, each behind its length in 16 bits.
pub fn run(bytes: &[u8]) {
    let mut client = Client::new();
    let mut rest = bytes;
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
        let (piece, behind) = behind.split_at(length);
        match piece {
            [EVENT, event, ..] => client.happen(*event),
            text => client.say(text),
        }
        rest = behind;
    }
    client.leave();
}

struct Client {
    service: Service<Mock>,
    connection: Connection,
    now: Instant,
}

impl Client {
    fn new() -> Self {
        let now = Instant::now();
        Self { service: Service(Arc::default()), connection: Connection::new(now), now }
    }

    fn say(&mut self, text: &[u8]) {
        let mut rest = text;
        while !rest.is_empty() && !self.connection.is_done() {
            let count = rest.len().min(self.connection.room());
            self.connection.receive(&rest[..count], &self.service, self.now);
            rest = &rest[count..];
            if count == 0 && !self.hear(usize::MAX) {
                // It waits for the machine.
                return;
            }
        }
    }

    /// Takes so many bytes of what goes out. False if there are none.
    fn hear(&mut self, most: usize) -> bool {
        let outgoing = self.connection.outgoing();
        assert!(outgoing.len() < ANSWER_MAX, "{} bytes wait", outgoing.len());
        assert!(outgoing.is_empty() || self.connection.room() <= HEAD_MAX + BODY_MAX);
        let count = outgoing.len().min(most);
        self.connection.sent(count, &self.service, self.now);
        count > 0
    }

    fn happen(&mut self, event: u8) {
        match event {
            b'p' => self.service.0.inner().is_stuck = true,
            b'r' => self.service.0.inner().is_stuck = false,
            b'k' => self.service.0.inner().room = Some(3),
            b't' => self.now += Duration::from_secs(1),
            b'e' => self.connection.half_close(&self.service, self.now),
            b'a' => {
                self.hear(usize::MAX);
            }
            _ => {
                self.hear(1);
            }
        }
        self.connection.tick(&self.service, self.now);
    }

    /// Whatever has been, a client that says no more is done with when it has had the longest of all times.
    fn leave(mut self) {
        self.connection.half_close(&self.service, self.now);
        while self.hear(usize::MAX) {}
        for _ in 0..3 {
            self.now += Duration::from_secs(60);
            self.connection.tick(&self.service, self.now);
            while self.hear(usize::MAX) {}
        }
        assert!(self.connection.is_done(), "{:?}", self.connection);
    }
}

fn pieces(pieces: &[&str]) -> Vec<u8> {
    let framed = |piece: &&str| [&(piece.len() as u16).to_le_bytes(), piece.as_bytes()].concat();
    pieces.iter().flat_map(framed).collect()
}

pub fn seeds() -> Vec<Seed> {
    vec![
        (
            "status",
            pieces(&[
                "GET /v1/status HTTP/1.1\r\nHost: ukvmm\r\n\r\n",
                "~a",
                "GET /v1/metrics HTTP/1.0\r\n\r\n",
            ]),
        ),
        (
            "pause",
            pieces(&[
                "~p",
                "PUT /v1/pause HTTP/1.1\r\n\r\n",
                "~t",
                "~r",
                "~a",
                "POST /v1/resume HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
            ]),
        ),
        (
            "keys",
            pieces(&[
                "~k",
                "PUT /v1/keys HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 24\r\n\r\n",
                "~a",
                "{\"keys\":[\"ctrl-c\",\"up\"]}",
                "~a",
                "PUT /v1/keys HTTP/1.1\r\nContent-Length: 15\r\n\r\n{\"text\":\"ls\\n\"}",
            ]),
        ),
        (
            "stop",
            pieces(&[
                "PUT /v1/stop HTTP/1.1\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{\"status\":3}",
                "~e",
            ]),
        ),
        (
            "many",
            pieces(&[
                "GET /v1/ HTTP/1.1\r\n\r\nHEAD /v1/status HTTP/1.1\r\n\r\nDELETE /x HTTP/1.1\r\n\r\n",
                "~1",
                "~a",
                "GET /v1",
                "~t",
                "/ HTTP",
            ]),
        ),
        (
            "wrong",
            pieces(&[
                "PUT /v1/keys HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "~a",
                "GET / HTTP/1.1\r\n\r\n",
            ]),
        ),
    ]
}
