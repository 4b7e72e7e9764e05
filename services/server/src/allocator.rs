//! The process's memory: small pieces from mimalloc, large ones from the system.
//!
//! A request of one record is made of dozens of small pieces, which mimalloc gives and takes in a fraction of the system's time. It
//! gives large buffers back at once, to be zeroed by the kernel when they are wanted again, where the system's allocator keeps
//! them: so those stay there. Rust says the size again when it gives memory back, so nothing has to be remembered. What C
//! libraries ask for themselves (zstd) is the system's. Numbers: "Two allocators" in `docs/ARCHITECTURE.md`.

use std::alloc::{GlobalAlloc, Layout, System};

use mimalloc::MiMalloc;

/// Futures of requests are below, buffers of connections and of batches above.
const SMALL_BYTES_MAX: usize = 4 << 10;

/// Freed memory at the end of each of its heaps that is kept: about as much as the answers under way of some readers.
#[cfg(target_env = "gnu")]
const FREE_BYTES_KEPT: libc::c_int = 16 << 20;
/// Pieces up to this are parts of a heap, which keeps them: all reads of objects are. Larger ones are the kernel's, each alone.
#[cfg(target_env = "gnu")]
const HEAP_PIECE_BYTES_MAX: libc::c_int = 8 << 20;
/// There are as many heaps, whatever threads wait for the disk: what each keeps adds up.
#[cfg(target_env = "gnu")]
const HEAPS_MAX: libc::c_int = 4;

struct BySize;

#[global_allocator]
static ALLOCATOR: BySize = BySize;

/// Has the system's allocator keep what is asked for again and again: by itself it gives a block of an object back to the kernel when
/// it was read, which then has to zero another. To be called before there are threads.
pub fn keep_what_is_used_again() {
    #[cfg(target_env = "gnu")]
    // SAFETY: these only change numbers of the allocator, which nobody else looks at: there is no other thread yet.
    unsafe {
        // Refused values leave the defaults, with which all is well but slower.
        libc::mallopt(libc::M_TRIM_THRESHOLD, FREE_BYTES_KEPT);
        libc::mallopt(libc::M_MMAP_THRESHOLD, HEAP_PIECE_BYTES_MAX);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS_MAX);
    }
}

const fn is_small(layout: Layout) -> bool {
    layout.size() <= SMALL_BYTES_MAX
}

// SAFETY: memory is given back with the layout that it was asked with, so to the allocator that gave it; both keep the contract.
// What is moved between them is copied, as far as both pieces reach, before the old one is given back.
unsafe impl GlobalAlloc for BySize {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        unsafe { if is_small(layout) { MiMalloc.alloc(layout) } else { System.alloc(layout) } }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        unsafe { if is_small(layout) { MiMalloc.alloc_zeroed(layout) } else { System.alloc_zeroed(layout) } }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on, to the allocator that this layout came from.
        unsafe { if is_small(layout) { MiMalloc.dealloc(at, layout) } else { System.dealloc(at, layout) } }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size`, rounded up to the alignment, does not overflow.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the caller's promises are passed on, to the allocator that this layout came from.
        unsafe {
            match (is_small(layout), is_small(wanted)) {
                (true, true) => MiMalloc.realloc(at, layout, size),
                (false, false) => System.realloc(at, layout, size),
                _ => self.move_to(wanted, at, layout),
            }
        }
    }
}

impl BySize {
    /// # Safety
    /// As for `realloc`. The old piece stays as it is where there is no memory.
    #[cold]
    unsafe fn move_to(&self, wanted: Layout, at: *mut u8, layout: Layout) -> *mut u8 {
        // SAFETY: the two pieces do not overlap, and each is as long as its layout says.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(at, moved, layout.size().min(wanted.size()));
                self.dealloc(at, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes on both sides of the border, each grown and shrunk to each other one, with the content that both have room for.
    #[test]
    fn what_is_moved_between_the_allocators_keeps_its_content() {
        let sizes = [1, 7, 64, SMALL_BYTES_MAX - 1, SMALL_BYTES_MAX, SMALL_BYTES_MAX + 1, 1 << 16, 3 << 20];
        for (from, to) in sizes.iter().flat_map(|from| sizes.iter().map(move |to| (*from, *to))) {
            for align in [1, 16, 64, 8192] {
                let (before, after) = (Layout::from_size_align(from, align), Layout::from_size_align(to, align));
                let (before, after) = (before.unwrap(), after.unwrap());
                // SAFETY: the layouts are not empty, each piece is given back once with its own, and is not left.
                unsafe {
                    let at = ALLOCATOR.alloc(before);
                    assert!(is_given(at, align));
                    for index in 0..from {
                        at.add(index).write((index % 251) as u8);
                    }
                    let moved = ALLOCATOR.realloc(at, before, to);
                    assert!(is_given(moved, align), "{from} to {to} bytes at {align}");
                    let kept = std::slice::from_raw_parts(moved, from.min(to));
                    assert!(
                        kept.iter().enumerate().all(|(index, byte)| *byte == (index % 251) as u8),
                        "{from} to {to}"
                    );
                    ALLOCATOR.dealloc(moved, after);
                }
            }
        }
    }

    #[test]
    fn zeroed_memory_is_zeroed_when_it_was_used_before() {
        for size in [64, SMALL_BYTES_MAX, SMALL_BYTES_MAX + 1, 1 << 20] {
            for _ in 0..64 {
                let layout = Layout::from_size_align(size, 8).unwrap();
                // SAFETY: as above.
                unsafe {
                    let at = ALLOCATOR.alloc_zeroed(layout);
                    let bytes = std::slice::from_raw_parts_mut(at, size);
                    assert!(bytes.iter().all(|byte| *byte == 0), "{size} bytes");
                    bytes.fill(0xff);
                    ALLOCATOR.dealloc(at, layout);
                }
            }
        }
    }

    fn is_given(at: *mut u8, align: usize) -> bool {
        !at.is_null() && (at as usize).is_multiple_of(align)
    }
}
