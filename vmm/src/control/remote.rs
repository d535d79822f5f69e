//! A machine with its control socket, from the beginning of the one to the end of the other.

use super::running::Running;
use super::server::{Bell, Server};
use super::service::Service;
use crate::config::Config;
use crate::error::{Error, host};
use crate::events::Mailbox;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Serves until it is dropped.
pub struct Remote {
    machine: Arc<Running>,
    _server: Server,
}

impl Remote {
    /// Begins to serve, if `config` wants that. `watchers`: how many look at the machine by `--live`.
    pub fn start(
        config: &mut Config,
        mailbox: &Mailbox,
        watchers: &Arc<AtomicUsize>,
    ) -> Result<Option<Self>, Error> {
        let Some(socket) = config.control.take() else { return Ok(None) };
        let bell = Arc::new(Bell::new().map_err(host("eventfd"))?);
        let machine = Arc::new(Running::new(config, mailbox.clone(), bell.clone(), watchers.clone()));
        let service = Arc::new(Service(machine.clone()));
        Ok(Some(Self { machine, _server: Server::start(socket, bell, service)? }))
    }
}

impl Deref for Remote {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.machine
    }
}
