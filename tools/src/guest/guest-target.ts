import type { FioJob, FioRun, LoadTarget } from '../load/target.js';
import type { GuestVm } from './guest-vm.js';

/** In the guest's memory: fio's logs are not written to the volume that is looked at. */
const FOLDER = '/run/load';
const DEVICE = '/dev/vda';
const IMAGE_DEVICE = '/dev/vdb';
const MiB = 1024 ** 2;
/** A fill or a full read of some hundred MiB under emulation and a limit takes tens of seconds. */
const RUN_DEADLINE_MS = 120_000;

/** Under emulation, fio takes up to a second to begin. */
const SIGNAL_SECONDS = 2;

/** A volume as the disk of a guest, under the fio in the guest. Four requests in flight: three writers, one reader. */
export class GuestTarget implements LoadTarget {
  readonly deviceName = DEVICE;
  readonly device = ['ioengine=libaio', 'direct=1', `filename=${DEVICE}`];
  // Through the guest's page cache, and written out before the next.
  readonly bytewiseDevice = ['ioengine=psync', 'direct=0', 'sync=1', `filename=${DEVICE}`];
  readonly inFlight = { writes: 3, reads: 1 };
  readonly #guest: GuestVm;
  #sizeBytes: number;

  private constructor(guest: GuestVm, sizeBytes: number) {
    this.#guest = guest;
    this.#sizeBytes = sizeBytes;
  }

  static async of(guest: GuestVm): Promise<GuestTarget> {
    return new GuestTarget(guest, await guest.volumeBytes());
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** fio runs beside the shell that takes the commands, and its end goes through a pipe: nobody asks whether it ended. */
  async startFio({ name, lines, files = {} }: FioJob): Promise<FioRun> {
    const guest = this.#guest;
    await guest.run(`rm -rf ${FOLDER}; mkdir ${FOLDER}; mkfifo ${FOLDER}/end`);
    for (const [file, text] of Object.entries({ ...files, [`${name}.fio`]: `${lines.join('\n')}\n` }))
      await guest.writeFile(`${FOLDER}/${file}`, text);
    const fio = `fio --output-format=json --output=${name}.json ${name}.fio`;
    await guest.run(
      `cd ${FOLDER}; (${fio} & echo $! >pid; wait; echo >end) >complaints 2>&1 & until [ -s pid ]; do usleep 1000; done`,
    );
    return {
      // Only the first of its processes, which tells the others; and again until it has ended, as one that has just
      // begun does not listen yet.
      interrupt: async () =>
        void (await guest.run(
          `fio=$(cat ${FOLDER}/pid); (while kill -INT $fio; do sleep ${SIGNAL_SECONDS}; done) 2>/dev/null &`,
        )),
      finish: async () =>
        (await guest.run(`cd ${FOLDER}; cat end; cat ${name}.json complaints`, RUN_DEADLINE_MS)).toString(),
    };
  }

  async readFile(name: string): Promise<string> {
    return (await this.#guest.run(`cat ${FOLDER}/${name}`)).toString();
  }

  clockAheadMs(): Promise<number> {
    return this.#guest.clockAheadMs();
  }

  async look(): Promise<number> {
    this.#sizeBytes = await this.#guest.volumeBytes();
    return this.#sizeBytes;
  }

  /** The guest copies its disk to a second one, which is a file here. */
  async withImage<T>(use: (path: string) => Promise<T>): Promise<T> {
    if (this.#guest.imageFile === null) throw new Error('this guest was started without a disk for the image');
    await this.#guest.run(`dd if=${DEVICE} of=${IMAGE_DEVICE} bs=${MiB} iflag=direct oflag=direct`, RUN_DEADLINE_MS);
    return use(this.#guest.imageFile);
  }
}
