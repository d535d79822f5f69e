//! From bytes to a request.
//!
//! The head is taken apart by `httparse`; what a body may be is decided here (RFC 9112, 6). Bodies come with a length: none of those who speak with
//! us has more to say than it knows beforehand.

use super::response::{Problem, Response};
use httparse::{EMPTY_HEADER, Header};

/// Bytes of a request's line and headers, at most.
pub const HEAD_MAX: usize = 8 << 10;
/// Headers at most.
const HEADERS_MAX: usize = 64;
/// Bytes of a body at most.
pub const BODY_MAX: usize = 64 << 10;

/// A request, whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    pub method: String,
    /// Without what is behind a `?`.
    pub path: String,
    pub body: Vec<u8>,
    /// Whether the connection is to go on afterwards.
    pub keeps_alive: bool,
}

/// How far the bytes of a connection go.
#[derive(PartialEq, Eq, Debug)]
pub enum Parsed {
    /// More are needed. `is_asked`: the client waits until it hears that it may send the body.
    Partial { is_asked: bool },
    /// A request, and how many bytes it took.
    Whole(Request, usize),
}

/// Takes the first request off `bytes`. An error is the answer to it, and the connection's end: where the next one begins is not known.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Response> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(&bytes[..bytes.len().min(HEAD_MAX)]) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_MAX => {
            return Ok(Parsed::Partial { is_asked: false });
        }
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => return Err(too_large()),
        Err(error) => {
            return Err(Problem::new(400, format!("this is no HTTP request: {error}"), HTTP_HINT).into());
        }
    };
    let body = body_length(head.headers)?;
    let Some(rest) = bytes[length..].get(..body) else {
        let is_asked = says(head.headers, "expect", "100-continue") && bytes.len() == length;
        return Ok(Parsed::Partial { is_asked });
    };
    let target = head.path.unwrap_or_default();
    let request = Request {
        method: head.method.unwrap_or_default().into(),
        path: target.split(['?', '#']).next().unwrap_or_default().into(),
        body: rest.to_vec(),
        keeps_alive: keeps_alive(head.version, head.headers),
    };
    Ok(Parsed::Whole(request, length + body))
}

const HTTP_HINT: &str = "this socket speaks HTTP/1.1: curl --unix-socket SOCKET http://ukvmm/v1/";

fn too_large() -> Response {
    let error = format!("the head of the request has more than {HEAD_MAX} bytes or {HEADERS_MAX} headers");
    Problem::new(431, error, "leave out headers that nobody needs").into()
}

/// From Content-Length alone. With Transfer-Encoding, or two lengths, somebody in between may see another request than we do.
fn body_length(headers: &[Header<'_>]) -> Result<usize, Response> {
    if values(headers, "transfer-encoding").next().is_some() {
        let hint = "send the body with a Content-Length, as curl does for -d";
        return Err(Problem::new(411, "the length of the body is not said", hint).into());
    }
    let wrong = || Problem::new(400, "Content-Length is no length", "send it once, as a decimal number");
    let mut lengths = values(headers, "content-length");
    let Some(length) = lengths.next() else { return Ok(0) };
    let is_number = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
    if !is_number || lengths.next().is_some() {
        return Err(wrong().into());
    }
    // More digits than a number of ours has are too many bytes as well.
    let length = str::from_utf8(length).ok().and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
    if length > BODY_MAX {
        let error = format!("a body has at most {BODY_MAX} bytes");
        return Err(Problem::new(413, error, "send it in several requests").into());
    }
    Ok(length)
}

/// HTTP/1.1 goes on unless somebody says otherwise, HTTP/1.0 the other way round (RFC 9112, 9.3).
fn keeps_alive(version: Option<u8>, headers: &[Header<'_>]) -> bool {
    match version {
        Some(1) => !says(headers, "connection", "close"),
        _ => says(headers, "connection", "keep-alive"),
    }
}

fn values<'h>(headers: &'h [Header<'h>], name: &'static str) -> impl Iterator<Item = &'h [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// Whether `word` is among the values of a header.
fn says(headers: &[Header<'_>], name: &'static str, word: &str) -> bool {
    let words = values(headers, name).flat_map(|value| value.split(|&byte| byte == b','));
    words.map(<[u8]>::trim_ascii).any(|value| value.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> (Request, usize) {
        match parse(text.as_bytes()).unwrap() {
            Parsed::Whole(request, length) => (request, length),
            partial => panic!("{partial:?}"),
        }
    }

    fn refused(text: &str) -> u16 {
        parse(text.as_bytes()).unwrap_err().status
    }

    #[test]
    fn a_request_ends_where_its_body_ends() {
        let text = "PUT /v1/keys?x=1 HTTP/1.1\r\nHost: ukvmm\r\nContent-Length: 4\r\n\r\nbodyGET /v1/ HTTP/1.1\r\n\r\n";
        let (request, length) = whole(text);
        assert_eq!((request.method.as_str(), request.path.as_str()), ("PUT", "/v1/keys"));
        assert_eq!((request.body.as_slice(), request.keeps_alive), (&b"body"[..], true));
        assert_eq!(whole(&text[length..]).0.path, "/v1/");
        for end in 0..length {
            assert_eq!(parse(&text.as_bytes()[..end]), Ok(Parsed::Partial { is_asked: false }), "{end}");
        }
    }

    #[test]
    fn who_asks_whether_to_send_its_body_is_answered() {
        let head = "PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(parse(head.as_bytes()), Ok(Parsed::Partial { is_asked: true }));
        assert_eq!(whole(&format!("{head}ab")).0.body, b"ab");
    }

    #[test]
    fn connections_go_on_as_the_version_and_the_client_say() {
        let keeps = |head: &str| whole(&format!("GET / {head}\r\n\r\n")).0.keeps_alive;
        assert!(keeps("HTTP/1.1") && keeps("HTTP/1.0\r\nConnection: Keep-Alive"));
        assert!(!keeps("HTTP/1.0") && !keeps("HTTP/1.1\r\nConnection: x, Close"));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in [
            "\u{1}\u{2}\u{3}\r\n\r\n",
            "GET\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        ] {
            assert_eq!(refused(text), 400, "{text:?}");
        }
        let length = |length: &str| refused(&format!("PUT / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"));
        for wrong in ["-1", "+1", "0x1", "", "1, 1", "1\r\nContent-Length: 1"] {
            assert_eq!(length(wrong), 400, "{wrong}");
        }
        assert_eq!((length("65537"), length("99999999999999999999999")), (413, 413));
        assert_eq!(refused("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), 411);
    }

    #[test]
    fn heads_have_their_limits() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(HEAD_MAX));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
        assert_eq!((refused(&long), refused(&many)), (431, 431));
    }
}
