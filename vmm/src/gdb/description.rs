//! `target.xml`: what gdb is told of the registers (GDB manual, "Target Descriptions" and "i386 Features").
//!
//! It is that of a 64-bit CPU whatever mode the CPU is in, since gdb cannot change its mind when a kernel goes to long mode. Names and types
//! are those that gdb knows, or, for the system registers, those that QEMU has made known.

use super::arch::{ORIG_RAX, SYSTEM, YMM_HIGH};
use std::fmt::Write;

/// Bits of a register: name, lowest bit, highest bit.
type Bits = &'static [(&'static str, u8, u8)];

/// RFLAGS (SDM vol. 1, 3.4.3).
const EFLAGS: Bits = &[
    ("CF", 0, 0),
    ("", 1, 1),
    ("PF", 2, 2),
    ("AF", 4, 4),
    ("ZF", 6, 6),
    ("SF", 7, 7),
    ("TF", 8, 8),
    ("IF", 9, 9),
    ("DF", 10, 10),
    ("OF", 11, 11),
    ("IOPL", 12, 13),
    ("NT", 14, 14),
    ("RF", 16, 16),
    ("VM", 17, 17),
    ("AC", 18, 18),
    ("VIF", 19, 19),
    ("VIP", 20, 20),
    ("ID", 21, 21),
];

/// MXCSR (SDM vol. 1, 10.2.3).
const MXCSR: Bits = &[
    ("IE", 0, 0),
    ("DE", 1, 1),
    ("ZE", 2, 2),
    ("OE", 3, 3),
    ("UE", 4, 4),
    ("PE", 5, 5),
    ("DAZ", 6, 6),
    ("IM", 7, 7),
    ("DM", 8, 8),
    ("ZM", 9, 9),
    ("OM", 10, 10),
    ("UM", 11, 11),
    ("PM", 12, 12),
    ("FZ", 15, 15),
];

/// Control registers (SDM vol. 3, 2.5).
const CR0: Bits = &[
    ("PE", 0, 0),
    ("MP", 1, 1),
    ("EM", 2, 2),
    ("TS", 3, 3),
    ("ET", 4, 4),
    ("NE", 5, 5),
    ("WP", 16, 16),
    ("AM", 18, 18),
    ("NW", 29, 29),
    ("CD", 30, 30),
    ("PG", 31, 31),
];
const CR3: Bits = &[("PCID", 0, 11), ("PDBR", 12, 63)];
const CR4: Bits = &[
    ("VME", 0, 0),
    ("PVI", 1, 1),
    ("TSD", 2, 2),
    ("DE", 3, 3),
    ("PSE", 4, 4),
    ("PAE", 5, 5),
    ("MCE", 6, 6),
    ("PGE", 7, 7),
    ("PCE", 8, 8),
    ("OSFXSR", 9, 9),
    ("OSXMMEXCPT", 10, 10),
    ("UMIP", 11, 11),
    ("LA57", 12, 12),
    ("VMXE", 13, 13),
    ("SMXE", 14, 14),
    ("FSGSBASE", 16, 16),
    ("PCIDE", 17, 17),
    ("OSXSAVE", 18, 18),
    ("SMEP", 20, 20),
    ("SMAP", 21, 21),
    ("PKE", 22, 22),
];
const CR8: Bits = &[("TPR", 0, 3)];
/// IA32_EFER (SDM vol. 4, MSR C000_0080H; APM vol. 2, 3.1.7).
const EFER: Bits = &[
    ("SCE", 0, 0),
    ("LME", 8, 8),
    ("LMA", 10, 10),
    ("NXE", 11, 11),
    ("SVME", 12, 12),
    ("LMSLE", 13, 13),
    ("FFXSR", 14, 14),
    ("TCE", 15, 15),
];

const GENERAL: [&str; 16] = [
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15",
];
const SEGMENTS: [&str; 6] = ["cs", "ss", "ds", "es", "fs", "gs"];
const FPU: [&str; 8] = ["fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"];
/// Those of [`super::arch::System`] after the segments' bases, and their types.
const CONTROL: [(&str, &str); 7] = [
    ("k_gs_base", "int"),
    ("cr0", "cr0_bits"),
    ("cr2", "data_ptr"),
    ("cr3", "cr3_bits"),
    ("cr4", "cr4_bits"),
    ("cr8", "cr8_bits"),
    ("efer", "efer_bits"),
];

