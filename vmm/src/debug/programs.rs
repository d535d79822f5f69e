//! The programs that a guest is made of: ELF files of the host.
//!
//! What is loaded into the guest has no symbols, to be small; a build leaves them beside it, in `NAME.debug`. A debugger wants the file that has them, and
//! finds it under a path of ours, as if the guest had such files.

use crate::inspect::names::{Program, Tables};
use crate::loader::file::{self, Input};
use crate::loader::module::{Content, Module};
use crate::set::IMPLIED;
use elf::ElfBytes;
use elf::abi::PT_LOAD;
use elf::endian::LittleEndian;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use vmm_abi::boot::SET_MODULE;
use vmm_abi::set::{self, Restart};

/// Where a debugger finds the kernel, and the servers by their names.
const KERNEL: &str = "/ukvmm/kernel";
const SERVERS: &str = "/ukvmm/servers/";
/// What a file's name has at its end if it is another's with symbols.
const WITH_SYMBOLS: &str = "debug";

#[derive(Clone, Debug, Default)]
pub struct Programs {
    kernel: PathBuf,
    /// Names of servers, and their files, with symbols if there are such.
    servers: Vec<Program>,
    /// Those that are started again when they end.
    restarted: Vec<String>,
    tables: OnceLock<Tables>,
}

impl Programs {
    /// Of a guest that is given this kernel and these modules.
    pub fn of(kernel: &Input, modules: &[Module]) -> Self {
        let set: Vec<_> = set::servers(set_of(modules)).flatten().collect();
        let file = |(name, input): (String, &Input)| (name, with_symbols(&input.path));
        Self {
            kernel: kernel.path.clone(),
            servers: servers_of(modules).into_iter().map(file).collect(),
            restarted: set
                .iter()
                .filter(|s| s.restart == Restart::Always)
                .map(|s| s.name.to_string())
                .collect(),
            tables: OnceLock::new(),
        }
    }

    /// Of a guest that does not run any more.
    pub fn new(kernel: PathBuf, servers: Vec<Program>) -> Self {
        let servers = servers.into_iter().map(|(name, path)| (name, with_symbols(&path))).collect();
        Self { kernel, servers, restarted: Vec::new(), tables: OnceLock::new() }
    }

    pub fn kernel(&self) -> &Path {
        &self.kernel
    }

    /// Names of servers, and their files.
    pub fn servers(&self) -> &[Program] {
        &self.servers
    }

    /// All the files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.kernel()).chain(self.servers.iter().map(|(_, path)| path.as_path()))
    }

    /// Where servers have their tables of names.
    pub fn tables(&self) -> &Tables {
        self.tables.get_or_init(|| Tables::of(&self.servers))
    }

    /// Whether the server `name` is started again when it ends.
    pub fn restarts(&self, name: &str) -> bool {
        self.restarted.iter().any(|other| other == name)
    }

    /// Path under which a debugger finds the kernel.
    pub fn kernel_path(&self) -> String {
        KERNEL.into()
    }

    /// Path under which a debugger finds the server `name`, if there is its file.
    pub fn server_path(&self, name: &str) -> Option<String> {
        self.server(name).map(|_| [SERVERS, name].concat())
    }

    /// The file that a debugger means by a path of ours.
    pub fn file(&self, path: &str) -> Option<&Path> {
        if path == KERNEL {
            return Some(&self.kernel);
        }
        self.server(path.strip_prefix(SERVERS)?)
    }

    fn server(&self, name: &str) -> Option<&Path> {
        self.servers.iter().find(|(other, _)| other == name).map(|(_, path)| path.as_path())
    }
}

/// Names of the servers that have these modules, and their files as they are loaded.
pub fn servers_of(modules: &[Module]) -> Vec<(String, &Input)> {
    let file = |elf: &str| modules.iter().find(|module| module.name == elf).and_then(Module::input);
    let listed = set::servers(set_of(modules)).flatten().map(|server| (server.name, server.elf));
    let all = IMPLIED.map(|name| (name, name)).into_iter().chain(listed);
    all.filter_map(|(name, elf)| Some((name.to_string(), file(elf)?))).collect()
}

