/** Limits that hold on every interface. Each names why it is that number. */

/** One block of a guest; sizes of volumes and legs are multiples of it. */
export const BLOCK_SIZE_BYTES = 4096;
/** 1 MiB: below it a volume is smaller than its own encryption header. */
export const MIN_VOLUME_SIZE_BYTES = 1024 ** 2;
/** 64 TiB: what ext4 and the largest cloud volumes reach; far beneath 2^53. */
export const MAX_VOLUME_SIZE_BYTES = 64 * 1024 ** 4;
/** nats-server's max_payload is 1 MB by default; answers stay below half of it. */
export const MAX_MESSAGE_BYTES = 512 * 1000;
/** A page of a list: a person reads fewer, a client pages on. */
export const MAX_PAGE_SIZE = 200;
export const DEFAULT_PAGE_SIZE = 50;
/** A sentence or two for an operator; what an agent sent may be in it, so it is cut. */
export const MAX_QUARANTINE_REASON = 300;
/** Labels are for selectors, not for documents. */
export const MAX_LABELS = 32;
/** Three copies already outlive two failures; more is a waste that placement should not be asked for. */
export const MAX_RAID1_LEGS = 3;
/** RAID 0 and 5 over more legs make one failure too likely. */
export const MAX_STRIPED_LEGS = 8;
/** 10 million: above what any function of a BlueField serves (paper: 236 thousand). */
export const MAX_IOPS = 10_000_000;
/** 100 GB a second: above the card's links. */
export const MAX_BYTES_PER_SECOND = 100_000_000_000;
/** Of one volume: each keeps legs and their room until it is deleted. */
export const MAX_SNAPSHOTS = 32;
/** Of one volume with its snapshots, when one is taken; the legs of a swap are beside them. */
export const MAX_VOLUME_LEGS = 48;
/**
 * What a plan may destroy: legs, with those of two stages beside the volume's, and as many keys and snapshots, since each
 * of these has a leg of its own.
 */
export const MAX_DESTROYED = 3 * (MAX_VOLUME_LEGS + 2 * MAX_STRIPED_LEGS);
/** Overlays of a volume upon each other: a read may look into each, and its data plane holds all their legs open. */
export const MAX_OVERLAY_DEPTH = 8;
