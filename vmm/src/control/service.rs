//! Takes requests to where they belong.

use super::actions::{Keys, Nothing, Stop};
use super::http::connection::{self, Reply};
use super::http::request::Request;
use super::http::response::{Problem, Response};
use super::machine::Machine;
use super::metrics::exposition;
use super::routes::{self, Action, NoRoute, ROUTES};
use crate::ending::Status;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long vCPUs may take to stand. They do within a millisecond, unless one waits for somebody to read the guest's output.
const PAUSE_TIME: Duration = Duration::from_secs(2);

/// What a machine offers.
pub struct Service<M>(pub Arc<M>);

/// What has become of an action.
#[derive(Serialize)]
struct Done {
    state: super::status::State,
}

impl<M: Machine> connection::Service for Service<M> {
    fn call(&self, request: &Request, now: Instant) -> Reply {
        let action = match routes::find(&request.method, &request.path) {
            Ok(action) => action,
            Err(why) => return Reply::Now(refuse(request, why)),
        };
        match self.act(action, &request.body) {
            Ok(Some(response)) => Reply::Now(response),
            Ok(None) => Reply::Later(now + PAUSE_TIME),
            Err(problem) => Reply::Now(problem.into()),
        }
    }

    fn resume(&self, is_late: bool) -> Option<Response> {
        if self.0.stands() {
            return Some(self.done());
        }
        let hint = "it waits for somebody to read the guest's output, and will stand when that has been read; \
            /v1/status says which, /v1/resume takes the pause back";
        is_late.then(|| Problem::new(503, "a virtual CPU does not come to stand", hint).into())
    }
}

impl<M: Machine> Service<M> {
    /// `None`: when the machine stands.
    fn act(&self, action: Action, body: &[u8]) -> Result<Option<Response>, Problem> {
        let response = match action {
            Action::Index => Response::json(&Index { version: env!("CARGO_PKG_VERSION"), routes: ROUTES }),
            Action::Status => Response::json(&self.0.status()),
            Action::Metrics => Response::text(exposition::CONTENT_TYPE, self.0.metrics()),
            Action::Pause => {
                parse::<Option<Nothing>>(body)?;
                self.0.pause()?;
                return Ok(None);
            }
            Action::Resume => {
                parse::<Option<Nothing>>(body)?;
                self.0.resume()?;
                self.done()
            }
            Action::Stop => {
                let how = parse::<Option<Stop>>(body)?.unwrap_or_default().status()?;
                self.0.stop(how);
                Response::json(&Stopped::from(how))
            }
            Action::Keys => {
                let keys = parse::<Option<Keys>>(body)?.unwrap_or_default();
                let bytes = keys.bytes()?;
                let count = self.0.keys(&bytes)?;
                Response::json(&keys.taken(&bytes, count))
            }
        };
        Ok(Some(response))
    }

    fn done(&self) -> Response {
        Response::json(&Done { state: self.0.status().state })
    }
}

#[derive(Serialize)]
struct Index {
    version: &'static str,
    routes: &'static [routes::Route],
}

#[derive(Serialize)]
struct Stopped {
    state: super::status::State,
    exit: super::status::Exit,
}

impl From<Status> for Stopped {
    fn from(how: Status) -> Self {
        Self { state: super::status::State::Ending, exit: how.into() }
    }
}

impl From<Status> for super::status::Exit {
    fn from(how: Status) -> Self {
        match how {
            Status::Exit(status) => Self::Status(status),
            Status::Signal(signal) => Self::Signal(signal),
        }
    }
}

/// No body is `null`.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = if body.trim_ascii().is_empty() { b"null" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(400, format!("the body is not what is expected: {error}"), SEE_INDEX))
}

const SEE_INDEX: &str = "GET /v1/ says what there is";

fn refuse(request: &Request, why: NoRoute) -> Response {
    match why {
        NoRoute::Path => Problem::new(404, format!("there is no {:?}", request.path), SEE_INDEX).into(),
        NoRoute::Method(methods) => {
            let error = format!("{} cannot be done by {:?}", request.path, request.method);
            let problem = Problem::new(405, error, format!("use one of {methods}"));
            Response { allow: Some(methods), ..problem.into() }
        }
    }
}

#[cfg(test)]
mod tests;
