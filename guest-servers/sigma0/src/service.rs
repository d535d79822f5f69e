//! What σ0 answers.
//!
//! Root is trusted not to hand RAM out twice, so a block that it has may be asked for again. What σ0 refuses
//! it refuses because it would be wrong for root too: memory of the kernel, and addresses of which σ0 knows
//! nothing.

use crate::ranges::Ranges;
use core::ops::Range;
use proto::sigma0::{Block, Request, Status};
use proto::{Message, Refusal};
use ukernel_abi::kip::Kip;
use ukernel_abi::layout::PAGE;
use ukernel_abi::{Rights, ThreadId};

/// Where devices are: between the RAM below 4 GiB and 4 GiB, as on every PC. The two interrupt controllers
/// are there too, and are the kernel's.
const DEVICES: Range<u64> = 0xc000_0000..0x1_0000_0000;
const INTERRUPT_CONTROLLERS: Range<u64> = 0xfec0_0000..0xfef0_0000;

/// The state of σ0.
pub struct Service {
    /// RAM that nobody has.
    free: Ranges,
    /// All that was free at the beginning, and the modules.
    ram: Ranges,
}

/// The kernel names more memory than σ0 can keep track of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyRegions;

impl Service {
    pub const EMPTY: Self = Self { free: Ranges::EMPTY, ram: Ranges::EMPTY };

    /// Takes over what the kernel interface page says is σ0's. For the empty service, once.
    pub fn init(&mut self, kip: &Kip) -> Result<(), TooManyRegions> {
        for region in kip.free.iter().take_while(|r| r.size != 0) {
            let range = region.phys..region.phys.saturating_add(region.size);
            self.free.insert(range.clone()).map_err(|_| TooManyRegions)?;
            self.ram.insert(range).map_err(|_| TooManyRegions)?;
        }
        for module in kip.modules() {
            let end = module.phys.saturating_add(module.size).next_multiple_of(PAGE);
            self.ram.insert(module.phys..end).map_err(|_| TooManyRegions)?;
        }
        Ok(())
    }

    /// The answer to a message, or none: only root is served, and whoever else finds σ0 is not told that it
    /// has.
    pub fn answer(&mut self, from: ThreadId, message: &Message) -> Option<Message> {
        if from != ThreadId::ROOT {
            return None;
        }
        let answer = Request::try_from(message).map_err(Refusal::from).and_then(|r| self.serve(r));
        Some(Message::reply(answer))
    }

    fn serve(&mut self, request: Request) -> Result<Message, Refusal> {
        match request {
            Request::Free { log2 } => {
                let phys = self.free.take(log2).ok_or(Refusal::NoMemory)?;
                Ok(Block { phys, log2, rights: Rights::RWX }.into())
            }
            Request::Exact { phys, log2 } => self.exact(phys, log2).map(Message::from),
            Request::Status => {
                Ok(Status { free: self.free.total(), largest_log2: self.free.largest_log2() }.into())
            }
        }
    }

    fn exact(&mut self, phys: u64, log2: u32) -> Result<Block, Refusal> {
        let range = phys..phys + (1 << log2);
        if self.ram.contains(&range) {
            self.free.remove(range).map_err(|_| Refusal::NoMemory)?;
            return Ok(Block { phys, log2, rights: Rights::RWX });
        }
        let is_device = DEVICES.start <= range.start && range.end <= DEVICES.end;
        let is_kernels = range.start < INTERRUPT_CONTROLLERS.end && INTERRUPT_CONTROLLERS.start < range.end;
        if is_device && !is_kernels && !self.ram.overlaps(&range) {
            Ok(Block { phys, log2, rights: Rights::RW })
        } else {
            Err(Refusal::Denied)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ukernel_abi::kip::{Module, Region};

    fn service() -> Service {
        let mut kip = Kip::EMPTY;
        kip.free[0] = Region { phys: 0x10_0000, size: 0x30_0000 };
        kip.free[1] = Region { phys: 0x100_0000, size: 0x100_0000 };
        kip.modules[0] = Module { phys: 0x60_0000, size: 0x1234, name: [b'x'; 32] };
        kip.module_count = 1;
        let mut service = Service::EMPTY;
        service.init(&kip).unwrap();
        service
    }

    fn ask(service: &mut Service, request: Request) -> Result<Message, Refusal> {
        service.answer(ThreadId::ROOT, &request.into()).unwrap().accepted()
    }

    fn block(service: &mut Service, request: Request) -> Result<Block, Refusal> {
        ask(service, request).map(|m| Block::try_from(&m).unwrap())
    }

    #[test]
    fn only_root_is_answered() {
        let m = Request::Status.into();
        assert_eq!(service().answer(ThreadId::new(3, 0, 1), &m), None);
        assert_eq!(service().answer(ThreadId::new(2, 0, 2), &m), None, "another thread in root's place");
        assert!(service().answer(ThreadId::ROOT, &m).is_some());
    }

    #[test]
    fn free_memory_is_given_once() {
        let mut s = service();
        let total = 0x130_0000;
        let mut given = 0;
        while let Ok(b) = block(&mut s, Request::Free { log2: 20 }) {
            assert_eq!((b.phys % (1 << 20), b.rights), (0, Rights::RWX));
            given += 1 << 20;
        }
        assert_eq!(given, total);
        let status = Status::try_from(&ask(&mut s, Request::Status).unwrap()).unwrap();
        assert_eq!(status, Status { free: 0, largest_log2: 0 });
    }

    #[test]
    fn exact_takes_out_of_the_free_memory() {
        let mut s = service();
        for _ in 0..2 {
            let b = block(&mut s, Request::Exact { phys: 0x100_0000, log2: 24 }).unwrap();
            assert_eq!(b.phys, 0x100_0000);
        }
        assert_eq!(block(&mut s, Request::Free { log2: 22 }), Err(Refusal::NoMemory));
        assert_eq!(block(&mut s, Request::Free { log2: 21 }).map(|b| b.phys), Ok(0x20_0000));
    }

    #[test]
    fn modules_are_given_to_their_last_page() {
        let mut s = service();
        assert!(block(&mut s, Request::Exact { phys: 0x60_0000, log2: 13 }).is_ok());
        assert_eq!(block(&mut s, Request::Exact { phys: 0x60_0000, log2: 14 }), Err(Refusal::Denied));
    }

    #[test]
    fn the_kernels_memory_is_refused() {
        let mut s = service();
        for (phys, log2) in
            [(0x50_0000, 12), (0, 12), (0xfee0_0000, 12), (0xfec0_0000, 12), (0xc000_0000, 30)]
        {
            assert_eq!(block(&mut s, Request::Exact { phys, log2 }), Err(Refusal::Denied), "{phys:#x}");
        }
    }

    #[test]
    fn devices_are_not_executable() {
        let b = block(&mut service(), Request::Exact { phys: 0xd000_0000, log2: 12 }).unwrap();
        assert_eq!(b.rights, Rights::RW);
    }

    #[test]
    fn nonsense_is_refused() {
        let answer = service().answer(ThreadId::ROOT, &Message::new(ukernel_abi::Label(0x1ff), [1]));
        assert_eq!(answer.unwrap().accepted(), Err(Refusal::BadRequest));
    }
}
