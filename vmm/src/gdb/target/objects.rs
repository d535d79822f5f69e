//! What gdb reads as a whole, in pieces: `qXfer` packets (GDB manual, "General Query Packets").

use super::files::AT_NO_PROGRAM;
use super::{NO_SUCH, Target, part};
use crate::debug::thread::Process;
use gdbstub::common::Pid;
use gdbstub::target::ext::auxv::Auxv;
use gdbstub::target::ext::exec_file::ExecFile;
use gdbstub::target::ext::target_description_xml_override::TargetDescriptionXmlOverride;
use gdbstub::target::{TargetError, TargetResult};

impl TargetDescriptionXmlOverride for Target<'_> {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        into: &mut [u8],
    ) -> TargetResult<usize, Self> {
        if annex != b"target.xml" {
            return Err(TargetError::NonFatal);
        }
        Ok(part(self.description.as_bytes(), offset, length, into))
    }
}

impl ExecFile for Target<'_> {
    fn get_exec_file(
        &self,
        pid: Option<Pid>,
        offset: u64,
        length: usize,
        into: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let process = match pid {
            Some(pid) => Process(u32::try_from(pid.get()).map_err(|_| TargetError::Errno(NO_SUCH))?),
            None => self.current.process,
        };
        let path = self.debuggee.borrow_mut().executable(process);
        let path = path.unwrap_or_else(|| AT_NO_PROGRAM.to_string());
        Ok(part(path.as_bytes(), offset, length, into))
    }
}

impl Auxv for Target<'_> {
    fn get_auxv(&self, offset: u64, length: usize, into: &mut [u8]) -> TargetResult<usize, Self> {
        let vector = self.debuggee.borrow_mut().auxv(self.current.process);
        Ok(part(&vector.ok_or(TargetError::Errno(NO_SUCH))?, offset, length, into))
    }
}
