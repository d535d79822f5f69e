//! The Linux server on the µ-kernel: sets itself up and runs the event loop.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod guest;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Arguments;
use guest::disk::DiskThread;
use guest::events::EventLoop;
use guest::input::Input;
use guest::kernel::Kernel;
use guest::memory::SpareMemory;
use guest::timer::Timer;
use linux::boot::{Boot, boot};
use linux::disk::Drive;
use linux::frames::FramePool;
use linux::server::Server;
use linux::trampoline::Entry;
use linux::tty::console::Terminals;
use linux::tty::terminal::WindowSize;
use ukernel_abi::ThreadId;
use userlib::console::Console;
use userlib::{Me, report, root, trace};
use vmm_abi::{boot as modules, console};

userlib::server!(main);

fn main(me: Me) -> ! {
    trace::start();
    let input = Input::spawn().unwrap_or_else(|e| fail(format_args!("no thread for input: {e:?}")));
    let timer = Timer::spawn().unwrap_or_else(|e| fail(format_args!("no thread for the time: {e:?}")));
    let console = Console::open(input.thread()).unwrap_or_else(|e| fail(format_args!("no console: {e:?}")));
    let (terminal, attachment) = (console.terminal(), console.attachment());
    let disk = DiskThread::open();
    let disk_thread = disk.as_ref().map_or(ThreadId::NIL, DiskThread::thread);
    let memory = SpareMemory::new(me.utcb).unwrap_or_else(|| fail(format_args!("no memory for programs")));
    let options = options();
    let entry = Entry::from_options(options.iter().map(String::as_str));
    let kernel = Rc::new(Kernel::new(me, console, entry));
    let flag = |bit| terminal.flags & bit != 0;
    let b = Boot {
        machine: kernel.clone(),
        frames: FramePool::new(Box::new(memory)),
        initrd: root::module(modules::INITRD_MODULE).unwrap_or_default(),
        argv: strings(root::module(modules::ARGV_MODULE).unwrap_or_default()),
        envp: strings(root::module(modules::ENVP_MODULE).unwrap_or_default()),
        options,
        terminals: Terminals {
            input: flag(console::STDIN_TTY),
            output: flag(console::STDOUT_TTY),
            error: flag(console::STDERR_TTY),
        },
        window: WindowSize { rows: terminal.size.rows, columns: terminal.size.cols, width: 0, height: 0 },
        drive: disk.map(|disk| Box::new(disk) as Box<dyn Drive>),
    };
    let server = boot(b, answer_debuggers).unwrap_or_else(|e| fail(format_args!("cannot start: {e:?}")));
    input.start(terminal.sender, attachment).unwrap_or_else(|e| fail(format_args!("no input: {e:?}")));
    EventLoop::new(server, kernel, input.thread(), disk_thread, timer, entry).run()
}

fn answer_debuggers(server: &Rc<Server>) {
    let server = server.clone();
    report::offer(Box::leak(Box::new(move |request: &[u8], out: &mut [u8]| {
        linux::report::answer(&server, request, out)
    })));
}

/// NUL-terminated strings, one behind the other.
fn strings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = bytes.split(|&b| b == 0).map(Into::into).collect();
    // What follows the last NUL is no string, unless that NUL is missing.
    out.pop_if(|last| last.is_empty());
    out
}

/// The server's own arguments, from the server set.
fn options() -> Vec<String> {
    let mut bytes = Vec::new();
    while let Ok(Some(part)) = root::args(bytes.len()) {
        bytes.extend_from_slice(part.bytes.as_slice());
    }
    strings(&bytes).into_iter().filter_map(|s| String::from_utf8(s).ok()).collect()
}

fn fail(why: Arguments) -> ! {
    userlib::log!("linux: {why}");
    root::fail()
}
