//! Threads, their registers and memory.

use super::Target;
use crate::debug::debuggee::Error;
use crate::debug::registers::Registers;
use crate::debug::thread::Thread;
use crate::gdb::arch::{KnownRegisters, Register};
use crate::gdb::{ids, registers};
use gdbstub::common::Tid;
use gdbstub::target::ext::base::multithread::{MultiThreadBase, MultiThreadResumeOps};
use gdbstub::target::ext::base::single_register_access::{SingleRegisterAccess, SingleRegisterAccessOps};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{TargetError, TargetResult};

/// A number of `gdbstub`'s is always one that we have given it; whether there is such a thread is another question.
pub(super) fn thread(tid: Tid) -> Thread {
    ids::unpack(tid.get() as u64).unwrap_or(Thread::vcpu(0))
}

impl Target<'_> {
    fn registers(&mut self, tid: Tid) -> Result<Registers, TargetError<Error>> {
        self.debuggee().registers(thread(tid)).map_err(|error| self.refused(error))
    }

    fn put_registers(&mut self, tid: Tid, registers: &Registers) -> Result<(), TargetError<Error>> {
        self.debuggee().set_registers(thread(tid), registers).map_err(|error| self.refused(error))
    }
}

impl MultiThreadBase for Target<'_> {
    fn read_registers(&mut self, known: &mut KnownRegisters, tid: Tid) -> TargetResult<(), Self> {
        *known = registers::known(&self.registers(tid)?);
        Ok(())
    }

    fn write_registers(&mut self, known: &KnownRegisters, tid: Tid) -> TargetResult<(), Self> {
        let mut changed = self.registers(tid)?;
        if !registers::put_known(&mut changed, known) {
            return Err(TargetError::NonFatal);
        }
        self.put_registers(tid, &changed)
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, address: u64, into: &mut [u8], tid: Tid) -> TargetResult<usize, Self> {
        let process = thread(tid).process;
        // gdb wants as much as there is, and the debuggee gives at least a byte, such as a page.
        let mut done = 0;
        while done < into.len() {
            let Some(at) = address.checked_add(done as u64) else { break };
            match self.debuggee().read(process, at, &mut into[done..]) {
                Ok(count) if count > 0 => done += count,
                Ok(_) => break,
                Err(error) if done == 0 => return Err(self.refused(error)),
                Err(_) => break,
            }
        }
        Ok(done.min(into.len()))
    }

    fn write_addrs(&mut self, address: u64, from: &[u8], tid: Tid) -> TargetResult<(), Self> {
        // gdb writes no bytes to find out whether it may write binary data.
        if from.is_empty() {
            return Ok(());
        }
        self.debuggee().write(thread(tid).process, address, from).map_err(|error| self.refused(error))
    }

    fn list_active_threads(&mut self, is_active: &mut dyn FnMut(Tid)) -> Result<(), Self::Error> {
        self.threads().into_iter().filter_map(ids::pack).for_each(is_active);
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl SingleRegisterAccess<Tid> for Target<'_> {
    fn read_register(&mut self, tid: Tid, register: Register, into: &mut [u8]) -> TargetResult<usize, Self> {
        let value = registers::read(&self.registers(tid)?, register).unwrap_or_default();
        Ok(super::part(&value, 0, into.len(), into))
    }

    fn write_register(&mut self, tid: Tid, register: Register, value: &[u8]) -> TargetResult<(), Self> {
        let mut changed = self.registers(tid)?;
        if !registers::write(&mut changed, register, value) {
            return Err(TargetError::NonFatal);
        }
        self.put_registers(tid, &changed)
    }
}

impl ThreadExtraInfo for Target<'_> {
    fn thread_extra_info(&self, tid: Tid, into: &mut [u8]) -> Result<usize, Self::Error> {
        let text = self.debuggee.borrow_mut().describe(thread(tid)).unwrap_or_default();
        Ok(super::part(text.as_bytes(), 0, super::TEXT, into))
    }
}
