//! The thread that writes.

use crate::options::Options;
use crate::pattern::{BLOCK, CHECKSUM, Random, checksum, fill};
use crate::{DRIVER, Failure, shared};
use alloc::boxed::Box;
use alloc::vec::Vec;
use driver::disk::Disk;
use driver::real::ToServer;
use proto::block::{Operation, SECTOR};
use proto::session::Outcome;

/// log2 of the region that it shares with the driver.
const REGION_LOG2: u32 = 17;
/// Blocks that are under way together, at most.
const BATCH: usize = 16;
/// Blocks of the disk that are written to.
const BLOCKS: u32 = 512;
/// Sectors before the first of them: where `extras` writes.
pub const FIRST_SECTOR: u64 = 2048;
const SECTORS: u64 = BLOCK as u64 / SECTOR;

/// The writer, and what the disk has to hold.
pub struct Writer {
    disk: Disk<ToServer>,
    random: Random,
    /// Generation of each block that has been acknowledged.
    blocks: Vec<u32>,
    generation: u32,
    writes: u64,
    bytes: Box<[u8; BLOCK]>,
    found: Box<[u8; BLOCK]>,
}

impl Writer {
    pub fn open(options: &Options) -> Result<Self, Failure> {
        let disk = Disk::open(ToServer::new(DRIVER, REGION_LOG2)?, 1 << REGION_LOG2)?;
        if disk.facts().sectors < FIRST_SECTOR + u64::from(BLOCKS) * SECTORS {
            return Err(Failure::Check("the disk is too small"));
        }
        let mut writer = Self {
            disk,
            random: Random(options.seed),
            blocks: alloc::vec![0; BLOCKS as usize],
            generation: 0,
            writes: 0,
            bytes: Box::new([0; BLOCK]),
            found: Box::new([0; BLOCK]),
        };
        // Generation 0 of every block.
        let all: Vec<u32> = (0..BLOCKS).collect();
        for part in all.chunks(BATCH) {
            writer.write(part)?;
        }
        Ok(writer)
    }

    pub fn disk(&mut self) -> &mut Disk<ToServer> {
        &mut self.disk
    }
    pub fn blocks(&self) -> u32 {
        BLOCKS
    }
    pub fn writes(&self) -> u64 {
        self.writes
    }
    pub fn recoveries(&self) -> u64 {
        self.disk.client().recoveries()
    }

    /// Writes some blocks, flushes, and reads some back.
    pub fn round(&mut self) -> Result<(), Failure> {
        self.generation += 1;
        let count = 1 + self.random.below(BATCH as u64) as usize;
        let first = self.random.below(u64::from(BLOCKS)) as u32;
        // Neighbours, not always in order; each once, since what is written twice at the same time may be either.
        let mut some: Vec<u32> = (0..count as u32).map(|n| (first + n * 7) % BLOCKS).collect();
        some.dedup();
        self.write(&some)?;
        self.disk.flush()?;
        self.tell();
        let block = self.random.below(u64::from(BLOCKS)) as u32;
        self.verify_block(block)?;
        self.tell();
        Ok(())
    }

    /// Writes a batch of blocks, all in the current generation, and waits for all of them.
    fn write(&mut self, blocks: &[u32]) -> Result<(), Failure> {
        let mut tags = [None; 64];
        for (n, &block) in blocks.iter().enumerate() {
            fill(&mut self.bytes, block, self.generation);
            self.disk.fill(n * BLOCK, &self.bytes[..]);
            let operation = Operation::Write { sector: sector(block) };
            let tag = self
                .disk
                .submit(operation, n * BLOCK, BLOCK)
                .map_err(|_| Failure::Check("the session is full"))?;
            tags[tag as usize] = Some(block);
        }
        let mut left = blocks.len();
        while left > 0 {
            // Not always for all: the driver may be killed with some acknowledged and others not.
            self.disk.wait(1 + self.random.below(left as u64) as u32)?;
            while let Some(completion) = self.disk.take() {
                let block = tags.get_mut(completion.tag as usize).and_then(Option::take);
                let block = block.ok_or(Failure::Check("a completion of nothing"))?;
                if completion.outcome != Outcome::Done {
                    return Err(Failure::Disk(driver::disk::DiskError::Request(completion.outcome)));
                }
                self.blocks[block as usize] = self.generation;
                self.writes += 1;
                left -= 1;
            }
            self.tell();
        }
        Ok(())
    }

    /// Tells the assassin that something has been done.
    fn tell(&self) {
        shared::done(self.disk.client().recoveries());
    }

    fn verify_block(&mut self, block: u32) -> Result<(), Failure> {
        self.disk.read(sector(block), 0, BLOCK)?;
        self.disk.look(0, &mut self.found[..]);
        let generation = self.blocks[block as usize];
        fill(&mut self.bytes, block, generation);
        if self.found != self.bytes {
            let found = u64::from_le_bytes(self.found.as_chunks().0[0]);
            return Err(Failure::Lost { block, generation, found });
        }
        Ok(())
    }

    /// Reads every block; the checksum of all of them.
    pub fn verify(&mut self) -> Result<u64, Failure> {
        let mut sum = CHECKSUM;
        for block in 0..BLOCKS {
            self.verify_block(block)?;
            sum = checksum(sum, &self.bytes[..]);
        }
        Ok(sum)
    }
}

const fn sector(block: u32) -> u64 {
    FIRST_SECTOR + block as u64 * SECTORS
}
