use super::*;
use vmm_abi::boot::CPUS_MAX;
use vmm_abi::virtio::DEVICES_MAX;

/// What a kernel sees.
struct View(GuestMemory);

impl View {
    fn new(cpus: u8, virtio: usize) -> Self {
        let memory = crate::memory::allocate(4 << 20).unwrap();
        Tables::new(cpus, virtio).write(&memory).unwrap();
        Self(memory)
    }

    fn bytes(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.read_slice(&mut bytes, GuestAddress(at)).unwrap();
        bytes
    }

    fn u64(&self, at: u64) -> u64 {
        self.0.read_obj(GuestAddress(at)).unwrap()
    }

    /// A table with a right checksum.
    fn table(&self, at: u64, signature: &[u8; 4]) -> Vec<u8> {
        assert_eq!(self.bytes(at, 4), signature);
        let len: u32 = self.0.read_obj(GuestAddress(at + 4)).unwrap();
        let bytes = self.bytes(at, len as usize);
        assert_eq!(sum(&bytes), 0, "checksum");
        bytes
    }

    /// FADT and MADT.
    fn tables(&self) -> [u64; 2] {
        let root = self.bytes(SPACE.start, 36);
        assert_eq!((&root[..8], sum(&root[..20]), sum(&root)), (&b"RSD PTR "[..], 0, 0));
        let xsdt = self.u64(SPACE.start + 24);
        assert_eq!(self.table(xsdt, b"XSDT").len(), 36 + 16);
        [self.u64(xsdt + 36), self.u64(xsdt + 44)]
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_kernel_finds_its_cpus() {
    for cpus in [1, 2, 64] {
        let view = View::new(cpus, 0);
        let madt = view.table(view.tables()[1], b"APIC");
        let mut found = Vec::new();
        let mut rest = &madt[44..];
        while let [kind, len, ..] = *rest {
            match kind {
                0 => found.push((rest[2], rest[3], rest[4])),
                1 => assert_eq!(rest[4..12], [0, 0, 0xc0, 0xfe, 0, 0, 0, 0]),
                kind => panic!("structure {kind}"),
            }
            rest = &rest[len.into()..];
        }
        let expected: Vec<_> = (0..cpus).map(|cpu| (cpu, cpu, 1)).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_kernel_finds_the_ways_out() {
    let view = View::new(1, 0);
    let fadt = view.table(view.tables()[0], b"FACP");
    let flags = u32::from_le_bytes(fadt[112..116].try_into().unwrap());
    assert_eq!(flags & (1 << 20 | 1 << 10), 1 << 20 | 1 << 10, "hardware-reduced, with a reset register");
    let register = |port: u8| [1, 8, 0, 1, port, 6, 0, 0, 0, 0, 0, 0];
    assert_eq!((&fadt[116..128], fadt[128]), (&register(2)[..], 1));
    assert_eq!((&fadt[244..256], &fadt[256..268]), (&register(0)[..], &register(1)[..]));
}

#[test]
fn a_kernel_finds_its_devices() {
    let view = View::new(2, 2);
    let dsdt = view.table(view.u64(view.tables()[0] + 140), b"DSDT");
    for name in [&b"C000"[..], b"C001", b"COM1", b"RTC0", b"V000", b"V001", b"_S5_"] {
        assert!(contains(&dsdt, name), "{name:?}");
    }
    assert!(!contains(&dsdt, b"C002") && !contains(&dsdt, b"V002"));
    // Memory32Fixed and the extended interrupt (ACPI 6.5, 6.4.3.4 and 6.4.3.6) of the second device.
    let memory = [0x86, 9, 0, 1, 0x00, 0x10, 0xb0, 0xfe, 0, 0x10, 0, 0];
    let line = [0x89, 6, 0, 0b011, 1, 17, 0, 0, 0];
    assert!(contains(&dsdt, &[&memory[..], &line].concat()), "{dsdt:x?}");
}

#[test]
fn the_largest_machine_fits() {
    let tables = Tables::new(CPUS_MAX, DEVICES_MAX);
    assert!(tables.bytes.len() < 0x8000, "{}", tables.bytes.len());
    let small = crate::memory::allocate(4096).unwrap();
    assert!(matches!(tables.write(&small), Err(AcpiError::Write(_))));
}
