//! Victims are started, get their memory when they first touch it, and are looked at.
//!
//! They are *warm* when all have done some rounds without needing anything: from then on they need nothing any more, and a
//! page fault means that something of theirs has gone.

use crate::failure::{Expect, Failure, Outcome};
use crate::image;
use crate::pages::Memory;
use crate::places::{context, stack_top, word};
use crate::victims::{COUNT, VICTIMS, vectors};
use proto::kernel::Event;
use proto::{Malformed, Message};
use ukernel_abi::call::{ex_regs, task_new};
use ukernel_abi::utcb::Regs;
use userlib::task::{self, NewTask};
use userlib::thread::{self, ExRegs};
use userlib::{MapItem, Me, ThreadId, ipc, kip};

/// Kernel memory of a victim, in frames.
const FRAMES: u64 = 64;
/// Rounds after which a victim has touched everything.
const WARM: u64 = 8;
/// Of one that does not give the processor up: the shortest there is, that others have the rest.
const SLICE_US: u32 = 200;
/// One look of so many a victim that does not give the processor up has its priority; else it has the lowest.
const SHARE: u64 = 8;
/// Looks after which victims move to other CPUs.
const MOVE: u64 = 3;

/// How far a victim was when it had last moved on, and the look at which that was seen.
#[derive(Clone, Copy, Default)]
struct Seen {
    rounds: u64,
    look: u64,
}

pub struct Watch {
    ids: [ThreadId; COUNT],
    seen: [Seen; COUNT],
    looks: u64,
    warm: bool,
}

impl Watch {
    /// Starts all; `pace` is how many times as long as on a fast machine they rest.
    pub fn start(me: Me, pace: u32) -> Outcome<Self> {
        let mut ids = [ThreadId::NIL; COUNT];
        for (id, kind) in ids.iter_mut().zip(&VICTIMS) {
            let new = NewTask {
                flags: task_new::STOPPED | task_new::USES_FPU | task_new::WITH_UTCB,
                ip: 0,
                sp: 0,
                pager: me.id,
                handler: me.id,
                kernel_frames: FRAMES,
                priority: kind.priority,
            };
            *id = new.make().expect_of("making a victim", me.id)?;
        }
        for (kind, id) in VICTIMS.iter().zip(ids) {
            let regs = Regs {
                rip: (kind.entry)(),
                rsp: stack_top(0),
                rdi: context(0),
                rsi: ids[kind.partner].0,
                rdx: id.0,
                rcx: pace.into(),
                r8: vectors::rest(pace).0,
                ..Regs::default()
            };
            me.utcb.set_regs(&regs);
            ExRegs::new(ex_regs::SET_REGS | ex_regs::RESUME).apply(id).expect_of("starting", id)?;
            if !kind.rests {
                thread::set_schedule(id, None, Some(SLICE_US * pace)).expect_of("scheduling", id)?;
            }
        }
        Ok(Self { ids, seen: [Seen::default(); COUNT], looks: 0, warm: false })
    }

    pub fn ids(&self) -> &[ThreadId] {
        &self.ids
    }

    pub fn index_of(&self, id: ThreadId) -> Option<usize> {
        self.ids.iter().position(|victim| *victim == id)
    }

    pub fn is_warm(&self) -> bool {
        self.warm
    }

    /// Sees that all have moved on within the last `patience` looks. Rounds of all.
    pub fn look(&mut self, patience: u64) -> Outcome<u64> {
        self.looks += 1;
        self.share()?;
        self.move_about()?;
        for (number, seen) in self.seen.iter_mut().enumerate() {
            let rounds = Memory::victim(number).context(0).read(word::DONE);
            if rounds != seen.rounds {
                *seen = Seen { rounds, look: self.looks };
            } else if self.looks - seen.look > patience {
                return Err(Failure::Starved { victim: VICTIMS[number].name, rounds });
            }
        }
        self.warm |= self.seen.iter().all(|seen| seen.rounds >= WARM);
        Ok(self.seen.iter().map(|seen| seen.rounds).sum())
    }

    /// Lets victims that never rest run for a while, and others after it.
    fn share(&self) -> Outcome {
        let turn = self.looks.is_multiple_of(SHARE);
        for (kind, id) in VICTIMS.iter().zip(self.ids).filter(|(kind, _)| !kind.rests) {
            let priority = if turn { kind.priority } else { 0 };
            thread::set_schedule(id, Some(priority), None).expect_of("scheduling", id)?;
        }
        Ok(())
    }

    /// Where there are several CPUs, has everybody change them now and then.
    fn move_about(&self) -> Outcome {
        let cpus = u64::from(kip::kip().cpus);
        if cpus > 1 && self.looks.is_multiple_of(MOVE) {
            for (number, id) in (0..).zip(self.ids) {
                let cpu = (self.looks / MOVE + number) % cpus;
                thread::set_cpu(id, cpu as u32).expect_of("moving", id)?;
            }
        }
        Ok(())
    }

    /// What the kernel says in the name of a victim.
    pub fn serve(&mut self, number: usize, event: Result<Event, Malformed>) -> Outcome {
        let victim = VICTIMS[number].name;
        match event {
            Ok(Event::PageFault(fault)) => {
                let own = Memory::victim(number).at(fault.address);
                let item = own
                    .filter(|(_, rights)| rights.contains(fault.access))
                    .map(|(page, rights)| page.item(rights, fault.address))
                    .or_else(|| image::item(fault.address));
                match item {
                    Some(item) if !self.warm => resume(self.ids[number], item),
                    _ => Err(Failure::LostMemory { victim, address: fault.address, ip: fault.ip }),
                }
            }
            Ok(Event::Exception(exception)) => {
                let context = Memory::victim(number).context(0);
                Err(match context.read(word::CHECK) {
                    0 => Failure::Exception { victim, vector: exception.vector, ip: exception.ip },
                    check => {
                        let (got, want) = (context.read(word::GOT), context.read(word::WANT));
                        Failure::Disturbed { victim, check, got, want }
                    }
                })
            }
            Ok(Event::Foreign(call)) => Err(Failure::Exception { victim, vector: call.number, ip: 0 }),
            Ok(Event::Interrupt(_) | Event::Preemption(_)) | Err(_) => Ok(()),
        }
    }

    pub fn end(&self) -> Outcome {
        for id in self.ids {
            task::delete(id).expect_of("deleting", id)?;
        }
        Ok(())
    }
}

fn resume(id: ThreadId, item: MapItem) -> Outcome {
    let mut answer = Message::new(ukernel_abi::Label(0), []);
    let _it_fits = answer.push_item(item);
    ipc::send(id, &answer, ipc::NOW).expect_of("resuming", id)
}
