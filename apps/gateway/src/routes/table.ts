import { backupRoutes } from './backup-routes.js';
import { checkRoutes } from './check-routes.js';
import { eventRoutes } from './event-routes.js';
import { fleetRoutes } from './fleet-routes.js';
import { ownRoutes } from './own-routes.js';
import { pauseRoutes } from './pause-routes.js';
import type { Route } from './route.js';
import { snapshotRoutes } from './snapshot-routes.js';
import { volumeRoutes } from './volume-routes.js';

/** Every route, in the order of the document. */
export const allRoutes: readonly Route[] = [
  fleetRoutes,
  pauseRoutes,
  volumeRoutes,
  snapshotRoutes,
  checkRoutes,
  backupRoutes,
  eventRoutes,
  ownRoutes,
].flatMap((routes) => Object.values<Route>(routes));

/** The methods that a path knows; none when no route has it. */
export function methodsOf(pathname: string): string[] {
  return allRoutes.filter((route) => patternOf(route.path).test(pathname)).map((route) => route.method);
}

const patternOf = (path: string) => new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`);
