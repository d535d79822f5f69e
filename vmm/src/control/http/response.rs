//! From an answer to bytes.

use serde::Serialize;

pub const JSON: &str = "application/json";

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
    /// Of 405: the methods that there are.
    pub allow: Option<&'static str>,
}

/// What is wrong, and what to do about it; every answer that is no success has this as its body.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Problem {
    #[serde(skip)]
    pub status: u16,
    pub error: String,
    pub hint: String,
}

impl Problem {
    pub fn new(status: u16, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status, error: error.into(), hint: hint.into() }
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        Self { status: problem.status, ..Self::json(&problem) }
    }
}

impl Response {
    /// Success, with this to say.
    pub fn json(value: &impl Serialize) -> Self {
        // Fails for maps whose keys are no strings, of which we have none.
        let mut body = serde_json::to_vec(value).unwrap_or_default();
        body.push(b'\n');
        Self::text(JSON, body)
    }

    pub fn text(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type, body: body.into(), allow: None }
    }

    /// As it goes out. `has_body`: false for the answer to a HEAD, which says how long the body would be.
    pub fn to_bytes(&self, keeps_alive: bool, has_body: bool) -> Vec<u8> {
        let Self { status, content_type, body, allow } = self;
        let connection = if keeps_alive { "keep-alive" } else { "close" };
        let mut head = format!(
            "HTTP/1.1 {status} {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nConnection: {connection}\r\n",
            reason(*status),
            body.len()
        );
        if let Some(allow) = allow {
            head += &format!("Allow: {allow}\r\n");
        }
        if *status == 503 {
            head += "Retry-After: 1\r\n";
        }
        head += "\r\n";
        let mut bytes = head.into_bytes();
        if has_body {
            bytes.extend_from_slice(body);
        }
        bytes
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_to_do() {
        let response = Response::from(Problem::new(405, "no", "use PUT"));
        let response = Response { allow: Some("PUT, POST"), ..response };
        let text = String::from_utf8(response.to_bytes(true, true)).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 405 Method Not Allowed\r\nContent-Type: application/json\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\nConnection: keep-alive\r\nAllow: PUT, POST\r\n\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n{\"error\":\"no\",\"hint\":\"use PUT\"}\n"), "{text}");
    }

    #[test]
    fn a_head_has_the_length_of_its_body_and_no_body() {
        let text = String::from_utf8(Response::text("text/plain", "abc").to_bytes(false, false)).unwrap();
        assert!(
            text.contains("Content-Length: 3\r\n") && text.ends_with("Connection: close\r\n\r\n"),
            "{text}"
        );
    }
}
