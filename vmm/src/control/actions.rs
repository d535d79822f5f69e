//! What is to be done with a machine: the bodies of requests.

use super::http::response::Problem;
use super::keys;
use crate::ending::Status;
use serde::{Deserialize, Serialize};
use vmm_abi::exit;

/// Signals of which a process is expected to end.
pub const SIGNALS: [(&str, i32); 4] =
    [("TERM", libc::SIGTERM), ("INT", libc::SIGINT), ("HUP", libc::SIGHUP), ("QUIT", libc::SIGQUIT)];

/// What to do when nothing can be typed any more.
pub const ENDED_HINT: &str = "standard input of ukvmm has ended; start it with one that stays open, such as a terminal or `sleep infinity | ukvmm …`";

/// What has nothing to say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// How `ukvmm` is to end. Without a word, as if SIGTERM had come: nobody takes that for the program's own success.
#[derive(Serialize, Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
}

impl Stop {
    pub fn status(&self) -> Result<Status, Problem> {
        match (self.status, self.signal.as_deref()) {
            (Some(_), Some(_)) => Err(Problem::new(
                400,
                "a machine ends with a status or a signal, not both",
                "leave out one of them",
            )),
            (Some(status), None) => match u8::try_from(status) {
                Ok(status) if status <= exit::GUEST_MAX => Ok(Status::Exit(status)),
                _ => Err(Problem::new(
                    400,
                    format!("{status} is no status that a program may end with"),
                    format!("0 to {}; those above are ukvmm's own", exit::GUEST_MAX),
                )),
            },
            (None, signal) => named_signal(signal.unwrap_or("TERM")).map(Status::Signal),
        }
    }
}

fn named_signal(given: &str) -> Result<i32, Problem> {
    let name = given.strip_prefix("SIG").unwrap_or(given);
    let known = SIGNALS.iter().find(|(known, _)| *known == name);
    known.map(|(_, number)| *number).ok_or_else(|| {
        let known: Vec<_> = SIGNALS.iter().map(|(name, _)| *name).collect();
        Problem::new(
            400,
            format!("{given:?} is no signal to end with"),
            format!("known: {}", known.join(", ")),
        )
    })
}

/// What is to be typed.
#[derive(Serialize, Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// As it is. A line ends with `\n`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// By their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
}

/// How much of it was: bytes of text, or keys.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Taken {
    pub taken: usize,
    /// What there was no room for, and is to be sent again.
    pub left: usize,
}

impl Keys {
    /// What goes to the guest: each is taken whole or not at all.
    pub fn bytes(&self) -> Result<Vec<Vec<u8>>, Problem> {
        match (&self.text, &self.keys) {
            (Some(text), None) => Ok(text.chars().map(|c| c.to_string().into_bytes()).collect()),
            (None, Some(names)) => names.iter().map(|name| keys::bytes(name)).collect(),
            _ => Err(Problem::new(
                400,
                "there is nothing to type, or too much at once",
                r#"either {"text":"ls\n"} or {"keys":["ctrl-c","enter"]}"#,
            )),
        }
    }

    /// What it means that so many of `all` were taken.
    pub fn taken(&self, all: &[Vec<u8>], count: usize) -> Taken {
        let (taken, left) = all.split_at(count.min(all.len()));
        match self.text {
            Some(_) => Taken { taken: taken.concat().len(), left: left.concat().len() },
            None => Taken { taken: taken.len(), left: left.len() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(status: Option<u64>, signal: Option<&str>) -> Result<Status, u16> {
        Stop { status, signal: signal.map(str::to_owned) }.status().map_err(|problem| problem.status)
    }

    #[test]
    fn a_machine_that_is_stopped_does_not_look_like_one_that_has_succeeded() {
        assert_eq!(stop(None, None), Ok(Status::Signal(libc::SIGTERM)));
        assert_eq!(stop(Some(0), None), Ok(Status::Exit(0)), "unless somebody wants that");
        assert_eq!(stop(Some(119), None), Ok(Status::Exit(119)));
        assert_eq!(stop(None, Some("SIGINT")), Ok(Status::Signal(libc::SIGINT)));
        assert_eq!(stop(None, Some("HUP")), Ok(Status::Signal(libc::SIGHUP)));
        for (status, signal) in
            [(Some(120), None), (Some(1 << 40), None), (Some(1), Some("TERM")), (None, Some("KILL"))]
        {
            assert_eq!(stop(status, signal), Err(400));
        }
    }

    #[test]
    fn what_was_taken_is_counted_as_it_was_given() {
        let text = Keys { text: Some("aü\n".into()), keys: None };
        let all = text.bytes().unwrap();
        assert_eq!(all, [b"a".to_vec(), "ü".into(), b"\n".to_vec()]);
        assert_eq!(text.taken(&all, 2), Taken { taken: 3, left: 1 });
        let named = Keys { text: None, keys: Some(vec!["ctrl-c".into(), "up".into()]) };
        let all = named.bytes().unwrap();
        assert_eq!(named.taken(&all, 1), Taken { taken: 1, left: 1 });
        for wrong in [Keys::default(), Keys { text: Some("a".into()), keys: Some(vec![]) }] {
            assert_eq!(wrong.bytes().unwrap_err().status, 400);
        }
    }
}
