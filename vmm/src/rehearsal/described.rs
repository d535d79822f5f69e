//! What is told of a machine that is not there.

use crate::config::Config;
use crate::evidence::Wanted;
use crate::guest::Loaded;
use crate::loader::Entry;
use crate::manifest::Machine;
use crate::manifest::machine::Device;
use crate::virtio::attach;
use devices::{acpi, i8042, rtc};
use serde::Serialize;
use std::ops::Range;
use vmm_abi::virtio::{LINES, SIZE, base};
use vmm_abi::{console, ports};

/// A machine, and where everything is in it.
#[derive(PartialEq, Debug, Serialize)]
pub struct Rehearsal {
    #[serde(flatten)]
    pub machine: Machine,
    /// Where the kernel is entered: a virtual address if it is ukvmm's own, else a physical one.
    pub entry: u64,
    /// In the order of their addresses.
    pub memory_map: Vec<Region>,
    pub places: Vec<Place>,
    /// The files that are open while the guest runs or that it is made of.
    pub files: Vec<String>,
    /// Where its core would go, should it die.
    pub core: Option<String>,
    /// What the run would write at its end.
    pub manifest: Option<String>,
    pub crash_dir: Option<CrashDir>,
    pub junit: Option<String>,
    /// What the threads could do with files once the guest runs, in words; `null` without a jail.
    pub jail: Option<Vec<String>>,
    /// `null` if there is none that can run it.
    pub kvm: Option<Kvm>,
}

/// Where the folder of a death would be made.
#[derive(PartialEq, Eq, Debug, Serialize)]
pub struct CrashDir {
    pub folder: String,
    /// Whether there would be a core in it.
    pub core: bool,
    /// Bytes of the guest's output that are kept for it.
    pub console: usize,
}

/// Physical memory of the guest.
#[derive(PartialEq, Eq, Debug, Serialize)]
pub struct Region {
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
    pub content: String,
}

/// Where the guest finds a device.
#[derive(PartialEq, Eq, Debug, Serialize)]
pub struct Place {
    pub device: String,
    pub space: Space,
    pub first: u64,
    pub length: u64,
    /// Its interrupt line.
    pub irq: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    Ports,
    Memory,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Kvm {
    pub device: String,
    /// Whether the guest's kernel mode is run by the processor (VMX, SVM) and not emulated; `null` if that cannot be told.
    pub hardware: Option<bool>,
}

impl Rehearsal {
    /// The machine of `config`, without what is in its memory, and what it would leave behind.
    pub fn of(config: &Config, wanted: &Wanted, kvm: Option<&Kvm>) -> Self {
        let mut machine = Machine::of(config);
        let places = places(config, &machine.devices);
        let virtio = places.iter().filter(|place| place.space == Space::Memory).count();
        if !config.format.is_stock() {
            machine.cmdline = attach::command_line(&machine.cmdline, virtio);
        }
        Self {
            files: files(&machine),
            core: config.core.as_ref().map(|wish| wish.path().display().to_string()),
            manifest: wanted.manifest.as_ref().map(|path| path.display().to_string()),
            crash_dir: wanted.crash.as_ref().map(|crash| CrashDir {
                folder: crash.folder.display().to_string(),
                core: crash.core,
                console: crash.console,
            }),
            junit: wanted.junit.as_ref().map(|path| path.display().to_string()),
            machine,
            entry: 0,
            memory_map: Vec::new(),
            jail: None,
            places,
            kvm: kvm.cloned(),
        }
    }

    /// Adds segments of a kernel that is an ELF file: virtual and physical address, and length.
    pub fn add_kernel(&mut self, segments: impl Iterator<Item = (u64, u64, u64)>) {
        let region = |(_, start, length)| Region { start, end: start + length, content: "kernel".into() };
        self.memory_map.extend(segments.map(region));
    }

    /// Adds the modules that were loaded, and the RAM around all.
    pub fn add_memory(&mut self, ram: &[Range<u64>], loaded: &Loaded) {
        self.entry = match loaded.entry {
            Entry::Native { rip, .. } | Entry::Linux { rip, .. } => rip,
            Entry::Pvh { eip, .. } => eip.into(),
        };
        let module = |(range, name): (Range<u64>, &str)| Region {
            start: range.start,
            end: range.end,
            content: name.into(),
        };
        let modules = loaded.modules.iter().map(|it| (it.range(), it.name.as_str()));
        self.memory_map.extend(modules.map(module));
        self.memory_map.extend(ram.iter().cloned().map(|range| module((range, RAM))));
        self.memory_map.sort_by_key(|region| (region.start, region.content != RAM));
    }
}

/// What memory is that has no other name.
pub const RAM: &str = "RAM";

fn places(config: &Config, devices: &[Device]) -> Vec<Place> {
    let at = |device: &str, first: u16, length: u16, irq| Place {
        device: device.into(),
        space: Space::Ports,
        first: first.into(),
        length: length.into(),
        irq,
    };
    let mut all = vec![
        at("debug port", ports::DEBUG, 1, None),
        at("exit port", ports::EXIT, 4, None),
        at("console", console::PORT_BASE, 1 << console::PORT_LOG2, Some(console::IRQ)),
    ];
    if config.uart {
        all.push(at("UART", ports::UART, 8, Some(ports::UART_IRQ)));
    }
    if config.format.is_stock() {
        all.push(at("i8042", ports::I8042, i8042::PORTS, None));
        all.push(at("real-time clock", ports::RTC, rtc::PORTS, None));
        all.push(at("ACPI", ports::ACPI, acpi::PORTS, None));
    }
    let virtio = devices.iter().filter(|device| !matches!(device, Device::Uart));
    all.extend(virtio.zip(LINES).enumerate().map(|(n, (device, irq))| Place {
        device: words(device),
        space: Space::Memory,
        first: base(n),
        length: SIZE,
        irq: Some(irq),
    }));
    all
}

/// A virtio device in words.
fn words(device: &Device) -> String {
    let only = |read_only: &bool| if *read_only { ", read-only" } else { "" };
    match device {
        Device::Disk { path, bytes, read_only, serial } => {
            format!("disk {path}, {bytes} bytes{}, serial {serial}", only(read_only))
        }
        Device::Net { link, mac } => format!("network {link}, {mac}"),
        Device::Rng => "random bytes".into(),
        Device::Share { tag, path, read_only } => format!("share {tag}: {path}{}", only(read_only)),
        Device::VirtioConsole { ports } => format!("virtio console, ports {}", ports.join(", ")),
        Device::Vsock { cid, path } => format!("vsock, cid {cid}, {path}"),
        Device::Uart => "UART".into(),
    }
}

fn files(machine: &Machine) -> Vec<String> {
    let guest = [Some(&machine.kernel.file), machine.initrd.as_ref()].into_iter().flatten();
    let guest = guest.chain(machine.servers.iter().map(|server| &server.file)).map(|file| &file.path);
    let devices = machine.devices.iter().filter_map(|device| match device {
        Device::Disk { path, .. } | Device::Share { path, .. } | Device::Vsock { path, .. } => Some(path),
        Device::Net { .. } | Device::Rng | Device::VirtioConsole { .. } | Device::Uart => None,
    });
    guest.chain(devices).cloned().collect()
}
