import type { DesiredVolume, LegAddress, Problem } from '@flexbso/contracts';
import type { CardDataPlane, OpenLeg } from '@flexbso/dataplane-port';
import { desiredStacks, isSame } from '@flexbso/stack';

/** Notices a leg that is open elsewhere than its pool serves it now. */
export class LegWatch {
  readonly #plane: Pick<CardDataPlane, 'openLegs'>;
  /** The desired state whose legs were seen to be open where it says. */
  #seenFor: DesiredVolume | null = null;

  constructor(plane: Pick<CardDataPlane, 'openLegs'>) {
    this.#plane = plane;
  }

  /** Something is opened or closed: what was seen of it is over. */
  again(): void {
    this.#seenFor = null;
  }

  /** Asks the data plane only once for each desired state, for as long as all is well. */
  async look(desired: DesiredVolume): Promise<Problem | null> {
    if (this.#seenFor === desired) return null;
    const problem = elsewhere(desired, await this.#plane.openLegs(desired.volumeId));
    if (problem === null) this.#seenFor = desired;
    return problem;
  }
}

/**
 * The problem of a leg that is open at an address, or with a key, that its pool does not serve it with any more: what
 * is connected still works, and the next connection fails for good. Null when each is open as wanted.
 */
function elsewhere(desired: DesiredVolume, open: readonly OpenLeg[]): Problem | null {
  const { volumeId } = desired;
  for (const { legId, epoch, address, access } of desiredStacks(desired).flatMap(({ legs }) => legs)) {
    const leg = open.find((one) => one.legId === legId && one.epoch === epoch);
    if (!leg) continue;
    const isThere = isSame(leg.address, address);
    if (isThere && leg.identity === (access?.identity ?? null)) continue;
    const difference = isThere
      ? 'with a key that its pool has replaced'
      : `at ${shown(leg.address)}, and its pool serves it at ${shown(address)}`;
    const detail =
      `leg is served at another address: ${legId} of ${volumeId} is open ${difference}. ` +
      `Have the pool serve it as before, or end the volume's data plane, which is then built again on the new one`;
    return { code: 'data-plane-failed', detail, facts: { legId } };
  }
  return null;
}

function shown(address: LegAddress | null): string {
  if (address === null) return 'an unknown place';
  if (address.kind === 'memory') return 'memory';
  return address.kind === 'file' ? address.path : `${address.host}:${address.port}`;
}
