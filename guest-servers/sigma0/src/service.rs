//! What σ0 answers.
//!
//! Root is trusted not to hand RAM out twice, so a block that it has may be asked for again. What σ0 refuses
//! it refuses because it would be wrong for root too: memory of the kernel, and addresses of which σ0 knows
//! nothing.

use core::ops::Range;
use proto::items::{Items, cover};
use proto::sigma0::{Block, Extent, Request, Status};
use proto::{Message, Refusal};
use ukernel_abi::kip::Kip;
use ukernel_abi::layout::PAGE;
use ukernel_abi::{Rights, ThreadId};
use userlib::ranges::Ranges;

/// Where devices are: between the RAM below 4 GiB and 4 GiB, as on every PC. The two interrupt controllers
/// are there too, and are the kernel's.
const DEVICES: Range<u64> = 0xc000_0000..0x1_0000_0000;
const INTERRUPT_CONTROLLERS: Range<u64> = 0xfec0_0000..0xfef0_0000;

/// Where σ0's stack and image are.
const OWN: Range<u64> = 0x7_0000..0xa_0000;

/// The state of σ0.
pub struct Service {
    /// RAM that nobody has.
    free: Ranges,
    /// All that was free at the beginning, and the modules.
    ram: Ranges,
    /// The pages of the kernel's command line; others' boot data may be there too, so they can only be read.
    cmdline: Range<u64>,
}

/// The kernel names more memory than σ0 can keep track of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyRegions;

impl Service {
    pub const EMPTY: Self = Self { free: Ranges::EMPTY, ram: Ranges::EMPTY, cmdline: 0..0 };

    /// Takes over what the kernel interface page says is σ0's. For the empty service, once.
    pub fn init(&mut self, kip: &Kip) -> Result<(), TooManyRegions> {
        for region in kip.free.iter().take_while(|r| r.size != 0) {
            let range = region.phys..region.phys.saturating_add(region.size);
            self.free.insert(range.clone()).map_err(|_| TooManyRegions)?;
            self.ram.insert(range).map_err(|_| TooManyRegions)?;
        }
        self.cmdline = cmdline(kip);
        for module in kip.modules() {
            self.ram.insert(module.area()).map_err(|_| TooManyRegions)?;
        }
        Ok(())
    }

    /// The answer to a message, and the items to append to it; or none: only root is served, and whoever else
    /// finds σ0 is not told that it has.
    pub fn answer(&mut self, from: ThreadId, message: &Message) -> Option<(Message, Items)> {
        if from != ThreadId::ROOT {
            return None;
        }
        let mut items = Items::NONE;
        let request = Request::try_from(message).map_err(Refusal::from);
        let answer = request.and_then(|r| self.serve(r, &mut items));
        Some((Message::reply(answer), items))
    }

    fn serve(&mut self, request: Request, items: &mut Items) -> Result<Message, Refusal> {
        match request {
            Request::Free { log2 } => {
                let phys = self.free.take(log2).ok_or(Refusal::NoMemory)?;
                Ok(Block { phys, log2 }.into())
            }
            Request::Exact { phys, size } => self.exact(phys..phys + size, items).map(Message::from),
            Request::Status => {
                Ok(Status { free: self.free.total(), largest_log2: self.free.largest_log2() }.into())
            }
        }
    }

    fn exact(&mut self, range: Range<u64>, items: &mut Items) -> Result<Extent, Refusal> {
        let is_device = DEVICES.start <= range.start && range.end <= DEVICES.end;
        let is_kernels = range.start < INTERRUPT_CONTROLLERS.end && INTERRUPT_CONTROLLERS.start < range.end;
        let rights = if self.ram.contains(&range) {
            Rights::RWX
        } else if is_device && !is_kernels && !self.ram.overlaps(&range) {
            Rights::RW
        } else if self.cmdline.start <= range.start && range.end <= self.cmdline.end {
            Rights::R
        } else {
            return Err(Refusal::Denied);
        };
        let mut next = range.start;
        for item in cover(range.start, range.start, range.end - range.start, rights) {
            if !items.push(item) {
                break;
            }
            next += item.snd.size();
        }
        self.free.remove(range.start..next).map_err(|_| Refusal::NoMemory)?;
        Ok(Extent { next })
    }
}

