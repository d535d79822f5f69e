//! What CPUID tells a vCPU: what KVM supports, and which of how many it is.
//!
//! The machine is one package of cores with one thread each, and the APIC id of vCPU n is n. KVM hands out the topology of
//! whatever host CPU the ioctl ran on, or none, depending on its version; so every field that has to do with it is written here.
//! Intel and AMD have leaves of their own and reserve each other's fields (SDM vol. 2, CPUID; APM vol. 3, appendix E.4).

use crate::kvm::{KvmError, failed};
use kvm_bindings::{CpuId, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, kvm_cpuid_entry2};

const LEAF_1_ECX_TSC_DEADLINE: u32 = 1 << 24;
/// There is a hypervisor, which says more in leaves of its own.
const LEAF_1_ECX_HYPERVISOR: u32 = 1 << 31;
/// There is more than one logical processor in the package.
const LEAF_1_EDX_HTT: u32 = 1 << 28;
/// The same once more, for AMD.
const LEAF_80000001_ECX_CMP_LEGACY: u32 = 1 << 1;
/// Types of the levels in leaves 0xb and 0x1f.
const LEVEL_THREAD: u32 = 1;
const LEVEL_CORE: u32 = 2;
/// Caches of this level and above are shared by all cores.
const SHARED_CACHE: u32 = 3;

/// A vCPU's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Index and APIC id.
    pub id: u8,
    /// vCPUs of the machine; more than `id`.
    pub count: u8,
}

impl Place {
    /// Bits of an APIC id.
    fn bits(self) -> u32 {
        u32::from(self.count).next_power_of_two().trailing_zeros()
    }
    /// The highest APIC id that has as many bits.
    fn highest(self) -> u32 {
        (1 << self.bits()) - 1
    }
}

/// What of CPUID is not KVM's to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extras {
    /// The in-kernel APIC has a TSC-deadline timer. KVM_GET_SUPPORTED_CPUID does not say so on every host.
    pub tsc_deadline: bool,
    /// The guest is to know that it is one, and to use KVM's clock and what else KVM offers to guests.
    pub hypervisor: bool,
}

/// Makes what KVM supports into what the vCPU at `place` has.
pub fn adapt(supported: &CpuId, place: Place, extras: Extras) -> Result<CpuId, KvmError> {
    let supported = supported.as_slice();
    let max_leaf = supported.iter().find(|e| e.function == 0).map_or(0, |e| e.eax);
    let amd = is_of_amd(supported);
    let mut entries: Vec<_> =
        supported.iter().copied().filter(|e| ![0xb, 0x1f].contains(&e.function)).collect();
    for entry in &mut entries {
        if entry.function == 1 {
            set_bits(&mut entry.ecx, LEAF_1_ECX_TSC_DEADLINE, extras.tsc_deadline);
            set_bits(&mut entry.ecx, LEAF_1_ECX_HYPERVISOR, extras.hypervisor);
        }
        set_place(entry, place, amd);
    }
    for leaf in [0xb, 0x1f] {
        if leaf <= max_leaf {
            entries.extend(levels(leaf, place));
        }
    }
    let what = "making a vCPU's CPUID";
    CpuId::from_entries(&entries).map_err(|_| failed(what)(kvm_ioctls::Error::new(libc::E2BIG)))
}

/// Whether these are the leaves of a CPU of AMD's kind.
pub fn is_of_amd(leaves: &[kvm_cpuid_entry2]) -> bool {
    leaves.iter().any(|leaf| leaf.function == 0 && is_amd(leaf))
}

/// Of leaf 0: "AuthenticAMD" or "HygonGenuine".
fn is_amd(leaf_0: &kvm_cpuid_entry2) -> bool {
    [b"Auth", b"Hygo"].iter().any(|vendor| leaf_0.ebx.to_le_bytes() == **vendor)
}