/// The description. AVX is always in it: where a thread has none, or nobody knows what it has there, gdb is told that when it asks.
pub fn xml() -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n\
         <target version=\"1.0\"><architecture>i386:x86-64</architecture>\n",
    );
    feature(&mut text, "org.gnu.gdb.i386.core", core);
    feature(&mut text, "org.gnu.gdb.i386.sse", sse);
    feature(&mut text, "org.gnu.gdb.i386.linux", |text| register(text, "orig_rax", 64, "int", ORIG_RAX));
    feature(&mut text, "org.gnu.gdb.i386.segments", |text| {
        register(text, "fs_base", 64, "int", SYSTEM);
        register(text, "gs_base", 64, "int", SYSTEM + 1);
    });
    feature(&mut text, "org.ukvmm.i386.system", system);
    feature(&mut text, "org.gnu.gdb.i386.avx", |text| {
        for index in 0..16 {
            register(text, &format!("ymm{index}h"), 128, "uint128", YMM_HIGH + index);
        }
    });
    text += "</target>\n";
    text
}

fn core(text: &mut String) {
    flags(text, "i386_eflags", 4, EFLAGS);
    for (number, name) in GENERAL.into_iter().enumerate() {
        let kind = if matches!(name, "rsp" | "rbp") { "data_ptr" } else { "int64" };
        register(text, name, 64, kind, number);
    }
    register(text, "rip", 64, "code_ptr", 16);
    register(text, "eflags", 32, "i386_eflags", 17);
    for (index, name) in SEGMENTS.into_iter().enumerate() {
        register(text, name, 32, "int32", 18 + index);
    }
    for index in 0..8 {
        register(text, &format!("st{index}"), 80, "i387_ext", 24 + index);
    }
    for (index, name) in FPU.into_iter().enumerate() {
        in_group(text, name, 32, "int", 32 + index, "float");
    }
}

/// The ways in which gdb shows a vector register: name of the field, type of an element, number of elements.
const VIEWS: [(&str, &str, usize); 6] = [
    ("v4_float", "ieee_single", 4),
    ("v2_double", "ieee_double", 2),
    ("v16_int8", "int8", 16),
    ("v8_int16", "int16", 8),
    ("v4_int32", "int32", 4),
    ("v2_int64", "int64", 2),
];

fn sse(text: &mut String) {
    for (name, element, count) in VIEWS {
        let _ = writeln!(text, "<vector id=\"{name}_t\" type=\"{element}\" count=\"{count}\"/>");
    }
    *text += "<union id=\"vec128\">";
    for (name, ..) in VIEWS {
        let _ = write!(text, "<field name=\"{name}\" type=\"{name}_t\"/>");
    }
    *text += "<field name=\"uint128\" type=\"uint128\"/></union>\n";
    flags(text, "i386_mxcsr", 4, MXCSR);
    for index in 0..16 {
        register(text, &format!("xmm{index}"), 128, "vec128", 40 + index);
    }
    in_group(text, "mxcsr", 32, "i386_mxcsr", 56, "vector");
}

fn system(text: &mut String) {
    for (id, bits) in
        [("cr0_bits", CR0), ("cr3_bits", CR3), ("cr4_bits", CR4), ("cr8_bits", CR8), ("efer_bits", EFER)]
    {
        flags(text, id, 8, bits);
    }
    for (index, (name, kind)) in CONTROL.into_iter().enumerate() {
        register(text, name, 64, kind, SYSTEM + 2 + index);
    }
}

fn feature(text: &mut String, name: &str, content: impl FnOnce(&mut String)) {
    let _ = writeln!(text, "<feature name=\"{name}\">");
    content(text);
    *text += "</feature>\n";
}

fn flags(text: &mut String, id: &str, size: u8, bits: Bits) {
    let _ = write!(text, "<flags id=\"{id}\" size=\"{size}\">");
    for (name, start, end) in bits {
        let _ = write!(text, "<field name=\"{name}\" start=\"{start}\" end=\"{end}\"/>");
    }
    *text += "</flags>\n";
}

fn register(text: &mut String, name: &str, bits: usize, kind: &str, number: usize) {
    let _ = writeln!(text, "<reg name=\"{name}\" bitsize=\"{bits}\" type=\"{kind}\" regnum=\"{number}\"/>");
}

fn in_group(text: &mut String, name: &str, bits: usize, kind: &str, number: usize, group: &str) {
    let _ = writeln!(
        text,
        "<reg name=\"{name}\" bitsize=\"{bits}\" type=\"{kind}\" regnum=\"{number}\" group=\"{group}\"/>"
    );
}

#[cfg(test)]
mod tests {
    use super::super::arch::{END, Register};
    use super::*;

    fn attribute<'a>(line: &'a str, name: &str) -> &'a str {
        line.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap()
    }

    /// The description and the packets must agree on each register's number and length.
    #[test]
    fn it_says_what_the_packets_have() {
        let text = xml();
        let registers: Vec<_> = text.lines().filter(|line| line.starts_with("<reg ")).collect();
        assert_eq!(registers.len(), END);
        for (number, line) in registers.into_iter().enumerate() {
            assert_eq!(attribute(line, "regnum"), number.to_string(), "{line}");
            let (_, length) = Register::numbered(number).unwrap();
            assert_eq!(attribute(line, "bitsize"), (8 * length).to_string(), "{line}");
        }
    }
}
