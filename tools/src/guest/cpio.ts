/** One entry of an initramfs; `mode` holds the type's bits too (inode(7)). */
export interface ArchiveEntry {
  /** Relative to the root, without a leading slash. */
  readonly path: string;
  readonly mode: number;
  readonly content: Buffer;
}

export const DIRECTORY_MODE = 0o040755;
export const PROGRAM_MODE = 0o100755;

/** The end of an archive, and its alignment (Documentation/driver-api/early-userspace/buffer-format.rst of Linux). */
const TRAILER = 'TRAILER!!!';
const ALIGNMENT = 4;

/**
 * An archive as the kernel takes it for an initramfs: cpio, format "newc", uncompressed. All owners and times are 0,
 * so that the same entries give the same bytes.
 */
export function cpioArchive(entries: readonly ArchiveEntry[]): Buffer {
  const trailer: ArchiveEntry = { path: TRAILER, mode: 0, content: Buffer.alloc(0) };
  return Buffer.concat([...entries, trailer].flatMap(record));
}

function record({ path, mode, content }: ArchiveEntry, index: number): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const [owner, group, links, time, device, checksum] = [0, 0, 1, 0, 0, 0];
  const fields = [
    index + 1,
    mode,
    owner,
    group,
    links,
    time,
    content.length,
    device,
    device,
    device,
    device,
    name.length,
    checksum,
  ];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  return [padded(Buffer.concat([header, name])), padded(content)];
}

const padded = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.alloc((ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT)]);
