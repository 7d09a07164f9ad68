import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { rm } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { AnswerReader } from './answers.js';
import type { GuestAnswer } from './answers.js';
import { lastWords } from './console.js';
import { emulatorArguments } from './emulator.js';
import type { Machine } from './emulator.js';

/** For a command that only looks. */
const LOOK_DEADLINE_MS = 30_000;
/** fio ends after the I/O in flight, for which the init waits 10 s. */
const POWER_OFF_DEADLINE_MS = 20_000;
/** Linux counts disks in these, whatever theirs are (Documentation/ABI/stable/sysfs-block). */
const SECTOR_BYTES = 512;
/** One of ten answers is as quick as the guest can be; the quickest says the most about its clock. */
const CLOCK_SAMPLES = 10;

type Emulator = ChildProcessByStdio<Writable, Readable, Readable>;

/** A virtual machine with a volume as /dev/vda, and a shell in it that does what it is told, one command at a time. */
export class GuestVm {
  readonly imageFile: string | null;
  readonly #consoleFile: string;
  readonly #emulator: Emulator;
  readonly #ended: Promise<void>;
  readonly #answers = new AnswerReader();
  #awaited: { resolve(answer: GuestAnswer): void; reject(error: unknown): void } | null = null;
  #broken: Error | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #lastId = 0;

  private constructor(machine: Machine) {
    this.imageFile = machine.imageFile;
    this.#consoleFile = machine.consoleFile;
    this.#emulator = spawn(machine.tools.qemuSystem, emulatorArguments(machine), { stdio: ['pipe', 'pipe', 'pipe'] });
    let complaints = '';
    this.#emulator.stderr.on('data', (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-4000)));
    this.#ended = new Promise((resolve) => {
      const ended = (error: Error): void => {
        this.#break(error);
        resolve();
      };
      this.#emulator.once('error', ended);
      this.#emulator.once('exit', (status, signal) =>
        ended(new Error(`the guest's machine ended (${signal ?? status}). ${complaints}`)),
      );
    });
    this.#emulator.stdout.on('data', (chunk: Buffer) => this.#take(chunk));
    // A command for a machine that has ended: its end is what is reported.
    this.#emulator.stdin.on('error', () => undefined);
  }

  /** Boots exactly this machine; ends it when it is not ready by the deadline. */
  static async boot(machine: Machine, deadlineMs: number): Promise<GuestVm> {
    const guest = new GuestVm(machine);
    try {
      await guest.#answer('to boot', deadlineMs);
      return guest;
    } catch (error) {
      guest.#emulator.kill('SIGKILL');
      await guest.stop();
      throw error;
    }
  }

  /**
   * Runs a shell command and returns all that it wrote. One runs at a time; another waits for its turn.
   *
   * @throws when its exit status is not 0 or it takes too long, after which the guest takes no other
   */
  run(command: string, deadlineMs = LOOK_DEADLINE_MS): Promise<Buffer> {
    const turn = this.#last.then(async () => {
      if (this.#broken !== null) throw this.#broken;
      const id = (this.#lastId += 1);
      this.#emulator.stdin.write(`${id} ${command}\n`);
      const { id: answered, status, output } = await this.#answer(command, deadlineMs);
      if (answered !== id) throw this.#break(new Error(`the guest answered ${answered} where ${id} was asked`));
      if (status !== 0) throw new Error(`in the guest, ${command} ended with ${status}: ${output.toString().trim()}`);
      return output;
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async writeFile(path: string, text: string): Promise<void> {
    await this.run(`echo ${Buffer.from(text).toString('base64')} | base64 -d >${path}`);
  }

  /** Size of /dev/vda as the guest's kernel has it. */
  async volumeBytes(): Promise<number> {
    return SECTOR_BYTES * Number((await this.run('cat /sys/block/vda/size')).toString());
  }

  /** Resets /dev/vda, as a guest does whose disk was away: its driver lets go of the device and takes it up again. */
  async resetVolume(): Promise<void> {
    const driver = '/sys/bus/pci/drivers/virtio-pci';
    const device = 'device=$(basename $(dirname $(readlink -f /sys/block/vda/device)))';
    await this.run(`${device}; echo $device >${driver}/unbind; echo $device >${driver}/bind`);
    await this.run('until [ -b /dev/vda ]; do usleep 10000; done');
  }

  /** The kernel's messages, among them those about a disk that grew. */
  async kernelLog(): Promise<string> {
    return (await this.run('dmesg')).toString();
  }

  /**
   * How far the guest's clock is ahead of this machine's, in ms. Asked several times: the guest read its clock between
   * the question and the answer, so the quickest answer is the most exact, to half of what it took.
   */
  async clockAheadMs(): Promise<number> {
    const samples: ClockSample[] = [];
    for (let sample = 0; sample < CLOCK_SAMPLES; sample += 1) {
      const askedAtMs = Date.now();
      const guestMs = Number((await this.run('/usr/bin/date +%s%3N')).toString());
      samples.push({ askedAtMs, guestMs, answeredAtMs: Date.now() });
    }
    return clockAheadMs(samples);
  }

  /** Powers the guest off, or ends its machine when it does not obey. */
  async stop(): Promise<void> {
    this.#emulator.stdin.end();
    const deadline = setTimeout(() => this.#emulator.kill('SIGKILL'), POWER_OFF_DEADLINE_MS);
    await this.#ended;
    clearTimeout(deadline);
    if (this.imageFile !== null) await rm(this.imageFile, { force: true });
  }

  async #answer(what: string, deadlineMs: number): Promise<GuestAnswer> {
    const answer = new Promise<GuestAnswer>((resolve, reject) => (this.#awaited = { resolve, reject }));
    const deadline = setTimeout(
      () => this.#break(new Error(`the guest took more than ${deadlineMs} ms for: ${what}`)),
      deadlineMs,
    );
    if (this.#broken !== null) this.#break(this.#broken);
    try {
      return await answer;
    } catch (error) {
      throw new Error(
        `${error instanceof Error ? error.message : String(error)}; ${await lastWords(this.#consoleFile)}`,
        {
          cause: error,
        },
      );
    } finally {
      clearTimeout(deadline);
      this.#awaited = null;
    }
  }

  #take(chunk: Buffer): void {
    try {
      for (const answer of this.#answers.push(chunk)) this.#awaited?.resolve(answer);
    } catch (error) {
      this.#break(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** The first reason stays: after it, what the guest says cannot be matched with what it was told. */
  #break(error: Error): Error {
    this.#broken ??= error;
    this.#awaited?.reject(this.#broken);
    return this.#broken;
  }
}

export interface ClockSample {
  readonly askedAtMs: number;
  readonly guestMs: number;
  readonly answeredAtMs: number;
}

/** By the sample that took the least, as if the guest had looked in the middle of it; 0 without a sample. */
export function clockAheadMs(samples: readonly ClockSample[]): number {
  const [quickest] = samples.toSorted((a, b) => a.answeredAtMs - a.askedAtMs - (b.answeredAtMs - b.askedAtMs));
  return quickest === undefined ? 0 : quickest.guestMs - (quickest.askedAtMs + quickest.answeredAtMs) / 2;
}
