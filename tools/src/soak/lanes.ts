/** As many changes at once as two cores carry beside their verification. */
const LANES = 3;

/** The same work side by side; ends when all have, and then throws what one of them threw. */
export async function inLanes(lane: () => Promise<void>): Promise<void> {
  const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
  for (const one of lanes) if (one.status === 'rejected') throw one.reason;
}

/** Does the work once for each item. */
export async function forEachInLanes<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<unknown>,
): Promise<void> {
  const left = items.map((item) => ({ item }));
  await inLanes(async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await work(next.item);
  });
}
