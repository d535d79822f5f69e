//! A client of GDB's remote protocol (the GDB manual, appendix "Remote Serial Protocol"): what is needed to step through a
//! guest that QEMU runs.
//!
//! QEMU sends the registers of an x86-64 in the order of its `gdb-xml/i386-64bit.xml`, the base addresses of FS and GS and the
//! control registers among them.

use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long QEMU may take to answer. A guest that runs until a breakpoint does not take long either.
const PATIENCE: Duration = Duration::from_secs(60);

/// The registers of the CPU.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Registers {
    /// rax rbx rcx rdx rsi rdi rbp rsp r8–r15.
    pub general: [u64; 16],
    pub rip: u64,
    pub cs: u32,
    pub fs_base: u64,
    pub gs_base: u64,
    pub cr3: u64,
}

pub const RBX: usize = 1;
pub const RSP: usize = 7;
/// Number of `rip` in the protocol.
const RIP: usize = 16;

/// Offsets in the answer to `g`: sixteen registers, rip, eflags (4 bytes), six selectors (4 each), the bases of FS and GS, that
/// of SWAPGS, CR0, CR2, CR3.
const AT_RIP: usize = 16 * 8;
const AT_CS: usize = AT_RIP + 8 + 4;
const AT_FS_BASE: usize = AT_CS + 6 * 4;
const AT_GS_BASE: usize = AT_FS_BASE + 8;
const AT_CR3: usize = AT_GS_BASE + 4 * 8;

impl Registers {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let mut general = [0; 16];
        for (n, register) in general.iter_mut().enumerate() {
            *register = word(n * 8)?;
        }
        let (rip, cs) = (word(AT_RIP)?, word(AT_CS)? as u32);
        Some(Self {
            general,
            rip,
            cs,
            fs_base: word(AT_FS_BASE)?,
            gs_base: word(AT_GS_BASE)?,
            cr3: word(AT_CR3)?,
        })
    }

    pub fn is_user(&self) -> bool {
        self.cs & 3 == 3
    }
}

/// A connection.
pub struct Gdb {
    reader: BufReader<UnixStream>,
}

impl Gdb {
    pub fn new(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut gdb = Self { reader: BufReader::new(stream) };
        // Steps deliver interrupts, but no time passes.
        const STEP_WITHOUT_TIMERS: &str = "Qqemu.sstep=5";
        gdb.order(STEP_WITHOUT_TIMERS)?;
        // Who has not asked what registers there are may not ask for a single one.
        gdb.ask("qXfer:features:read:target.xml:0,fff")?;
        Ok(gdb)
    }

    pub fn registers(&mut self) -> Result<Registers> {
        let bytes = from_hex(&self.ask("g")?)?;
        Registers::parse(&bytes).context("QEMU sent too few registers")
    }

    /// The instruction pointer alone: several times as quick.
    pub fn rip(&mut self) -> Result<u64> {
        let bytes = from_hex(&self.ask(&format!("p{RIP:x}"))?)?;
        Ok(u64::from_le_bytes(bytes.try_into().ok().context("QEMU sent half a register")?))
    }

