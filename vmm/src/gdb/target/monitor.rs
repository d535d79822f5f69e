//! `monitor` commands.

use super::Target;
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd};

impl MonitorCmd for Target<'_> {
    fn handle_monitor_cmd(&mut self, command: &[u8], mut out: ConsoleOutput<'_>) -> Result<(), Self::Error> {
        let thread = self.current;
        let text = self.debuggee().monitor(thread, &String::from_utf8_lossy(command));
        // Each piece becomes a packet of its own, two digits a byte.
        for piece in text.as_bytes().chunks(super::TEXT) {
            out.write_raw(piece);
            out.flush();
        }
        Ok(())
    }
}
