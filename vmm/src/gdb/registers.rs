//! One register of a thread, as gdb has it: bytes in the machine's order.

use super::arch::{KNOWN, KnownRegisters, Register, System};
use crate::debug::registers::{Registers, Vector};
use gdbstub_arch::x86::reg::id::{
    X86_64CoreRegId as Core, X86SegmentRegId as Segment, X87FpuInternalRegId as Fpu,
};

/// Reads `register`; `None` if the machine does not have it.
pub fn read(registers: &Registers, register: Register) -> Option<Vec<u8>> {
    let vector = &registers.vector;
    Some(match register {
        Register::Core(Core::Gpr(index)) => registers.general.get(usize::from(index))?.to_le_bytes().to_vec(),
        Register::Core(Core::Rip) => registers.rip.to_le_bytes().to_vec(),
        // 32 bits in all of GDB's descriptions; the upper half is reserved.
        Register::Core(Core::Eflags) => (registers.rflags as u32).to_le_bytes().to_vec(),
        Register::Core(Core::Segment(id)) => wide(registers.segments[segment(id)]),
        Register::Core(Core::St(index)) => vector.st.get(usize::from(index))?.to_vec(),
        Register::Core(Core::Fpu(id)) => fpu(vector, id).to_le_bytes().to_vec(),
        Register::Core(Core::Xmm(index)) => vector.xmm.get(usize::from(index))?.to_le_bytes().to_vec(),
        Register::Core(Core::Mxcsr) => vector.mxcsr.to_le_bytes().to_vec(),
        Register::Core(_) | Register::OrigRax => return None,
        Register::System(id) => system(&mut registers.clone(), id).to_le_bytes().to_vec(),
        Register::YmmHigh(index) => vector.ymm_high?.get(index)?.to_le_bytes().to_vec(),
    })
}

/// Writes `register`. Says whether that is a register that the machine has, and `value` as long as it is.
pub fn write(registers: &mut Registers, register: Register, value: &[u8]) -> bool {
    put(registers, register, value).is_some()
}

fn put(registers: &mut Registers, register: Register, value: &[u8]) -> Option<()> {
    let vector = &mut registers.vector;
    match register {
        Register::Core(Core::Gpr(index)) => {
            *registers.general.get_mut(usize::from(index))? = u64::from_le_bytes(value.try_into().ok()?);
        }
        Register::Core(Core::Rip) => registers.rip = u64::from_le_bytes(value.try_into().ok()?),
        Register::Core(Core::Eflags) => registers.rflags = narrow(value)?.into(),
        Register::Core(Core::Segment(id)) => registers.segments[segment(id)] = narrow(value)? as u16,
        Register::Core(Core::St(index)) => {
            *vector.st.get_mut(usize::from(index))? = value.try_into().ok()?;
        }
        Register::Core(Core::Fpu(id)) => put_fpu(vector, id, narrow(value)?),
        Register::Core(Core::Xmm(index)) => {
            *vector.xmm.get_mut(usize::from(index))? = u128::from_le_bytes(value.try_into().ok()?);
        }
        Register::Core(Core::Mxcsr) => vector.mxcsr = narrow(value)?,
        Register::Core(_) => return None,
        Register::System(id) => *system(registers, id) = u64::from_le_bytes(value.try_into().ok()?),
        // gdb writes -1 when it changes rip, so that Linux begins no system call again. Ours does not.
        Register::OrigRax => {}
        Register::YmmHigh(index) => {
            *vector.ymm_high.as_mut()?.get_mut(index)? = u128::from_le_bytes(value.try_into().ok()?);
        }
    }
    Some(())
}

fn narrow(value: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(value.try_into().ok()?))
}

fn wide(value: u16) -> Vec<u8> {
    u32::from(value).to_le_bytes().to_vec()
}

fn segment(id: Segment) -> usize {
    use crate::debug::registers::segment::{CS, DS, ES, FS, GS, SS};
    match id {
        Segment::CS => CS,
        Segment::SS => SS,
        Segment::DS => DS,
        Segment::ES => ES,
        Segment::FS => FS,
        Segment::GS => GS,
    }
}

fn system(registers: &mut Registers, id: System) -> &mut u64 {
    match id {
        System::FsBase => &mut registers.fs_base,
        System::GsBase => &mut registers.gs_base,
        System::KernelGsBase => &mut registers.kernel_gs_base,
        System::Cr0 => &mut registers.cr0,
        System::Cr2 => &mut registers.cr2,
        System::Cr3 => &mut registers.cr3,
        System::Cr4 => &mut registers.cr4,
        System::Cr8 => &mut registers.cr8,
        System::Efer => &mut registers.efer,
    }
}

