/**
 * An overlay is a qcow2 image (version 3, as docs/interop/qcow2.rst of QEMU 10.0 lays it out) over another node. Its tables
 * are made here and not by `blockdev-create`: what lies on a leg is looked at before it is written, and a format that was
 * cut short is known as one.
 */
const CLUSTER_BITS = 16;
const CLUSTER_BYTES = 2 ** CLUSTER_BITS;
const ENTRY_BYTES = 8;
/** One table of the second level has an entry for each of its clusters' worth. */
const L1_ENTRY_COVERS_BYTES = CLUSTER_BYTES * (CLUSTER_BYTES / ENTRY_BYTES);
const REFCOUNT_ORDER = 4;
const REFCOUNT_BYTES = 2;
/** One cluster of the refcount table has an entry for each block of refcounts, of which each counts so many clusters. */
const REFCOUNT_TABLE_COVERS_BYTES = (CLUSTER_BYTES / ENTRY_BYTES) * (CLUSTER_BYTES / REFCOUNT_BYTES) * CLUSTER_BYTES;
const HEADER_BYTES = 104;
const MAGIC = 0x514649fb;
const VERSION = 3;

/**
 * What a fully written overlay takes beside its data. Tables: eight bytes of the second level and two of refcounts for
 * each cluster of 64 KiB, so 164 KiB for each GiB; rounded up. Fixed: header, tables' first clusters, a last cluster that
 * is not full, and clusters that a dead daemon had taken and not yet entered, some requests' worth each time.
 */
export const OVERLAY_LIMITS = { fixedBytes: 16 * 1024 ** 2, bytesPerGib: 256 * 1024 };

/** The beginning of an empty overlay that shows `sizeBytes`; what lies beyond it does not matter. */
export function makeOverlay(sizeBytes: number): Buffer {
  const l1Entries = Math.ceil(sizeBytes / L1_ENTRY_COVERS_BYTES);
  const l1Clusters = Math.ceil((l1Entries * ENTRY_BYTES) / CLUSTER_BYTES);
  // Twice what is shown: never less than all that there will be, tables included.
  const tableClusters = Math.ceil((2 * sizeBytes) / REFCOUNT_TABLE_COVERS_BYTES);
  const blockOffset = (1 + tableClusters) * CLUSTER_BYTES;
  const l1Offset = blockOffset + CLUSTER_BYTES;
  // The first table too: beneath encryption what nobody wrote does not read as zeros.
  const image = Buffer.alloc(l1Offset + l1Clusters * CLUSTER_BYTES);
  image.writeUInt32BE(MAGIC, 0);
  image.writeUInt32BE(VERSION, 4);
  image.writeUInt32BE(CLUSTER_BITS, 20);
  image.writeBigUInt64BE(BigInt(sizeBytes), 24);
  image.writeUInt32BE(l1Entries, 36);
  image.writeBigUInt64BE(BigInt(l1Offset), 40);
  image.writeBigUInt64BE(BigInt(CLUSTER_BYTES), 48);
  image.writeUInt32BE(tableClusters, 56);
  image.writeUInt32BE(REFCOUNT_ORDER, 96);
  image.writeUInt32BE(HEADER_BYTES, 100);
  image.writeBigUInt64BE(BigInt(blockOffset), CLUSTER_BYTES);
  const usedClusters = l1Offset / CLUSTER_BYTES + l1Clusters;
  for (let cluster = 0; cluster < usedClusters; cluster++)
    image.writeUInt16BE(1, blockOffset + cluster * REFCOUNT_BYTES);
  return image;
}

/** Whether these are the first bytes of that overlay, empty or written to since: its header stays as it was made. */
export function isOverlay(bytes: Buffer, image: Buffer): boolean {
  return bytes.subarray(0, HEADER_BYTES).equals(image.subarray(0, HEADER_BYTES));
}
