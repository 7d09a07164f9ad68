import { afterEach } from 'vitest';
import { QsdSite, type Qemu, type SiteOptions } from './qsd-site.js';

/** Makes sites that are cleared away after each test of the file. */
export function sitesOfTests(): (qemu: Qemu, options?: SiteOptions) => Promise<QsdSite> {
  const made: QsdSite[] = [];
  afterEach(async () => {
    for (const site of made.splice(0)) await site.dispose();
  });
  return async (qemu, options) => {
    const site = await QsdSite.make(qemu, options);
    made.push(site);
    return site;
  };
}
