//! What is tested. A case makes its own puppets, and they are gone when it ends.
//!
//! - [`ipc`]: messages between threads
//! - [`clans`]: messages that cross the borders of clans
//! - [`strings`]: strings in messages
//! - [`mapping`]: flexpages of memory
//! - [`faults`]: page faults, exceptions, foreign system calls
//! - [`arguments`]: arguments that calls do not take
//! - [`deaths`]: threads that die, and those who wait for them
//! - [`limits`]: kernel memory that is used up
//! - [`threads`]: registers and states of threads
//! - [`vectors`]: which vector registers there are
//! - [`scheduling`]: priorities, time slices, FPU state under preemption
//! - [`tasks`]: tasks and what the kernel spends on them
//! - [`devices`]: I/O ports and interrupt lines
//! - [`smp`]: several CPUs

mod arguments;
mod clans;
mod deaths;
mod devices;
mod faults;
mod ipc;
mod limits;
mod mapping;
mod scheduling;
mod smp;
mod strings;
mod tasks;
mod threads;
mod vectors;

use crate::report::Case;

pub const CASES: &[Case] = &[
    ("ipc/call-and-reply", ipc::call_and_reply),
    ("ipc/long-message", ipc::long_message),
    ("ipc/timeout-zero", ipc::timeout_zero),
    ("ipc/timeout-finite", ipc::timeout_finite),
    ("ipc/deadlines", ipc::deadlines),
    ("ipc/short-timeouts", ipc::short_timeouts),
    ("ipc/closed-receive", ipc::closed_receive),
    ("ipc/order-of-senders", ipc::order_of_senders),
    ("ipc/stale-identifier", ipc::stale_identifier),
    ("ipc/bad-arguments", ipc::bad_arguments),
    ("ipc/aborted", ipc::aborted),
    ("ipc/cancelled", ipc::cancelled),
    ("clans/redirected-outward", clans::redirected_outward),
    ("clans/redirected-inward", clans::redirected_inward),
    ("clans/answered-through-the-chief", clans::answered_through_the_chief),
    ("clans/speaking-for-others", clans::speaking_for_others),
    ("clans/a-partner-abroad-dies", clans::a_partner_abroad_dies),
    ("clans/id-nearest", clans::id_nearest),
    ("strings/plain", strings::plain),
    ("strings/gather-and-scatter", strings::gather_and_scatter),
    ("strings/long", strings::long),
    ("strings/faults", strings::faults),
    ("strings/cut", strings::cut),
    ("strings/bad-arguments", strings::bad_arguments),
    ("strings/pager-never-answers", strings::pager_never_answers),
    ("strings/ended-by-others", strings::ended_by_others),
    ("strings/with-the-library", strings::with_the_library),
    ("mapping/on-fault", mapping::on_fault),
    ("mapping/shared", mapping::shared),
    ("mapping/demote-and-unmap", mapping::demote_and_unmap),
    ("mapping/unmap-derived", mapping::unmap_derived),
    ("mapping/unmap-in-task", mapping::unmap_in_task),
    ("mapping/grant", mapping::grant),
    ("mapping/superpages", mapping::superpages),
    ("mapping/same-address", mapping::same_address),
    ("mapping/new-space", mapping::new_space),
    ("mapping/windows", mapping::windows),
    ("mapping/bad-flexpages", mapping::bad_flexpages),
    ("mapping/kernel-area", mapping::kernel_area),
    ("faults/execute", faults::execute),
    ("faults/exceptions", faults::exceptions),
    ("faults/foreign-call", faults::foreign_call),
    ("faults/reflected-call", faults::reflected_call),
    ("faults/answered-by-registers", faults::answered_by_registers),
    ("faults/no-such-call", faults::no_such_call),
    ("threads/states", threads::states),
    ("threads/stop-and-resume", threads::stop_and_resume),
    ("threads/registers", threads::registers),
    ("threads/flags", threads::flags),
    ("threads/vectors", threads::vectors),
    ("threads/fpu-is-passed-on", threads::fpu_is_passed_on),
    ("threads/create-and-destroy", threads::create_and_destroy),
    ("threads/not-ones-own", threads::not_ones_own),
    ("scheduling/time-slices", scheduling::time_slices),
    ("scheduling/priorities", scheduling::priorities),
    ("scheduling/limits", scheduling::limits),
    ("scheduling/preempter", scheduling::preempter),
    ("scheduling/vector-registers", scheduling::vector_registers),
    ("scheduling/wide-registers", scheduling::wide_registers),
    ("tasks/thousand", tasks::thousand),
    ("tasks/quota", tasks::quota),
    ("tasks/mapping-quota", tasks::mapping_quota),
    ("tasks/children-go-too", tasks::children_go_too),
    ("tasks/not-ones-own", tasks::not_ones_own),
    ("arguments/lthread-ex-regs", arguments::of_lthread_ex_regs),
    ("arguments/task-new", arguments::of_task_new),
    ("arguments/thread-schedule", arguments::of_thread_schedule),
    ("arguments/thread-switch-and-id-nearest", arguments::of_thread_switch_and_id_nearest),
    ("arguments/flexpages", arguments::flexpages),
    ("arguments/windows", arguments::windows),
    ("deaths/running", deaths::running),
    ("deaths/sending", deaths::sending),
    ("deaths/receiving", deaths::receiving),
    ("deaths/faulting", deaths::faulting),
    ("deaths/of-a-partner", deaths::of_a_partner),
    ("deaths/of-a-partner-that-was-called", deaths::of_a_partner_that_was_called),
    ("deaths/of-a-pager", deaths::of_a_pager),
    ("deaths/nobody-to-turn-to", deaths::nobody_to_turn_to),
    ("deaths/by-its-own-hand", deaths::by_its_own_hand),
    ("limits/threads", limits::threads),
    ("limits/utcbs", limits::utcbs),
    ("limits/tasks", limits::tasks),
    ("limits/mappings", limits::mappings),
    ("devices/ports", devices::ports),
    ("devices/ports-taken-back", devices::ports_taken_back),
    ("devices/lines-taken-back", devices::lines_taken_back),
    ("devices/interrupts", devices::interrupts),
];

/// For machines with several CPUs.
pub const SMP: &[Case] = &[
    ("smp/stopped-while-it-runs", smp::stopped_while_it_runs),
    ("smp/unmapped-while-it-reads", smp::unmapped_while_it_reads),
    ("smp/unmapped-while-it-writes", smp::unmapped_while_it_writes),
    ("smp/deleted-while-it-runs", smp::deleted_while_it_runs),
    ("smp/moves-itself", smp::moves_itself),
    ("smp/moved-by-others", smp::moved_by_others),
    ("smp/no-such-cpu", smp::no_such_cpu),
    ("smp/rally", smp::rally),
    ("smp/rally-on-the-move", smp::rally_on_the_move),
];
