/** What a guest's init answers to one command: the shell's exit status and all that the command wrote. */
export interface GuestAnswer {
  readonly id: number;
  readonly status: number;
  readonly output: Buffer;
}

/** A guest's longest answer, of hundreds of seconds of logs, is some MiB: more is no answer. */
const MAX_OUTPUT_BYTES = 256 * 1024 ** 2;
/** `ID STATUS LENGTH`, three small numbers. */
const MAX_HEAD_BYTES = 64;

/** Takes the bytes of the port as they come and gives the answers in them: a line `ID STATUS LENGTH`, then LENGTH bytes. */
export class AnswerReader {
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #head: { id: number; status: number; length: number } | null = null;

  /** @throws when the bytes are no answer: what follows cannot be told apart any more */
  push(chunk: Buffer): GuestAnswer[] {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    const answers: GuestAnswer[] = [];
    for (;;) {
      this.#head ??= this.#takeHead();
      if (this.#head === null || this.#waitingBytes < this.#head.length) return answers;
      const { id, status, length } = this.#head;
      answers.push({ id, status, output: this.#take(length) });
      this.#head = null;
    }
  }

  #takeHead(): { id: number; status: number; length: number } | null {
    const seen = Buffer.concat(this.#waiting);
    this.#waiting = [seen];
    const end = seen.indexOf('\n');
    if (end === -1 && seen.length <= MAX_HEAD_BYTES) return null;
    const line = seen.subarray(0, Math.min(Math.max(end, 0), MAX_HEAD_BYTES)).toString();
    const [, id, status, length] = /^(\d+) (\d+) (\d+)$/.exec(line) ?? [];
    if (id === undefined || Number(length) > MAX_OUTPUT_BYTES)
      throw new Error(`not an answer of a guest: ${JSON.stringify(seen.subarray(0, MAX_HEAD_BYTES).toString())}`);
    this.#take(end + 1);
    return { id: Number(id), status: Number(status), length: Number(length) };
  }

  #take(length: number): Buffer {
    const all = Buffer.concat(this.#waiting);
    this.#waiting = [all.subarray(length)];
    this.#waitingBytes = all.length - length;
    return all.subarray(0, length);
  }
}
