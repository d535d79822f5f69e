//! What there is. Names are as Prometheus' own rules want them (`promtool check metrics`); `docs/control.md` has the list.

use super::exposition::{Exposition, Kind};
use super::process::{Seen, Times, since_1970};
use std::time::Duration;

/// All that is known at a moment.
#[derive(Default)]
pub struct Figures {
    pub version: &'static str,
    pub process: Option<Seen>,
    pub memory_bytes: u64,
    pub vcpus: Vec<Vcpu>,
    pub is_frozen: bool,
    pub frozen_for: Duration,
    pub debuggers: usize,
    pub watchers: usize,
    /// By their names.
    pub devices: Vec<(String, Traffic)>,
    pub console: Traffic,
}

#[derive(Default)]
pub struct Vcpu {
    /// By reason.
    pub exits: Vec<(&'static str, u64)>,
    pub times: Option<Times>,
}

/// What has gone through a device.
#[derive(Clone, Copy, Default)]
pub struct Traffic {
    pub requests: u64,
    pub from_guest: u64,
    pub to_guest: u64,
    pub interrupts: u64,
}

/// As text.
pub fn text(figures: &Figures) -> String {
    let mut text = Exposition::default();
    process(&mut text, figures);
    machine(&mut text, figures);
    vcpus(&mut text, &figures.vcpus);
    devices(&mut text, figures);
    text.into_text()
}

/// Under the names that every program's figures have.
fn process(text: &mut Exposition, figures: &Figures) {
    let mut build = text.family(Kind::Gauge, "ukvmm_build_info", "Which ukvmm this is.");
    build.sample(&[("version", figures.version)], 1);
    let Some(Seen { times, resident_bytes, started }) = figures.process else { return };
    let cpu = times.guest + times.user + times.system;
    let help = "Processor time of the whole process, the guest's with it.";
    text.single(Kind::Counter, "process_cpu_seconds_total", help, cpu);
    let help = "Memory of the process that is in RAM, the guest's with it.";
    text.single(Kind::Gauge, "process_resident_memory_bytes", help, resident_bytes);
    let help = "When the process was started, in seconds since 1970.";
    text.single(Kind::Gauge, "process_start_time_seconds", help, since_1970(started));
}

fn machine(text: &mut Exposition, figures: &Figures) {
    let mut gauge = |name, help, value: u64| text.single(Kind::Gauge, name, help, value);
    gauge("ukvmm_memory_bytes", "Memory that the guest was given.", figures.memory_bytes);
    gauge("ukvmm_vcpus", "Virtual CPUs.", figures.vcpus.len() as u64);
    gauge("ukvmm_paused", "Whether the machine is paused.", figures.is_frozen.into());
    gauge("ukvmm_debuggers", "Debuggers that are attached.", figures.debuggers as u64);
    gauge("ukvmm_watchers", "Programs that watch by --live.", figures.watchers as u64);
    let help = "For how long the machine has been paused.";
    text.single(Kind::Counter, "ukvmm_paused_seconds_total", help, figures.frozen_for.as_secs_f64());
}

fn vcpus(text: &mut Exposition, vcpus: &[Vcpu]) {
    let help = "How often a virtual CPU has left the guest for ukvmm, by the reason.";
    let mut family = text.family(Kind::Counter, "ukvmm_vcpu_exits_total", help);
    for (id, vcpu) in vcpus.iter().enumerate() {
        for (reason, count) in &vcpu.exits {
            family.sample(&[("vcpu", &id.to_string()), ("reason", &reason.replace(' ', "_"))], count);
        }
    }
    let help = "Processor time of a virtual CPU's thread: in the guest, in ukvmm, in Linux.";
    let mut family = text.family(Kind::Counter, "ukvmm_vcpu_cpu_seconds_total", help);
    for (id, vcpu) in vcpus.iter().enumerate() {
        let Some(Times { guest, user, system }) = vcpu.times else { continue };
        for (mode, seconds) in [("guest", guest), ("user", user), ("system", system)] {
            family.sample(&[("vcpu", &id.to_string()), ("mode", mode)], seconds);
        }
    }
}

fn devices(text: &mut Exposition, figures: &Figures) {
    let mut counter = |name, help: &str, count: fn(&Traffic) -> u64| {
        let mut family = text.family(Kind::Counter, name, help);
        for (device, traffic) in &figures.devices {
            family.sample(&[("device", device)], count(traffic));
        }
    };
    counter("ukvmm_virtio_requests_total", "Requests that a device has done.", |traffic| traffic.requests);
    counter("ukvmm_virtio_interrupts_total", "Interrupts that a device has raised.", |traffic| {
        traffic.interrupts
    });
    let help = "Bytes in the buffers of a device's requests.";
    let mut family = text.family(Kind::Counter, "ukvmm_virtio_bytes_total", help);
    for (device, traffic) in &figures.devices {
        family.sample(&[("device", device), ("direction", "from_guest")], traffic.from_guest);
        family.sample(&[("device", device), ("direction", "to_guest")], traffic.to_guest);
    }
    let help = "Bytes on the guest's console, of whatever kind it is.";
    let mut family = text.family(Kind::Counter, "ukvmm_console_bytes_total", help);
    family.sample(&[("direction", "from_guest")], figures.console.from_guest);
    family.sample(&[("direction", "to_guest")], figures.console.to_guest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Figures {
        let traffic = Traffic { requests: 1, from_guest: 2, to_guest: 3, interrupts: 4 };
        Figures {
            version: "1.2.3",
            process: Some(Seen {
                times: Times { guest: 1.0, user: 0.5, system: 0.25 },
                resident_bytes: 4096,
                started: 1.0,
            }),
            memory_bytes: 1 << 20,
            vcpus: vec![
                Vcpu { exits: vec![("port write", 5)], times: Some(Times::default()) },
                Vcpu::default(),
            ],
            is_frozen: true,
            frozen_for: Duration::from_millis(1500),
            debuggers: 1,
            watchers: 2,
            devices: vec![("block0".into(), traffic)],
            console: traffic,
        }
    }

    #[test]
    fn the_documentation_has_every_figure_and_no_other() {
        let text = text(&some());
        let figures = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let mut figures: Vec<_> = figures.collect();
        let table = include_str!("../../../../docs/control.md").split("| figure |").nth(1).unwrap();
        let rows =
            table.lines().take_while(|line| line.contains('|')).filter_map(|line| line.split('|').nth(1));
        let mut documented: Vec<_> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
        figures.sort();
        documented.sort();
        assert_eq!(documented, figures);
    }

    /// What `promtool check metrics` would say of names and of what explains them.
    #[test]
    fn every_family_is_explained_once_and_named_by_its_kind() {
        let text = text(&some());
        let mut lines = text.lines().peekable();
        let mut seen = Vec::new();
        while let Some(line) = lines.next() {
            let (name, help) = line.strip_prefix("# HELP ").unwrap().split_once(' ').unwrap();
            assert!(help.ends_with('.') && !seen.contains(&name), "{line}");
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap();
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
                let (series, value) = sample.rsplit_once(' ').unwrap();
                assert!(series.split('{').next() == Some(name) && value.parse::<f64>().is_ok(), "{sample}");
            }
            seen.push(name);
        }
        for sample in [
            "ukvmm_build_info{version=\"1.2.3\"} 1",
            "process_cpu_seconds_total 1.75",
            "ukvmm_paused 1",
            "ukvmm_paused_seconds_total 1.5",
            "ukvmm_vcpu_exits_total{vcpu=\"0\",reason=\"port_write\"} 5",
            "ukvmm_virtio_bytes_total{device=\"block0\",direction=\"to_guest\"} 3",
            "ukvmm_console_bytes_total{direction=\"from_guest\"} 2",
        ] {
            assert!(text.lines().any(|line| line == sample), "{sample}\n{text}");
        }
    }
}
