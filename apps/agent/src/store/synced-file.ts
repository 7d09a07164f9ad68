import { open } from 'node:fs/promises';

/** Makes names in a folder (created, renamed, removed) durable. */
export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}

/** Writes a file of mode 0600 and syncs it. Not atomic: write beside and rename. */
export async function writeSynced(path: string, content: string): Promise<void> {
  await using file = await open(path, 'w', 0o600);
  await file.writeFile(content);
  await file.sync();
}

/** What {@link writeWhole} and {@link readWhole} use of a file. */
export interface PositionedFile {
  write(data: Buffer, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  read(data: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
}

/** Writes all of `data`: a disk that is almost full takes a part, and says so only by the number. Not synced. */
export async function writeWhole(file: Pick<PositionedFile, 'write'>, data: Buffer, position: number): Promise<void> {
  for (let done = 0; done < data.length;) {
    const { bytesWritten } = await file.write(data, done, data.length - done, position + done);
    if (bytesWritten === 0) throw new Error(`only ${done} of ${data.length} bytes could be written`);
    done += bytesWritten;
  }
}

/** Reads exactly the first `sizeBytes` of a file. Throws when it has fewer. */
export async function readWhole(file: Pick<PositionedFile, 'read'>, sizeBytes: number): Promise<Buffer> {
  const data = Buffer.alloc(sizeBytes);
  for (let done = 0; done < sizeBytes;) {
    const { bytesRead } = await file.read(data, done, sizeBytes - done, done);
    if (bytesRead === 0) throw new Error(`the file ends after ${done} of ${sizeBytes} bytes`);
    done += bytesRead;
  }
  return data;
}
