//! The machine after its death, in words: registers, who called whom, the kernel's last events, its threads.
//!
//! Everything is read as it was left by something that may have gone mad, so all walks have an end, and what makes no sense is left out.

use crate::core::dead::Dead;
use crate::debug::programs::Programs;
use crate::debug::registers::{Registers, general, segment};
use crate::debug::thread::Thread;
use crate::debug::view::View;
use crate::inspect::Kernel;
use crate::inspect::names::Names;
use crate::inspect::paging::Translation;
use crate::memory::GuestMemory;
use crate::monitor::{self, Scene};
use crate::profile::sampling::image::Image;
use crate::profile::sampling::in_place::InPlace;
use crate::profile::sampling::unwind::{self, Stack};
use crate::vcpu::exit::Stop;
use crate::vcpu::group::Reports;
use crate::vcpu::thread::Report;
use std::fmt::Write;

/// Bytes of a stack that are looked at.
const STACK: usize = 64 << 10;
/// Bytes of an instruction, at most (SDM vol. 2, 2.3.11).
const INSTRUCTION: usize = 15;

/// A machine that has died, and what is known of its programs.
pub struct Remains<'a> {
    view: Dead<'a>,
    reports: &'a Reports,
    programs: &'a Programs,
    kernel: Option<Kernel>,
    image: Option<Image>,
    names: Names,
}

impl<'a> Remains<'a> {
    pub fn new(memory: &'a GuestMemory, reports: &'a Reports, programs: &'a Programs) -> Self {
        let view = Dead::new(memory, reports);
        let kernel = Kernel::find(&view, programs.kernel());
        let names =
            kernel.as_ref().map_or(Names::default(), |kernel| Names::read(&view, kernel, programs.tables()));
        Self { view, reports, programs, kernel, image: Image::read(programs.kernel()), names }
    }

    /// `registers.txt`: of each vCPU.
    pub fn registers(&self) -> String {
        let vcpus = (0..self.view.vcpus()).map(|index| match self.view.registers(index) {
            Some(registers) => self.vcpu(index, &registers),
            None => format!("vCPU {index}: {}\n", self.absence(index)),
        });
        vcpus.collect::<Vec<_>>().join("\n")
    }

    /// Why a vCPU has no registers.
    fn absence(&self, index: usize) -> &'static str {
        match self.reports.all.get(index) {
            Some(Some(Report { stop: Stop::Shutdown, .. })) => {
                "KVM has reset it, as it does on AMD at a triple fault"
            }
            _ => "it was not running, or KVM does not tell",
        }
    }

    /// `events.txt`: the last things that happened in the kernel. [`None`]: it is a kernel that does not tell.
    pub fn events(&self) -> Option<String> {
        self.kernel.as_ref().map(|_| self.ask("trace"))
    }

    /// `threads.txt`: what every thread did, and who waited for whom.
    pub fn threads(&self) -> Option<String> {
        self.kernel.as_ref().map(|_| [self.ask("threads"), self.ask("ipc")].join("\n"))
    }

    fn ask(&self, command: &str) -> String {
        let scene = Scene { view: &self.view, kernel: self.kernel.as_ref(), names: &self.names, exits: &[] };
        monitor::run(&scene, &[], command)
    }

    fn vcpu(&self, index: usize, registers: &Registers) -> String {
        let (mode, is_user) = if registers.in_user_mode() { ("user", true) } else { ("kernel", false) };
        let runs = self.runs(index);
        let who = runs.as_ref().map_or(String::new(), |(thread, name)| format!(": {thread} ({name})"));
        let mut text = format!("vCPU {index}, in {mode} mode{who}\n{}", in_words(registers));
        let mut code = [0; INSTRUCTION];
        let there = Translation::of(registers).read(&self.view, registers.rip, &mut code);
        let code: Vec<_> = code[..there].iter().map(|byte| format!("{byte:02x}")).collect();
        // Writing to a String does not fail.
        let _ = writeln!(text, "code {}", if there == 0 { "not mapped".into() } else { code.join(" ") });
        let server = runs.filter(|_| is_user).and_then(|(_, name)| self.server(&name));
        let image = if is_user { server.as_ref() } else { self.image.as_ref() };
        let program = if self.kernel.is_some() { InPlace::ours(image) } else { InPlace::foreign(image) };
        text + &self.stack(registers, program)
    }

    /// Whom the vCPU runs, or for whom it is in the kernel, and what that is called.
    fn runs(&self, index: usize) -> Option<(Thread, String)> {
        let thread = self.kernel.as_ref()?.current(&self.view, index)?;
        let (task, _) = thread.as_l4()?;
        Some((thread, self.names.get(task).unwrap_or("?").to_string()))
    }

    /// The file of the server `name`. Linux programs are in the guest's file system.
    fn server(&self, name: &str) -> Option<Image> {
        let (_, path) = self.programs.servers().iter().find(|(server, _)| server == name)?;
        Image::read(path)
    }

    /// Who called whom, the innermost first.
    fn stack(&self, registers: &Registers, mut program: InPlace<'_>) -> String {
        let mut bytes = vec![0; STACK];
        let base = registers.rsp();
        let there = Translation::of(registers).read(&self.view, base, &mut bytes);
        bytes.truncate(there);
        let mut text = String::new();
        let addresses = unwind::walk(&registers.into(), &Stack { base, bytes }, &mut program);
        for (n, address) in addresses.into_iter().enumerate() {
            let _ = writeln!(text, "#{n} {address:#018x} {}", program.name(address).unwrap_or("?"));
        }
        text
    }
}