/// The pages that the command line is in. Nothing, if they are where σ0 has its own image and stack: it could not give them.
fn cmdline(kip: &Kip) -> Range<u64> {
    let end = kip.cmdline_phys.saturating_add(kip.cmdline_size).next_multiple_of(PAGE);
    let pages = kip.cmdline_phys & !(PAGE - 1)..end;
    let is_own = pages.start < OWN.end && OWN.start < pages.end;
    if kip.cmdline_size == 0 || is_own { 0..0 } else { pages }
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
        kip.modules[1] = Module { phys: 0x80_0000, size: 0x10_0001, name: [b'y'; 32] };
        kip.module_count = 2;
        let mut service = Service::EMPTY;
        service.init(&kip).unwrap();
        service
    }

    fn ask(service: &mut Service, request: Request) -> Result<(Message, Items), Refusal> {
        let (message, items) = service.answer(ThreadId::ROOT, &request.into()).unwrap();
        message.accepted().map(|m| (m, items))
    }

    fn block(service: &mut Service, log2: u32) -> Result<u64, Refusal> {
        ask(service, Request::Free { log2 }).map(|(m, _)| Block::try_from(&m).unwrap().phys)
    }

    /// What an exact request gives: bases, sizes and rights of the items.
    fn exact(service: &mut Service, phys: u64, size: u64) -> Result<Vec<(u64, u64, Rights)>, Refusal> {
        let (m, items) = ask(service, Request::Exact { phys, size })?;
        let list: Vec<_> = items.as_slice().iter().map(|i| (i.base, i.snd.size(), i.snd.rights())).collect();
        let given: u64 = list.iter().map(|i| i.1).sum();
        assert_eq!(Extent::try_from(&m), Ok(Extent { next: phys + given }));
        assert!(items.as_slice().iter().all(|i| i.snd.base() == i.base));
        Ok(list)
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
        let mut given = 0;
        while let Ok(phys) = block(&mut s, 20) {
            assert_eq!(phys % (1 << 20), 0);
            given += 1 << 20;
        }
        assert_eq!(given, 0x130_0000);
        let status = Status::try_from(&ask(&mut s, Request::Status).unwrap().0).unwrap();
        assert_eq!(status, Status { free: 0, largest_log2: 0 });
    }

    #[test]
    fn exact_takes_out_of_the_free_memory() {
        let mut s = service();
        for _ in 0..2 {
            let got = exact(&mut s, 0x100_0000, 0x100_0000).unwrap();
            assert_eq!(got, [(0x100_0000, 0x100_0000, Rights::RWX)]);
        }
        assert_eq!(block(&mut s, 22), Err(Refusal::NoMemory));
        assert_eq!(block(&mut s, 21), Ok(0x20_0000));
    }

    #[test]
    fn modules_are_given_to_their_last_page() {
        let mut s = service();
        assert_eq!(exact(&mut s, 0x60_0000, 0x2000), Ok(vec![(0x60_0000, 0x2000, Rights::RWX)]));
        assert_eq!(exact(&mut s, 0x60_0000, 0x3000), Err(Refusal::Denied));
    }

    #[test]
    fn large_modules_are_given_with_their_superpage() {
        let mut s = service();
        assert_eq!(exact(&mut s, 0x80_0000, 0x20_0000), Ok(vec![(0x80_0000, 0x20_0000, Rights::RWX)]));
    }

    #[test]
    fn many_items_are_one_message() {
        let mut s = service();
        let got = exact(&mut s, 0x100_1000, 0xff_f000).unwrap();
        assert_eq!(got.iter().map(|i| i.1).sum::<u64>(), 0xff_f000);
        assert_eq!(got.len(), 12);
    }

    #[test]
    fn the_kernels_memory_is_refused() {
        let mut s = service();
        for (phys, size) in [
            (0x50_0000, 0x1000),
            (0, 0x1000),
            (0xfee0_0000, 0x1000),
            (0xfec0_0000, 0x1000),
            (0xc000_0000, 0x4000_0000),
        ] {
            assert_eq!(exact(&mut s, phys, size), Err(Refusal::Denied), "{phys:#x}");
        }
    }

    #[test]
    fn devices_are_not_executable() {
        let got = exact(&mut service(), 0xd000_0000, 0x1000);
        assert_eq!(got, Ok(vec![(0xd000_0000, 0x1000, Rights::RW)]));
    }

    #[test]
    fn the_command_line_can_be_read() {
        let mut kip = Kip::EMPTY;
        (kip.cmdline_phys, kip.cmdline_size) = (0x2_0ff0, 100);
        let mut s = Service::EMPTY;
        s.init(&kip).unwrap();
        let pages = exact(&mut s, 0x2_0000, 0x2000).unwrap();
        assert_eq!(pages, [(0x2_0000, 0x2000, Rights::R)]);
        assert_eq!(exact(&mut s, 0x2_0000, 0x3000), Err(Refusal::Denied));
        assert_eq!(exact(&mut s, 0x1_f000, 0x1000), Err(Refusal::Denied));
        kip.cmdline_phys = OWN.start;
        s.init(&kip).unwrap();
        assert_eq!(exact(&mut s, OWN.start, 0x1000), Err(Refusal::Denied), "σ0's own pages would be given");
        assert_eq!(exact(&mut service(), 0, 0x1000), Err(Refusal::Denied), "there is none");
    }

    #[test]
    fn nonsense_is_refused() {
        let answer = service().answer(ThreadId::ROOT, &Message::new(ukernel_abi::Label(0x1ff), [1]));
        assert_eq!(answer.unwrap().0.accepted(), Err(Refusal::BadRequest));
    }
}
