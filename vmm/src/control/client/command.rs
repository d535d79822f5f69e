//! Does what `ukvmm ctl` was asked to.

use super::link::{Link, LinkError};
use super::options::{Ctl, Form, Keys, Stop, What};
use super::words;
use crate::control::actions::{self, Taken};
use crate::control::status::{Exit, State, Status};
use serde::Deserialize;
use std::io::{self, ErrorKind, Write, stdout};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};
use top::find::{self, FindError};
use vmm_abi::exit;

/// How often a guest without room is asked again, and for how long it may take nothing.
const NAP: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("the guest takes no more input: {left} of what was to be typed is left")]
    Full { left: usize },
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

/// Does it, and returns the exit status.
pub fn run(options: &Ctl) -> ExitCode {
    let error = match find::machine(options.machine.as_deref()).map_err(Error::from) {
        Ok(link) => perform(link, &options.what).err(),
        Err(error) => Some(error),
    };
    ExitCode::from(match error {
        None => 0,
        // Who reads has seen enough.
        Some(Error::Output(error)) if error.kind() == ErrorKind::BrokenPipe => 0,
        Some(error) => {
            tracing::error!("{error}");
            match error {
                Error::Find(error) if error.is_absence() => exit::NOT_FOUND,
                _ => exit::VMM,
            }
        }
    })
}

fn perform(link: Link, what: &What) -> Result<(), Error> {
    match what {
        What::Status(form) => {
            tell(link, ("GET", "/v1/status", ""), *form, |status: &Status| words::status(status))
        }
        What::Pause(form) => tell(link, ("PUT", "/v1/pause", ""), *form, Done::words),
        What::Resume(form) => tell(link, ("PUT", "/v1/resume", ""), *form, Done::words),
        What::Stop(options) => stop(link, options),
        What::Keys(options) => keys(link, options),
        What::Metrics => print(&{ link }.request("GET", "/v1/metrics", "")?),
    }
}

fn print(bytes: &[u8]) -> Result<(), Error> {
    Ok(stdout().lock().write_all(bytes)?)
}

/// Asks, and prints the answer as it is or in words.
fn tell<T: for<'a> Deserialize<'a>>(
    mut link: Link,
    (method, path, body): (&str, &str, &str),
    form: Form,
    words: impl FnOnce(&T) -> String,
) -> Result<(), Error> {
    let answer = link.request(method, path, body)?;
    if form.json {
        return print(&answer);
    }
    let answer = serde_json::from_slice(&answer).map_err(|_| LinkError::Foreign)?;
    print(words(&answer).as_bytes())
}

/// What has become of an action.
#[derive(Deserialize)]
struct Done {
    state: State,
    exit: Option<Exit>,
}

impl Done {
    fn words(&self) -> String {
        let exit = self.exit.map_or(String::new(), |exit| format!("; {}", words::exit(exit)));
        format!("{}{exit}\n", words::state(self.state))
    }
}

fn stop(link: Link, options: &Stop) -> Result<(), Error> {
    let how = actions::Stop { status: options.status, signal: options.signal.clone() };
    how.status().map_err(LinkError::from)?;
    let body = body(&how);
    tell(link, ("PUT", "/v1/stop", &body), options.form, Done::words)
}

/// Types all of it, as fast as the guest takes it.
fn keys(mut link: Link, options: &Keys) -> Result<(), Error> {
    let mut typed = 0;
    if let Some(text) = &options.text {
        let rest = |taken| actions::Keys { text: text.get(taken..).map(str::to_owned), keys: None };
        typed += all(&mut link, rest)?;
    }
    if !options.keys.is_empty() {
        let rest = |taken| actions::Keys { text: None, keys: options.keys.get(taken..).map(<[_]>::to_vec) };
        typed += all(&mut link, rest)?;
    }
    if options.form.json {
        print(format!("{}\n", body(&Taken { taken: typed, left: 0 })).as_bytes())?;
    }
    Ok(())
}

/// Types what is left of something when so much of it was taken, until nothing is. Returns how much it was.
fn all(link: &mut Link, rest: impl Fn(usize) -> actions::Keys) -> Result<usize, Error> {
    let (mut typed, mut since) = (0, Instant::now());
    loop {
        let answer: Taken = link.ask("PUT", "/v1/keys", &body(&rest(typed)))?;
        typed += answer.taken;
        match answer {
            Taken { left: 0, .. } => return Ok(typed),
            Taken { taken: 0, left } if since.elapsed() > PATIENCE => return Err(Error::Full { left }),
            Taken { taken: 0, .. } => {}
            _ => since = Instant::now(),
        }
        sleep(NAP);
    }
}

fn body(value: &impl serde::Serialize) -> String {
    // Fails for maps whose keys are no strings, of which we have none.
    serde_json::to_string(value).unwrap_or_default()
}
