//! How a machine is, in words.

use crate::control::status::{Exit, State, Status, VcpuState};
use std::fmt::Write;

pub fn state(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Running => "running",
        State::Pausing => "coming to stand",
        State::Paused => "paused",
        State::InDebugger => "stopped by a debugger",
        State::Ending => "ending",
    }
}

/// Some lines.
pub fn status(status: &Status) -> String {
    let mut text = String::new();
    // A String takes everything.
    let _ =
        write!(text, "{}, process {}, for {:.1} s", state(status.state), status.pid, status.uptime_seconds);
    let _ = match status.paused_seconds {
        0.0 => writeln!(text),
        paused => writeln!(text, ", paused for {paused:.1} s of them"),
    };
    let machine = &status.machine;
    let memory = machine["memory"].as_u64().unwrap_or_default() >> 20;
    let _ = writeln!(text, "kernel {}, {memory} MiB, {} vCPU(s)", kernel(status), machine["cpus"]);
    let program = program(status);
    if !program.is_empty() {
        let _ = writeln!(text, "program {program}");
    }
    if !status.virtio.is_empty() {
        let _ = writeln!(text, "devices {}", status.virtio.join(", "));
    }
    for vcpu in &status.vcpus {
        let exit = vcpu
            .last_exit
            .as_ref()
            .map_or(String::new(), |exit| format!(", left the guest last for: {exit}"));
        let _ = writeln!(text, "vCPU {} {}{exit}", vcpu.id, vcpu_state(vcpu.state));
    }
    let console = match (status.console.claimed, status.console.ended) {
        (false, _) => "takes no input yet".into(),
        (_, true) => "was told that there is no more input".into(),
        _ => format!("takes input, {} bytes at once", status.console.room),
    };
    let _ = writeln!(text, "console {console}");
    let _ = writeln!(
        text,
        "debuggers {}, watchers {}, ukvmm {}",
        status.debuggers, status.watchers, status.version
    );
    if let Some(how) = status.exit {
        let _ = writeln!(text, "{}", exit(how));
    }
    text
}

/// A few words that tell one machine from another.
pub fn title(status: &Status) -> String {
    format!("{}, {} {}", state(status.state), kernel(status), program(status))
}

fn kernel(status: &Status) -> &str {
    status.machine["kernel"]["path"].as_str().unwrap_or("(unknown)")
}

fn program(status: &Status) -> String {
    let words = status.machine["program"].as_array().map_or(&[][..], Vec::as_slice);
    words.iter().filter_map(|word| word.as_str()).collect::<Vec<_>>().join(" ")
}

pub fn exit(exit: Exit) -> String {
    match exit {
        Exit::Status(status) => format!("its ukvmm ends with status {status}"),
        Exit::Signal(signal) => format!("its ukvmm ends by signal {signal}"),
    }
}

fn vcpu_state(state: VcpuState) -> &'static str {
    match state {
        VcpuState::Running => "runs",
        VcpuState::Paused => "stands",
        VcpuState::InDebugger => "is held by a debugger",
        VcpuState::Ended => "has ended",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::status::{Console, Vcpu};
    use serde_json::json;

    #[test]
    fn a_machine_is_described_in_lines() {
        let vcpu = Vcpu { id: 0, state: VcpuState::Paused, last_exit: Some("port write".into()) };
        let described = status(&Status {
            state: State::Paused,
            uptime_seconds: 2.25,
            paused_seconds: 1.0,
            pid: 7,
            version: "1.2.3".into(),
            machine: json!({"kernel": {"path": "k"}, "memory": 256 << 20, "cpus": 1, "program": ["ls", "-l"]}),
            virtio: vec!["block0".into(), "rng".into()],
            vcpus: vec![vcpu],
            console: Console { claimed: true, ended: false, room: 10 },
            exit: Some(Exit::Signal(15)),
            ..Status::default()
        });
        assert_eq!(
            described,
            "paused, process 7, for 2.2 s, paused for 1.0 s of them\nkernel k, 256 MiB, 1 vCPU(s)\nprogram ls -l\ndevices block0, rng\n\
             vCPU 0 stands, left the guest last for: port write\nconsole takes input, 10 bytes at once\n\
             debuggers 0, watchers 0, ukvmm 1.2.3\nits ukvmm ends by signal 15\n"
        );
    }
}
