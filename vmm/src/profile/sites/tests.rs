use super::*;
use crate::memory;
use crate::tiny_elf::{BASE, Elf, HIGH};
use ukernel_abi::sites::{MAGIC, VERSION};

/// Where the image begins, and the table in it.
const AT: u64 = HIGH + BASE;
/// Offsets in the image of the list of sites, of two sites, of their stubs and of the word.
const SITES: u64 = 0x100;
const TEXT: u64 = 0x200;
const STUBS: u64 = 0x300;
const WORD: u64 = 0x3f8;
const SIZE: usize = 0x400;

const RINGS: Range<u64> = 0x40_0000..0x80_0000;
const PHYSMAP: u64 = 0xffff_8880_0000_0000;

/// What is in the image.
#[derive(Clone)]
struct Kernel {
    table: [u64; 9],
    sites: Vec<[u64; 4]>,
}

impl Kernel {
    /// Two sites, one of 12 bytes and one of 5 from which there is no way back.
    fn new() -> Self {
        let sites = vec![
            [AT + TEXT + 0x40, AT + TEXT + 0x4c, AT + STUBS + 0x10, AT + STUBS + 0x20],
            [AT + TEXT, AT + TEXT + 5, AT + STUBS, 0],
        ];
        let (start, end) = (AT + SITES, AT + SITES + 2 * Site::SIZE as u64);
        let table =
            [MAGIC, VERSION, start, end, AT + STUBS, AT + STUBS + 0x80, AT + WORD, PHYSMAP, RINGS.end];
        Self { table, sites }
    }

    fn elf(&self) -> Vec<u8> {
        let mut image = vec![0x90; SIZE];
        let mut put = |at: usize, words: &[u64]| {
            for (to, word) in image[at..].chunks_mut(8).zip(words) {
                to.copy_from_slice(&word.to_le_bytes());
            }
        };
        put(0, &self.table);
        put(SITES as usize, self.sites.as_flattened());
        Elf { symbol: Some(SYMBOL), ..Elf::new(&image) }.bytes()
    }

    fn defect(&self) -> Defect {
        patches(&self.elf(), RINGS).unwrap_err()
    }

    /// Why the first site is bad, when it is this one.
    fn site_defect(site: [u64; 4]) -> &'static str {
        let mut kernel = Self::new();
        kernel.sites[0] = site;
        match kernel.defect() {
            Defect::Site(_, why) => why,
            other => panic!("{other}"),
        }
    }
}

#[test]
fn sites_become_detours() {
    let all = patches(&Kernel::new().elf(), RINGS).unwrap();
    let physical: Vec<u64> = all.iter().map(|patch| patch.at - BASE).collect();
    assert_eq!(physical, [WORD, TEXT, TEXT + 0x40, STUBS + 0x20]);
    assert_eq!(all[0].new, (PHYSMAP + RINGS.start).to_le_bytes());
    assert_eq!(all[1].new, [0xe9, 0xfb, 0, 0, 0], "0x300 - 0x205");
    assert_eq!(all[2].new, [&[0xe9, 0xcb, 0, 0, 0][..], &[0xcc; 7]].concat(), "0x310 - 0x245");
    assert_eq!(all[3].new, [&[0x90; 12][..], &[0xe9, 0x1b, 0xff, 0xff, 0xff]].concat(), "0x24c - 0x331");
    assert!(all[1..].iter().all(|patch| patch.old == vec![0x90; patch.new.len()]));
}

#[test]
fn memory_is_patched_if_it_has_what_the_file_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kernel");
    let elf = Kernel::new().elf();
    std::fs::write(&path, &elf).unwrap();
    let memory = memory::allocate(2 << 20).unwrap();
    let error = connect(&memory, &path, RINGS).unwrap_err();
    assert_eq!(error.what, Defect::Changed, "it is not loaded yet");
    memory.write_slice(&elf[64 + 56..][..SIZE], GuestAddress(BASE)).unwrap();
    assert_eq!(connect(&memory, &path, RINGS).unwrap(), 4);
    let mut jump = [0; 6];
    memory.read_slice(&mut jump, GuestAddress(BASE + TEXT)).unwrap();
    assert_eq!(jump, [0xe9, 0xfb, 0, 0, 0, 0x90]);
    let error = connect(&memory, &path, RINGS).unwrap_err();
    assert_eq!(error.what, Defect::Changed, "there are jumps already");
    std::fs::remove_file(&path).unwrap();
    assert!(connect(&memory, &path, RINGS).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn other_files_have_no_sites() {
    assert_eq!(patches(b"", RINGS), Err(Defect::NoTable));
    assert_eq!(patches(&Elf::new(&[0x90; 0x100]).bytes(), RINGS), Err(Defect::NoTable));
    let mut kernel = Kernel::new();
    kernel.table[1] += 1;
    assert_eq!(kernel.defect(), Defect::NoTable, "another version");
}

#[test]
fn tables_may_say_anything() {
    let with = |field: usize, value: u64| {
        let mut kernel = Kernel::new();
        kernel.table[field] = value;
        kernel.defect()
    };
    for (field, value) in
        [(2, u64::MAX), (2, 0), (3, 0), (3, u64::MAX), (3, AT + SITES), (6, 0), (6, u64::MAX)]
    {
        assert!(matches!(with(field, value), Defect::Table(_)), "field {field} is {value:#x}");
    }
    // Outside of the file, whole sites all the same.
    assert!(matches!(with(3, AT + SITES + 25 * Site::SIZE as u64), Defect::Table(_)));
    assert_eq!(with(7, u64::MAX), Defect::Rings(RINGS.end));
    assert_eq!(with(8, RINGS.end - 1), Defect::Rings(RINGS.end - 1));
}

#[test]
fn sites_may_say_anything() {
    let (stub, tail) = (AT + STUBS, AT + STUBS + 0x40);
    let start = AT + TEXT + 0x40;
    let defect = |start, end, stub, tail| Kernel::site_defect([start, end, stub, tail]);
    assert_eq!(defect(start, start + 4, stub, tail), "its size is no site's");
    assert_eq!(defect(start, start + 17, stub, tail), "its size is no site's");
    assert_eq!(defect(start, start - 1, stub, tail), "it ends before it begins");
    assert_eq!(defect(u64::MAX - 5, u64::MAX, stub, tail), "it is no code");
    assert_eq!(defect(AT + SIZE as u64 - 4, AT + SIZE as u64 + 1, stub, tail), "it is no code");
    assert_eq!(defect(0, 5, stub, tail), "it is no code");
    assert_eq!(defect(start, start + 5, AT, tail), "its stub is none");
    assert_eq!(defect(start, start + 5, 1 << 32, tail), "its stub is too far away");
    assert_eq!(defect(start, start + 5, u64::MAX, tail), "its stub is none");
    assert_eq!(defect(start, start + 5, stub, AT + STUBS + 0x77), "its tail is none");
    assert_eq!(defect(start, start + 5, stub, u64::MAX - 7), "its tail is none");
    assert_eq!(defect(AT + TEXT + 4, AT + TEXT + 9, stub, tail), "it lies in another");
}