fn set_place(entry: &mut kvm_cpuid_entry2, place: Place, amd: bool) {
    let (id, count) = (u32::from(place.id), u32::from(place.count));
    match entry.function {
        1 => {
            entry.ebx = entry.ebx & 0xffff | (place.highest() + 1) << 16 | id << 24;
            set_bits(&mut entry.edx, LEAF_1_EDX_HTT, count > 1);
        }
        4 => {
            set_sharers(entry, place);
            if entry.eax & 0x1f != 0 {
                entry.eax = entry.eax & 0x03ff_ffff | place.highest() << 26;
            }
        }
        0x8000_0001 if amd => set_bits(&mut entry.ecx, LEAF_80000001_ECX_CMP_LEGACY, count > 1),
        0x8000_0008 if amd => entry.ecx = entry.ecx & !0xf0ff | place.bits() << 12 | (count - 1),
        0x8000_001d => set_sharers(entry, place),
        // APIC id; core id, one thread a core; node 0 of one.
        0x8000_001e => (entry.eax, entry.ebx, entry.ecx) = (id, id, 0),
        _ => {}
    }
}

/// Of leaves 4 and 0x8000_001d: a cache's type in bits 4–0 (0: no cache), its level in 7–5, the most CPUs that share it, less one, in
/// 25–14.
fn set_sharers(entry: &mut kvm_cpuid_entry2, place: Place) {
    if entry.eax & 0x1f != 0 {
        let shared = entry.eax >> 5 & 7 >= SHARED_CACHE;
        entry.eax = entry.eax & !(0xfff << 14) | if shared { place.highest() << 14 } else { 0 };
    }
}

/// Leaf 0xb or 0x1f: threads, cores, and the end. eax is the number of bits of the APIC id up to this level, ebx the number of CPUs in it.
fn levels(leaf: u32, place: Place) -> [kvm_cpuid_entry2; 3] {
    let level = |index: u32, kind: u32, bits: u32, cpus: u32| kvm_cpuid_entry2 {
        function: leaf,
        index,
        flags: KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
        eax: bits,
        ebx: cpus,
        ecx: index | kind << 8,
        edx: place.id.into(),
        ..Default::default()
    };
    [level(0, LEVEL_THREAD, 0, 1), level(1, LEVEL_CORE, place.bits(), place.count.into()), level(2, 0, 0, 0)]
}