    /// Bytes at an address, as the code that runs sees them.
    pub fn read(&mut self, address: u64, length: usize) -> Result<Vec<u8>> {
        let answer = self.ask(&format!("m{address:x},{length:x}"))?;
        from_hex(&answer).with_context(|| format!("cannot read {length} bytes at {address:#x}"))
    }

    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.order(&format!("M{address:x},{:x}:{}", bytes.len(), to_hex(bytes)))
    }

    pub fn set_breakpoint(&mut self, address: u64) -> Result<()> {
        self.order(&format!("Z0,{address:x},1"))
    }

    pub fn remove_breakpoint(&mut self, address: u64) -> Result<()> {
        self.order(&format!("z0,{address:x},1"))
    }

    /// Executes one instruction, or takes one interrupt.
    pub fn step(&mut self) -> Result<()> {
        self.stopped("vCont;s:p1.1")
    }

    /// Runs until a breakpoint.
    pub fn go(&mut self) -> Result<Registers> {
        self.stopped("vCont;c")?;
        self.registers()
    }

    /// Runs until the machine ends, and with it QEMU, which says nothing more.
    pub fn run_out(&mut self) -> Result<()> {
        self.send("vCont;c")?;
        let mut last = Vec::new();
        self.reader.read_to_end(&mut last)?;
        let last = String::from_utf8_lossy(&last);
        ensure!(!last.contains("$T"), "the guest stopped with {last:?} before its end");
        Ok(())
    }

    /// What a command of QEMU's monitor says.
    pub fn monitor(&mut self, command: &str) -> Result<String> {
        self.send(&format!("qRcmd,{}", to_hex(command.as_bytes())))?;
        let mut text = Vec::new();
        loop {
            match self.receive()?.as_str() {
                "OK" => return Ok(String::from_utf8_lossy(&text).into_owned()),
                part => {
                    let hex = part.strip_prefix('O').with_context(|| format!("`{command}`: {part:?}"))?;
                    text.extend(from_hex(hex)?);
                }
            }
        }
    }

    fn stopped(&mut self, packet: &str) -> Result<()> {
        let answer = self.ask(packet)?;
        ensure!(
            answer.starts_with("T05"),
            "the guest did not stop where it should have, but with {answer:?}"
        );
        Ok(())
    }

    fn order(&mut self, packet: &str) -> Result<()> {
        match self.ask(packet)?.as_str() {
            "OK" => Ok(()),
            answer => bail!("QEMU answered {answer:?} to {packet:?}"),
        }
    }

    fn ask(&mut self, packet: &str) -> Result<String> {
        self.send(packet)?;
        self.receive()
    }

    fn send(&mut self, packet: &str) -> Result<()> {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        let stream = self.reader.get_mut();
        Ok(stream.write_all(format!("${packet}#{sum:02x}").as_bytes())?)
    }

    /// The next packet, which is acknowledged. Between packets are acknowledgements of ours.
    fn receive(&mut self) -> Result<String> {
        let mut packet = Vec::new();
        self.reader.read_until(b'$', &mut packet).context("QEMU says nothing")?;
        ensure!(packet.ends_with(b"$"), "QEMU has ended");
        packet.clear();
        self.reader.read_until(b'#', &mut packet)?;
        let mut sum = [0; 2];
        self.reader.read_exact(&mut sum)?;
        self.reader.get_mut().write_all(b"+")?;
        packet.pop();
        Ok(String::from_utf8(packet)?)
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    ensure!(text.len().is_multiple_of(2), "QEMU answered {text:?}");
    let digits = text.as_bytes().chunks_exact(2);
    let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    bytes.collect::<Option<_>>().with_context(|| format!("QEMU answered {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_hexadecimal() {
        assert_eq!(to_hex(&[0, 0xab, 0x10]), "00ab10");
        assert_eq!(from_hex("00ab10").unwrap(), [0, 0xab, 0x10]);
        assert!(from_hex("E01").is_err() && from_hex("zz").is_err());
    }

    #[test]
    fn packets_are_sent_and_acknowledged() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let qemu = std::thread::spawn(move || {
            let mut exchange = |answer: &[u8]| {
                // Up to the digits behind the `#`; acknowledgements come as they like.
                let (mut seen, mut byte) = (String::new(), [0]);
                while seen.rfind('#').is_none_or(|at| seen.len() < at + 3) {
                    theirs.read_exact(&mut byte).unwrap();
                    seen.push(byte[0].into());
                }
                theirs.write_all(answer).unwrap();
                seen
            };
            let seen = [exchange(b"+$OK#9a"), exchange(b"+$lx#e4"), exchange(b"+$00ab#24")];
            // The last acknowledgement is still to come.
            (seen, theirs)
        });
        let mut gdb = Gdb::new(ours).unwrap();
        assert_eq!(gdb.read(0x1000, 2).unwrap(), [0, 0xab]);
        let ([first, _, third], _open) = qemu.join().unwrap();
        assert!(first.starts_with("$Qqemu.sstep=5#"), "{first}");
        assert!(third.contains("$m1000,2#"), "{third}");
    }

    #[test]
    fn registers_lie_where_qemu_puts_them() {
        let mut bytes = vec![0; 0x100];
        bytes[AT_RIP] = 7;
        bytes[AT_CS] = 0x33;
        bytes[188 + 16] = 9; // cr3, behind fs_base, gs_base, k_gs_base, cr0 and cr2
        assert_eq!(AT_CR3, 188 + 16);
        let registers = Registers::parse(&bytes).unwrap();
        assert_eq!((registers.rip, registers.cr3), (7, 9));
        assert!(registers.is_user());
        assert!(Registers::parse(&bytes[..100]).is_none());
    }
}
