/**
 * How many cases each matrix had when it was last extended. A plan with fewer steps, or a kind of fault that is met no
 * more, shows as a number that falls; whoever means it writes the new one down.
 */
const kept = {
  killsInMemory: 4032,
  faultsInMemory: 735,
  undoKillsInMemory: 1100,
  poolKillsInMemory: 250,
  poolFaultsInMemory: 62,
  poolKillsOnQsd: 12,
  killsOnQsd: 89,
  wholeKillsOnQsd: 690,
  wholeTornOnQsd: 99999,
  faultsOnQsd: 27,
  wholeFaultsOnQsd: 99999,
};

export const keptCount = (matrix: keyof typeof kept): number => kept[matrix];
