//! A debugger at the other end of a pipe, with something that does nothing by itself: a core.

use crate::debug::debuggee::Debuggee;
use crate::gdb::session::Session;
use std::io::{self, Read, Write};

/// Bytes that are taken in at a time.
const CHUNK: usize = 4096;

/// Serves the debugger until it has gone.
pub fn serve(debuggee: &mut dyn Debuggee, mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut session = Session::new(debuggee, true);
    let mut bytes = [0; CHUNK];
    // What it is asked to do has happened at once.
    session.happened();
    while session.end().is_none() {
        let count = match input.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut rest = &bytes[..count];
        while !rest.is_empty() && session.end().is_none() {
            let taken = session.receive(rest);
            rest = &rest[taken..];
            session.happened();
            let out = session.outbox();
            output.write_all(out.bytes())?;
            let count = out.bytes().len();
            out.sent(count);
            output.flush()?;
            if taken == 0 && !session.takes() {
                return Err(io::Error::other("what is debugged does not stand still"));
            }
        }
    }
    Ok(())
}