/// The server set, as lines.
fn set_of(modules: &[Module]) -> &str {
    let set = modules.iter().find(|module| module.name == SET_MODULE);
    let text = set.and_then(|set| match &set.content {
        Content::Bytes(bytes) => str::from_utf8(bytes).ok(),
        Content::File(_) | Content::Zeroes { .. } => None,
    });
    text.unwrap_or_default()
}

/// The file beside `path` that has its symbols; `path` itself if there is none, or it is of another build.
fn with_symbols(path: &Path) -> PathBuf {
    let mut other = path.as_os_str().to_owned();
    other.push(".");
    other.push(WITH_SYMBOLS);
    let other = PathBuf::from(other);
    let is_same = match (loaded(path), loaded(&other)) {
        (Some(loaded), Some(other)) => loaded == other,
        _ => false,
    };
    if is_same { other } else { path.into() }
}

/// What of an ELF file is loaded: addresses and bytes.
fn loaded(path: &Path) -> Option<Vec<(u64, Vec<u8>)>> {
    let input = file::open("program", path, "").ok()?;
    let bytes = fs::read(&input.path).ok()?;
    let elf = ElfBytes::<LittleEndian>::minimal_parse(&bytes).ok()?;
    let segments = elf.segments()?.iter().filter(|segment| segment.p_type == PT_LOAD);
    segments
        .map(|s| Some((s.p_vaddr, beyond_headers(&elf, elf.segment_data(&s).ok()?, s.p_offset))))
        .collect()
}

/// A segment may begin with the file's own header, which says where symbols are and so differs.
fn beyond_headers(elf: &ElfBytes<'_, LittleEndian>, data: &[u8], offset: u64) -> Vec<u8> {
    let mut data = data.to_vec();
    let headers = usize::from(elf.ehdr.e_ehsize).min(data.len());
    if offset == 0 {
        data[..headers].fill(0);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = "server name=disk elf=block prio=1 memory=0 restart=always\nserver name=linux elf=linux prio=1 memory=0\n";

    struct Files(tempfile::TempDir);

    impl Files {
        fn put(&self, name: &str, bytes: &[u8]) -> Input {
            let path = self.0.path().join(name);
            fs::write(&path, bytes).unwrap();
            file::open("file", &path, "").unwrap()
        }
    }

    fn programs(files: &Files) -> Programs {
        let elf = crate::tiny_elf::Elf::new(&[0xf4]).bytes();
        let mut modules = vec![Module::bytes(SET_MODULE, SET)];
        for name in ["root", "block", "linux"] {
            modules.push(Module::file(name, files.put(name, &elf)));
        }
        Programs::of(&files.put("kernel", &elf), &modules)
    }

    #[test]
    fn servers_are_known_by_their_names() {
        let files = Files(tempfile::tempdir().unwrap());
        let programs = programs(&files);
        let names: Vec<_> = programs.servers().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["root", "disk", "linux"], "there is no file for sigma0");
        assert_eq!(programs.server_path("disk").as_deref(), Some("/ukvmm/servers/disk"));
        assert_eq!(programs.server_path("block"), None);
        assert_eq!(programs.file("/ukvmm/servers/disk"), Some(files.0.path().join("block").as_path()));
        assert_eq!(programs.file(&programs.kernel_path()), Some(files.0.path().join("kernel").as_path()));
        assert_eq!(programs.file("/ukvmm/servers/../kernel"), None);
        assert!(programs.restarts("disk") && !programs.restarts("linux") && !programs.restarts("block"));
    }

    #[test]
    fn symbols_are_those_of_the_same_build() {
        let files = Files(tempfile::tempdir().unwrap());
        let same = crate::tiny_elf::Elf::new(&[0xf4]).bytes();
        let other = crate::tiny_elf::Elf::new(&[0x90]).bytes();
        files.put("linux.debug", &[&same[..], b"symbols"].concat());
        files.put("root.debug", &other);
        files.put("block.debug", b"no ELF");
        let programs = programs(&files);
        let file =
            |name: &str| programs.server(name).unwrap().file_name().unwrap().to_str().unwrap().to_string();
        assert_eq!([file("linux"), file("root"), file("disk")], ["linux.debug", "root", "block"]);
    }
}
