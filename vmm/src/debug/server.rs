//! The thread that serves debuggers, one after the other, as long as the machine is there.

use super::absent::{Absent, Attach};
use super::control::Control;
use super::debuggee::Debuggee;
use super::listen::Gdb;
use crate::error::{Error, host};
use crate::gdb;
use crate::jail::{self, Kind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// What a debugger may take to hear of the machine's end.
const FAREWELL: Duration = Duration::from_millis(500);

pub struct Server {
    control: Arc<Control>,
    /// Its other end goes with the thread.
    ended: Receiver<()>,
}

impl Server {
    /// Starts it. `attach` is made in the thread, as often as a debugger comes.
    pub fn start(
        gdb: Gdb,
        control: Arc<Control>,
        attach: impl FnOnce() -> Attach + Send + 'static,
    ) -> Result<Self, Error> {
        let (alive, ended) = channel();
        let its_control = control.clone();
        let body = move || {
            // Dropped in the opposite order: who waits for the end finds the socket gone.
            let _alive: std::sync::mpsc::Sender<()> = alive;
            let gdb = gdb;
            jail::enter(Kind::Gdb);
            serve(&gdb, &its_control, attach());
        };
        thread::Builder::new()
            .name("gdb".into())
            .spawn(body)
            .map_err(host("starting the debugger's thread"))?;
        Ok(Self { control, ended })
    }

    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// The machine has ended, and `ukvmm` will exit with `status`, or die of a signal. Waits until the debugger knows.
    pub fn end(self, status: Option<u8>) {
        self.control.over(status);
        // It ends by hanging up, if at all.
        let _ = self.ended.recv_timeout(FAREWELL);
    }
}

fn serve(gdb: &Gdb, control: &Arc<Control>, attach: Attach) {
    let mut machine = match Absent::new(control.clone(), attach) {
        Ok(machine) => machine,
        Err(error) => {
            tracing::error!("debuggers cannot be served: {error}");
            return control.detach();
        }
    };
    // That it runs is for the debugger to say that comes first: it has it stop, which is no different if it stands already.
    let served = catch_unwind(AssertUnwindSafe(|| gdb::serve(&gdb.listener, &mut machine, true)));
    match served {
        Ok(Ok(())) => return,
        Ok(Err(error)) => tracing::error!("debuggers cannot be served any more: {error}"),
        Err(_) => tracing::error!(
            "the debugger's thread has panicked, a bug of ukvmm; the guest goes on without it"
        ),
    }
    leave(machine, control);
}

/// Has the machine run on without a debugger, whatever has become of that one. Breakpoints that stayed would be the guest's end.
fn leave(mut machine: Absent, control: &Control) {
    let left = catch_unwind(AssertUnwindSafe(move || machine.detach()));
    if left.is_err() {
        tracing::error!("the debugger may have left breakpoints behind");
        control.detach();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debug::mock::Mock;
    use crate::debug::options::{GdbOptions, Place};
    use crate::events::Mailbox;
    use crate::gdb::framing::frame;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    fn start(attach: impl FnOnce() -> Attach + Send + 'static) -> (tempfile::TempDir, Arc<Control>, Server) {
        let folder = tempfile::tempdir().unwrap();
        let options = GdbOptions { place: Place::Unix(folder.path().join("gdb")), name: None, wait: false };
        let control = Control::new(&[], false, Mailbox::new().unwrap().0).unwrap();
        let server = Server::start(Gdb::open(options).unwrap(), control.clone(), attach).unwrap();
        (folder, control, server)
    }

    #[test]
    fn it_ends_with_the_machine_and_takes_its_socket_along() {
        let (folder, _, server) = start(|| Box::new(|| panic!("nobody comes")));
        let began = Instant::now();
        server.end(Some(0));
        assert!(began.elapsed() < FAREWELL);
        assert!(!folder.path().join("gdb").exists());
    }

    #[test]
    fn a_panic_lets_the_machine_go_on() {
        let (folder, control, server) = start(|| Box::new(|| panic!("on purpose")));
        control.attach();
        let _client = UnixStream::connect(folder.path().join("gdb")).unwrap();
        assert!(server.ended.recv_timeout(Duration::from_secs(20)).is_err());
        assert!(!control.is_attached());
    }

    #[test]
    fn a_panic_in_the_middle_leaves_nothing_behind() {
        let (farewell, left) = channel();
        let (folder, _, server) = start(move || {
            Box::new(move || {
                let mut machine = Mock::new();
                machine.farewell = Some(farewell.clone());
                Ok(Box::new(machine))
            })
        });
        let mut client = UnixStream::connect(folder.path().join("gdb")).unwrap();
        client.write_all(&frame(b"qRcmd,70616e6963")).unwrap();
        assert!(server.ended.recv_timeout(Duration::from_secs(20)).is_err());
        left.recv_timeout(Duration::ZERO).unwrap();
    }
}
