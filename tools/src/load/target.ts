/** A volume as a client reaches it, with a fio that can be run on it: over NBD, or in a guest as its disk. */
export interface LoadTarget {
  /** As `look` last saw it. */
  readonly sizeBytes: number;
  /** fio's lines that say how the volume is reached. */
  readonly device: readonly string[];
  /** The same for requests that are no whole blocks. */
  readonly bytewiseDevice: readonly string[];
  /** What fio's I/O logs call the volume. */
  readonly deviceName: string;
  /** Of a running load, together. */
  readonly inFlight: { readonly writes: number; readonly reads: number };
  startFio(job: FioJob): Promise<FioRun>;
  /** Text of a file that the last run of fio wrote, by the name that its job gave it. */
  readFile(name: string): Promise<string>;
  /** How far the clock in fio's logs is ahead of this machine's, in ms. */
  clockAheadMs(): Promise<number>;
  /** Sees how large the volume is now, as the client is told. */
  look(): Promise<number>;
  /** Has the client read the whole volume into a file on this machine, which is there for as long as `use` takes. */
  withImage<T>(use: (path: string) => Promise<T>): Promise<T>;
}

export interface FioJob {
  readonly name: string;
  readonly lines: readonly string[];
  /** Text by file name; fio runs in the folder that these are in. */
  readonly files?: Readonly<Record<string, string>>;
}

/** fio, as it runs. */
export interface FioRun {
  /** Asks it to end after the I/O in flight. */
  interrupt(): Promise<void>;
  /** Waits until it has ended; gives its output as JSON. */
  finish(): Promise<string>;
}
