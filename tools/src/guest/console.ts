import { readFile } from 'node:fs/promises';

/** A kernel's last words are a screenful. */
const LAST_LINES = 25;

/** The end of a guest's console, for an error that has to say why. */
export async function lastWords(consoleFile: string): Promise<string> {
  try {
    const lines = (await readFile(consoleFile, 'utf8')).trimEnd().split('\n');
    return `the end of its console (${consoleFile}):\n${lines.slice(-LAST_LINES).join('\n')}`;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'its console is silent';
    throw error;
  }
}