fn fpu(vector: &Vector, id: Fpu) -> u32 {
    match id {
        Fpu::Fctrl => vector.fctrl.into(),
        Fpu::Fstat => vector.fstat.into(),
        Fpu::Ftag => vector.ftag.into(),
        Fpu::Fiseg => vector.fiseg.into(),
        Fpu::Fioff => vector.fioff,
        Fpu::Foseg => vector.foseg.into(),
        Fpu::Fooff => vector.fooff,
        Fpu::Fop => vector.fop.into(),
    }
}

fn put_fpu(vector: &mut Vector, id: Fpu, value: u32) {
    match id {
        Fpu::Fctrl => vector.fctrl = value as u16,
        Fpu::Fstat => vector.fstat = value as u16,
        Fpu::Ftag => vector.ftag = value as u16,
        Fpu::Fiseg => vector.fiseg = value as u16,
        Fpu::Fioff => vector.fioff = value,
        Fpu::Foseg => vector.foseg = value as u16,
        Fpu::Fooff => vector.fooff = value,
        Fpu::Fop => vector.fop = value as u16,
    }
}

/// The registers that packet `g` has.
pub fn known(registers: &Registers) -> KnownRegisters {
    let bytes = (0..KNOWN).filter_map(Register::numbered).flat_map(|(register, length)| {
        read(registers, register).map_or(vec![None; length], |value| value.into_iter().map(Some).collect())
    });
    KnownRegisters(bytes.collect())
}

/// Writes them. Says whether there were as many bytes as they have.
pub fn put_known(registers: &mut Registers, KnownRegisters(bytes): &KnownRegisters) -> bool {
    let mut rest: Vec<u8> = bytes.iter().map(|byte| byte.unwrap_or_default()).collect();
    for (register, length) in (0..KNOWN).filter_map(Register::numbered) {
        if rest.len() < length {
            return false;
        }
        let value: Vec<u8> = rest.drain(..length).collect();
        write(registers, register, &value);
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::arch::END;
    use super::*;

    /// Registers of which each has another value.
    fn distinct() -> Registers {
        let mut registers = Registers { rip: 0x1000, rflags: 0x202, ..Registers::default() };
        registers.general = std::array::from_fn(|index| 0x100 + index as u64);
        registers.segments = std::array::from_fn(|index| 8 * (index as u16 + 1));
        for (index, id) in System::ALL.into_iter().enumerate() {
            *system(&mut registers, id) = 0x2000 + index as u64;
        }
        registers.vector = Vector {
            st: std::array::from_fn(|index| [index as u8 + 1; 10]),
            fctrl: 0x37f,
            fstat: 1,
            ftag: 0xffff,
            fop: 2,
            fioff: 3,
            fiseg: 4,
            fooff: 5,
            foseg: 6,
            xmm: std::array::from_fn(|index| 0x3000 + index as u128),
            mxcsr: 0x1f80,
            ymm_high: Some(std::array::from_fn(|index| 0x4000 + index as u128)),
        };
        registers
    }

    #[test]
    fn each_register_comes_back_as_it_was_written() {
        let source = distinct();
        let mut registers = Registers {
            vector: Vector { ymm_high: Some([0; 16]), ..Vector::default() },
            ..Registers::default()
        };
        for number in 0..END {
            let (register, length) = Register::numbered(number).unwrap();
            let Some(value) = read(&source, register) else {
                assert!(matches!(register, Register::OrigRax));
                continue;
            };
            assert_eq!(value.len(), length, "{register:?}");
            assert!(write(&mut registers, register, &value), "{register:?}");
            assert!(!write(&mut registers, register, &value[1..]), "{register:?}");
        }
        assert_eq!(registers, source);
    }

    #[test]
    fn those_that_gdb_knows_come_back_at_once() {
        let source = distinct();
        let bytes = known(&source);
        // What gdb says it expects of a Linux program if it is given more.
        assert_eq!(bytes.0.len(), 560);
        let mut registers = Registers::default();
        assert!(put_known(&mut registers, &bytes));
        assert_eq!((registers.rip, registers.gs_base), (source.rip, source.gs_base));
        assert_eq!(registers.vector.xmm, source.vector.xmm);
        assert_eq!(known(&registers), bytes);
        assert!(!put_known(&mut registers, &KnownRegisters(bytes.0[1..].to_vec())));
    }

    #[test]
    fn a_machine_may_be_without_avx() {
        let mut registers = Registers::default();
        assert_eq!(read(&registers, Register::YmmHigh(0)), None);
        assert!(!write(&mut registers, Register::YmmHigh(0), &[0; 16]));
    }
}
