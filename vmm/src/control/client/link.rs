//! Asks a machine, and understands its answer.

use crate::control::http::response::Problem;
use crate::control::status::Status;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use top::find::Peer;
use top::place::Kind;

/// How long an answer may take: some seconds, of a machine that is to be paused.
const LIMIT: Duration = Duration::from_secs(10);
/// Bytes of an answer at most.
const ANSWER_MAX: usize = 16 << 20;
const HEADERS_MAX: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("the machine does not answer")]
    Silent,
    #[error("the machine has ended")]
    Ended,
    #[error("speaking with the machine: {0}")]
    Stream(io::Error),
    #[error("what listens there is no machine's control socket")]
    Foreign,
    #[error("{error}: {hint}")]
    Refused { error: String, hint: String },
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::Silent,
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Self::Ended,
            _ => Self::Stream(error),
        }
    }
}

/// A connection, on which one thing after the other is asked.
#[derive(Debug)]
pub struct Link {
    stream: UnixStream,
}

impl Peer for Link {
    const KIND: Kind = Kind::Control;

    fn new(stream: UnixStream) -> Self {
        Self { stream }
    }

    fn describe(mut self) -> String {
        match self.ask::<Status>("GET", "/v1/status", "") {
            Ok(status) => super::words::title(&status),
            Err(error) => format!("({error})"),
        }
    }
}

impl Link {
    /// Asks, and returns the answer's body as it came.
    pub fn request(&mut self, method: &str, path: &str, body: &str) -> Result<Vec<u8>, LinkError> {
        self.stream.set_read_timeout(Some(LIMIT))?;
        self.stream.set_write_timeout(Some(LIMIT))?;
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: ukvmm\r\nContent-Length: {length}\r\n\r\n");
        self.stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        let (status, body) = self.answer()?;
        if status == 200 {
            return Ok(body);
        }
        let Said { error, hint } = serde_json::from_slice(&body).map_err(|_| LinkError::Foreign)?;
        Err(LinkError::Refused { error, hint })
    }

    /// The same, understood.
    pub fn ask<T: DeserializeOwned>(&mut self, method: &str, path: &str, body: &str) -> Result<T, LinkError> {
        serde_json::from_slice(&self.request(method, path, body)?).map_err(|_| LinkError::Foreign)
    }

    /// Status and body.
    fn answer(&mut self) -> Result<(u16, Vec<u8>), LinkError> {
        let mut bytes = Vec::new();
        loop {
            let mut chunk = [0; 16 << 10];
            match self.stream.read(&mut chunk) {
                Ok(0) if bytes.is_empty() => return Err(LinkError::Ended),
                Ok(0) => return Err(LinkError::Foreign),
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(whole) = parse(&bytes)? {
                return Ok(whole);
            }
            if bytes.len() > ANSWER_MAX {
                return Err(LinkError::Foreign);
            }
        }
    }
}

/// What a [`Problem`] says.
#[derive(Deserialize)]
struct Said {
    error: String,
    hint: String,
}

fn parse(bytes: &[u8]) -> Result<Option<(u16, Vec<u8>)>, LinkError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(bytes).map_err(|_| LinkError::Foreign)? else {
        return Ok(None);
    };
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    let end = length.and_then(|length| start.checked_add(length)).ok_or(LinkError::Foreign)?;
    let status = head.code.ok_or(LinkError::Foreign)?;
    Ok(bytes.get(start..end).map(|body| (status, body.to_vec())))
}

impl From<Problem> for LinkError {
    fn from(Problem { error, hint, .. }: Problem) -> Self {
        Self::Refused { error, hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(answer: &str) -> Result<Vec<u8>, LinkError> {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(answer.as_bytes()).unwrap();
        far.shutdown(std::net::Shutdown::Write).unwrap();
        let result = Link::new(near).request("GET", "/x", "body");
        let mut said = String::new();
        let mut head = [0; 64];
        let count = far.read(&mut head).unwrap();
        said.push_str(str::from_utf8(&head[..count]).unwrap());
        assert!(said.starts_with("GET /x HTTP/1.1\r\n"), "{said}");
        result
    }

    #[test]
    fn answers_are_understood_and_refusals_told() {
        assert_eq!(answered("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcd").unwrap(), b"abc");
        let refusal = "{\"error\":\"no\",\"hint\":\"later\"}";
        let answer = format!("HTTP/1.1 409 Conflict\r\nContent-Length: {}\r\n\r\n{refusal}", refusal.len());
        assert_eq!(answered(&answer).unwrap_err().to_string(), "no: later");
    }

    #[test]
    fn others_are_noticed() {
        assert!(matches!(answered("").unwrap_err(), LinkError::Ended));
        for answer in [
            "220 mail\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 500 x\r\nContent-Length: 1\r\n\r\nx",
            "HTTP/1.1 200",
        ] {
            assert!(matches!(answered(answer).unwrap_err(), LinkError::Foreign), "{answer}");
        }
    }
}