fn in_words(registers: &Registers) -> String {
    const NAMES: [&str; 16] = [
        "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13",
        "r14", "r15",
    ];
    let r = registers;
    let mut text = format!("rip {:016x}  rflags {:08x}\n", r.rip, r.rflags);
    for (index, name) in NAMES.iter().enumerate() {
        let end = if index % 4 == 3 || index == general::R15 { "\n" } else { "  " };
        let _ = write!(text, "{name:<3} {:016x}{end}", r.general[index]);
    }
    let selector = |index: usize| r.segments[index];
    let (cs, ss) = (selector(segment::CS), selector(segment::SS));
    let _ = writeln!(text, "cs {cs:#x}  ss {ss:#x}  fs base {:x}  gs base {:x}", r.fs_base, r.gs_base);
    let _ = writeln!(
        text,
        "cr0 {:x}  cr2 {:x}  cr3 {:x}  cr4 {:x}  efer {:x}",
        r.cr0, r.cr2, r.cr3, r.cr4, r.efer
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::vcpu::Vcpu;
    use crate::memory;
    use crate::tiny_elf::Elf;
    use std::path::Path;
    use ukernel_abi::layout::GATE;
    use vm_memory::{Bytes, GuestAddress};

    #[test]
    fn a_machine_without_paging_is_described() {
        let memory = memory::allocate(4 << 20).unwrap();
        memory.write_slice(&[0x0f, 0x0b], GuestAddress(0x1000)).unwrap();
        let registers = Registers { rip: 0x1000, general: [7; 16], ..Default::default() };
        let last = Some(Vcpu { registers: Some(registers), tsc: None });
        let report = Report { stop: Stop::Shutdown, at: None, suberror: 0, last };
        let reset = Report { stop: Stop::Shutdown, at: None, suberror: 0, last: None };
        let reports = Reports { all: vec![Some(report), None, Some(reset)], first: Some(0) };
        let programs = Programs::new(Path::new("/absent").into(), Vec::new());
        let remains = Remains::new(&memory, &reports, &programs);
        let text = remains.registers();
        for expected in [
            "vCPU 0, in kernel mode\nrip 0000000000001000",
            "rsp 0000000000000007",
            "code 0f 0b 00",
            "#0 0x0000000000001000 ?",
            "vCPU 1: it was not running",
            "vCPU 2: KVM has reset it",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(remains.events().is_none() && remains.threads().is_none(), "it is no kernel of ours");
    }
    #[test]
    fn a_call_of_the_kernel_has_a_caller() {
        // A server's function in the gate page, by which it calls the kernel.
        let memory = memory::allocate(4 << 20).unwrap();
        let program = Elf { symbol: Some("server"), ..Elf::new(&[0x90; 16]) };
        let image = Image::parse(&program.bytes()).unwrap();
        let back = program.entry + 5;
        memory.write_obj(back, GuestAddress(0x2000)).unwrap();
        let mut registers = Registers { rip: GATE + 2, ..Default::default() };
        registers.general[general::RSP] = 0x2000;
        let reports = Reports { all: vec![None], first: None };
        let programs = Programs::new(Path::new("/absent").into(), Vec::new());
        let text = Remains::new(&memory, &reports, &programs).stack(&registers, InPlace::ours(Some(&image)));
        assert_eq!(text, format!("#0 {:#018x} [gate]\n#1 {:#018x} server\n", GATE + 2, back - 1));
    }
}
