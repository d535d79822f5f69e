//! A second of a machine that is only thought up, for tests.

use profile::live::line::Line;
use profile::live::window::{Cpu, Machine, Pair, Request, Thread, VmExit, Window};

pub fn line() -> Vec<u8> {
    Line::Window(Box::new(window())).to_bytes()
}

pub fn window() -> Window {
    let words = ["--servers", "linux", "--live", "--", "cat", "/disk"];
    Window {
        machine: Machine {
            pid: 4711,
            command: words.map(String::from).to_vec(),
            records: true,
            cpus: 1,
            tsc_khz: 2_000_000,
            ..Machine::default()
        },
        number: 7,
        uptime_ticks: 2_000_000_000 * 3725,
        length_ticks: 2_000_000_000,
        records: 35_000,
        measuring_ticks: 60_000_000,
        cpus: vec![Cpu {
            cpu: 0,
            user_ticks: 500_000_000,
            kernel_ticks: 300_000_000,
            idle_ticks: 1_200_000_000,
            host_ticks: 100_000_000,
        }],
        vm_exits: vec![exit("I/O port", 900), exit("MMIO", 34)],
        threads: vec![
            thread("linux", 5, "receives", [300_000_000, 200_000_000], [3000, 0, 0]),
            thread("linux: cat[7]", 10, "in read", [150_000_000, 100_000_000], [0, 20, 2000]),
            thread("block", 6, "receives", [50_000_000, 0], [1000, 0, 0]),
            thread("console", 3, "receives", [0, 0], [0, 0, 0]),
        ],
        ipc: vec![pair("linux: cat[7]", "linux", 2020), pair("linux", "block", 1000)],
        system_calls: vec![request("read", 1000, 200_000), request("getpid", 1000, 2000)],
        faults: vec![request("page fault", 20, 5000)],
        ..Window::default()
    }
}

fn exit(reason: &str, count: u64) -> VmExit {
    VmExit { reason: reason.into(), count, host_ticks: 1000 * count }
}

fn thread(
    name: &str,
    task: u16,
    state: &str,
    [user, kernel]: [u64; 2],
    [ipc, faults, calls]: [u64; 3],
) -> Thread {
    Thread {
        name: name.into(),
        task,
        thread: 0,
        state: Some(state.into()),
        user_ticks: user,
        kernel_ticks: kernel,
        ipc_count: ipc,
        page_fault_count: faults,
        system_call_count: calls,
    }
}

fn pair(client: &str, server: &str, count: u64) -> Pair {
    Pair { client: client.into(), server: server.into(), count, sum_ticks: 10_000 * count, max_ticks: 50_000 }
}

fn request(name: &str, count: u64, ticks: u64) -> Request {
    Request {
        name: name.into(),
        count,
        sum_ticks: ticks * count,
        p50_ticks: ticks,
        p90_ticks: ticks * 2,
        p99_ticks: ticks * 3,
        max_ticks: ticks * 10,
        measuring_ticks: 38 * count,
    }
}
