/**
 * How a copy goes along with the guest's writes. `behind`: they go to the old stack alone, and are copied afterwards.
 * `joining`: new ones go to both stacks at once; some from before may be under way yet. `in-step`: all of them do.
 *
 * A copy stays behind for as long as it can be taken back: QEMU 10.0.2 frees what the guest's writes to both stacks
 * still use when such a job is cancelled or fails (`mirror_run` frees `in_flight_bitmap` before it drains), and its
 * heap is corrupt from then on. Seen as an abort at every third cancel beneath a guest that writes 16 deep.
 */
export type CopyPhase = 'behind' | 'joining' | 'in-step';

const codes: readonly CopyPhase[] = ['behind', 'joining', 'in-step'];
const CODES = 4;

/**
 * The daemon does not say how a job goes along, and an agent that begins anew must know: it stands in the two lowest
 * bits of the job's speed, which nobody misses.
 */
export function speedOf(phase: CopyPhase, bytesPerSecond: number): number {
  return Math.max(1, Math.floor(bytesPerSecond / CODES)) * CODES + codes.indexOf(phase);
}

export function phaseOf(speed: number): CopyPhase {
  return codes[speed % CODES] ?? 'behind';
}
