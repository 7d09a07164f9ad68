/**
 * A copy moves one piece at a time, and this is its size: the buffer of the job, and its granularity as well where the
 * copy goes along with the guest from its beginning. A guest's write waits only for the piece that it falls into. With a
 * buffer of several pieces QEMU 10.0 reads ahead without bound: `mirror_run` starts the next piece while any of the buffer is free, and one that then finds too little
 * (`mirror_co_read`) has claimed its place already and holds the guest's writes there until its turn. Seen with a
 * buffer of 1 MiB and the usual 64 KiB: 30 MiB claimed, single writes of 0.1 to 0.6 s. With one
 * piece of 1 MiB the longest I/O of a swap was 40 to 50 ms, like this 25 to 35 ms (before it: 10 to 15); the copy of
 * 256 MiB between two remote legs takes 7.5 s instead of 4.6 s, which nobody waits for.
 */
export const COPY_PIECE_BYTES = 256 * 1024;

/** 8 MiB of bitmap in the daemon's memory, twice. */
const MAX_BITMAP_BITS = 2 ** 26;
const PAGE_BYTES = 4096;

/**
 * In what pieces a copy that is behind remembers what the guest wrote, and copies that again: as small as the guest's own
 * requests, so that it catches up with one who writes at random. Nobody waits for such a piece.
 */
export function copyGranularityBytes(sizeBytes: number): number {
  return Math.max(PAGE_BYTES, 2 ** Math.ceil(Math.log2(sizeBytes / MAX_BITMAP_BITS)));
}
