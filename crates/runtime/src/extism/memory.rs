//! The memory of one call that guest and host share: blocks, and handles to them.
//!
//! A handle is the offset of a block's first byte. The bytes lie in one vector; freed blocks are
//! taken again for a later block that fits, so a guest that allocates in a loop does not grow.

use std::collections::BTreeSet;

/// Offset of the first block; everything below, 0 included, is no handle.
const FIRST_OFFSET: usize = 16;
/// Blocks begin at multiples of this, in bytes, and can be read up to one: PDKs copy eight bytes at once, the
/// last ones of a text too.
const ALIGNMENT: usize = 8;
/// What a block costs beyond its bytes: its entry in the list, and in the set once it is freed,
/// rounded up. It counts, or a guest could make millions of blocks of one byte.
const BLOCK_BYTES: usize = 64;

/// An access that lies outside the call's memory, or a handle that names no block.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the offset {offset} with {length} bytes lies outside the plugin's Extism memory")]
pub(crate) struct OutOfRange {
    offset: u64,
    length: u64,
}

/// The shared memory of one call.
pub(crate) struct Memory {
    bytes: Vec<u8>,
    /// In the order of their offsets.
    blocks: Vec<Block>,
    /// Capacity and index of every freed block.
    freed: BTreeSet<(usize, usize)>,
}

/// A new block that is being filled.
pub(crate) struct Unfilled {
    handle: u64,
    at: usize,
    end: usize,
}

impl Unfilled {
    /// The handle of the block; 0 for one without bytes.
    pub(crate) fn handle(&self) -> u64 {
        self.handle
    }
}

#[derive(Clone, Copy)]
struct Block {
    offset: usize,
    capacity: usize,
    length: usize,
    live: bool,
}

