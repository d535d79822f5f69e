//! The machine as a whole, in a few lines.

use crate::figures::{Figures, shown};
use profile::file::KernelMode;
use profile::format::units::{mean, percent};
use profile::live::window::{Cpu, VmExit, Window};

/// vCPUs that have a line each.
const CPUS: usize = 4;
/// Columns in which there is room for all that is known of a vCPU.
const WIDE: usize = 72;

pub fn lines(window: &Window, width: usize) -> Vec<String> {
    let figures = Figures::of(window);
    let mut lines = vec![machine(window, &figures)];
    lines.extend(cpus(window, width));
    lines.push(exits(window, &figures));
    lines.push(records(window, &figures));
    lines.into_iter().map(|line| cut(&shown(&line), width)).collect()
}

/// As much of a line as there is room for.
fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.into();
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn machine(window: &Window, figures: &Figures) -> String {
    let machine = &window.machine;
    let seconds = figures.seconds(window.uptime_ticks);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let up = format!("{hours}:{minutes:02}:{:02}", seconds % 60);
    format!("ukvmm {}  up {up}  {}", machine.pid, machine.command.join(" "))
}

fn cpus(window: &Window, width: usize) -> Vec<String> {
    match &window.cpus[..] {
        [] => vec!["vCPUs: nothing is known of this second".into()],
        few if few.len() <= CPUS => {
            few.iter().map(|cpu| usage(window, &format!("vCPU {}", cpu.cpu), &[*cpu], width)).collect()
        }
        many => vec![usage(window, &format!("{} vCPUs", many.len()), many, width)],
    }
}

/// What these vCPUs have done: time with the host is mostly the kernel's, which has asked for something.
fn usage(window: &Window, name: &str, cpus: &[Cpu], width: usize) -> String {
    let sum = |of: fn(&Cpu) -> u64| cpus.iter().map(|cpu| u128::from(of(cpu))).sum::<u128>();
    let (user, kernel) = (sum(|cpu| cpu.user_ticks), sum(|cpu| cpu.kernel_ticks));
    let (idle, host) = (sum(|cpu| cpu.idle_ticks), sum(|cpu| cpu.host_ticks));
    let whole = u128::from(window.length_ticks) * cpus.len() as u128;
    let share = |part| percent(part, whole);
    if !window.machine.records {
        let guest = whole.saturating_sub(host);
        return format!("{name}  guest, or idle {}  host {}", share(guest), share(host));
    }
    let guest = (user + kernel).saturating_sub(host);
    match width {
        WIDE.. => format!(
            "{name}  guest {:>7} (user {}, kernel {})  host {:>7}  idle {:>7}",
            share(guest),
            share(user),
            share(kernel),
            share(host),
            share(idle)
        ),
        _ => {
            let share = |part: u128| (part * 100 + whole / 2) / whole.max(1);
            format!("{name}: guest {} %, host {} %, idle {} %", share(guest), share(host), share(idle))
        }
    }
}

fn exits(window: &Window, figures: &Figures) -> String {
    let count = window.vm_exits.iter().fold(0, |sum: u64, exit| sum.saturating_add(exit.count));
    if count == 0 {
        return "no VM exits".into();
    }
    let reason = |exit: &VmExit| format!("{} {}", exit.reason, figures.per_second(exit.count));
    let reasons: Vec<_> = window.vm_exits.iter().map(reason).collect();
    format!("VM exits {}/s: {}", figures.per_second(count), reasons.join(", "))
}

fn records(window: &Window, figures: &Figures) -> String {
    let mut parts = vec![format!("records {}/s", figures.per_second(window.records))];
    parts.push(match window.dropped_records {
        0 => "none dropped".into(),
        dropped => format!("{}/s dropped", mean(figures.rate(dropped))),
    });
    let whole = u128::from(window.length_ticks) * u128::from(window.machine.cpus);
    parts.push(format!("measuring {}", percent(window.measuring_ticks.into(), whole)));
    if window.machine.kernel_mode == KernelMode::Emulated {
        parts.push("kernel mode is emulated".into());
    }
    parts.extend(figures.unit().map(|unit| format!("times in {unit}")));
    parts.join(", ")
}
