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