impl Memory {
    /// An empty memory with room for `capacity` bytes before it must grow.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(FIRST_OFFSET + capacity);
        bytes.resize(FIRST_OFFSET, 0);
        Self {
            bytes,
            blocks: Vec::with_capacity(8),
            freed: BTreeSet::new(),
        }
    }

    /// How many bytes a block of this length adds, if no freed one fits.
    pub(crate) fn growth_for(&self, length: usize) -> usize {
        if self.find_freed(length).is_some() {
            0
        } else {
            // Every block fills its last eight bytes.
            length.saturating_add(ALIGNMENT + BLOCK_BYTES)
        }
    }

    /// What the memory costs in bytes, freed blocks included.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len() + self.blocks.len() * BLOCK_BYTES
    }

    /// Begins a block whose bytes are not zeros yet; [`Memory::fill_zeros`] makes them so.
    pub(crate) fn begin(&mut self, length: usize) -> Unfilled {
        let offset = match length {
            0 => 0,
            _ => match self.take_freed(length) {
                Some(offset) => offset,
                None => self.begin_block(length),
            },
        };
        Unfilled {
            handle: offset as u64,
            at: offset,
            end: offset + length.next_multiple_of(ALIGNMENT),
        }
    }

    /// Makes zeros of the next bytes of a new block, at most so many; whether there are more.
    pub(crate) fn fill_zeros(&mut self, block: &mut Unfilled, most: usize) -> bool {
        let end = block.end.min(block.at + most);
        let known = end.min(self.bytes.len()).max(block.at);
        self.bytes[block.at..known].fill(0);
        if end > self.bytes.len() {
            self.bytes.resize(end, 0);
        }
        block.at = end;
        end < block.end
    }

    /// A new block with these bytes; 0 for none.
    pub(crate) fn alloc_bytes(&mut self, bytes: &[u8]) -> u64 {
        if bytes.is_empty() {
            return 0;
        }
        let padded = bytes.len().next_multiple_of(ALIGNMENT);
        if let Some(offset) = self.take_freed(bytes.len()) {
            let (own, padding) = self.bytes[offset..offset + padded].split_at_mut(bytes.len());
            own.copy_from_slice(bytes);
            padding.fill(0);
            return offset as u64;
        }
        let offset = self.begin_block(bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(offset + padded, 0);
        offset as u64
    }

    /// Takes a freed block again that fits; its offset.
    fn take_freed(&mut self, length: usize) -> Option<usize> {
        let (capacity, index) = self.find_freed(length)?;
        self.freed.remove(&(capacity, index));
        let block = &mut self.blocks[index];
        block.length = length;
        block.live = true;
        Some(block.offset)
    }

    /// Begins a block at the end, where its bytes are yet to be put; its offset.
    fn begin_block(&mut self, length: usize) -> usize {
        let offset = self.bytes.len();
        self.blocks.push(Block {
            offset,
            capacity: length.next_multiple_of(ALIGNMENT),
            length,
            live: true,
        });
        offset
    }

    /// Gives a block back. No block at an offset inside the memory is not an error: guests free
    /// what the host may have freed.
    pub(crate) fn free(&mut self, handle: u64) -> Result<(), OutOfRange> {
        if handle == 0 {
            return Ok(());
        }
        self.range(handle, 1)?;
        if let Some(index) = self.find(handle) {
            let block = &mut self.blocks[index];
            block.live = false;
            self.freed.insert((block.capacity, index));
        }
        Ok(())
    }

    /// Length of the block in bytes; 0 for handle 0 and for an offset where no block begins.
    pub(crate) fn length(&self, handle: u64) -> Result<u64, OutOfRange> {
        if handle == 0 {
            return Ok(0);
        }
        self.range(handle, 1)?;
        Ok(self
            .find(handle)
            .map_or(0, |index| self.blocks[index].length as u64))
    }

    /// The bytes of the block that begins here.
    pub(crate) fn block(&self, handle: u64) -> Result<&[u8], OutOfRange> {
        let index = self.find(handle).ok_or(OutOfRange {
            offset: handle,
            length: 0,
        })?;
        let block = self.blocks[index];
        Ok(&self.bytes[block.offset..block.offset + block.length])
    }

    /// The bytes at an offset, whichever blocks they belong to.
    pub(crate) fn range(&self, offset: u64, length: u64) -> Result<&[u8], OutOfRange> {
        let range = self.checked(offset, length)?;
        Ok(&self.bytes[range])
    }

    /// Reads `N` bytes.
    pub(crate) fn load<const N: usize>(&self, offset: u64) -> Result<[u8; N], OutOfRange> {
        let mut value = [0; N];
        value.copy_from_slice(self.range(offset, N as u64)?);
        Ok(value)
    }

    /// Writes `N` bytes.
    pub(crate) fn store<const N: usize>(
        &mut self,
        offset: u64,
        value: [u8; N],
    ) -> Result<(), OutOfRange> {
        self.range_mut(offset, N as u64)?.copy_from_slice(&value);
        Ok(())
    }

    fn range_mut(&mut self, offset: u64, length: u64) -> Result<&mut [u8], OutOfRange> {
        let range = self.checked(offset, length)?;
        Ok(&mut self.bytes[range])
    }

    fn checked(&self, offset: u64, length: u64) -> Result<std::ops::Range<usize>, OutOfRange> {
        let end = offset.checked_add(length);
        match end {
            Some(end) if offset >= FIRST_OFFSET as u64 && end <= self.bytes.len() as u64 => {
                // Both fit: they are at most the length of a vector.
                Ok(offset as usize..end as usize)
            }
            _ => Err(OutOfRange { offset, length }),
        }
    }

    fn find(&self, handle: u64) -> Option<usize> {
        let index = self
            .blocks
            .binary_search_by_key(&handle, |block| block.offset as u64)
            .ok()?;
        self.blocks[index].live.then_some(index)
    }

    fn find_freed(&self, length: usize) -> Option<(usize, usize)> {
        self.freed.range((length, 0)..).next().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Memory {
        fn alloc(&mut self, length: usize) -> u64 {
            let mut block = self.begin(length);
            while self.fill_zeros(&mut block, 3) {}
            block.handle()
        }
    }

    #[test]
    fn blocks_are_found_by_their_offset_alone() {
        let mut memory = Memory::with_capacity(64);
        let a = memory.alloc_bytes(b"alpha");
        let b = memory.alloc_bytes(b"be");
        assert_eq!(memory.block(a), Ok(&b"alpha"[..]));
        assert_eq!(memory.length(b), Ok(2));
        assert_eq!(memory.length(a + 1), Ok(0), "inside a block is no handle");
        assert!(memory.block(a + 1).is_err());
        assert_eq!(memory.load::<1>(a + 4), Ok([b'a']));
        assert_eq!(
            memory.load::<8>(a),
            Ok(*b"alpha\0\0\0"),
            "up to the next multiple of eight"
        );
        assert_eq!(memory.load::<8>(b), Ok(*b"be\0\0\0\0\0\0"));
        assert!(memory.load::<1>(b + 8).is_err());
    }

    #[test]
    fn zero_and_out_of_range_are_refused() {
        let mut memory = Memory::with_capacity(64);
        let a = memory.alloc(8);
        assert_eq!(memory.length(0), Ok(0));
        assert_eq!(memory.free(0), Ok(()));
        assert!(memory.load::<1>(0).is_err());
        assert!(
            memory.load::<8>(a + 1).is_err(),
            "the last byte lies outside"
        );
        assert!(memory.store(u64::MAX, [0; 8]).is_err(), "no wrap-around");
        assert!(memory.length(a + 4096).is_err());
        assert!(memory.free(u64::MAX).is_err());
    }

    #[test]
    fn freed_blocks_are_taken_again_and_zeroed() {
        let mut memory = Memory::with_capacity(64);
        let first = memory.alloc_bytes(b"secret!!");
        memory.free(first).unwrap();
        memory.free(first).unwrap();
        let size = memory.size();
        for _ in 0..1000 {
            let handle = memory.alloc(5);
            assert_eq!(handle, first);
            assert_eq!(memory.block(handle), Ok(&[0; 5][..]));
            assert_eq!(
                memory.load(handle),
                Ok([0; 8]),
                "what follows the block too"
            );
            memory.free(handle).unwrap();
        }
        assert_eq!(memory.size(), size);
        assert_eq!(memory.alloc(0), 0);
    }
}