fn set_bits(word: &mut u32, bits: u32, on: bool) {
    *word = *word & !bits | if on { bits } else { 0 };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(function: u32, [eax, ebx, ecx, edx]: [u32; 4]) -> kvm_cpuid_entry2 {
        kvm_cpuid_entry2 { function, eax, ebx, ecx, edx, ..Default::default() }
    }

    fn adapted(entries: &[kvm_cpuid_entry2], id: u8, count: u8) -> Vec<kvm_cpuid_entry2> {
        let supported = CpuId::from_entries(entries).unwrap();
        adapt(&supported, Place { id, count }, Extras::default()).unwrap().as_slice().to_vec()
    }

    fn words(entry: &kvm_cpuid_entry2) -> [u32; 4] {
        [entry.eax, entry.ebx, entry.ecx, entry.edx]
    }

    #[test]
    fn the_deadline_timer_is_there_when_kvm_has_it() {
        let supported = CpuId::from_entries(&[entry(1, [0, 0, 1 << 24 | 1, 0]), entry(2, [1; 4])]).unwrap();
        let with = |tsc_deadline| {
            let extras = Extras { tsc_deadline, hypervisor: false };
            adapt(&supported, Place { id: 0, count: 1 }, extras).unwrap()
        };
        assert_eq!(with(false).as_slice()[0].ecx, 1);
        assert_eq!(with(true).as_slice()[0].ecx, 1 << 24 | 1);
        assert_eq!(with(true).as_slice()[1], supported.as_slice()[1], "the rest is KVM's");
    }

    #[test]
    fn a_guest_may_know_that_it_is_one() {
        let supported = CpuId::from_entries(&[entry(1, [0, 0, 1, 0])]).unwrap();
        let extras = Extras { tsc_deadline: false, hypervisor: true };
        let got = adapt(&supported, Place { id: 0, count: 1 }, extras).unwrap();
        assert_eq!(got.as_slice()[0].ecx, 1 << 31 | 1);
    }

    #[test]
    fn leaf_1_has_the_apic_id_and_room_for_all() {
        let leaf = entry(1, [7, 0x0908_0800, 0, 1 << 28 | 3]);
        assert_eq!(words(&adapted(&[leaf], 0, 1)[0]), [7, 0x0001_0800, 0, 3]);
        assert_eq!(words(&adapted(&[leaf], 2, 3)[0]), [7, 0x0204_0800, 0, 1 << 28 | 3]);
        assert_eq!(adapted(&[leaf], 63, 64)[0].ebx, 0x3f40_0800);
    }

    #[test]
    fn the_levels_replace_whatever_was_there_if_the_cpu_has_them() {
        let host = [entry(0, [0xb, 0, 0, 0]), entry(0xb, [5, 6, 7, 8]), entry(0x1f, [1; 4])];
        let got = adapted(&host, 4, 6);
        let levels: Vec<_> = got[1..].iter().map(|e| (e.function, e.index, words(e))).collect();
        let expected = [(0, [0, 1, 0x100, 4]), (1, [3, 6, 0x201, 4]), (2, [0, 0, 2, 4])];
        assert_eq!(levels, expected.map(|(index, words)| (0xb, index, words)));
        assert!(got[1..].iter().all(|e| e.flags == KVM_CPUID_FLAG_SIGNIFCANT_INDEX));
        assert_eq!(adapted(&[entry(0, [0xa, 0, 0, 0]), entry(0xb, [1; 4])], 0, 1).len(), 1);
        assert_eq!(adapted(&[entry(0, [0x1f, 0, 0, 0])], 0, 1).len(), 7);
    }

    #[test]
    fn only_the_last_level_of_cache_is_shared() {
        let cache = |level: u32| entry(4, [0xfc03_c001 | level << 5, 1, 2, 3]);
        let eax = |level, count| adapted(&[cache(level)], 0, count)[0].eax;
        assert_eq!((eax(1, 1), eax(3, 1)), (0x21, 0x61));
        assert_eq!((eax(2, 4), eax(3, 4)), (3 << 26 | 0x41, 3 << 26 | 3 << 14 | 0x61));
        assert_eq!(adapted(&[entry(4, [0; 4])], 0, 4)[0].eax, 0, "the end of the list stays");
        let amd = entry(0x8000_001d, [0x4163, 0, 0, 0]);
        assert_eq!((adapted(&[amd], 0, 1)[0].eax, adapted(&[amd], 0, 4)[0].eax), (0x163, 3 << 14 | 0x163));
    }

    #[test]
    fn amd_s_fields_are_left_alone_on_intel() {
        let leaves = |vendor: &[u8; 4]| {
            let vendor = entry(0, [0, u32::from_le_bytes(*vendor), 0, 0]);
            let host = [
                vendor,
                entry(0x8000_0001, [0; 4]),
                entry(0x8000_0008, [0x3030, 1, 0x7007, 0]),
                entry(0x8000_001e, [9; 4]),
            ];
            let got = adapted(&host, 1, 2);
            (got[1].ecx, got[2].ecx, words(&got[3])[..3].to_vec())
        };
        assert_eq!(leaves(b"Auth"), (2, 0x1001, vec![1, 1, 0]));
        assert_eq!(leaves(b"Hygo"), (2, 0x1001, vec![1, 1, 0]));
        let (ecx_1, ecx_8, _) = leaves(b"Genu");
        assert_eq!((ecx_1, ecx_8), (0, 0x7007));
    }
}
